//! A story as a person reads it: the alerts day by day, each fault, what would have been lost, and what is weak.

use super::chronicle::{Alert, Story};
use crate::{
    output::table::{Tone, age, sentences, table, toned},
    status::severity_word,
};
use lastgood_core::{
    clock::{Timestamp, since},
    domain::finding::Severity,
    redact::clip,
};

/// A sentence is cut here: the whole of it is in the JSON.
const MOST: usize = 110;

/// Tells the story.
pub fn people(story: &Story) -> String {
    let names: Vec<_> = story.assets.iter().map(lastgood_core::id::AssetName::as_str).collect();
    let mut said = format!(
        "{} days, seed {}: {}. {} backups, {} proven restores, {} alerts",
        story.days,
        story.seed,
        names.join(", "),
        story.backups,
        story.proven,
        story.alerts.len()
    );
    story.left_out.iter().for_each(|out| said.push_str(&format!("\nnot played: {}, {}", out.asset, out.why)));
    story.changed.iter().for_each(|changed| said.push_str(&format!("\nplayed otherwise: {changed}")));
    if !story.alerts.is_empty() {
        said.push_str(&format!("\n\n{}", alerts(story)));
    }
    if !story.faults.is_empty() {
        said.push_str(&format!("\n\n{}", faults(story)));
    }
    said.push_str(&format!("\n\n{}", losses(story)));
    if !story.weaknesses.is_empty() {
        said.push_str("\n\nWeaknesses");
        story.weaknesses.iter().for_each(|weakness| said.push_str(&format!("\n  {weakness}")));
    }
    said
}

fn alerts(story: &Story) -> String {
    let mut listing = table(&["DAY", "SEVERITY", "OVER", "ASSET", "ALERT"]);
    for alert in &story.alerts {
        let Alert { at, over, severity, asset, sentence, command, told, .. } = alert;
        let unheard = if told.is_none() { " (told to nobody)" } else { "" };
        listing.add_row(vec![
            day(story.start, *at).into(),
            toned(severity_word(*severity), if *severity == Severity::Critical { Tone::Bad } else { Tone::Warning }),
            over.map_or_else(|| "never".to_owned(), |over| day(story.start, over)).into(),
            asset.as_ref().map_or("–", |asset| asset.as_str()).into(),
            format!("{}{unheard} → {command}", clip(sentence, MOST)).into(),
        ]);
    }
    sentences(listing, 4)
}

fn faults(story: &Story) -> String {
    let mut listing = table(&["FAULT", "NOTICED", "BY"]);
    for fault in &story.faults {
        let noticed = match fault.after_seconds {
            Some(seconds) => toned(&format!("after {}", age(seconds)), Tone::Good),
            None => toned("NEVER NOTICED", Tone::Bad),
        };
        listing.add_row(vec![fault.fault.as_str().into(), noticed, clip(fault.by.as_deref().unwrap_or("–"), MOST).into()]);
    }
    sentences(listing, 2)
}

fn losses(story: &Story) -> String {
    if story.losses.is_empty() {
        return "At no moment would more have been lost than the policy allows.".to_owned();
    }
    let mut listing = table(&["DATA LOST BEYOND RPO", "FROM", "UNTIL", "AT WORST"]);
    for loss in &story.losses {
        let worst = loss.worst_seconds.map_or_else(|| "everything: nothing could be restored".to_owned(), age);
        listing.add_row(vec![
            loss.asset.as_str().into(),
            toned(&day(story.start, loss.from), Tone::Bad),
            loss.until.map_or_else(|| "the end".to_owned(), |until| day(story.start, until)).into(),
            worst.into(),
        ]);
    }
    sentences(listing, 3)
}

/// `12d 03:07`: the day, from 0, and the time of it.
fn day(start: Timestamp, at: Timestamp) -> String {
    let seconds = since(at, start).as_secs();
    format!("{}d {:02}:{:02}", seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60)
}
