//! Making a replica ready for questions: a new password, and a server that shows the certificate of its own authority and lets
//! us in.

use super::{project::Begun, replicas::SqlReplicas, seen::PORT, wait::until_over, wire::Instance};
use crate::{
    domain::drill::ReplicaName,
    error::{During, Error, Result, retry},
    ports::Secret,
    providers::{
        managed::{Gate, Pauses, admitted},
        postgres::{
            self, PgUrl,
            scratch::fresh_password,
            url::{Host, Password, Session, SslMode},
        },
    },
};
use sha2::{Digest, Sha256};
use std::{
    fs::OpenOptions,
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

/// Who may do everything in an instance of Cloud SQL that anybody may.
const ADMINISTRATOR: &str = "postgres";

impl SqlReplicas {
    /// Sets a new password, and waits until it opens the server.
    pub(super) async fn renew(&self, name: &ReplicaName) -> Result<Secret> {
        let (id, password, mut pauses) = (self.id(name), Secret::new(fresh_password()?), Pauses::new(&*self.clock));
        loop {
            let instance = self.up(name, None).await?;
            self.refuse_exposed(&instance, name)?;
            match self.project.begin_password(&id, self.user(), password.expose()).await? {
                Begun::Under(operation) => {
                    let operation = until_over(&self.project, operation, &mut pauses).await?;
                    if let Some(why) = operation.trouble() {
                        return Err(retry(format!("{} of replica {name} gets no new password", self.user())).because(why));
                    }
                    self.answers(&instance, name, &password).await?;
                    self.lets_read(&instance, name, &password).await;
                    return Ok(password);
                }
                Begun::Busy(_) | Begun::Taken => pauses.wait().await,
            }
        }
    }

    fn user(&self) -> &str {
        self.drill.user.as_deref().unwrap_or(ADMINISTRATOR)
    }

    /// Makes sure that the server lets us in.
    async fn answers(&self, instance: &Instance, name: &ReplicaName, password: &Secret) -> Result<()> {
        let gate = Gate {
            login: "check `database` and `user` of `drill.into.cloudsql`",
            network: "check that this function runs in the drill's network, or is connected to it",
        };
        admitted(&self.url_of(instance, password)?, name, &*self.clock, &gate).await
    }

    /// Lets the role that asks read what other roles own, as far as Cloud SQL's administrator may grant that: it is no superuser,
    /// and what it may not read would look like a broken backup. Where it may not, `user` names a role that can.
    async fn lets_read(&self, instance: &Instance, name: &ReplicaName, password: &Secret) {
        let granted = async {
            let url = PgUrl { options: None, ..self.url_of(instance, password)? };
            let client = postgres::connect(&url).await?;
            let grant = "grant pg_read_all_data to current_user";
            client.batch_execute(grant).await.map_err(|error| postgres::sql_error(&error))
        };
        if let Err(error) = granted.await {
            tracing::info!(replica = %name, "{} may read only what it could: {}", self.user(), error.full());
        }
    }

    /// Where a replica is asked: encrypted, by the server whose authority Google names, reading only. Its certificate does not
    /// name its address, so its authority, which no other instance has, is what tells it.
    pub(super) fn url_of(&self, instance: &Instance, password: &Secret) -> Result<PgUrl> {
        let address = instance.private_address().ok_or_else(|| retry("the replica has no private address yet"))?;
        let authority = instance.server_ca_cert.as_ref().map(|certificate| certificate.cert.trim()).filter(|cert| !cert.is_empty());
        let authority = authority.ok_or_else(|| retry("Cloud SQL does not name the authority of the replica's server yet"))?;
        Ok(PgUrl {
            hosts: vec![(Host::Tcp(address.to_owned()), PORT)],
            user: self.user().to_owned(),
            password: Some(Password::Known(password.clone())),
            database: self.drill.database.clone().unwrap_or_else(|| "postgres".to_owned()),
            ssl_mode: SslMode::VerifyCa,
            ssl_root: Some(written(&self.scratch, authority)?),
            session: Session::Any,
            options: Some("-c default_transaction_read_only=on".to_owned()),
        })
    }
}

/// Writes the certificates of an authority to a file of our own, which is called after what it holds.
pub(super) fn written(folder: &Path, authority: &str) -> Result<PathBuf> {
    let file = folder.join(format!("cloudsql-{}.pem", hex::encode(&Sha256::digest(authority)[..8])));
    let wrong = |error: std::io::Error| Error::from(error);
    if std::fs::read(&file).is_ok_and(|found| found == format!("{authority}\n").as_bytes()) {
        return Ok(file);
    }
    match std::fs::remove_file(&file) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(wrong(error).during("replacing a certificate")),
        Ok(()) | Err(_) => {}
    }
    let mut opened = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&file).during("writing a certificate")?;
    writeln!(opened, "{authority}").during("writing a certificate")?;
    Ok(file)
}
