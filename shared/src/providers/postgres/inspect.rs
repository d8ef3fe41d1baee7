//! What a database holds, asked the same way of a source's snapshot and of a restored replica, so that the two compare.
//!
//! The answers depend on the transaction of the connection that they are asked on and on nothing else: no order of rows,
//! no local setting, no statistics. Row security is switched off, so that a filtered answer is an error, not a number.

use super::connect::{ident, literal, sql_error};
use crate::{
    domain::backup::{Expectations, Form, Locale, Origin, TableFacts},
    error::{During, Result, failed},
};
use futures::{StreamExt, TryStreamExt, stream};
use std::collections::BTreeMap;
use tokio_postgres::{Client, Row};

/// How many questions are under way on one connection: they are answered one after the other, without pauses.
const AHEAD: usize = 8;

/// What is asked of a database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Which form of backup the answers belong to: a base backup keeps no rows of unlogged tables.
    pub form: Form,
    /// Whether tables get a digest, not just a row count.
    pub digests: bool,
    /// Migration tables that the policy names, beside the usual ones.
    pub migrations: Vec<String>,
    /// Which tables are counted.
    pub tables: Tables,
}

/// Which tables are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tables {
    /// All of them.
    All,
    /// None.
    Skipped,
}

impl Wanted {
    /// What must be asked of a restore so that its answers compare with what was recorded.
    pub fn like(recorded: &Expectations, form: Form) -> Self {
        Self {
            form,
            digests: recorded.tables.values().any(|table| table.digest.is_some()),
            migrations: recorded.migrations.keys().cloned().collect(),
            tables: if recorded.tables.is_empty() { Tables::Skipped } else { Tables::All },
        }
    }
}

/// Tables of people's own: no catalogs, nothing temporary, nothing that an extension brings along (its rows are made by
/// `CREATE EXTENSION`, not by the dump).
const OWN: &str = "n.nspname !~ '^pg_' and n.nspname <> 'information_schema' and c.relpersistence <> 't'
    and not exists (select from pg_catalog.pg_depend d where d.classid = 'pg_catalog.pg_class'::regclass and d.objid = c.oid and d.deptype = 'e')";

/// The usual migration tables and how each tells its head.
const MIGRATIONS: [(&str, &str, &str); 10] = [
    ("alembic_version", "version_num", "string_agg(version_num, ',' order by version_num)"),
    ("django_migrations", "app", "string_agg(app || '.' || name, ',' order by id desc) filter (where id >= (select max(id) from {table}))"),
    ("schema_migrations", "version", "max(version::text)"),
    ("flyway_schema_history", "installed_rank", "(select version::text from {table} where success order by installed_rank desc limit 1)"),
    ("_sqlx_migrations", "version", "max(version)::text"),
    ("__EFMigrationsHistory", "MigrationId", "max(\"MigrationId\")"),
    ("_prisma_migrations", "migration_name", "max(migration_name) filter (where finished_at is not null and rolled_back_at is null)"),
    ("knex_migrations", "name", "max(name)"),
    ("goose_db_version", "version_id", "max(version_id) filter (where is_applied)::text"),
    ("__diesel_schema_migrations", "version", "max(version::text)"),
];

/// Returns what the database of this connection holds, as its present transaction sees it.
pub async fn expectations(client: &Client, wanted: &Wanted) -> Result<Expectations> {
    client.batch_execute("set row_security = off; set bytea_output = 'hex'").await.map_err(|error| sql_error(&error))?;
    let mut found = structure(client).await?;
    found.migrations = migrations(client, &wanted.migrations).await?;
    if wanted.tables == Tables::All {
        found.tables = tables(client, wanted).await.during("counting rows")?;
    }
    Ok(found)
}

/// Returns what the server behind this connection is. `address` is where it was reached.
pub async fn origin(client: &Client, address: &str) -> Result<Origin> {
    let row = one(
        client,
        "select current_setting('server_version_num')::int, split_part(current_setting('server_version'), ' ', 1), current_database()::text",
    )
    .await?;
    let (number, version): (i32, String) = (row.get(0), row.get(1));
    // Reading the control file takes a right that managed services withhold: then the identity stays unknown.
    let system = client.query_one("select system_identifier::text from pg_catalog.pg_control_system()", &[]).await.ok();
    Ok(Origin {
        server: format!("PostgreSQL {version}"),
        server_version_num: u32::try_from(number).unwrap_or_default(),
        system_identifier: system.map(|row| row.get(0)),
        address: address.to_owned(),
        database: Some(row.get(2)),
    })
}

async fn structure(client: &Client) -> Result<Expectations> {
    let database = one(
        client,
        "select pg_encoding_to_char(encoding)::text, to_jsonb(d)->>'datlocprovider',
                coalesce(to_jsonb(d)->>'datlocale', to_jsonb(d)->>'daticulocale', datcollate)::text, datctype::text, to_jsonb(d)->>'datcollversion',
                (select count(*) from pg_catalog.pg_largeobject_metadata),
                case when pg_is_in_recovery() then pg_last_wal_replay_lsn() else pg_current_wal_lsn() end::text, d.oid,
                current_setting('server_version_num')::int
         from pg_catalog.pg_database d where datname = current_database()",
    )
    .await?;
    let actual = if database.get::<_, i32>(8) >= 150_000 {
        let sql = format!("select pg_catalog.pg_database_collation_actual_version({})::text", database.get::<_, u32>(7));
        one(client, &sql).await?.get::<_, Option<String>>(0)
    } else {
        None
    };
    let extensions = many(client, "select extname::text, extversion::text from pg_catalog.pg_extension").await?;
    let roles = many(
        client,
        "select r.rolname::text from pg_catalog.pg_roles r where r.rolname !~ '^pg_' and r.oid in (
            select refobjid from pg_catalog.pg_shdepend where refclassid = 'pg_catalog.pg_authid'::regclass
                and dbid = (select oid from pg_catalog.pg_database where datname = current_database())
            union select c.relowner from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
                where n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
            union select n.nspowner from pg_catalog.pg_namespace n where n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
            union select p.proowner from pg_catalog.pg_proc p join pg_catalog.pg_namespace n on n.oid = p.pronamespace
                where n.nspname !~ '^pg_' and n.nspname <> 'information_schema')
         order by 1",
    )
    .await?;
    Ok(Expectations {
        encoding: database.get(0),
        locale: Some(Locale {
            collate: database.get(2),
            ctype: database.get(3),
            provider: database.get::<_, Option<String>>(1).unwrap_or_else(|| "c".to_owned()),
            recorded_version: database.get(4),
            actual_version: actual,
        }),
        extensions: extensions.iter().map(|row| (row.get(0), row.get(1))).collect(),
        roles: roles.iter().map(|row| row.get(0)).collect(),
        large_objects: u64::try_from(database.get::<_, i64>(5)).unwrap_or_default(),
        end_lsn: database.get(6),
        ..Expectations::default()
    })
}

async fn tables(client: &Client, wanted: &Wanted) -> Result<BTreeMap<String, TableFacts>> {
    // An unlogged table is empty on a standby and in a base backup, and cannot even be read on a standby.
    let unlogged = if wanted.form == Form::Snapshot { "false" } else { "not pg_is_in_recovery()" };
    let names = many(
        client,
        &format!(
            "select n.nspname::text, c.relname::text from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
             where c.relkind = 'r' and {OWN} and (c.relpersistence <> 'u' or {unlogged}) order by 1, 2"
        ),
    )
    .await?;
    let count = |row: &Row| {
        let (schema, table): (String, String) = (row.get(0), row.get(1));
        async move {
            let from = format!("{}.{}", ident(&schema), ident(&table));
            let digest = if wanted.digests { digest("t") } else { "null::text".to_owned() };
            let row = one(client, &format!("select count(*), {digest} from only {from} t")).await.during(format!("{schema}.{table}"))?;
            let rows = u64::try_from(row.get::<_, i64>(0)).unwrap_or_default();
            Ok((format!("{schema}.{table}"), TableFacts { rows, digest: row.get(1) }))
        }
    };
    stream::iter(names.iter().map(count).collect::<Vec<_>>()).buffered(AHEAD).try_collect().await
}

/// SQL for a digest of a table's rows that no order changes: two independent 64-bit sums over the rows as text.
fn digest(alias: &str) -> String {
    let sum = |seed: u8| format!("coalesce(sum(hashtextextended({alias}::text collate \"C\", {seed})::numeric), 0)::text");
    format!("'h2:' || {} || ':' || {}", sum(0), sum(1))
}

async fn migrations(client: &Client, named: &[String]) -> Result<BTreeMap<String, String>> {
    let rows = many(
        client,
        &format!(
            "select n.nspname::text, c.relname::text, array(select a.attname::text from pg_catalog.pg_attribute a
                 where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped)
             from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
             where c.relkind = 'r' and {OWN} and (c.relname in ({}) or c.relname || '' in ({}) or n.nspname || '.' || c.relname in ({}))
             order by n.nspname <> 'public', 1, 2",
            MIGRATIONS.map(|(name, ..)| literal(name)).join(", "),
            literals(named),
            literals(named),
        ),
    )
    .await?;
    let mut heads = BTreeMap::new();
    for row in rows {
        let (schema, table, columns): (String, String, Vec<String>) = (row.get(0), row.get(1), row.get(2));
        let full = format!("{schema}.{table}");
        let from = format!("{}.{}", ident(&schema), ident(&table));
        let usual = MIGRATIONS.iter().find(|(name, column, _)| *name == table && columns.iter().any(|known| known == column));
        let head = match usual {
            Some((_, _, head)) => head.replace("{table}", &from),
            None if named.contains(&table) || named.contains(&full) => format!("count(*)::text || ' rows ' || {}", digest("t")),
            None => continue,
        };
        let answer = one(client, &format!("select ({head})::text from {from} t")).await.during(&full)?;
        let key = if named.contains(&full) || (schema != "public" && !named.contains(&table)) { full } else { table };
        heads.entry(key).or_insert_with(|| answer.get::<_, Option<String>>(0).unwrap_or_default());
    }
    Ok(heads)
}

fn literals(texts: &[String]) -> String {
    if texts.is_empty() { "null".to_owned() } else { texts.iter().map(|text| literal(text)).collect::<Vec<_>>().join(", ") }
}

/// Asks a question with one row for an answer.
pub(super) async fn one(client: &Client, sql: &str) -> Result<Row> {
    many(client, sql).await?.into_iter().next().ok_or_else(|| failed("the server answered nothing"))
}

/// Asks a question.
pub(super) async fn many(client: &Client, sql: &str) -> Result<Vec<Row>> {
    client.query(sql, &[]).await.map_err(|error| sql_error(&error))
}
