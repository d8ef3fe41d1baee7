//! A certificate authority of a test's own, and the servers that bear its certificate.

use super::server::Frozen;
use crate::pg::{self, Cluster};
use lastgood_core::clock::Timestamp;
use std::{
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
};
use tempfile::TempDir;

/// Who is let in: from the network only over TLS with a password, and never the cloud's own superuser.
const ACCESS: &str = "local all all trust\nlocal replication all trust\nhostssl all cloudsqladmin all reject\n\
                      hostssl all all 127.0.0.1/32 scram-sha-256\n";

/// An authority and a certificate for servers.
#[derive(Debug)]
pub struct Certificates {
    home: TempDir,
    superuser: &'static str,
}

impl Certificates {
    /// Makes them for servers of this name and superuser, which are also known by these: `DNS:db.example`, `IP:127.0.0.1`.
    pub fn make(common_name: &str, also: &[String], superuser: &'static str) -> Self {
        let home = tempfile::Builder::new().prefix("lgtls-").tempdir().expect("a folder for certificates");
        let folder = home.path();
        let names = format!("basicConstraints=CA:FALSE\nsubjectAltName={}\nextendedKeyUsage=serverAuth\n", also.join(","));
        std::fs::write(folder.join("names"), names).expect("the certificate's names");
        std::fs::write(folder.join("access"), ACCESS).expect("who is let in");
        let key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
        openssl(folder, &format!("req -x509 {key} -days 2 -subj /CN=ours -keyout ca.key -out ca.pem"));
        openssl(folder, &format!("req {key} -subj /CN={common_name} -keyout server.key -out server.csr"));
        openssl(folder, "x509 -req -days 2 -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -extfile names -out server.pem");
        std::fs::set_permissions(folder.join("server.key"), std::fs::Permissions::from_mode(0o600)).expect("permissions");
        std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o755)).expect("permissions");
        pg::give_away(folder);
        Self { home, superuser }
    }

    /// The file with the authority's certificate.
    pub fn ca(&self) -> PathBuf {
        self.home.path().join("ca.pem")
    }

    fn settings(&self) -> Vec<(&'static str, String)> {
        let at = |name: &str| self.home.path().join(name).display().to_string();
        vec![("ssl", "on".to_owned()), ("ssl_cert_file", at("server.pem")), ("ssl_key_file", at("server.key")), ("hba_file", at("access"))]
    }

    /// Starts a server from nothing, with these settings besides.
    pub async fn fresh(&self, besides: &[(&'static str, &str)]) -> Cluster {
        Cluster::start_fresh_under(self.superuser, &borrowed(&self.with(besides))).await
    }

    /// Starts a server from frozen data, as a restore does.
    pub async fn restored(&self, frozen: &Frozen, besides: &[(&'static str, &str)]) -> Cluster {
        Cluster::start_from_under(self.superuser, &frozen.data(), &borrowed(&self.with(besides))).await
    }

    /// Starts a server from frozen data and the WAL that was shipped since, replayed up to a moment of the machine's clock.
    /// It lets nobody in before it is there.
    pub async fn restored_to(&self, frozen: &Frozen, shipped: &Path, until: Timestamp, besides: &[(&'static str, &str)]) -> Cluster {
        std::fs::write(frozen.data().join("recovery.signal"), "").expect("a signal to recover");
        let mut settings = self.with(besides);
        settings.extend([
            ("restore_command", format!("cp {}/%f %p", shipped.display())),
            ("recovery_target_time", until.strftime("%Y-%m-%d %H:%M:%S%.6f+00").to_string()),
            ("recovery_target_action", "promote".to_owned()),
            ("hot_standby", "off".to_owned()),
        ]);
        let started = Cluster::start_from_under(self.superuser, &frozen.data(), &borrowed(&settings)).await;
        std::fs::remove_file(frozen.data().join("recovery.signal")).expect("the frozen data as they were");
        started
    }

    fn with(&self, besides: &[(&'static str, &str)]) -> Vec<(&'static str, String)> {
        let mut settings = self.settings();
        settings.extend(besides.iter().map(|(name, value)| (*name, (*value).to_owned())));
        settings
    }
}

fn borrowed<'a>(settings: &'a [(&'static str, String)]) -> Vec<(&'static str, &'a str)> {
    settings.iter().map(|(name, value)| (*name, value.as_str())).collect()
}

fn openssl(folder: &Path, arguments: &str) {
    let output = Command::new("openssl").args(arguments.split_whitespace()).current_dir(folder).output().expect("openssl");
    assert!(output.status.success(), "openssl {arguments}: {}", String::from_utf8_lossy(&output.stderr));
}
