//! `lastgood prune`: what retention would let go, and with `--apply` lets go.

use crate::{
    command::Prune,
    output::{
        Form, say, say_json,
        table::{Tone, bytes, sentences, table, toned},
    },
    status::told,
};
use lastgood_core::{
    env::Env,
    error::Result,
    function::{Exit, Findings},
    host::telemetry,
    prune::{Mode, Pruned, prune as let_go},
};

/// Shows the plan, or carries it out.
pub async fn prune(env: &Env, ask: &Prune, form: Form) -> Result<Exit> {
    let mode = if ask.apply { Mode::Apply } else { Mode::PlanOnly };
    let (mut all, mut first) = (Vec::new(), None);
    for asset in env.config.selected(ask.asset.as_ref())? {
        match let_go(env, asset, mode, ask.plan.as_deref()).await {
            Ok(pruned) => all.push(pruned),
            // One asset's trouble does not keep the others.
            Err(error) => {
                let error = error.during(format!("pruning {}", asset.name));
                if first.is_some() {
                    telemetry::tell(&error);
                } else {
                    first = Some(error);
                }
            }
        }
    }
    match form {
        Form::Programs => say_json(&all)?,
        Form::People => say(&all.iter().map(people).collect::<Vec<_>>().join("\n\n"))?,
    }
    match first {
        Some(error) => Err(error),
        None => Ok(all.iter().map(Findings::exit).max().unwrap_or(Exit::Good)),
    }
}

/// What was, or would be, let go of one asset, as a table.
pub fn people(pruned: &Pruned) -> String {
    let plan = &pruned.plan;
    let mut listing = table(&[plan.asset.as_str(), "BACKUP", "WHY"]);
    for judged in &plan.keep {
        listing.add_row(vec![toned("stays", Tone::Good), judged.id.to_string().into(), judged.why.as_str().into()]);
    }
    for judged in &plan.prune {
        let done = pruned.let_go.iter().any(|gone| gone.id == judged.id);
        let word = if done { toned("gone", Tone::Dim) } else { toned("may go", Tone::Warning) };
        listing.add_row(vec![word, judged.id.to_string().into(), judged.why.as_str().into()]);
    }
    let mut said = sentences(listing, 2);
    if plan.keep.is_empty() && plan.prune.is_empty() {
        said = format!("{}: there is no backup", plan.asset);
    }
    for (id, why) in &pruned.skipped {
        said.push_str(&format!("\n{id} stays: {why}"));
    }
    for finding in &pruned.findings {
        said.push_str(&format!("\n{}", told(finding)));
    }
    let asset = &plan.asset;
    said.push_str(&match (&plan.refused, pruned.applied, plan.prune.len()) {
        (Some(_), _, 0) => String::new(),
        // Only what a person may approve is offered: no hash lifts a failed run or a wrong clock.
        (Some(why), _, _) if !why.contains(&plan.hash) => String::new(),
        (Some(_), _, _) => format!("\nif this is meant: lastgood prune {asset} --apply --plan {}", plan.hash),
        (None, true, _) => format!("\nlet {} go, {} freed", pruned.let_go.len(), bytes(pruned.freed())),
        (None, false, 0) => "\nnothing is to be let go".to_owned(),
        (None, false, _) => format!("\nthis is a plan; to carry it out: lastgood prune {asset} --apply"),
    });
    said
}
