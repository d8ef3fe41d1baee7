//! The write-ahead log of a real Postgres: an archiver that fails and recovers, and a real repository of pgBackRest.

use freshness_checker::FreshnessChecker;
use lastgood_core::{
    catalog::Status,
    domain::finding::{Finding, FindingKind, Severity},
    function::{Findings, Function},
};
use lastgood_tests::{
    house::House,
    pg::{Cluster, as_server, give_away},
};
use std::{
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// A server with an archive of its own.
struct Yard {
    home: TempDir,
    server: Cluster,
}

impl Yard {
    /// A folder that `archive_command` copies to, unless there is a file `broken` in it.
    async fn with(settings: &[(&str, &str)]) -> Self {
        let home = folder(&["kept"]);
        let at = home.path().display();
        let command = format!("test ! -e {at}/broken && cp %p {at}/kept/%f");
        let given = [("archive_mode", "on"), ("archive_command", command.as_str()), ("archive_timeout", "1")];
        let settings: Vec<_> = given.into_iter().chain(settings.iter().copied()).collect();
        Self { server: Cluster::start_with(&settings).await, home }
    }

    fn path(&self, below: &str) -> PathBuf {
        self.home.path().join(below)
    }

    /// An installation that watches it under this policy.
    fn house(&self, wal: &str) -> House {
        house(&self.server.url("postgres"), wal)
    }

    /// Fills a segment a little and hands it over.
    async fn writes(&self) {
        self.server.sql("postgres", "create table if not exists notes (text text); insert into notes select repeat('x', 100) from generate_series(1, 1000); select pg_switch_wal()").await;
    }

    async fn until(&self, condition: &str) {
        let end = Instant::now() + Duration::from_secs(60);
        while self.server.cell("postgres", &format!("select {condition} from pg_stat_archiver")).await != "t" {
            assert!(Instant::now() < end, "never: {condition}\n{}", self.server.log());
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Waits until everything that was handed over is archived.
    async fn settled(&self) {
        self.until("archived_count > 0 and not exists (select from pg_ls_archive_statusdir() where name like '%.ready')").await;
    }
}

fn folder(below: &[&str]) -> TempDir {
    let home = tempfile::Builder::new().prefix("lgwal-").tempdir().unwrap();
    std::fs::set_permissions(home.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    for folder in below {
        std::fs::create_dir(home.path().join(folder)).unwrap();
    }
    give_away(home.path());
    home
}

fn house(url: &str, wal: &str) -> House {
    House::new(url, &format!("orders-db:\n  kind: postgres\n  url: URL\n  export: {{ schedule: \"0 2 * * *\" }}\n  wal: {wal}\n"))
}

async fn look(house: &House) -> Status {
    FreshnessChecker::default().run(&house.env).await.unwrap()
}

/// What is said of the write-ahead log, or could not be.
async fn said(house: &House) -> Vec<Finding> {
    let kinds = [FindingKind::WalStale, FindingKind::CouldNotObserve];
    look(house).await.findings().into_iter().filter(|finding| kinds.contains(&finding.kind)).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_archiver_that_fails_is_told_at_once_is_stale_when_it_lasts_and_over_when_it_recovers() {
    let yard = Yard::with(&[]).await;
    let house = yard.house("{ archive_within: 4s }");
    yard.writes().await;
    yard.settled().await;
    assert_eq!(said(&house).await, []);
    tokio::time::sleep(Duration::from_secs(6)).await;
    assert_eq!(said(&house).await, [], "a quiet server is not late");

    std::fs::write(yard.path("broken"), "").unwrap();
    yard.writes().await;
    yard.until("failed_count > 0").await;
    let first = said(&house).await;
    assert!(first.len() == 1 && first[0].kind == FindingKind::WalStale && first[0].sentence.contains("the archiver fails ("), "{first:?}");
    tokio::time::sleep(Duration::from_secs(5)).await;
    let [finding] = &said(&house).await[..] else { panic!() };
    assert_eq!(finding.severity, Severity::Critical);
    assert!(finding.sentence.contains("to be archived, the oldest for ") && finding.sentence.contains("policy allows 4s"), "{finding}");

    std::fs::remove_file(yard.path("broken")).unwrap();
    yard.writes().await;
    yard.settled().await;
    assert_eq!(said(&house).await, [], "it is over");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_role_that_may_not_see_the_backlog_is_told_so_and_never_gets_a_zero() {
    let yard = Yard::with(&[]).await;
    yard.server.sql("postgres", "create role watcher login password 'w'").await;
    yard.writes().await;
    yard.settled().await;
    let watched = house(&yard.server.url_as("watcher", "w", "postgres"), "{ archive_within: 1h }");
    let [finding] = &said(&watched).await[..] else { panic!("{:?}", said(&watched).await) };
    assert_eq!(finding.kind, FindingKind::CouldNotObserve);
    assert!(finding.sentence.contains("grant pg_monitor"), "{finding}");
    // What it may see is judged all the same.
    std::fs::write(yard.path("broken"), "").unwrap();
    yard.writes().await;
    yard.until("failed_count > 0").await;
    assert!(said(&watched).await.iter().any(|finding| finding.kind == FindingKind::WalStale));
    yard.server.sql("postgres", "grant pg_monitor to watcher").await;
    assert!(said(&watched).await.iter().all(|finding| finding.kind == FindingKind::WalStale));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn archiving_that_is_off_or_leads_nowhere_or_never_hands_over_is_critical() {
    for (settings, words) in [
        (&[("archive_mode", "off")][..], "archive_mode is off"),
        (&[("archive_command", "")], "archive_command is empty"),
        (&[("archive_command", "/bin/true")], "keeps nothing"),
    ] {
        let yard = Yard::with(settings).await;
        let [finding] = &said(&yard.house("{}")).await[..] else { panic!("{words}") };
        assert!(finding.severity == Severity::Critical && finding.sentence.contains(words), "{finding}");
    }
    let yard = Yard::with(&[("archive_timeout", "0")]).await;
    let house = yard.house("{ archive_within: 1s }");
    yard.writes().await;
    yard.settled().await;
    assert_eq!(said(&house).await, []);
    yard.server.sql("postgres", "insert into notes select repeat('y', 100) from generate_series(1, 2000)").await;
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    let [finding] = &said(&house).await[..] else { panic!() };
    assert!(finding.sentence.contains("of WAL are on the server alone") && finding.sentence.contains("archive_timeout is 0"), "{finding}");
    yard.server.sql("postgres", "select pg_switch_wal()").await;
    yard.settled().await;
    assert_eq!(said(&house).await, []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_does_not_answer_is_unknown_and_says_no_password() {
    let mut yard = Yard::with(&[]).await;
    let house = yard.house("{ archive_within: 1h }");
    yard.server.stop();
    let found = said(&house).await;
    assert!(found.iter().all(|finding| finding.kind == FindingKind::CouldNotObserve), "{found:?}");
    assert!(found.iter().any(|finding| finding.sentence.contains("its archiver could not be looked at")), "{found:?}");
    assert!(!format!("{found:?}").contains("canary"), "{found:?}");
}

/// pgBackRest's own config for a server, and the server that archives to it.
async fn repository(test: &str) -> Option<(TempDir, Cluster)> {
    if !Path::new("/usr/bin/pgbackrest").exists() {
        eprintln!("SKIPPED {test}: no pgbackrest (tools/setup test installs it)");
        return None;
    }
    let home = folder(&["repo", "log", "lock", "spool"]);
    let conf = home.path().join("pgbackrest.conf");
    let command = format!("/usr/bin/pgbackrest --config={} --stanza=main archive-push %p", conf.display());
    let server = Cluster::start_with(&[("archive_mode", "on"), ("archive_command", &command), ("archive_timeout", "1")]).await;
    let at = home.path().display();
    let text = format!(
        "[global]\nrepo1-path={at}/repo\nlog-path={at}/log\nlock-path={at}/lock\nspool-path={at}/spool\nstart-fast=y\n\n\
         [main]\npg1-path={}\npg1-socket-path={}\npg1-port={}\npg1-user=postgres\npg1-database=postgres\n",
        server.data().display(),
        server.socket_folder().display(),
        server.port()
    );
    std::fs::write(&conf, text).unwrap();
    give_away(home.path());
    Some((home, server))
}

/// The newest segment that lies in a repository.
fn newest_segment(home: &Path) -> PathBuf {
    let found = lastgood_tests::house::files(&home.join("repo/archive"));
    // 000000010000000000000004-<digest>.gz
    let segment = |path: &&String| path.rsplit('/').next().unwrap().split('-').next().unwrap().len() == 24;
    home.join("repo/archive").join(found.iter().filter(segment).max().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_repository_of_pgbackrest_is_asked_and_believed_over_the_server() {
    let Some((home, server)) = repository("a_repository_of_pgbackrest_is_asked_and_believed_over_the_server").await else { return };
    let conf = home.path().join("pgbackrest.conf");
    let url = server.url("postgres");
    let watched = |stanza: &str| {
        let of = format!("{{ archive_within: 1h, repository: {{ pgbackrest: {{ stanza: {stanza}, config: {} }} }} }}", conf.display());
        house(&url, &of)
    };
    let house = watched("main");
    let [finding] = &said(&house).await[..] else { panic!("{:?}", said(&house).await) };
    assert!(finding.severity == Severity::Critical && finding.sentence.contains("missing stanza"), "{finding}");

    let run = |command: &str| as_server("/usr/bin/pgbackrest", &[&format!("--config={}", conf.display()), "--stanza=main", command]);
    run("stanza-create");
    server.sql("postgres", "create table notes (text text); insert into notes values ('x'); select pg_switch_wal()").await;
    let yard = Yard { home, server };
    yard.until("archived_count > 0 and (last_failed_time is null or last_archived_time > last_failed_time)").await;
    let [finding] = &said(&house).await[..] else { panic!("{:?}", said(&house).await) };
    assert!(finding.sentence.contains("holds no base backup"), "{finding}");

    run("backup");
    yard.settled().await;
    assert_eq!(said(&house).await, [], "it holds a base backup and every segment");

    // The server says it is archived; a hand took it out of the repository.
    yard.server.sql("postgres", "insert into notes values ('y'); select pg_switch_wal()").await;
    yard.settled().await;
    let (lost, aside) = (newest_segment(yard.home.path()), yard.path("aside"));
    std::fs::rename(&lost, &aside).unwrap();
    let [finding] = &said(&house).await[..] else { panic!("{:?}", said(&house).await) };
    assert!(finding.severity == Severity::Critical && finding.sentence.contains("is archived, the newest in the repository"), "{finding}");
    std::fs::rename(&aside, &lost).unwrap();
    assert_eq!(said(&house).await, [], "it is over");

    let [finding] = &said(&watched("mine")).await[..] else { panic!() };
    assert!(finding.sentence.contains("missing stanza path"), "{finding}");

    // On a machine without the program nothing is known of the repository, and the hint says what to install.
    let empty = tempfile::tempdir().unwrap();
    let [finding] = &said(&house.with_programs(empty.path())).await[..] else { panic!() };
    assert_eq!(finding.kind, FindingKind::CouldNotObserve);
    assert!(finding.sentence.contains("pgbackrest is not on this machine") && finding.sentence.contains("install pgBackRest"), "{finding}");
}

/// Stands in for WAL-G: it prints what WAL-G's documentation shows, and puts down how it was called.
fn walg(folder: &Path, verified: &str, listed: &str) {
    let at = folder.display();
    std::fs::write(folder.join("verified"), verified).unwrap();
    std::fs::write(folder.join("listed"), listed).unwrap();
    let script = format!(
        "#!/bin/sh\necho \"$@\" >> {at}/called\nenv > {at}/environment\ncase \"$1\" in wal-verify) cat {at}/verified;; backup-list) cat {at}/listed;; esac\n"
    );
    std::fs::write(folder.join("wal-g"), script).unwrap();
    std::fs::set_permissions(folder.join("wal-g"), std::fs::Permissions::from_mode(0o755)).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wal_g_is_asked_without_a_shell_and_without_our_environment() {
    let yard = Yard::with(&[]).await;
    yard.writes().await;
    yard.settled().await;
    let newest = yard.server.cell("postgres", "select last_archived_wal from pg_stat_archiver").await;
    let verified = |status: &str, found: &str| {
        format!(
            r#"{{"integrity":{{"status":"{status}","details":[{{"timeline_id":1,"start_segment":"000000010000000000000001","end_segment":"{newest}","segments_count":1,"status":"{found}"}}]}},"timeline":{{"status":"OK","details":{{"current_timeline_id":1,"highest_storage_timeline_id":1}}}}}}"#
        )
    };
    let listed = r#"[{"backup_name":"base_000000010000000000000001","time":"2026-11-19T22:00:00Z","finish_time":"2026-11-19T22:00:00Z"}]"#;
    let bin = folder(&[]);
    std::fs::set_permissions(bin.path(), std::fs::Permissions::from_mode(0o777)).unwrap();
    let house = yard.house("{ archive_within: 1h, repository: { walg: { config: /etc/wal-g/wal-g.yaml } } }").with_programs(bin.path());
    assert!(said(&house).await[0].sentence.contains("wal-g is not on this machine"));
    walg(bin.path(), &verified("OK", "FOUND"), listed);
    assert_eq!(said(&house).await, []);
    let called = std::fs::read_to_string(bin.path().join("called")).unwrap();
    assert_eq!(
        called.lines().collect::<Vec<_>>(),
        [
            "wal-verify integrity timeline --json --config /etc/wal-g/wal-g.yaml",
            "backup-list --json --detail --config /etc/wal-g/wal-g.yaml"
        ]
    );
    let environment = std::fs::read_to_string(bin.path().join("environment")).unwrap();
    assert!(environment.contains("PGHOST=127.0.0.1") && !environment.contains("CARGO"), "{environment}");
    walg(bin.path(), &verified("FAILURE", "MISSING_LOST"), listed);
    let [finding] = &said(&house).await[..] else { panic!() };
    assert!(finding.severity == Severity::Critical && finding.sentence.contains("1 segment is lost"), "{finding}");
    walg(bin.path(), "not JSON", listed);
    let [finding] = &said(&house).await[..] else { panic!() };
    assert_eq!(finding.kind, FindingKind::CouldNotObserve, "what cannot be read is never taken for good");
    walg(bin.path(), &verified("OK", "FOUND"), listed);
    assert_eq!(said(&house).await, [], "it is over");
}
