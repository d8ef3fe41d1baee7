//! Where an alert goes that its channel did not take: to the next one, in the config's order.

use super::{Alert, Filter, Known, Topic, What};
use crate::id::AssetName;

/// What a channel refused.
#[derive(Debug, Clone)]
pub struct Refusal {
    /// Which channel, in the config's order.
    pub channel: usize,
    /// What it should have taken.
    pub alerts: Vec<(Topic, Alert)>,
}

/// One channel, as the next could be chosen.
#[derive(Debug, Clone, Copy)]
pub struct Standing<'a> {
    /// What it wants.
    pub filter: &'a Filter,
    /// What it knows by now.
    pub known: &'a Known,
    /// Whether it refused in this round.
    pub refused: bool,
}

/// Returns who is told what in place of the channels that refused. What another channel knows already, as bad as it is,
/// needs nobody else. A filter says what a channel is for; that somebody hears of it counts for more.
pub fn instead(
    refusals: &[Refusal],
    channels: &[Standing<'_>],
    fleet: impl Fn(&AssetName) -> Option<AssetName>,
) -> Vec<(usize, Vec<(Topic, Alert)>)> {
    let mut moved: Vec<(usize, Vec<(Topic, Alert)>)> = Vec::new();
    for Refusal { channel, alerts } in refusals {
        for (topic, alert) in alerts.iter().filter(|(_, alert)| matches!(alert.what, What::New | What::Worse { .. })) {
            let knows = |standing: &Standing<'_>| standing.known.topics.get(topic).is_some_and(|k| k.severity >= alert.finding.severity);
            let promised = |list: &[(usize, Vec<(Topic, Alert)>)]| list.iter().any(|(_, alerts)| alerts.iter().any(|(t, _)| t == topic));
            if channels.iter().any(|standing| !standing.refused && knows(standing)) || promised(&moved) {
                continue;
            }
            let fleet = alert.finding.asset.as_ref().and_then(&fleet);
            let next = || (1..channels.len()).map(|step| (channel + step) % channels.len()).filter(|n| !channels[*n].refused);
            let fitting = next().find(|n| channels[*n].filter.concerns(alert.finding.asset.as_ref(), fleet.as_ref()));
            let Some(next) = fitting.or_else(|| next().next()) else { continue };
            let what = channels[next].known.topics.get(topic).map_or(What::New, |knows| What::Worse { was: knows.severity });
            let told = (topic.clone(), Alert { what, ..alert.clone() });
            match moved.iter_mut().find(|(channel, _)| *channel == next) {
                Some((_, alerts)) => alerts.push(told),
                None => moved.push((next, vec![told])),
            }
        }
    }
    moved
}
