//! Everything that must hold before a dump begins, asked beforehand so that it fails with names and not halfway.
//!
//! A role that may not read something makes a dump fail at best; with row security switched on, it would make one that
//! silently lacks rows. So nothing here, nor in the dump, ever enables row security.

use super::inspect::{many, one};
use crate::error::{Kind, Result, denied, unsupported};
use rustix::fs::statvfs;
use std::path::Path;
use tokio_postgres::Client;

/// How many objects a refusal names; the rest is counted.
const NAMED: usize = 12;

const USER_SCHEMAS: &str = "n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
    and not exists (select from pg_catalog.pg_depend d where d.classid = 'pg_catalog.pg_namespace'::regclass and d.objid = n.oid and d.deptype = 'e')";
const NOT_OF_AN_EXTENSION: &str = "not exists (select from pg_catalog.pg_depend d
    where d.classid = 'pg_catalog.pg_class'::regclass and d.objid = c.oid and d.deptype = 'e'
    and not exists (select from pg_catalog.pg_extension e where c.oid = any (e.extconfig)))";

/// Names every object that a logical dump needs and this role may not read. Foreign tables are not among them: a dump
/// holds their definition, never their data.
pub async fn rights(client: &Client) -> Result<()> {
    let me = one(client, "select current_user::text, rolsuper from pg_catalog.pg_roles where rolname = current_user").await?;
    let (role, superuser): (String, bool) = (me.get(0), me.get(1));
    if superuser {
        return Ok(());
    }
    let mut missing = Vec::new();
    for row in many(
        client,
        &format!("select nspname::text from pg_catalog.pg_namespace n where {USER_SCHEMAS} and not has_schema_privilege(n.oid, 'USAGE') order by 1"),
    )
    .await?
    {
        missing.push(format!("schema {}", row.get::<_, String>(0)));
    }
    for row in many(
        client,
        &format!(
            "select case c.relkind when 'S' then 'sequence ' else 'table ' end || n.nspname || '.' || c.relname
             from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
             where {USER_SCHEMAS} and {NOT_OF_AN_EXTENSION} and c.relpersistence <> 't'
               and case when c.relkind in ('r', 'p') then not has_table_privilege(c.oid, 'SELECT')
                        when c.relkind = 'S' then not has_sequence_privilege(c.oid, 'SELECT') else false end
             order by 1"
        ),
    )
    .await?
    {
        missing.push(row.get(0));
    }
    for row in many(
        client,
        &format!(
            "select n.nspname || '.' || c.relname from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
             where c.relkind in ('r', 'p') and {USER_SCHEMAS} and row_security_active(c.oid) order by 1"
        ),
    )
    .await?
    {
        missing.push(format!("table {} (row security applies to the role)", row.get::<_, String>(0)));
    }
    missing.extend(large_objects(client).await?);
    if missing.is_empty() {
        return Ok(());
    }
    let count = missing.len();
    missing.truncate(NAMED);
    let more = if count > NAMED { format!(" and {} more", count - NAMED) } else { String::new() };
    Err(denied(format!("role {role} may not read {}{more}", missing.join(", "))).hint(format!(
        "grant pg_read_all_data to {role}; for row security also `alter role {role} bypassrls`; for large objects their owner's role or SELECT on each"
    )))
}

async fn large_objects(client: &Client) -> Result<Vec<String>> {
    let facts =
        one(client, "select current_setting('server_version_num')::int, current_setting('lo_compat_privileges', true) = 'on'").await?;
    if facts.get::<_, Option<bool>>(1).unwrap_or_default() {
        return Ok(Vec::new());
    }
    let readable = if facts.get::<_, i32>(0) >= 180_000 {
        "has_largeobject_privilege(l.oid, 'SELECT')"
    } else {
        "pg_has_role(l.lomowner, 'USAGE') or exists (select from aclexplode(l.lomacl) a where a.privilege_type = 'SELECT'
            and case when a.grantee = 0 then true else pg_has_role(a.grantee, 'USAGE') end)"
    };
    let rows = many(client, &format!("select l.oid::text from pg_catalog.pg_largeobject_metadata l where not ({readable}) order by l.oid"))
        .await?;
    Ok(rows.iter().map(|row| format!("large object {}", row.get::<_, String>(0))).collect())
}

/// Refuses what a base backup cannot do: no right to replicate, no WAL to stand on, tablespaces elsewhere.
pub async fn physical(client: &Client) -> Result<()> {
    let facts = one(
        client,
        "select current_user::text, rolsuper or rolreplication, current_setting('wal_level'), current_setting('max_wal_senders')::int,
                (select count(*) from pg_catalog.pg_stat_replication)::int
         from pg_catalog.pg_roles where rolname = current_user",
    )
    .await?;
    let role: String = facts.get(0);
    if !facts.get::<_, bool>(1) {
        return Err(denied(format!("role {role} may not replicate, so it cannot take a base backup"))
            .hint(format!("`alter role {role} replication`; a managed service takes snapshots of its own instead")));
    }
    let level: String = facts.get(2);
    if level == "minimal" {
        return Err(unsupported("wal_level is minimal: a base backup could not stand alone").hint("set wal_level = replica and restart"));
    }
    let (senders, taken): (i32, i32) = (facts.get(3), facts.get(4));
    if taken >= senders {
        return Err(crate::error::retry(format!("all {senders} WAL senders are taken")).hint("raise max_wal_senders"));
    }
    let elsewhere =
        many(client, "select spcname::text from pg_catalog.pg_tablespace where spcname not in ('pg_default', 'pg_global') order by 1")
            .await?;
    if !elsewhere.is_empty() {
        let names: Vec<String> = elsewhere.iter().map(|row| row.get(0)).collect();
        return Err(unsupported(format!("the server has tablespaces of its own ({}): they do not fit into one stream", names.join(", ")))
            .hint("use export instead of snapshot for this asset, or move the tablespaces' contents to pg_default"));
    }
    Ok(())
}

/// Returns the free bytes of the file system that a folder is on.
pub fn free_space(folder: &Path) -> Result<u64> {
    let stat = statvfs(folder).map_err(|errno| crate::error::Error::from(std::io::Error::from(errno)).during("measuring free space"))?;
    Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
}

/// Refuses a spool that a directory dump could not even begin in.
pub fn spool_space(folder: &Path, needed: u64) -> Result<()> {
    let free = free_space(folder)?;
    if free < needed {
        return Err(crate::error::Error::new(
            Kind::NoSpace,
            format!("{} MiB are free for the spool of a directory dump, {} MiB are the least", free >> 20, needed >> 20),
        )
        .hint("make room there, or use format: custom, which needs no spool"));
    }
    Ok(())
}
