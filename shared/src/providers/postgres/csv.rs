//! Single tables as CSV, from the same snapshot as the dump beside them.

use super::{
    connect::{ident, sql_error},
    inspect::many,
};
use crate::{
    error::{Result, invalid},
    ports::ByteStream,
};
use futures::TryStreamExt;
use tokio_postgres::Client;
use tokio_util::io::StreamReader;

/// A table by its schema and name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Table {
    /// Its schema.
    pub schema: String,
    /// Its name.
    pub name: String,
}

impl Table {
    /// The table as records name it.
    pub fn full(&self) -> String {
        format!("{}.{}", self.schema, self.name)
    }

    /// The table as a part of an object's name: nothing that a path or a shell could take for something else.
    pub fn safe(&self) -> String {
        let text = if self.schema == "public" { self.name.clone() } else { self.full() };
        text.chars().map(|c| if c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.') { c } else { '_' }).collect()
    }
}

/// Finds the tables that a policy names, `table` or `schema.table`. One that is missing or ambiguous is a mistake to mend.
pub(super) async fn find(client: &Client, named: &[String]) -> Result<Vec<Table>> {
    let known = many(
        client,
        "select n.nspname::text, c.relname::text from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
         where c.relkind in ('r', 'p', 'v', 'm') and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'",
    )
    .await?;
    let known: Vec<Table> = known.iter().map(|row| Table { schema: row.get(0), name: row.get(1) }).collect();
    let find = |name: &String| {
        let fits: Vec<_> = known.iter().filter(|table| table.name == *name || table.full() == *name).collect();
        match fits.as_slice() {
            [one] => Ok((*one).clone()),
            [] => Err(invalid(format!("tables_csv names {name:?}, which the database does not have"))),
            [_, _, ..] => fits
                .iter()
                .find(|table| table.schema == "public" && table.name == *name)
                .map(|table| (*table).clone())
                .ok_or_else(|| invalid(format!("tables_csv names {name:?}, which is in several schemas")).hint("write schema.table")),
        }
    };
    named.iter().map(find).collect()
}

/// Streams a table as CSV with a header. `client` must be inside the snapshot; it lives as long as the stream.
pub(super) async fn stream(client: Client, table: &Table) -> Result<ByteStream> {
    client.batch_execute("set row_security = off").await.map_err(|error| sql_error(&error))?;
    let sql = format!("copy (select * from {}.{}) to stdout (format csv, header)", ident(&table.schema), ident(&table.name));
    let copy = client.copy_out(&sql).await.map_err(|error| sql_error(&error))?;
    let bytes = copy.map_err(|error| std::io::Error::from(sql_error(&error)));
    let held = futures::stream::try_unfold((Box::pin(bytes), client), |(mut bytes, client)| async move {
        Ok::<_, std::io::Error>(bytes.try_next().await?.map(|chunk| (chunk, (bytes, client))))
    });
    Ok(Box::pin(StreamReader::new(Box::pin(held))))
}
