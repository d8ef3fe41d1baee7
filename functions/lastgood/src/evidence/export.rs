//! `lastgood evidence export`: an asset's evidence in a folder, laid out as in the vault, so that it can be checked without us,
//! without an account and without a network; or its in-toto statements in one file, one envelope to a line.

use super::kept;
use crate::{
    command::ExportEvidence,
    output::{Form, say, say_json},
};
use lastgood_core::{
    catalog::{
        RECORD_LIMIT,
        evidence::{PublicKey, links, open},
    },
    env::Env,
    error::{During, Error, Result, conflict, corrupt, failed, not_found},
    function::Exit,
};
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::{
    fs::OpenOptions,
    io::Write,
    path::{Path, PathBuf},
};

#[derive(Serialize)]
struct Exported<'a> {
    to: &'a Path,
    files: usize,
    head: Option<String>,
}

/// Hands out what was asked for.
pub async fn export(env: &Env, ask: &ExportEvidence, form: Form) -> Result<Exit> {
    let links = links(&env.vault, &ask.asset).await?;
    let head = links.last().and_then(|link| link.bytes.as_ref()).map(|bytes| hex::encode(Sha256::digest(bytes)));
    let files = if ask.in_toto {
        let mut statements = Vec::new();
        for link in &links {
            let bytes = link.bytes.as_deref().ok_or_else(|| corrupt(format!("link {} is larger than a link ever is", link.number)))?;
            let opened = open(bytes).during(format!("reading link {}", link.number))?;
            statements.extend(serde_json::to_vec(&opened.envelope).map_err(|error| failed("writing an envelope").because(error))?);
            statements.push(b'\n');
        }
        if statements.is_empty() {
            return Err(not_found(format!("no evidence of {} is signed", ask.asset)).hint("name a key under evidence.sign, and drill"));
        }
        new_file(&ask.to, &statements)?;
        links.len()
    } else {
        folder(env, ask).await?
    };
    match form {
        Form::Programs => say_json(&Exported { to: &ask.to, files, head })?,
        Form::People => {
            let head = head.map(|head| format!("\nhead {head}")).unwrap_or_default();
            let what = if ask.in_toto { "statements" } else { "files" };
            say(&format!("{files} {what} written to {}{head}", ask.to.display()))?;
        }
    }
    Ok(Exit::Good)
}

async fn folder(env: &Env, ask: &ExportEvidence) -> Result<usize> {
    let keys = kept(&env.vault, &ask.asset).await?;
    if keys.is_empty() {
        return Err(not_found(format!("there is no evidence of {}", ask.asset)).hint(format!("lastgood drill {}", ask.asset)));
    }
    std::fs::create_dir_all(&ask.to).map_err(Error::from).during(format!("making {}", ask.to.display()))?;
    if std::fs::read_dir(&ask.to).map_err(Error::from)?.next().is_some() {
        return Err(conflict(format!("{} is not empty", ask.to.display())).hint("name a new folder"));
    }
    let mut files = 0;
    for key in keys {
        let Some((bytes, _)) = env.vault.bucket().get(&key, RECORD_LIMIT).await? else { continue };
        new_file(&ask.to.join(&key), &bytes)?;
        files += 1;
    }
    for key in PublicKey::load_all(&env.config.evidence.public_keys)? {
        new_file(&ask.to.join("public-keys").join(format!("{}.pem", key.id())), key.pem().as_bytes())?;
        files += 1;
    }
    Ok(files)
}

/// Writes a file that must not be there yet.
fn new_file(path: &PathBuf, bytes: &[u8]) -> Result<()> {
    let doing = || format!("writing {}", path.display());
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder).map_err(Error::from).during(doing())?;
    }
    let mut file = OpenOptions::new().write(true).create_new(true).open(path).map_err(Error::from).during(doing())?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(Error::from).during(doing())
}
