//! `lastgood demo`: the whole loop on this machine, and then the proof that damage is found.
//!
//! It works in one folder of its own and on a server of its own; nothing else on the machine is touched.

mod source;

use crate::{
    by_hand,
    command::{Demo, Status, Verify, Wake},
    output::{Form, remark, say},
    status, verify,
};
use freshness_checker::FreshnessChecker;
use lastgood_core::{
    catalog::Key,
    domain::{backup::Form as BackupForm, span::human},
    env::Env,
    error::{During, Result, failed, refused},
    function::{Exit, Function},
    host::{Fleets, World},
    id::AssetName,
    providers::postgres::scratch::fresh_password,
};
use source::Source;
use std::{
    fs,
    io::{Seek, SeekFrom, Write},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

const MARK: &str = ".lastgood-demo";

/// Shows the whole loop.
pub async fn demo(ask: Demo) -> Result<Exit> {
    let began = Instant::now();
    let folder = prepare(&ask.folder)?;
    let asset: AssetName = "shop-db".parse()?;

    step(1, "a throwaway Postgres with a database called shop")?;
    let source = Source::start(&fresh_password()?).await?;
    source.fill(ask.megabytes).await?;
    let config = configure(&folder, &source)?;
    let world =
        World::open(&config.display().to_string(), None, "demo".to_owned(), None, crate::output::progress::shown(), Fleets::Leave).await?;
    let env = world.env();

    step(2, "lastgood export: a logical export into the vault, every byte read back")?;
    let wake = Wake { asset: Some(asset.clone()), ..Wake::default() };
    went(by_hand::export(env, &wake, Form::People).await?)?;
    step(3, "lastgood snapshot: a base backup of the whole server")?;
    went(by_hand::snapshot(env, &wake, Form::People).await?)?;
    step(4, "lastgood copy: both to a second vault, re-read and proven there")?;
    went(by_hand::copy(env, &wake, Form::People).await?)?;
    step(5, "lastgood drill: restore the copy into a private server, compare it with the source's snapshot, tear it down")?;
    let drilled = by_hand::drill_now(env, &asset).await?;
    let page = folder.join("vault").join(&drilled.page);
    say(&format!(
        "{}: {} of {} checks passed, restored in {}",
        drilled.verdict,
        drilled.passed,
        drilled.checks,
        drilled.restore_seconds.map_or_else(|| "–".to_owned(), |seconds| human(Duration::from_secs_f64(seconds)))
    ))?;
    step(6, "lastgood check: is everything really there, and fresh?")?;
    went(by_hand::check(env, &Wake::default(), Form::People).await?)?;

    step(7, "now somebody flips one byte of the export in the vault")?;
    let damaged = flip(env, &asset).await?;
    say(&format!("   byte {} of {} is no longer what it was", damaged.offset, damaged.file.display()))?;
    step(8, "lastgood verify reads every byte back")?;
    let found = verify::verify(env, &Verify { asset: Some(asset.clone()), ..Verify::default() }, Form::People).await?;
    if found == Exit::Good {
        return Err(failed("the damage was not found: this is a fault, please report it"));
    }
    step(9, "lastgood status")?;
    status::status(env, &Status::default(), Form::People).await?;
    // The same for whoever opens a page: what the last check saw, with the damage that was found since.
    FreshnessChecker::default().run(env).await?;
    let open = folder.join("vault").join(Key::StatusPage.to_string());

    say(&format!(
        "\nThe damage was found, and the copy at {} is still whole and proven.\n\n\
         the page to open        {}\n\
         evidence of the drill   {}\n\
         the config              {}\n\
         everything              {}\n\
         took                    {}\n\n\
         Try `lastgood --config {} list shop-db`; `rm -r {}` removes it all.",
        folder.join("far-away").display(),
        open.display(),
        page.display(),
        config.display(),
        folder.display(),
        human(began.elapsed()),
        config.display(),
        folder.display(),
    ))?;
    Ok(Exit::Good)
}

/// A step of the demo that does not go well is a fault of ours, not a part of the show.
fn went(exit: Exit) -> Result<()> {
    if exit == Exit::Good { Ok(()) } else { Err(failed("this step did not go well")) }
}

fn step(number: u8, what: &str) -> Result<()> {
    say(&format!("\n{number}. {what}"))
}

/// Makes the demo's folder, or empties one that an earlier demo made. Anything else is left alone.
fn prepare(folder: &Path) -> Result<PathBuf> {
    let doing = || format!("preparing {}", folder.display());
    if folder.exists() {
        let ours = folder.join(MARK).exists();
        let empty = fs::read_dir(folder).during(doing())?.next().is_none();
        if !ours && !empty {
            return Err(refused(format!("{} is not empty and no demo made it", folder.display())).hint("name another with --folder"));
        }
        if ours {
            remark(&format!("removing what an earlier demo left in {}", folder.display()));
        }
        fs::remove_dir_all(folder).during(doing())?;
    }
    fs::create_dir_all(folder).during(doing())?;
    fs::set_permissions(folder, fs::Permissions::from_mode(0o700)).during(doing())?;
    fs::write(folder.join(MARK), "made by `lastgood demo`, which removes it the next time\n").during(doing())?;
    folder.canonicalize().during(doing())
}

fn configure(folder: &Path, source: &Source) -> Result<PathBuf> {
    let secret = folder.join("database-url");
    fs::write(&secret, source.url().expose()).during("writing the demo's secret")?;
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o600)).during("closing the demo's secret")?;
    let config = folder.join("lastgood.yaml");
    let text = CONFIG.replace("FOLDER", &folder.display().to_string());
    fs::write(&config, text).during("writing the demo's config")?;
    Ok(config)
}

const CONFIG: &str = r#"# What `lastgood demo` protects. A real one looks no different.
vault: file://FOLDER/vault
assets:
  shop-db:
    kind: postgres
    url: file:FOLDER/database-url              # a reference: the URL with its password is not in here
    rpo: 24h
    rto: 1h
    retention: { daily: 14, weekly: 4, monthly: 12 }
    export: { schedule: "0 2 * * *", format: custom, compression: zstd, tables_csv: [users] }
    snapshot: { schedule: "0 3 * * 0" }
    copies: [ { vault: file://FOLDER/far-away } ]
    drill:
      schedule: "0 6 * * 0"
      into: scratch
      from: file://FOLDER/far-away             # drill the copy: it is what is left when the house burns
      form: export
      checks:
        - { sql: "select count(*) from users", expect: ">= 1" }
        - { table: orders, newest: created_at, within: 26h }
        - { migration: alembic_version, equals_source: true }
"#;

/// One byte that is no longer what it was.
struct Damaged {
    file: PathBuf,
    offset: u64,
}

async fn flip(env: &Env, asset: &AssetName) -> Result<Damaged> {
    let backups = env.vault.backups(asset).await?;
    let export = backups.good.iter().find(|backup| backup.form() == BackupForm::Export);
    let artifact = export.and_then(|backup| backup.main()).ok_or_else(|| failed("the demo's export is gone"))?;
    let file = PathBuf::from(env.vault.place().bucket()).join(&artifact.key);
    let offset = artifact.size / 2;
    let doing = || format!("damaging {}", file.display());
    let mut handle = fs::File::options().read(true).write(true).open(&file).during(doing())?;
    let mut byte = [0];
    handle.seek(SeekFrom::Start(offset)).during(doing())?;
    std::io::Read::read_exact(&mut handle, &mut byte).during(doing())?;
    handle.seek(SeekFrom::Start(offset)).during(doing())?;
    handle.write_all(&[byte[0] ^ 0x01]).during(doing())?;
    Ok(Damaged { file, offset })
}
