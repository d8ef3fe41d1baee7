//! What proves to a server who we are: a password, or one that is made anew for each connection.

use super::{Host, PgUrl, SslMode};
use crate::{
    error::{Result, denied, invalid},
    ports::Secret,
};
use std::sync::Arc;

/// Makes passwords that hold for minutes: a login by IAM.
pub trait Mint: Send + Sync {
    /// A password for this server and role, unless none can be made: then the server will refuse.
    fn mint(&self, host: &str, port: u16, user: &str) -> Option<Secret>;
}

/// What a server is shown.
#[derive(Clone)]
pub enum Password {
    /// Always the same.
    Known(Secret),
    /// A new one for each connection.
    Minted(Arc<dyn Mint>),
}

impl PgUrl {
    /// What the server is shown now.
    pub fn password(&self) -> Option<Secret> {
        match self.password.as_ref()? {
            Password::Known(secret) => Some(secret.clone()),
            Password::Minted(mint) => match self.hosts.first()? {
                (Host::Tcp(name), port) => mint.mint(name, *port, &self.user),
                (Host::Socket(_), _) => None,
            },
        }
    }

    /// The same server and role, shown passwords of this mint. They go over the wire as they are, so the server must prove its
    /// name first.
    pub fn minted_by(mut self, mint: Arc<dyn Mint>) -> Result<Self> {
        if self.password.is_some() {
            return Err(invalid("`login: iam` needs no password, but the `url` has one").hint("leave the password out of the `url`"));
        }
        if self.ssl_mode != SslMode::VerifyFull {
            return Err(invalid(format!(
                "`login: iam` shows a password to whoever answers, and sslmode={} does not ask who",
                self.ssl_mode.as_str()
            ))
            .hint("add ?sslmode=verify-full&sslrootcert=/path/to/global-bundle.pem to the `url`"));
        }
        if self.hosts.len() != 1 || matches!(self.hosts[0].0, Host::Socket(_)) {
            return Err(
                invalid("`login: iam` needs a `url` of one server by its host name").hint("name the instance's or the cluster's endpoint")
            );
        }
        self.password = Some(Password::Minted(mint));
        match self.password() {
            Some(_) => Ok(self),
            None => Err(denied(format!("no password could be made to log in to {self}")).hint("check the role that this runs with")),
        }
    }
}
