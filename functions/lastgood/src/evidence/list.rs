//! `lastgood evidence list`: every drill's evidence, newest first, with the link that signs it and what it shows of which control.

use super::short;
use crate::output::{
    Form, say, say_json,
    table::{Tone, moment, table, text, toned},
};
use lastgood_core::{
    catalog::{
        Key,
        evidence::{Evidence, links, open},
    },
    clock::Timestamp,
    domain::{attest::ControlShown, drill::Verdict},
    env::Env,
    error::Result,
    function::Exit,
    id::{AssetName, BackupId},
};
use serde::Serialize;
use std::collections::BTreeMap;

/// One piece of evidence, as `list --json` tells it. Nothing here says that a signature is good: `verify` does.
#[derive(Debug, Serialize)]
struct Listed {
    asset: AssetName,
    drill: BackupId,
    finished_at: Timestamp,
    verdict: Verdict,
    backup: Option<BackupId>,
    link: Option<u64>,
    key: Option<String>,
    unsigned: Option<String>,
    controls: Vec<ControlShown>,
    record: String,
}

struct Signed {
    number: u64,
    key: String,
    controls: Vec<ControlShown>,
}

/// Lists the evidence of these assets.
pub async fn list(env: &Env, assets: &[AssetName], form: Form) -> Result<Exit> {
    let (mut all, mut unreadable) = (Vec::new(), Vec::new());
    for asset in assets {
        let mut signed = BTreeMap::new();
        for stored in links(&env.vault, asset).await? {
            let Some(Ok(opened)) = stored.bytes.as_deref().map(open) else { continue };
            let key = opened.envelope.signatures.first().map(|signature| signature.keyid.clone()).unwrap_or_default();
            let said = opened.statement.predicate;
            signed.insert(said.drill, Signed { number: stored.number, key, controls: said.controls });
        }
        let found = env.vault.all::<Evidence>(&Key::drills(asset)).await?;
        unreadable.extend(found.unreadable.into_iter().map(|(key, error)| format!("{key}: {}", error.full())));
        all.extend(found.good.into_iter().map(|evidence| listed(&evidence, signed.remove(&evidence.drill))));
    }
    all.sort_by_key(|listed| (std::cmp::Reverse(listed.finished_at), listed.asset.clone()));
    match form {
        Form::Programs => say_json(&all)?,
        Form::People => say(&people(&all, &unreadable))?,
    }
    Ok(if unreadable.is_empty() { Exit::Good } else { Exit::Failed })
}

fn listed(evidence: &Evidence, signed: Option<Signed>) -> Listed {
    let (link, key, controls) = match signed {
        Some(signed) => (Some(signed.number), Some(signed.key), signed.controls),
        None => (None, None, Vec::new()),
    };
    Listed {
        asset: evidence.asset.clone(),
        drill: evidence.drill,
        finished_at: evidence.finished_at,
        verdict: evidence.verdict,
        backup: evidence.backup.as_ref().map(|backup| backup.id),
        link,
        key,
        unsigned: evidence.unsigned.clone(),
        controls,
        record: Key::Drill(evidence.asset.clone(), evidence.drill).to_string(),
    }
}

fn people(all: &[Listed], unreadable: &[String]) -> String {
    let mut listing = table(&["ASSET", "DRILL", "ENDED", "VERDICT", "LINK", "KEY", "CONTROLS"]);
    for listed in all {
        let controls = listed.controls.iter().map(|control| format!("{} {}", control.controls.join(", "), control.shown));
        listing.add_row(vec![
            listed.asset.as_str().into(),
            listed.drill.to_string().into(),
            moment(listed.finished_at).into(),
            match listed.verdict {
                Verdict::Proven => toned("proven", Tone::Good),
                Verdict::CouldNotVerify => toned("could not verify", Tone::Warning),
                Verdict::Failed => toned("failed", Tone::Bad),
            },
            listed.link.map_or_else(|| toned("unsigned", Tone::Dim), |number| number.to_string().into()),
            listed.key.as_deref().map_or("–", short).into(),
            controls.collect::<Vec<_>>().join("; ").into(),
        ]);
    }
    let mut said = if all.is_empty() { "there is no evidence yet: `lastgood drill ASSET` makes some".to_owned() } else { text(&listing) };
    said.extend(unreadable.iter().map(|broken| format!("\n\ncannot be read: {broken}")));
    said
}
