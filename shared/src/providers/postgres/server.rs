//! Replicas on a running server: each a database of its own, made for the drill and dropped with it.
//!
//! A database is ours because its comment says so; one without our tag is never touched. The server that the backup was
//! taken from is refused, by its address before a connection and by its identity after.

use super::{
    PgUrl, Tools, ask,
    connect::{connect, ident, literal, sql_error},
    restore::{
        Restore, Transaction,
        globals::{self, Rights, Tag},
        needed,
    },
    tools::Version,
};
use crate::{
    catalog::Vault,
    clock::Timestamp,
    domain::{
        backup::{Expectations, Form, Manifest},
        drill::ReplicaName,
    },
    env::Progress,
    error::{During, Result, conflict, not_found, refused, unsupported},
    id::AssetName,
    ports::{Replica, Replicas, Rows, Sighting},
    stream::Keys,
};
use async_trait::async_trait;
use sha2::{Digest, Sha256};
use std::{collections::BTreeMap, path::PathBuf, sync::Arc};
use tokio_postgres::Client;

/// What the names of our databases begin with.
const PREFIX: &str = "lastgood_drill_";

/// Databases of drills on one server.
pub struct Server {
    url: PgUrl,
    source: Option<PgUrl>,
    asset: AssetName,
    tools: Tools,
    keys: Keys,
    progress: Arc<dyn Progress>,
    spool: PathBuf,
}

impl Server {
    /// Makes replicas of `asset`, whose source is at `source`, on the server at `url`; small files are spooled below `spool`.
    pub fn new(
        url: PgUrl,
        source: Option<PgUrl>,
        asset: AssetName,
        tools: Tools,
        keys: Keys,
        progress: Arc<dyn Progress>,
        spool: PathBuf,
    ) -> Result<Self> {
        if let Some(source) = &source {
            refuse_same_address(&url, source)?;
        }
        Ok(Self { url, source, asset, tools, keys, progress, spool })
    }

    fn replica_url(&self, name: &ReplicaName) -> PgUrl {
        self.url.with_database(&database(name))
    }

    async fn admin(&self) -> Result<Client> {
        connect(&self.url).await.during("reaching the server for drills")
    }

    /// Refuses the server that the backup was taken from, whatever it is called here.
    async fn refuse_source(&self, client: &Client, backup: &Manifest) -> Result<()> {
        let here = ask::system_identifier(client).await;
        let source = match (&backup.source.system_identifier, &self.source) {
            (Some(known), _) => Some(known.clone()),
            // The record does not say: then the source itself is asked, if it can be.
            (None, Some(url)) => match connect(url).await {
                Ok(client) => ask::system_identifier(&client).await,
                Err(_) => None,
            },
            (None, None) => None,
        };
        match (here, source) {
            (Some(here), Some(source)) if here == source => Err(refused("the server for drills is the one that the backup was taken from")
                .hint("drill into another server, or `into: scratch`")),
            (None, Some(_)) => Err(refused("the server for drills does not tell its system identifier, so it may be the source")
                .hint("grant execute on function pg_control_system() to this role, or drill `into: scratch`")),
            (_, _) => Ok(()),
        }
    }

    async fn tag(&self, client: &Client, name: &ReplicaName) -> Result<Option<Seen>> {
        let sql = "select shobj_description(oid, 'pg_database') from pg_database where datname = $1";
        let row = client.query_opt(sql, &[&database(name)]).await.map_err(|error| sql_error(&error))?;
        Ok(row.map(|row| match row.get::<_, Option<String>>(0).as_deref().map(Tag::read) {
            Some(Some(tag)) if tag.lastgood == name.0 => Seen::Ours(tag),
            Some(_) => Seen::Strange,
            None => Seen::Untagged,
        }))
    }

    async fn set_tag(&self, client: &Client, tag: &Tag) -> Result<()> {
        let name = database(&ReplicaName(tag.lastgood.clone()));
        let sql = format!("comment on database {} is {}", ident(&name), literal(&tag.text()));
        client.batch_execute(&sql).await.map_err(|error| sql_error(&error).during("tagging the replica"))
    }

    async fn is_empty(&self, name: &ReplicaName) -> Result<bool> {
        let client = connect(&self.replica_url(name)).await?;
        let sql = "select not exists (select from pg_class c join pg_namespace n on n.oid = c.relnamespace
            where n.nspname !~ '^pg_' and n.nspname <> 'information_schema')
            and (select pg_get_userbyid(datdba) = current_user from pg_database where datname = current_database())";
        Ok(client.query_one(sql, &[]).await.map_err(|error| sql_error(&error))?.get(0))
    }
}

/// What is seen of a database that bears one of our names.
enum Seen {
    Ours(Tag),
    Untagged,
    Strange,
}

/// The database of a replica: short enough for Postgres, and the same every time.
fn database(name: &ReplicaName) -> String {
    let digest = hex::encode(&Sha256::digest(&name.0)[..8]);
    format!("{PREFIX}{digest}")
}

fn stranger(name: &ReplicaName) -> crate::error::Error {
    conflict(format!("database {} exists and is not ours", database(name))).hint("look at it, and drop it by hand if nobody needs it")
}

/// Refuses a server whose address is that of the source. Names and addresses are compared as they are written; what an
/// alias hides comes out by the system identifier.
pub fn refuse_same_address(target: &PgUrl, source: &PgUrl) -> Result<()> {
    if same_server(target, source) {
        return Err(refused(format!("{} is the server of the source itself", target.address()))
            .hint("a drill never touches the source's server: use another one, or `into: scratch`"));
    }
    Ok(())
}

/// Whether two URLs name the same server, as they are written.
pub fn same_server(one: &PgUrl, other: &PgUrl) -> bool {
    one.hosts.iter().any(|(host, port)| other.hosts.iter().any(|(known, at)| port == at && same_host(host, known)))
}

fn same_host(one: &super::url::Host, other: &super::url::Host) -> bool {
    use super::url::Host;
    let plain = |host: &Host| match host {
        Host::Tcp(name) if matches!(name.as_str(), "localhost" | "127.0.0.1" | "::1") => "localhost".to_owned(),
        Host::Tcp(name) => name.trim_end_matches('.').to_ascii_lowercase(),
        Host::Socket(folder) => folder.display().to_string(),
    };
    plain(one) == plain(other)
}

#[async_trait]
impl Replicas for Server {
    async fn begin_replica(&self, name: &ReplicaName, backup: &Manifest, expires: Timestamp) -> Result<()> {
        if backup.form() == Form::Snapshot {
            return Err(
                unsupported("a physical backup cannot be restored into a database of a running server").hint("drill it `into: scratch`")
            );
        }
        let client = self.admin().await?;
        self.refuse_source(&client, backup).await?;
        let row = client.query_one("select current_setting('server_version_num')::int", &[]).await.map_err(|error| sql_error(&error))?;
        let here = Version::of_server(u32::try_from(row.get::<_, i32>(0)).unwrap_or_default());
        if here.major < needed(backup).major {
            return Err(unsupported(format!(
                "the backup needs a server of version {} or newer, the one for drills is {here}",
                needed(backup).major
            )));
        }
        let tag = Tag { lastgood: name.0.clone(), expires, asset: self.asset.to_string(), restored: false };
        match self.tag(&client, name).await? {
            Some(Seen::Ours(_)) => Ok(()),
            // Killed between the making and the tagging: it is empty, or it is not ours.
            Some(Seen::Untagged) if self.is_empty(name).await? => self.set_tag(&client, &tag).await,
            Some(Seen::Strange | Seen::Untagged) => Err(stranger(name)),
            None => {
                ask::create_database(&client, &database(name), &backup.expectations).await?;
                self.set_tag(&client, &tag).await
            }
        }
    }

    async fn replica(&self, name: &ReplicaName) -> Result<Option<Replica>> {
        let client = self.admin().await?;
        match self.tag(&client, name).await? {
            Some(Seen::Ours(tag)) => Ok(Some(Replica { name: name.clone(), expires: tag.expires, sighting: Sighting::of(tag.restored) })),
            Some(Seen::Strange | Seen::Untagged) | None => Ok(None),
        }
    }

    async fn restore(&self, name: &ReplicaName, backup: &Manifest, vault: &Vault) -> Result<BTreeMap<String, String>> {
        let client = self.admin().await?;
        let Some(Seen::Ours(mut tag)) = self.tag(&client, name).await? else {
            return Err(not_found(format!("there is no replica {name}")));
        };
        let restore = Restore {
            backup,
            bucket: vault.bucket().clone(),
            keys: &self.keys,
            progress: &*self.progress,
            tools: &self.tools,
            into: self.replica_url(name),
            rights: Rights::OwnerOnly,
            tag: tag.clone(),
            transaction: Transaction::Many,
            spool: self.spool.join(database(name)),
        };
        let tools = restore.run().await?;
        tag.restored = true;
        self.set_tag(&client, &tag).await?;
        Ok(tools)
    }

    async fn measure(&self, name: &ReplicaName, expected: &Expectations, form: Form) -> Result<Expectations> {
        ask::measure(&self.replica_url(name), expected, form).await
    }

    async fn ask(&self, name: &ReplicaName, sql: &str) -> Result<Rows> {
        ask::ask(&self.replica_url(name), sql).await
    }

    async fn amcheck(&self, _: &ReplicaName) -> Result<usize> {
        Err(unsupported("amcheck would look at other databases of this server too").hint("drill `into: scratch`"))
    }

    async fn begin_teardown(&self, name: &ReplicaName) -> Result<()> {
        let client = self.admin().await?;
        match self.tag(&client, name).await? {
            None => {}
            Some(Seen::Ours(_)) => ask::drop_database(&client, &database(name)).await?,
            Some(Seen::Untagged | Seen::Strange) => return Err(stranger(name)),
        }
        globals::drop_tagged(&client, &name.0).await
    }

    async fn replicas(&self) -> Result<Vec<Replica>> {
        let client = self.admin().await?;
        let sql = "select shobj_description(oid, 'pg_database') from pg_database
            where starts_with(datname, $1) and shobj_description(oid, 'pg_database') is not null order by datname";
        let rows = client.query(sql, &[&PREFIX]).await.map_err(|error| sql_error(&error))?;
        let tags = rows.into_iter().filter_map(|row| Tag::read(row.get(0)));
        Ok(tags
            .map(|tag| Replica { name: ReplicaName(tag.lastgood), expires: tag.expires, sighting: Sighting::of(tag.restored) })
            .collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ports::Secret;

    #[test]
    fn r26_the_sources_own_address_is_refused_before_any_connection() {
        let url = |text: &str| PgUrl::parse(&Secret::new(text)).unwrap();
        let source = url("postgres://app@Db.example.com:5432/shop");
        for same in [
            "postgres://other@db.example.com/staging",
            "postgres://app@db.example.com.:5432/shop?sslmode=require",
            "postgresql+psycopg://x@DB.EXAMPLE.COM/y",
        ] {
            let refusal = refuse_same_address(&url(same), &source).unwrap_err();
            assert_eq!(refusal.kind(), crate::error::Kind::Refused, "{same}");
        }
        refuse_same_address(&url("postgres://app@db.example.com:5433/shop"), &source).unwrap();
        refuse_same_address(&url("postgres://app@staging.example.com/shop"), &source).unwrap();
        let local = url("postgres://app@127.0.0.1/shop");
        assert!(refuse_same_address(&url("postgres://app@localhost/other"), &local).is_err());
    }

    #[test]
    fn a_replicas_database_has_a_name_that_postgres_can_hold() {
        let name = ReplicaName(format!("lastgood-drill-{}-20261120t060000z", "x".repeat(63)));
        assert!(database(&name).len() < 64);
    }
}
