//! `lastgood doctor`: can we reach, read, write, decrypt and restore everything that the config names?
//!
//! Each question is asked for real: an object is written, read back and removed; a connection is opened and every right
//! probed; a private server's binaries are found. Nothing that exists is changed.

use crate::{
    command::Doctor as Ask,
    output::{
        Form, say, say_json,
        table::{Tone, sentences, table, toned},
    },
};
use lastgood_core::{
    backup::Order,
    catalog::{Vault, evidence::PublicKey},
    config::{Asset, Copies, DrillTarget, Fleet, Source},
    domain::{
        backup::Form as BackupForm,
        finding::{Finding, FindingKind, Severity},
        place::{Place, Scheme},
        tell::{Alert, Message, What},
    },
    env::Env,
    error::{Error, Kind, Result, corrupt, denied, failed},
    function::Exit,
    id::Slot,
    observe,
    ports::{If, Readiness},
    providers::notify,
};
use serde::Serialize;
use std::{collections::BTreeMap, time::Duration};

/// How long a channel may take to answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// One question and its answer.
#[derive(Debug, Serialize)]
pub struct Answer {
    /// What it is about: a place, an asset.
    pub about: String,
    /// What was asked.
    pub question: String,
    /// What came of it.
    #[serde(flatten)]
    pub health: Health,
}

/// An answer.
#[derive(Debug, Serialize)]
#[serde(tag = "answer", rename_all = "kebab-case")]
pub enum Health {
    /// Yes.
    Yes {
        /// What was found.
        found: String,
    },
    /// No.
    No {
        /// Why not.
        reason: String,
        /// What to do.
        fix: Option<String>,
    },
    /// This build cannot do it at all.
    NotHere {
        /// Why not.
        reason: String,
    },
}

/// Asks every question.
pub async fn doctor(env: &Env, ask: &Ask, form: Form) -> Result<Exit> {
    let mut answers = Vec::new();
    for (place, role) in places(env) {
        answers.push(answer(&place.to_string(), &format!("can we write, read and remove in {role}?"), place_works(env, &place).await));
    }
    if !env.config.openpgp.is_empty() {
        answers.push(answer("encryption", "are the recipients' keys usable?", recipients(env)));
    }
    if env.config.decrypt_with.is_some() {
        answers.push(answer("encryption", "does the secret key open what we encrypt?", decrypts(env).await));
    }
    if env.config.evidence.sign.is_some() {
        answers.push(answer("evidence", "can drills sign, and do we know the key?", signs(env).await));
    }
    for fleet in env.config.fleets.values() {
        answers.push(answer(fleet.name.as_str(), &format!("whom does {} select?", fleet.select.tag), selects(fleet)));
    }
    for asset in env.config.assets.values() {
        ask_asset(env, asset, &mut answers).await;
    }
    for notifier in &env.notifiers {
        let channel = notifier.channel();
        answers.push(answer(channel, "can this channel be opened?", in_time(notifier.reach()).await));
        if ask.tell {
            answers.push(answer(
                channel,
                "does it take a message?",
                in_time(notifier.notify(&trial(env))).await.map(|()| "yes".to_owned()),
            ));
        }
    }
    if let Some(heartbeat) = &env.config.heartbeat {
        answers.push(answer("heartbeat", "can its receiver be found?", in_time(notify::reach(heartbeat, &*env.secrets)).await));
    }
    let bad = answers.iter().filter(|answer| matches!(answer.health, Health::No { .. })).count();
    match form {
        Form::Programs => say_json(&answers)?,
        Form::People => say(&people(&answers, bad))?,
    }
    Ok(if bad == 0 { Exit::Good } else { Exit::Failed })
}

/// A message that says that nothing is wrong.
fn trial(env: &Env) -> Message {
    let sentence = "lastgood doctor tried this channel, and nothing is wrong";
    let finding = Finding::new(FindingKind::NotDelivered, Severity::Note, sentence, "lastgood status").linked(&env.config.runbook);
    let alert = Alert { what: What::Trial, finding, since: None, respond_within: None };
    let (vault, sent_at) = (env.vault.place().to_string(), env.clock.now());
    Message { function: "lastgood doctor".to_owned(), vault, sent_at, alerts: vec![alert], digest: None }
}

async fn in_time<T>(asked: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::time::timeout(PATIENCE, asked)
        .await
        .unwrap_or_else(|_| Err(failed(format!("there was no answer within {}s", PATIENCE.as_secs()))))
}

fn places(env: &Env) -> BTreeMap<Place, &'static str> {
    let mut places = BTreeMap::new();
    for policy in env.config.policies() {
        for copy in &policy.copies {
            if let Copies::Vault { vault, .. } = copy {
                places.insert(vault.clone(), "this place of copies");
            }
        }
    }
    places.insert(env.config.vault.clone(), "the vault");
    places
}

async fn signs(env: &Env) -> Result<String> {
    let known = PublicKey::load_all(&env.config.evidence.public_keys)?;
    let Some(key) = env.evidence_key().await? else { return Ok("nothing signs".to_owned()) };
    let Some(public) = known.iter().find(|public| public.id() == key.id()) else {
        return Err(failed(format!("key {} is not among evidence.public_keys", key.id()))
            .hint("name its .pub file there, so that its signatures are believed"));
    };
    match public.refuses(env.clock.now()) {
        Some(why) => Err(failed(why).hint("make a new key: lastgood evidence keygen --out FILE")),
        None => Ok(format!("yes, with key {}", key.id())),
    }
}

fn selects(fleet: &Fleet) -> Result<String> {
    let roll = &fleet.roll;
    if let Some(why) = &roll.unknown {
        return Err(failed(why.clone()).hint("members that were known before are kept as they were"));
    }
    if let Some((id, why)) = roll.refused.first() {
        return Err(failed(format!("{id} is selected and cannot join: {why}")).hint("rename one of the two in the config"));
    }
    let selected = roll.members.values().filter(|member| !member.standing.has_left()).count();
    if selected == 0 {
        return Err(failed(format!("nothing in {} bears the tag", fleet.region)).hint("tag what is to be kept, or mend `select`"));
    }
    let left: Vec<_> = roll.left_out.iter().map(|(id, why)| format!("; not {id}: {why}")).collect();
    Ok(format!("{selected} of {}{}", fleet.region, left.concat()))
}

async fn place_works(env: &Env, place: &Place) -> Result<String> {
    let vault: Vault = env.vault_at(place).await?;
    let bucket = vault.bucket();
    let key = format!("catalog/v1/doctor/{}.probe", Slot::at(env.clock.now()));
    let probe = format!("written by lastgood doctor, {}\n", env.holder);
    bucket.delete(&key).await.map_err(|error| only_readable(error, place))?;
    let written = bucket.put(&key, probe.clone().into(), If::Absent).await;
    written.map_err(|error| only_readable(error.during("writing a probe"), place))?;
    let again = bucket.put(&key, probe.clone().into(), If::Absent).await;
    let read = bucket.get(&key, 4096).await.map_err(|error| error.during("reading the probe back"));
    let removed = bucket.delete(&key).await.map_err(|error| error.during("removing the probe"));
    if !matches!(&again, Err(error) if error.kind() == Kind::Conflict) {
        return Err(corrupt("the store overwrites a key that must be free: two runs could overwrite each other")
            .hint("use a store that honours If-None-Match on PutObject"));
    }
    match read? {
        Some((bytes, _)) if bytes == probe.as_bytes() => removed.map(|()| "yes, and it refuses to overwrite".to_owned()),
        _ => Err(corrupt("the probe did not read back as it was written")),
    }
}

/// Says what lets us write, where nothing else said it.
fn only_readable(error: Error, place: &Place) -> Error {
    if error.kind() != Kind::Denied || error.advice().is_some() {
        return error;
    }
    let account = "the account that runs this";
    match place.scheme() {
        Scheme::File => error.hint(format!("let {account} write there: `chown` {} to it, or mount the disk for writing", place.bucket())),
        Scheme::S3 | Scheme::Gs | Scheme::Az | Scheme::Aws | Scheme::Gcp => {
            error.hint(format!("allow {account} to create and delete objects there"))
        }
    }
}

fn recipients(env: &Env) -> Result<String> {
    let encoding = env.encoding(lastgood_core::domain::backup::Compression::None, None)?;
    Ok(format!("yes, {} of them", encoding.recipients.key_ids().len()))
}

async fn decrypts(env: &Env) -> Result<String> {
    let keys = env.keys().await?;
    let recipients = env.encoding(lastgood_core::domain::backup::Compression::None, None)?.recipients.key_ids();
    match recipients.as_slice() {
        [] => Ok("yes; nothing is encrypted now".to_owned()),
        some if keys.open(some) => Ok("yes".to_owned()),
        some => Err(denied(format!("exports are encrypted to {}, and the secret key is another", some.join(", ")))
            .hint("name the secret key of a recipient in encryption.decrypt_with, or its public key in encryption.openpgp")),
    }
}

/// Whether everything that is asked of its write-ahead log can be answered; the answer is the checker's to judge.
async fn sees_wal(env: &Env, asset: &Asset) -> Result<String> {
    let mut blind = Vec::new();
    let seen = observe::wal(env, asset, &mut blind).await;
    if let Some((what, why)) = blind.first() {
        return Err(failed(format!("{what} could not be looked at: {why}")));
    }
    let newest = seen.and_then(|seen| seen.repository).map(|held| match held.newest {
        Some(newest) => format!("; the newest in the repository ({}) is {newest}", held.name),
        None => format!("; the repository ({}) holds none", held.name),
    });
    Ok(format!("yes{}", newest.unwrap_or_default()))
}

async fn ask_asset(env: &Env, asset: &Asset, answers: &mut Vec<Answer>) {
    let about = asset.name.to_string();
    match &asset.source {
        Source::Postgres { .. } => {
            let forms = [(BackupForm::Export, asset.policy.export.is_some()), (BackupForm::Snapshot, asset.policy.snapshot.is_some())];
            for (form, _) in forms.into_iter().filter(|(_, asked)| *asked) {
                let question = match form {
                    BackupForm::Export => "can we export all of it?",
                    BackupForm::Snapshot => "can we take a base backup of it?",
                };
                answers.push(answer(&about, question, can_back_up(env, asset, form).await));
            }
            if asset.policy.wal.is_some() {
                answers.push(answer(&about, "can we see whether its WAL is archived?", sees_wal(env, asset).await));
            }
        }
        Source::Rds { place, .. }
        | Source::Cloudsql { place, .. }
        | Source::Elasticache { place, .. }
        | Source::Disk { place, .. }
        | Source::Volume { place, .. } => {
            if asset.policy.snapshot.is_some() {
                answers.push(answer(&about, "can its provider take a snapshot of it?", can_snapshot(env, asset, place).await));
            }
            for copies in asset.policy.copies.iter().filter(|copies| copies.place().holds_snapshots()) {
                let question = format!("can we see its copies at {}?", copies.place());
                answers.push(answer(&about, &question, can_see(env, asset, copies.place()).await));
            }
            if asset.policy.export.as_ref().is_some_and(|export| export.offload || asset.source.database().is_some()) {
                answers.push(answer(&about, "can we export all of it?", can_back_up(env, asset, BackupForm::Export).await));
            }
        }
        Source::Memorystore { .. } | Source::Secrets { .. } => {
            answers.push(answer(&about, "can we export all of it?", can_back_up(env, asset, BackupForm::Export).await));
        }
        Source::Bucket { .. } | Source::Redis { .. } => answers.push(Answer {
            about: about.clone(),
            question: "can we back it up?".to_owned(),
            health: Health::NotHere { reason: format!("this build does not drive assets of kind {}", asset.source.kind()) },
        }),
    }
    if let Some(drill) = &asset.policy.drill {
        let question = match &drill.into {
            DrillTarget::Scratch => "can a drill restore here?",
            DrillTarget::Server(_) => "can a drill restore on the staging server?",
            DrillTarget::Rds(_) | DrillTarget::Cloudsql(_) | DrillTarget::Ebs(_) | DrillTarget::Disk(_) => {
                "can a drill restore into the cloud?"
            }
        };
        answers.push(answer(&about, question, can_drill(env, asset, &drill.into).await));
        if let Some(home) = asset.source.home().filter(|_| drill.point_in_time.is_some()) {
            answers.push(answer(&about, "can a moment be restored?", can_bring_back(env, asset, home).await));
        }
    }
}

async fn can_bring_back(env: &Env, asset: &Asset, home: &Place) -> Result<String> {
    let continuous = env.providers.snapshots(asset, home).await?.continuous().await?;
    let none = || {
        failed("its provider keeps no continuous backups of it, or has none to offer yet")
            .hint("switch on what keeps them: with RDS a backup retention of a day at least, with Cloud SQL point-in-time recovery")
    };
    continuous.map(|continuous| format!("yes, any {}", continuous.window)).ok_or_else(none)
}

async fn can_snapshot(env: &Env, asset: &Asset, home: &Place) -> Result<String> {
    let source = env.providers.snapshots(asset, home).await?.source().await?;
    match source.readiness {
        Readiness::Ready => Ok(format!("yes, of {}", source.identity)),
        Readiness::Busy(with) => Ok(format!("yes, once it is no longer {with}")),
        Readiness::Unfit(why) => {
            Err(failed(format!("it is {why}")).hint("mend it in its provider's console; earlier snapshots are as they were"))
        }
    }
}

async fn can_see(env: &Env, asset: &Asset, place: &Place) -> Result<String> {
    let seen = env.providers.snapshots(asset, place).await?.snapshots().await?;
    Ok(format!("yes, {} of ours", seen.len()))
}

async fn can_back_up(env: &Env, asset: &Asset, form: BackupForm) -> Result<String> {
    let exporter = env.providers.exporter(asset, form).await?;
    let order = Order::of(asset, form).ok_or_else(|| failed("the policy asks for none"))?;
    let found = exporter.preflight(&order.ask(env.scratch.clone())).await?;
    Ok(format!("yes: {} at {}, about {}", found.origin.server, found.origin.address, crate::output::table::bytes(found.expected_size)))
}

async fn can_drill(env: &Env, asset: &Asset, into: &DrillTarget) -> Result<String> {
    let replicas = env.providers.replicas(asset, into).await?;
    let left = replicas.replicas().await?.len();
    Ok(if left == 0 { "yes".to_owned() } else { format!("yes; {left} replica(s) of ours are there now") })
}

fn answer(about: &str, question: &str, found: Result<String, Error>) -> Answer {
    let health = match found {
        Ok(found) => Health::Yes { found },
        Err(error) if error.kind() == Kind::Unsupported => Health::NotHere { reason: error.sentence() },
        Err(error) => Health::No { reason: error.full(), fix: error.advice().map(str::to_owned) },
    };
    Answer { about: about.to_owned(), question: question.to_owned(), health }
}

fn people(answers: &[Answer], bad: usize) -> String {
    let mut listing = table(&["ABOUT", "QUESTION", "ANSWER"]);
    let mut fixes = Vec::new();
    for Answer { about, question, health } in answers {
        let cell = match health {
            Health::Yes { found } => toned(found, Tone::Good),
            Health::No { reason, fix } => {
                let fix = fix.iter().map(|fix| format!("  {about}: {fix}"));
                fixes.extend(fix.filter(|fix| !fixes.contains(fix)).collect::<Vec<_>>());
                toned(&format!("no: {reason}"), Tone::Bad)
            }
            Health::NotHere { reason } => toned(reason, Tone::Warning),
        };
        listing.add_row(vec![about.into(), question.into(), cell]);
    }
    let mut said = sentences(listing, 1);
    if bad == 0 {
        said.push_str("\n\nall is reachable");
    } else {
        said.push_str(&format!("\n\n{bad} of {} answers are no", answers.len()));
        for fix in fixes {
            said.push('\n');
            said.push_str(&fix);
        }
    }
    said
}
