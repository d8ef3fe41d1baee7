//! How much is stored, against what may be and what can be: an asset's and the vault's `quota`, and the room that is left where a
//! folder is the vault. Nothing is deleted to make room: what is full stops new backups, so it must be known before.

use super::{AssetStatus, Case};
use crate::{
    clock::{after, before},
    config::Config,
    domain::{
        backup::Manifest,
        bytes::{Bytes, human},
        finding::{Finding, FindingKind, Severity},
        place::Place,
        posture::{Quota, Space},
    },
};
use std::time::Duration;

const DAY: Duration = Duration::from_hours(24);
/// Over how long growth is measured.
const WEEK: u64 = 7;
/// A date farther off than this is no forecast.
const FAR: u64 = 365;
/// A disk is full soon when it has room for fewer rounds of backups than this, and a fifth of it is left.
const ROUNDS: u64 = 30;

/// Judges one asset's own quota, with the day on which it will be used up if it goes on like this.
pub(super) fn findings(case: &Case<'_>) -> Vec<Finding> {
    let Some(most) = case.asset.policy.quota else { return Vec::new() };
    let used: u64 = case.backups.iter().map(|backup| backup.manifest.stored_bytes()).sum();
    let Some((severity, sentence)) = taken(Quota { used, most: most.get() }, "its backups take", most) else { return Vec::new() };
    let left = most.get().saturating_sub(used);
    let forecast = match growth(case) {
        Some(daily) if left > 0 && left / daily <= FAR => {
            let day = after(case.now, DAY.saturating_mul(u32::try_from(left / daily).unwrap_or(u32::MAX)));
            format!("; by {} more a day, it is used up on {}", human(daily), day.strftime("%Y-%m-%d"))
        }
        Some(_) | None => String::new(),
    };
    vec![case.finding(FindingKind::StorageQuota, severity, format!("{sentence}{forecast}"), "prune")]
}

/// By how many bytes a day an asset has grown in the last week: what was made less what was let go.
fn growth(case: &Case<'_>) -> Option<u64> {
    let begin = before(case.now, DAY * 7);
    if case.backups.iter().all(|backup| backup.manifest.finished_at >= begin) {
        // What has not been kept for a week yet grows by all that it stores, and would say nothing.
        return None;
    }
    let made: u64 =
        case.backups.iter().map(|backup| &backup.manifest).filter(|made| made.finished_at >= begin).map(Manifest::stored_bytes).sum();
    let gone: u64 = case.seen.let_go.iter().filter(|(at, _)| *at >= begin).map(|(_, bytes)| bytes).sum();
    Some(made.saturating_sub(gone) / WEEK).filter(|daily| *daily > 0)
}

fn taken(quota: Quota, what: &str, most: Bytes) -> Option<(Severity, String)> {
    if !quota.is_near() {
        return None;
    }
    let severity = if quota.used >= quota.most { Severity::Critical } else { Severity::Warning };
    let percent = u128::from(quota.used) * 100 / u128::from(quota.most);
    Some((severity, format!("{what} {} of the {most} that its quota allows ({percent} %)", human(quota.used))))
}

/// Judges the vault's quota, and the room that is left at each place that knows it.
pub fn storage(config: &Config, assets: &[AssetStatus], spaces: &[(Place, Space)]) -> Vec<Finding> {
    let used: u64 = assets.iter().map(|asset| asset.stored_bytes).sum();
    let quota = config.quota.and_then(|most| taken(Quota { used, most: most.get() }, "all backups together take", most));
    let rooms = spaces.iter().filter_map(|(place, space)| room(place, *space, round(config, assets, place)));
    let tell =
        |(severity, sentence)| Finding::new(FindingKind::StorageQuota, severity, sentence, "lastgood status").linked(&config.runbook);
    quota.into_iter().chain(rooms).map(tell).collect()
}

/// What one round of backups of everything that goes to a place takes: of each the usual size of one.
fn round(config: &Config, assets: &[AssetStatus], place: &Place) -> u64 {
    let goes_there = |asset: &&AssetStatus| {
        *place == config.vault
            || config.assets.get(&asset.asset).is_some_and(|asset| asset.policy.copies.iter().any(|copy| copy.place() == place))
    };
    let one = |asset: &AssetStatus| asset.stored_bytes / u64::try_from(asset.backups.max(1)).unwrap_or(1);
    assets.iter().filter(goes_there).map(one).sum()
}

fn room(place: &Place, space: Space, round: u64) -> Option<(Severity, String)> {
    let told = |how: &str| format!("{place} has room for {} more, {how} ({} each)", human(space.free), human(round));
    if round > 0 && space.free < round {
        return Some((Severity::Critical, told("less than one round of backups takes")));
    }
    let scarce = round > 0 && space.free < round.saturating_mul(ROUNDS) && space.free < space.size / 5;
    scarce.then(|| {
        let rounds = space.free / round;
        let plural = if rounds == 1 { "" } else { "s" };
        (Severity::Warning, told(&format!("enough for {rounds} round{plural} of backups")))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_is_judged_by_the_backups_that_still_fit() {
        let place: Place = "file:///var/backups".parse().unwrap();
        let of = |free, round| room(&place, Space { size: 1_000 << 30, free }, round).map(|(severity, _)| severity);
        assert_eq!(of(1 << 30, 0), None, "nobody knows yet what a backup takes");
        assert_eq!(of(150 << 30, 1 << 30), None);
        assert_eq!(of(150 << 30, 10 << 30), Some(Severity::Warning));
        assert_eq!(of(300 << 30, 50 << 30), None, "a disk that is mostly empty");
        assert_eq!(of(9 << 30, 10 << 30), Some(Severity::Critical));
        let told = room(&place, Space { size: 1_000 << 30, free: 15 << 30 }, 10 << 30).unwrap().1;
        assert_eq!(told, "file:///var/backups has room for 15 GiB more, enough for 1 round of backups (10 GiB each)");
    }

    #[test]
    fn a_quota_warns_at_four_fifths_and_is_critical_when_it_is_used_up() {
        let most: Bytes = "100GiB".parse().unwrap();
        let of = |used: u64| taken(Quota { used: used << 30, most: most.get() }, "its backups take", most);
        assert_eq!(of(79), None);
        assert_eq!(of(80).unwrap(), (Severity::Warning, "its backups take 80 GiB of the 100GiB that its quota allows (80 %)".to_owned()));
        assert_eq!(of(100).unwrap().0, Severity::Critical);
    }
}
