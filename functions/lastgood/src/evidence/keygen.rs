//! `lastgood evidence keygen`: a new key pair, as `openssl` reads it. The private half is never printed.

use crate::output::{Form, say, say_json};
use lastgood_core::{
    catalog::evidence::EvidenceKey,
    error::{During, Error, Result, conflict},
    function::Exit,
};
use serde::Serialize;
use std::{
    fs::OpenOptions,
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

#[derive(Serialize)]
struct Made<'a> {
    key: &'a str,
    private: &'a Path,
    public: &'a Path,
}

/// Makes a key pair: the private half in `out`, the public one beside it. Neither may be there yet.
pub fn keygen(out: &Path, form: Form) -> Result<Exit> {
    let key = EvidenceKey::generate()?;
    let public = PathBuf::from(format!("{}.pub", out.display()));
    if public.exists() {
        return Err(taken(&public));
    }
    write(out, key.private_pem()?.as_bytes(), 0o600)?;
    if let Err(error) = write(&public, key.public_pem()?.as_bytes(), 0o644) {
        // Half a pair is of no use, and in the way of the next try.
        let _ = std::fs::remove_file(out);
        return Err(error);
    }
    match form {
        Form::Programs => say_json(&Made { key: key.id(), private: out, public: &public })?,
        Form::People => say(&format!(
            "key {}\nprivate: {}  keep it where drills find it, and nobody else: evidence.sign\npublic:  {}  hand it to whoever checks: evidence.public_keys",
            key.id(),
            out.display(),
            public.display()
        ))?,
    }
    Ok(Exit::Good)
}

fn write(path: &Path, bytes: &[u8], mode: u32) -> Result<()> {
    let doing = || format!("writing {}", path.display());
    let mut file = match OpenOptions::new().write(true).create_new(true).mode(mode).open(path) {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => return Err(taken(path)),
        opened => opened.map_err(Error::from).during(doing())?,
    };
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(Error::from).during(doing())
}

fn taken(path: &Path) -> Error {
    conflict(format!("{} is there already", path.display())).hint("a key is never overwritten: name another file")
}
