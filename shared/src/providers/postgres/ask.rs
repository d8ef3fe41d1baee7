//! Questions to a replica: read only, under a time limit, with answers of bounded size.

use super::{
    PgUrl, Tool, Tools,
    connect::{connect, ident, literal, sql_error},
    inspect::{Wanted, expectations},
    tools::Version,
};
use crate::{
    domain::backup::{Expectations, Form, Locale},
    error::{During, Kind, Result, invalid, retry},
    ports::Rows,
};
use std::time::Duration;
use tokio_postgres::{Client, SimpleQueryMessage};

/// How long one question of the policy may take.
pub const QUESTION_LIMIT: Duration = Duration::from_mins(5);
const MOST_ROWS: usize = 100;
const MOST_TEXT: usize = 4_000;

/// Asks one question in a transaction that can only read.
pub async fn ask(url: &PgUrl, sql: &str) -> Result<Rows> {
    let client = connect(url).await?;
    let fence = format!("set statement_timeout = '{}s'; begin transaction read only", QUESTION_LIMIT.as_secs());
    client.batch_execute(&fence).await.map_err(|error| sql_error(&error))?;
    // The extended protocol takes a single statement only: nothing can end the transaction and go on writing.
    client.prepare(sql).await.map_err(|error| sql_error(&error))?;
    let cursor = format!("declare lastgood_question no scroll cursor for {}", sql.trim().trim_end_matches(';'));
    let answered = match client.prepare(&cursor).await {
        Ok(_) => {
            client.batch_execute(&cursor).await.map_err(|error| sql_error(&error))?;
            client.simple_query(&format!("fetch {MOST_ROWS} from lastgood_question")).await
        }
        // What no cursor can hold (SHOW, EXPLAIN, TABLE …) answers little by itself.
        Err(_) => client.simple_query(sql).await,
    };
    rows(answered.map_err(|error| sql_error(&error))?)
}

fn rows(messages: Vec<SimpleQueryMessage>) -> Result<Rows> {
    let mut found = Rows::default();
    for message in messages {
        match message {
            SimpleQueryMessage::RowDescription(columns) => {
                found.columns = columns.iter().map(|column| column.name().to_owned()).collect();
            }
            SimpleQueryMessage::Row(row) => {
                let cell = |index: usize| row.get(index).map(|text| crate::redact::clip(text, MOST_TEXT));
                found.rows.push((0..row.len()).map(cell).collect());
            }
            _ => {}
        }
        if found.rows.len() > MOST_ROWS {
            return Err(invalid(format!("the answer has more than {MOST_ROWS} rows")).hint("ask for a count instead"));
        }
    }
    Ok(found)
}

/// Measures what was recorded, with the very same questions.
pub async fn measure(url: &PgUrl, recorded: &Expectations, form: Form) -> Result<Expectations> {
    let client = connect(url).await?;
    client
        .batch_execute("set statement_timeout = 0; begin transaction isolation level repeatable read read only")
        .await
        .map_err(|error| sql_error(&error))?;
    let mut found = expectations(&client, &Wanted::like(recorded, form)).await.during("measuring the replica")?;
    // What the recorded roles own may lie outside this database; that they exist is what counts.
    for role in &recorded.roles {
        let exists = client.query_opt("select from pg_roles where rolname = $1", &[role]).await.map_err(|error| sql_error(&error))?;
        if exists.is_some() && !found.roles.contains(role) {
            found.roles.push(role.clone());
        }
    }
    Ok(found)
}

/// Checks every index and heap of the server's databases; returns how many objects are damaged.
pub async fn amcheck(url: &PgUrl, tools: &Tools) -> Result<usize> {
    let client = connect(url).await?;
    let row = client.query_one("select current_setting('server_version_num')::int", &[]).await.map_err(|error| sql_error(&error))?;
    let version = Version::of_server(u32::try_from(row.get::<_, i32>(0)).unwrap_or_default());
    let tool = tools.of_major(Tool::PgAmcheck, version.major).await?;
    // Nobody but RDS itself may enter its `rdsadmin`.
    let program = tool.program().connected_to(url).args(["--all", "--exclude-database=rdsadmin", "--install-missing"]);
    let program = program.args(["--no-password", "--jobs=2", "--maintenance-db"]);
    let (input, mut running) = program.arg(&url.database).feed()?;
    drop(input);
    match running.finish().await {
        Ok(()) => Ok(0),
        Err(error) => {
            let said = running.said();
            let cannot = said.contains("could not connect") || said.contains("extension \"amcheck\" is not available");
            if cannot || error.kind() == Kind::Retry {
                return Err(retry("amcheck could not look at every database").because(error));
            }
            Ok(said.lines().filter(|line| line.contains("relation \"") || line.contains("index \"")).count().max(1))
        }
    }
}

/// Creates an empty database like the source's: same encoding, same locale. Where this machine lacks the locale, the
/// database gets `C` and the comparison says so.
pub async fn create_database(client: &Client, name: &str, recorded: &Expectations) -> Result<()> {
    let encoding = recorded.encoding.as_deref().unwrap_or("UTF8");
    let like = recorded.locale.as_ref().map(locale_clause).unwrap_or_default();
    let sql = |locale: &str| format!("create database {} template template0 encoding {}{locale}", ident(name), literal(encoding));
    let Err(error) = client.batch_execute(&sql(&like)).await else { return Ok(()) };
    let state = error.code().map(|code| code.code().to_owned()).unwrap_or_default();
    if like.is_empty() || !matches!(state.as_str(), "42809" | "22023" | "42704" | "XX000" | "0A000") {
        return Err(sql_error(&error).during(format!("creating database {name}")));
    }
    client
        .batch_execute(&sql(" lc_collate 'C' lc_ctype 'C'"))
        .await
        .map_err(|error| sql_error(&error).during(format!("creating database {name}")))
}

fn locale_clause(locale: &Locale) -> String {
    match locale.provider.as_str() {
        "i" => format!(
            " locale_provider icu icu_locale {} lc_ctype {ctype} lc_collate {ctype}",
            literal(&locale.collate),
            ctype = literal(&locale.ctype)
        ),
        "b" => format!(
            " locale_provider builtin builtin_locale {} lc_ctype {ctype} lc_collate {ctype}",
            literal(&locale.collate),
            ctype = literal(&locale.ctype)
        ),
        _ => format!(" lc_collate {} lc_ctype {}", literal(&locale.collate), literal(&locale.ctype)),
    }
}

/// Removes a database, whoever is connected to it.
pub async fn drop_database(client: &Client, name: &str) -> Result<()> {
    let dropped = client.batch_execute(&format!("drop database if exists {} with (force)", ident(name))).await;
    dropped.map_err(|error| sql_error(&error).during(format!("dropping database {name}")))
}

/// Returns the identity of the server's cluster, where it tells.
pub async fn system_identifier(client: &Client) -> Option<String> {
    let row = client.query_one("select system_identifier::text from pg_control_system()", &[]).await.ok()?;
    row.try_get(0).ok()
}
