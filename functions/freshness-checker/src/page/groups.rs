//! Every asset, among those that it belongs with: systems first, then fleets, then what stands alone; and a filter by state
//! that needs no script.

use super::{Evidence, asset, words};
use crate::Looked;
use lastgood_core::{
    domain::freshness::{AssetStatus, State},
    id::AssetName,
};
use maud::{Markup, html};
use std::collections::{BTreeMap, BTreeSet};

/// Beyond so many assets, drawings get fewer points, and less evidence is linked.
const MANY: usize = 100;

/// Assets that stand together.
struct Group<'a> {
    title: String,
    about: Option<String>,
    assets: Vec<&'a AssetStatus>,
}

/// Shows the assets.
pub fn section(looked: &Looked, evidence: &Evidence) -> Markup {
    let groups = groups(looked);
    let all = &looked.status.assets;
    let (points, linked) = if all.len() > MANY { (16, 1) } else { (53, 5) };
    let show = asset::Show { looked, evidence, points, linked };
    html! {
        section.assets aria-labelledby="assets" {
            h2 id="assets" tabindex="-1" { "Assets" }
            @if all.is_empty() { p { "The config names none." } } @else { (filter(all)) (legend()) }
            @for (index, group) in groups.iter().enumerate() {
                section.group aria-labelledby={ "g" (index) } {
                    h3 id={ "g" (index) } { (group.title) }
                    @if let Some(about) = &group.about { p.soft { (about) } }
                    table {
                        caption.hidden { (group.title) ": state, age of the newest data, copies, last proof, time to restore, last 90 days" }
                        thead { tr { @for column in ["Asset", "State", "Newest data", "Copies", "Last proven", "Restore", "Last 90 days"] { th scope="col" { (column) } } } }
                        @for status in &group.assets { (show.asset(status)) }
                    }
                }
            }
        }
    }
}

fn groups(looked: &Looked) -> Vec<Group<'_>> {
    let by_name: BTreeMap<&AssetName, &AssetStatus> = looked.status.assets.iter().map(|status| (&status.asset, status)).collect();
    let (mut groups, mut placed) = (Vec::new(), BTreeSet::new());
    for (system, order) in &looked.systems {
        let assets: Vec<_> = order.iter().filter_map(|name| by_name.get(name).copied()).filter(|one| placed.insert(&one.asset)).collect();
        let order = order.iter().map(AssetName::as_str).collect::<Vec<_>>().join(", then ");
        groups.push(Group { title: format!("System {system}"), about: Some(format!("Restored in this order: {order}.")), assets });
    }
    let rest = || looked.status.assets.iter().filter(|one| !placed.contains(&one.asset));
    let mut fleets: BTreeMap<&AssetName, Vec<&AssetStatus>> = BTreeMap::new();
    for one in rest() {
        if let Some(fleet) = &one.fleet {
            fleets.entry(fleet).or_default().push(one);
        }
    }
    let alone: Vec<_> = rest().filter(|one| one.fleet.is_none()).collect();
    for (fleet, assets) in fleets {
        let good = assets.iter().filter(|one| one.state == State::Good).count();
        groups.push(Group {
            title: format!("Fleet {fleet}"),
            about: Some(format!("{good} of {} members are good.", assets.len())),
            assets,
        });
    }
    let title = if groups.is_empty() { "All" } else { "Others" };
    groups.push(Group { title: title.to_owned(), about: None, assets: alone });
    groups.retain(|group| !group.assets.is_empty());
    groups
}

/// Radio buttons that the style reads: nothing is run.
fn filter(assets: &[AssetStatus]) -> Markup {
    let count = |state| assets.iter().filter(|one| one.state == state).count();
    let states = [State::Failing, State::Stale, State::Unknown, State::Warning].map(|state| (state, count(state)));
    let not_good = assets.len() - count(State::Good);
    if not_good == 0 {
        return Markup::default();
    }
    html! {
        fieldset {
            legend { "Show" }
            (choice("all", "all", assets.len(), true))
            (choice("not-good", "not good", not_good, false))
            @for (state, count) in states { @if count > 0 && count < not_good { (choice(state.as_str(), state.as_str(), count, false)) } }
        }
    }
}

fn choice(id: &str, label: &str, count: usize, checked: bool) -> Markup {
    html! { label { input type="radio" name="show" id={ "show-" (id) } checked[checked]; " " (label) " " span.soft { (count) } } }
}

fn legend() -> Markup {
    html! {
        p.soft.legend {
            "Of the last 90 days, the last one today: " span.good { "▬ good" } ", " span.bad { "▮ failed, damaged or missing" } ", "
            span.open { "▬ under way or could not verify" } ", empty: nothing recorded."
            " States: " @for state in [State::Good, State::Warning, State::Unknown, State::Stale, State::Failing] { span.nowrap { (words::mark(state)) " " (state.as_str()) } " " }
        }
    }
}
