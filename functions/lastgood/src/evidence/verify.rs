//! `lastgood evidence verify`: whether every piece of evidence is what a drill signed, in its place, and whether any is missing.
//!
//! Exit codes: 0 everything is signed and whole · 1 something was changed, moved, replaced or removed · 3 something cannot be
//! told: unsigned, signed by an unknown key, or nothing there.

use super::{nothing, short};
use crate::{
    command::VerifyEvidence,
    output::{
        Form, say, say_json,
        table::{Tone, moment, table, text, toned},
    },
};
use lastgood_core::{
    catalog::{
        Vault,
        evidence::{PublicKey, verify as verified},
    },
    domain::attest::{Chain, Judged, Standing},
    error::Result,
    function::Exit,
    id::AssetName,
};
use serde::Serialize;

#[derive(Serialize)]
struct Told<'a> {
    exit: Exit,
    chains: &'a [Chain],
}

/// Verifies the chains of these assets.
pub async fn verify(vault: &Vault, assets: &[AssetName], keys: &[PublicKey], ask: &VerifyEvidence, form: Form) -> Result<Exit> {
    let mut chains = Vec::new();
    for asset in assets {
        let chain = verified(vault, asset, keys, ask.head.as_deref()).await?;
        if !chain.entries.is_empty() || ask.asset.is_some() {
            chains.push(chain);
        }
    }
    let exit = exit(&chains);
    match form {
        Form::Programs => say_json(&Told { exit, chains: &chains })?,
        Form::People if chains.iter().all(|chain| chain.entries.is_empty()) => say(&nothing(ask))?,
        Form::People => say(&people(&chains))?,
    }
    Ok(exit)
}

/// The worst of all; nothing at all proves nothing.
fn exit(chains: &[Chain]) -> Exit {
    let of = |chain: &Chain| match chain.worst() {
        Some(Standing::Broken) => Exit::Failed,
        Some(Standing::CouldNotVerify | Standing::Unsigned) | None => Exit::CouldNotVerify,
        Some(Standing::Signed | Standing::Superseded | Standing::BeforeChain) => Exit::Good,
    };
    let exits: Vec<_> = chains.iter().map(of).collect();
    match () {
        () if exits.contains(&Exit::Failed) => Exit::Failed,
        () if exits.is_empty() || exits.contains(&Exit::CouldNotVerify) => Exit::CouldNotVerify,
        () => Exit::Good,
    }
}

fn people(chains: &[Chain]) -> String {
    let mut listing = table(&["ASSET", "LINK", "DRILL", "ENDED", "KEY", "FOUND"]);
    let mut below = Vec::new();
    for chain in chains {
        for entry in &chain.entries {
            listing.add_row(row(&chain.asset, entry));
            if let Some(why) = entry.why.as_ref().filter(|_| entry.standing != Standing::BeforeChain) {
                let which = entry.number.map(|number| format!(", link {number}")).unwrap_or_default();
                below.push(format!("{}{which}: {why}", chain.asset));
            }
        }
    }
    let mut said = text(&listing);
    said.extend(below.iter().map(|line| format!("\n{line}")));
    for chain in chains {
        if let Some(head) = &chain.head {
            said.push_str(&format!("\n{}: {} links, head {}", chain.asset, head.number, head.sha256));
        }
    }
    if chains.iter().any(|chain| chain.head.is_some()) {
        said.push_str("\nkeep each head somewhere else: only against it (--head HASH) shows whether the newest links were removed");
    }
    said
}

fn row(asset: &AssetName, entry: &Judged) -> Vec<comfy_table::Cell> {
    let found = match entry.standing {
        Standing::Signed => toned("signed, as it was", Tone::Good),
        Standing::Superseded => toned("superseded", Tone::Dim),
        Standing::BeforeChain => toned("unsigned, older than the chain", Tone::Dim),
        Standing::Unsigned => toned("UNSIGNED", Tone::Warning),
        Standing::CouldNotVerify => toned("COULD NOT VERIFY", Tone::Warning),
        Standing::Broken => toned("BROKEN", Tone::Bad),
    };
    vec![
        asset.as_str().into(),
        entry.number.map_or_else(|| "–".to_owned(), |number| number.to_string()).into(),
        entry.drill.map_or_else(|| "–".to_owned(), |drill| drill.to_string()).into(),
        entry.finished_at.map_or_else(|| "–".to_owned(), moment).into(),
        entry.key.as_deref().map_or("–", short).into(),
        found,
    ]
}
