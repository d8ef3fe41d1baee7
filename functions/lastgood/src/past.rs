//! `lastgood status --at`: how everything stood at a moment that is past, as far as records tell, and what they do not tell.

use crate::{
    output::{
        Form, say, say_json,
        table::{Tone, moment as shown, table, text, toned},
    },
    status::{form_word, in_full},
};
use freshness_checker::{Acks, FreshnessChecker};
use lastgood_core::{
    catalog::Status,
    clock::Timestamp,
    domain::freshness::Counted,
    env::Env,
    error::{Result, invalid},
    function::{Exit, Findings, Function},
    id::AssetName,
    observe::{Records, Round, UNKNOWN_OF_ALL},
    redact,
};
use serde::Serialize;
use std::collections::BTreeMap;

/// How everything stood, as `status --at --json` tells it. Fields are only ever added.
#[derive(Debug, Serialize)]
struct Past {
    /// The moment, how each asset stood then, and what somebody would have had to know.
    #[serde(flatten)]
    status: Status,
    /// Every backup that there was of each asset, and whether it counted, newest data first.
    backups: BTreeMap<AssetName, Vec<Counted>>,
    /// What cannot be known of that moment.
    unknown: Vec<String>,
}

/// Reads a moment with its offset: without one, it could be any of a day's.
pub fn moment(text: &str) -> Result<Timestamp, String> {
    text.trim().parse().map_err(|_| {
        let text = redact::clip(text, 40);
        format!("{text:?} is not a moment: write RFC 3339 with an offset, such as 2026-11-20T02:00:00Z or 2026-11-20T03:00:00+01:00")
    })
}

/// Shows how everything, or one asset, stood then.
pub async fn status(env: &Env, only: Option<&AssetName>, at: Timestamp, form: Form) -> Result<Exit> {
    let now = env.clock.now();
    if at > now {
        return Err(invalid(format!("{at} lies in the future, and records tell only of the past")).hint(format!("it is {now} now")));
    }
    let round = Round::remembering(env, FreshnessChecker::NAME).await?;
    let (mut assets, mut backups, mut unknown) = (Vec::new(), BTreeMap::new(), UNKNOWN_OF_ALL.map(str::to_owned).to_vec());
    for asset in env.config.selected(only)? {
        let then = Records::read(env, &round, asset, at).await?.at(asset, &env.config.vault, at, &env.config.runbook);
        unknown.extend(then.unknown);
        backups.insert(asset.name.clone(), then.backups);
        assets.push(then.status);
    }
    let past = Past { status: Status::of(at, assets, Vec::new()), backups, unknown };
    match form {
        Form::Programs => say_json(&past)?,
        Form::People => say(&told(&past, only.is_some()))?,
    }
    Ok(past.status.exit())
}

fn told(past: &Past, in_detail: bool) -> String {
    let mut said = format!("As it was at {}, as far as records tell\n\n", shown(past.status.checked_at));
    // Records do not tell what was acknowledged then.
    said += &in_full(&past.status, &Acks::default());
    if in_detail {
        for backups in past.backups.values().filter(|backups| !backups.is_empty()) {
            said += &format!("\n\n{}", listed(backups));
        }
    }
    said += "\n\nWhat cannot be known of that moment:";
    for sentence in &past.unknown {
        said += &format!("\n- {sentence}");
    }
    said
}

fn listed(backups: &[Counted]) -> String {
    let mut listing = table(&["BACKUP", "FORM", "DATA TIME", "COPIES", "COUNTED"]);
    for backup in backups {
        listing.add_row(vec![
            backup.id.to_string().into(),
            form_word(backup.form).into(),
            shown(backup.data_time).into(),
            backup.copies.to_string().into(),
            match &backup.why_not {
                None => toned("yes", Tone::Good),
                Some(why) => toned(&format!("no: it {why}"), Tone::Bad),
            },
        ]);
    }
    text(&listing)
}
