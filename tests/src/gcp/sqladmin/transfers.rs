//! Exports into Cloud Storage and imports from it: real dumps of real data.

use super::{
    Key, SqlAdmin, State, key,
    operations::{Failed, Work, internal},
};
use crate::{
    gcp::{
        faults::Ending,
        wire::{Call, Refusal},
    },
    pg,
};
use flate2::{Compression, read::GzDecoder, write::GzEncoder};
use serde_json::{Value, json};
use std::{
    io::{Read, Write},
    process::{Command, Stdio},
};

fn invalid(what: &str) -> Refusal {
    Refusal::new(400, "invalid", format!("Invalid request: {what}."))
}

/// The bucket and the name of an object that a URI names.
fn object(uri: &Value) -> Result<(String, String), Refusal> {
    let parts = uri.as_str().and_then(|uri| uri.strip_prefix("gs://")?.split_once('/'));
    let (bucket, name) = parts.filter(|(bucket, name)| !bucket.is_empty() && !name.is_empty()).ok_or_else(|| invalid("the uri"))?;
    Ok((bucket.to_owned(), name.to_owned()))
}

impl SqlAdmin {
    /// Cloud SQL looks at the bucket before it begins.
    fn reachable(&self, bucket: &str) -> Result<(), Refusal> {
        if self.faults.bars(bucket) {
            let message = "The service account does not have the required permissions for the bucket.";
            return Err(Refusal::new(412, "preconditionFailed", message));
        }
        if self.storage.has(bucket) { Ok(()) } else { Err(invalid("the bucket does not exist")) }
    }

    pub(super) async fn export(&self, state: &mut State, call: &Call) -> Result<Value, Refusal> {
        let (key, asked) = (key(call), &call.body["exportContext"]);
        self.instance(state, &key)?;
        if asked["fileType"] != "SQL" {
            return Err(invalid("only SQL files are emulated"));
        }
        if asked["databases"].as_array().is_none_or(|databases| databases.len() != 1) {
            return Err(invalid("exactly one database must be given"));
        }
        self.reachable(&object(&asked["uri"])?.0)?;
        self.free(state, &key).await?;
        self.runnable(state, &key)?;
        let work = Work::Export { bytes: Ok(Vec::new()) };
        Ok(self.begin(state, "EXPORT", &key, work, json!({ "exportContext": asked })))
    }

    /// Dumps a database as it is now.
    pub(super) async fn dump(&self, state: &State, target: &Key, context: &Value) -> Result<Vec<u8>, String> {
        let asked = &context["exportContext"];
        let socket = state.instances.get(target).and_then(|instance| instance.server.as_ref()).map(|server| server.socket.clone());
        let Some(socket) = socket else { return Err("the instance is gone".to_owned()) };
        let database = asked["databases"][0].as_str().unwrap_or_default().to_owned();
        let options = &asked["sqlExportOptions"];
        let mut command = Command::new(pg::program("pg_dump"));
        command.args(["-Fp", "-U", socket.superuser(), "-p", &socket.port.to_string(), "-h"]).arg(socket.folder());
        command.args(["--no-publications", "--no-subscriptions", "-d", &database]);
        for table in options["tables"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            command.args(["-t", table]);
        }
        for (option, argument) in [(&options["schemaOnly"], "-s"), (&options["postgresExportOptions"]["clean"], "-c")] {
            if *option == true {
                command.arg(argument);
            }
        }
        let gzip = asked["uri"].as_str().is_some_and(|uri| uri.ends_with(".gz"));
        let dumped = tokio::task::spawn_blocking(move || {
            let output = command.output().map_err(|error| error.to_string())?;
            if !output.status.success() {
                return Err(String::from_utf8_lossy(&output.stderr).into_owned());
            }
            if !gzip {
                return Ok(output.stdout);
            }
            let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
            packed.write_all(&output.stdout).and_then(|()| packed.finish()).map_err(|error| error.to_string())
        });
        dumped.await.unwrap_or_else(|error| Err(error.to_string()))
    }

    pub(super) fn end_export(&self, bytes: Result<Vec<u8>, String>, context: &Value, ending: Option<Ending>) -> Result<(), Failed> {
        let mut bytes = bytes.map_err(|said| ("EXPORT_FAILED", said))?;
        let (bucket, name) = object(&context["exportContext"]["uri"]).map_err(|refusal| ("INVALID_REQUEST", refusal.message))?;
        match ending {
            Some(Ending::Error) => return Err(internal()),
            Some(Ending::Truncated | Ending::SilentlyTruncated) => bytes.truncate(bytes.len() / 2),
            // It says that it went well, and there is nothing.
            Some(Ending::Failed | Ending::Skipped | Ending::Stuck | Ending::Never) => return Ok(()),
            None => {}
        }
        let written = self.storage.write(&bucket, &name, bytes);
        written.map_err(|reason| match reason {
            "conditionNotMet" => ("FILE_ALREADY_EXISTS", format!("The file gs://{bucket}/{name} already exists.")),
            reason => ("EXPORT_FAILED", format!("gs://{bucket}/{name} could not be written: {reason}")),
        })?;
        if ending == Some(Ending::Truncated) { Err(internal()) } else { Ok(()) }
    }

    pub(super) async fn import(&self, state: &mut State, call: &Call) -> Result<Value, Refusal> {
        let (key, asked) = (key(call), &call.body["importContext"]);
        self.instance(state, &key)?;
        if asked["fileType"] != "SQL" || asked["database"].as_str().is_none_or(str::is_empty) {
            return Err(invalid("a SQL file and a database must be given"));
        }
        let (bucket, name) = object(&asked["uri"])?;
        self.reachable(&bucket)?;
        if self.storage.bytes(&bucket, &name).is_none() {
            return Err(invalid("the object does not exist"));
        }
        self.free(state, &key).await?;
        self.runnable(state, &key)?;
        Ok(self.begin(state, "IMPORT", &key, Work::Import, json!({ "importContext": asked })))
    }

    pub(super) async fn end_import(&self, state: &State, target: &Key, context: &Value) -> Result<(), Failed> {
        let asked = &context["importContext"];
        let server = state.instances.get(target).and_then(|instance| instance.server.as_ref()).ok_or_else(internal)?;
        let (bucket, name) = object(&asked["uri"]).map_err(|refusal| ("INVALID_REQUEST", refusal.message))?;
        let bytes = self.storage.bytes(&bucket, &name).ok_or_else(|| ("IMPORT_FAILED", format!("gs://{bucket}/{name} is gone")))?;
        let mut command = Command::new(pg::program("psql"));
        command.args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-U", server.socket.superuser(), "-p", &server.socket.port.to_string()]);
        command.arg("-h").arg(server.socket.folder()).args(["-d", asked["database"].as_str().unwrap_or_default()]);
        let loaded = tokio::task::spawn_blocking(move || -> std::io::Result<std::process::Output> {
            let mut sql = Vec::new();
            if name.ends_with(".gz") {
                GzDecoder::new(&bytes[..]).read_to_end(&mut sql)?
            } else {
                (&bytes[..]).read_to_end(&mut sql)?
            };
            let file = tempfile::NamedTempFile::new()?;
            std::fs::write(file.path(), sql)?;
            command.stdin(Stdio::null()).arg("-f").arg(file.path()).output()
        });
        let output = loaded.await.map_err(|_| internal())?.map_err(|error| ("IMPORT_FAILED", error.to_string()))?;
        // What was there before the error stays: an import is no transaction.
        if output.status.success() { Ok(()) } else { Err(("IMPORT_FAILED", String::from_utf8_lossy(&output.stderr).into_owned())) }
    }
}
