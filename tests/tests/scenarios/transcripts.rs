//! The *transcripts* team: nightly encrypted `.sql.gz.gpg`, verified weekly with exit codes 0, 1 and 2, restored from a
//! named backup, one table as CSV. Their runbook's mistakes are designed out: the SQLAlchemy URL reaches the server that
//! it names, `gzip -t` is not taken for a check, the CSV comes from the dump's own snapshot, and time has a zone.

use lastgood_tests::{
    desk::{Desk, flip},
    pg::Cluster,
};
use std::{path::Path, process::Command};

const CONFIG: &str = r#"
vault: file://HOME/vault
encryption: { openpgp: [backup.asc], decrypt_with: "file:HOME/backup.secret.asc" }
defaults: { retention: { daily: 7, weekly: 4, monthly: 12 } }
assets:
  transcripts:
    kind: postgres
    url: env:DATABASE_URL
    export: { schedule: "0 2 * * *", format: plain, compression: gzip, tables_csv: [products] }
    drill: { schedule: "0 4 * * 0" }
"#;

fn gpg(home: &Path, args: &[&str]) -> Vec<u8> {
    let output = Command::new("gpg").arg("--homedir").arg(home).args(["--batch", "--quiet", "--yes"]).args(args).output().unwrap();
    assert!(output.status.success(), "gpg {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_nightly_encrypted_dump_its_weekly_verification_and_a_restore_from_a_named_backup() {
    let cluster = Cluster::start().await;
    cluster.lifelike(250).await;
    let sqlalchemy = cluster.url("shop").replacen("postgres://", "postgresql+psycopg://", 1);
    let desk = Desk::new(CONFIG).with("DATABASE_URL", &sqlalchemy).with("STAGING_URL", &cluster.url("staging"));
    let keys = tempfile::Builder::new().prefix("lggpg-").tempdir().unwrap();
    std::os::unix::fs::chown(keys.path(), None, None).unwrap();
    gpg(keys.path(), &["--passphrase", "", "--quick-generate-key", "backup@example.com", "rsa3072", "encr", "never"]);
    std::fs::write(desk.path("backup.asc"), gpg(keys.path(), &["--armor", "--export", "backup@example.com"])).unwrap();
    std::fs::write(desk.path("backup.secret.asc"), gpg(keys.path(), &["--armor", "--export-secret-keys", "backup@example.com"])).unwrap();
    std::fs::set_permissions(desk.path("backup.secret.asc"), std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();

    let missing = desk.types("verify").await;
    assert_eq!(missing.exit, Some(2), "no backup yet: {missing:#?}");

    desk.good("export transcripts").await;
    let mut dump = desk.artifacts("transcripts", ".sql.gz.gpg");
    dump.retain(|path| !path.to_string_lossy().contains(".globals."));
    let name = dump[0].file_name().unwrap().to_string_lossy().into_owned();
    assert!(name.starts_with("transcripts_monthly_2"), "{name}");

    // Anyone with the key opens it, without us.
    let sql = Command::new("gunzip").arg("-c").stdin(pipe(&gpg(keys.path(), &["--decrypt", dump[0].to_str().unwrap()]))).output().unwrap();
    assert!(String::from_utf8_lossy(&sql.stdout).contains("PostgreSQL database dump complete"));
    assert_eq!(desk.artifacts("transcripts", ".csv.gz.gpg").len(), 1, "one table as CSV");

    assert_eq!(desk.types("verify --max-age-hours 26").await.exit, Some(0));
    desk.good("verify --test-restore").await;

    let listed = desk.good("list transcripts --json").await.report();
    let id = listed[0]["id"].as_str().unwrap();
    desk.good(&format!("restore transcripts --backup {id} --into env:STAGING_URL --apply")).await;
    assert_eq!(cluster.fingerprint("staging").await, cluster.fingerprint("shop").await);

    let zoneless = desk.types("restore transcripts --at 2024-10-26T01:30:00 --into env:STAGING_URL").await;
    assert_eq!(zoneless.exit, Some(64), "R21, a moment without a zone: {zoneless:#?}");

    flip(&dump[0], 700);
    assert_eq!(desk.types("verify").await.exit, Some(1), "one flipped byte");
}

/// A process's stdin out of memory.
fn pipe(bytes: &[u8]) -> std::process::Stdio {
    use std::io::{Seek, Write};
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    file.rewind().unwrap();
    file.into()
}
