//! A restore into a new database. The database is made and tagged first, so that a failed attempt takes it back and a
//! killed one is found and started again; one that is there and not empty is refused, always.

use super::Means;
use crate::{
    catalog::Vault,
    clock::Timestamp,
    domain::backup::{Expectations, Form, Manifest, Method},
    error::{During, Error, Result, busy, conflict, refused, unsupported},
    ports::{Confirmation, RestoreTarget},
    providers::postgres::{
        PgUrl, ask,
        connect::{connect, ident, literal, sql_error},
        restore::{
            Restore, Transaction,
            globals::{self, Rights, Tag},
            needed,
        },
        server::same_server,
        tools::Version,
    },
};
use async_trait::async_trait;
use std::collections::BTreeMap;
use tokio_postgres::Client;

/// A new database on a running server.
pub struct NewDatabase {
    means: Means,
    url: PgUrl,
    source: Option<PgUrl>,
    confirmation: Confirmation,
}

/// What is at the target now.
enum There {
    Nothing,
    Empty,
    /// An attempt of ours that did not end.
    Unfinished,
}

impl NewDatabase {
    /// The database at `url`, beside the source at `source` if that is known.
    pub fn new(means: Means, url: PgUrl, source: Option<PgUrl>, confirmation: Confirmation) -> Self {
        Self { means, url, source, confirmation }
    }

    fn name(&self) -> &str {
        &self.url.database
    }

    fn tag(&self) -> Tag {
        Tag {
            lastgood: format!("restore of {} into {}", self.means.asset, self.name()),
            // It never expires by itself: nobody but a re-run, or its operator, removes it.
            expires: Timestamp::MAX,
            asset: self.means.asset.to_string(),
            restored: false,
        }
    }

    async fn admin(&self) -> Result<Client> {
        let mut last = None;
        for database in ["postgres", "template1"] {
            match connect(&self.url.with_database(database)).await {
                Ok(client) => return Ok(client),
                Err(error) => last = Some(error),
            }
        }
        Err(last.unwrap_or_else(|| conflict("no database of the target server can be reached")).during("reaching the target server"))
    }

    /// Refuses what looks like the source: by address before a connection.
    fn refuse_source_by_address(&self, backup: &Manifest) -> Result<()> {
        let by_url = self.source.as_ref().is_some_and(|source| same_server(&self.url, source) && source.database == self.url.database);
        if (by_url || backup.source.address == self.url.address()) && !self.confirmation.names(self.name()) {
            return Err(self.looks_like_the_source());
        }
        Ok(())
    }

    fn looks_like_the_source(&self) -> Error {
        refused(format!("{} is the very database that the backup was taken from", self.url.address()))
            .hint(format!("restore beside it, into a new name; if it is lost and this is meant, confirm with --confirm {}", self.name()))
    }

    async fn look(&self, client: &Client, backup: &Manifest) -> Result<There> {
        let row = client.query_one("select current_setting('server_version_num')::int", &[]).await.map_err(|error| sql_error(&error))?;
        let server = Version::of_server(u32::try_from(row.get::<_, i32>(0)).unwrap_or_default());
        if server.major < needed(backup).major {
            return Err(unsupported(format!(
                "the backup needs a server of version {} or newer, the target is {server}",
                needed(backup).major
            )));
        }
        let same_name = backup.source.database.as_deref() == Some(self.name());
        if same_name && !self.confirmation.names(self.name()) {
            let here = ask::system_identifier(client).await;
            if here.is_some() && here == backup.source.system_identifier {
                return Err(self.looks_like_the_source());
            }
        }
        let sql = "select shobj_description(oid, 'pg_database') from pg_database where datname = $1";
        let Some(row) = client.query_opt(sql, &[&self.name()]).await.map_err(|error| sql_error(&error))? else { return Ok(There::Nothing) };
        let tag = row.get::<_, Option<String>>(0).as_deref().and_then(Tag::read);
        if tag.is_some_and(|tag| tag.lastgood == self.tag().lastgood && !tag.restored) {
            return Ok(There::Unfinished);
        }
        let inside = connect(&self.url).await.during("looking into the target database")?;
        let sql = "select not exists (select from pg_class c join pg_namespace n on n.oid = c.relnamespace
              where n.nspname !~ '^pg_' and n.nspname <> 'information_schema')
            and not exists (select from pg_largeobject_metadata)";
        if inside.query_one(sql, &[]).await.map_err(|error| sql_error(&error))?.get(0) {
            return Ok(There::Empty);
        }
        Err(refused(format!("{} exists and is not empty", self.url.address()))
            .hint("name a database that does not exist yet: a restore goes beside what is there, never over it"))
    }

    /// Holds the target against a second restore at the same time, as long as the connection lives.
    async fn hold(&self, client: &Client) -> Result<()> {
        let sql = format!("select pg_try_advisory_lock(hashtextextended({}, 0))", literal(&self.tag().lastgood));
        if client.query_one(&sql, &[]).await.map_err(|error| sql_error(&error))?.get(0) {
            return Ok(());
        }
        Err(busy(format!("another restore into {} is under way", self.url.address())).hint("wait for it to end"))
    }

    async fn create(&self, client: &Client, backup: &Manifest) -> Result<()> {
        ask::create_database(client, self.name(), &backup.expectations).await?;
        let sql = format!("comment on database {} is {}", ident(self.name()), literal(&self.tag().text()));
        client.batch_execute(&sql).await.map_err(|error| sql_error(&error)).during("tagging the new database")
    }

    /// Takes back what a failed attempt made: the database if it was made for it, and roles.
    async fn take_back(&self, client: &Client, there: &There) -> Result<()> {
        if !matches!(there, There::Empty) {
            ask::drop_database(client, self.name()).await?;
        }
        globals::drop_tagged(client, &self.tag().lastgood).await
    }

    async fn keep(&self, client: &Client, backup: &Manifest) -> Result<()> {
        globals::keep_tagged(client, &self.tag().lastgood).await?;
        let said = format!("restored by lastgood from backup {} of {}, data of {}", backup.id, backup.asset, backup.data_time);
        let sql = format!("comment on database {} is {}", ident(self.name()), literal(&said));
        client.batch_execute(&sql).await.map_err(|error| sql_error(&error)).during("signing the new database")
    }

    fn work<'a>(&'a self, backup: &'a Manifest, vault: &Vault, there: &There) -> Restore<'a> {
        Restore {
            backup,
            bucket: vault.bucket().clone(),
            keys: &self.means.keys,
            progress: &*self.means.progress,
            tools: &self.means.tools,
            into: self.url.clone(),
            rights: Rights::AsRecorded,
            tag: self.tag(),
            // A database that was there before must be empty again after a failure: all of it or nothing.
            transaction: if matches!(there, There::Empty) { Transaction::Whole } else { Transaction::Many },
            spool: self.means.spool.join(format!("restore-{}", backup.id)),
        }
    }
}

#[async_trait]
impl RestoreTarget for NewDatabase {
    fn form(&self) -> Form {
        Form::Export
    }

    fn address(&self) -> String {
        self.url.address()
    }

    async fn plan(&self, backup: &Manifest) -> Result<Vec<String>> {
        self.refuse_source_by_address(backup)?;
        let client = self.admin().await?;
        let there = self.look(&client, backup).await?;
        let first = match there {
            There::Nothing => format!("create database {} at {}, with the source's encoding and locale", self.name(), self.url.address()),
            There::Empty => format!("use the empty database {}, all or nothing", self.url.address()),
            There::Unfinished => format!("remove the unfinished restore in {} and create it anew", self.url.address()),
        };
        Ok(vec![
            format!("read back and decode every stored byte of backup {} ({} objects)", backup.id, backup.artifacts.len()),
            first,
            "create the roles that are missing there, without passwords".to_owned(),
            format!("restore with {}, first error ends it and takes everything back", tool(backup.method)),
            "analyse, then compare with what was recorded when the backup was taken".to_owned(),
        ])
    }

    async fn restore(&self, backup: &Manifest, vault: &Vault) -> Result<BTreeMap<String, String>> {
        self.refuse_source_by_address(backup)?;
        let client = self.admin().await?;
        self.hold(&client).await?;
        let mut there = self.look(&client, backup).await?;
        let work = self.work(backup, vault, &there);
        work.rehearse().await.during("reading the backup before the target is touched")?;
        if matches!(there, There::Unfinished) {
            self.take_back(&client, &there).await?;
            there = There::Nothing;
        }
        if matches!(there, There::Nothing) {
            self.create(&client, backup).await?;
        }
        match work.run().await {
            Ok(tools) => {
                self.keep(&client, backup).await?;
                Ok(tools)
            }
            Err(error) => Err(match self.take_back(&client, &there).await {
                Ok(()) => error.during("restoring (the target is as it was)"),
                Err(left) => error.during(format!("restoring, and then taking it back ({left})")),
            }),
        }
    }

    async fn measure(&self, backup: &Manifest) -> Result<Option<Expectations>> {
        ask::measure(&self.url, &backup.expectations, backup.form()).await.map(Some)
    }

    fn next_steps(&self, _: &Manifest) -> Vec<String> {
        vec![
            format!("look at it: psql to {} as an application would", self.url.address()),
            "set passwords for the roles that were created: none is ever stored with a backup".to_owned(),
            "stop writes to the old database, point the application's connection at the new one, watch it".to_owned(),
            "keep the old database until you are sure; nothing here has touched it".to_owned(),
        ]
    }
}

const fn tool(method: Method) -> &'static str {
    match method {
        Method::PgDumpCustom => "pg_restore",
        Method::PgDumpDirectory => "pg_restore, in parallel",
        Method::PgDumpPlain => "psql, with its commands disarmed",
        Method::PgBaseBackup => "nothing: a base backup needs a folder",
        Method::RedisRdb | Method::SecretsJsonl => "nothing: it is no Postgres",
        Method::ProviderSnapshot | Method::PointInTime => "nothing: only its provider restores it",
    }
}
