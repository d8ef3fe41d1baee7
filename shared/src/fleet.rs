//! Fleets become assets: at the head of every invocation each fleet is one asset for every member, under the same policy.
//!
//! Each region is asked once. A region that cannot be looked at is that fleet's trouble alone: its members are then those that
//! were enrolled before, and whatever else the config names goes on.

use crate::{
    catalog::Vault,
    clock::Timestamp,
    config::{Asset, Config, Login, Policy, Source},
    domain::{
        fleet::{Candidate, Enrolled, Membership, Roll, Standing, Taken, roll},
        place::Place,
    },
    env::Env,
    error::{Error, Result, failed},
    function::{Entry, Outcome},
    id::AssetName,
    ports::Providers,
};
use std::collections::BTreeMap;

/// Returns the config with every member of its fleets among its assets.
pub async fn expanded(config: &Config, vault: &Vault, providers: &dyn Providers) -> Config {
    let mut config = config.clone();
    if config.fleets.is_empty() {
        return config;
    }
    let mut shown: BTreeMap<Place, Result<Vec<Candidate>>> = BTreeMap::new();
    let mut taken = taken(&config);
    let fleets = std::mem::take(&mut config.fleets);
    for (name, mut fleet) in fleets {
        if !shown.contains_key(&fleet.place) {
            shown.insert(fleet.place.clone(), providers.candidates(&fleet.place).await);
        }
        let enrolled = vault.roster(&name).await.map(|roster| roster.enrolled());
        fleet.roll = match (&shown.get(&fleet.place), enrolled) {
            (Some(Ok(shown)), Ok(enrolled)) => roll(&fleet, Ok(shown), &enrolled, &mut taken),
            (Some(Err(error)), Ok(enrolled)) => {
                roll(&fleet, Err(&told(&format!("{} could not be looked at", fleet.place), error)), &enrolled, &mut taken)
            }
            // Who is there can be kept all the same; who was there cannot be known.
            (Some(Ok(shown)), Err(error)) => {
                let found = roll(&fleet, Ok(shown), &Enrolled::new(), &mut taken);
                Roll { unknown: Some(told("its former members are not known", &error)), ..found }
            }
            (Some(Err(_)) | None, Err(error)) => roll(&fleet, Err(&told("nothing of it is known", &error)), &Enrolled::new(), &mut taken),
            (None, Ok(_)) => Roll::default(),
        };
        for (member, asset) in assets(&fleet) {
            config.assets.insert(member, asset);
        }
        config.fleets.insert(name, fleet);
    }
    config
}

fn told(what: &str, error: &Error) -> String {
    let hint = error.advice().map(|hint| format!("; {hint}")).unwrap_or_default();
    format!("{what}: {}{hint}", error.full())
}

/// What the config names itself.
fn taken(config: &Config) -> Taken {
    let body = |asset: &Asset| match &asset.source {
        Source::Rds { instance, place, .. } => Some(((place.clone(), instance.to_ascii_lowercase()), asset.name.clone())),
        Source::Postgres { .. }
        | Source::Cloudsql { .. }
        | Source::Bucket { .. }
        | Source::Elasticache { .. }
        | Source::Redis { .. }
        | Source::Secrets { .. }
        | Source::Memorystore { .. }
        | Source::Disk { .. }
        | Source::Volume { .. } => None,
    };
    Taken {
        names: config.assets.keys().chain(config.fleets.keys()).cloned().collect(),
        bodies: config.assets.values().filter_map(body).collect(),
    }
}

fn assets(fleet: &crate::config::Fleet) -> impl Iterator<Item = (AssetName, Asset)> {
    fleet.roll.members.iter().map(|(name, member)| {
        let mut policy = fleet.policy.clone();
        if member.standing.has_left() {
            // There is nothing to take of it any more; what was taken stays.
            policy.snapshot = None;
        }
        if matches!(member.standing, Standing::Left { retired: true, .. }) {
            policy.drill = None;
        }
        let source = Source::Rds {
            instance: member.id.clone(),
            region: fleet.region.clone(),
            place: fleet.place.clone(),
            url: None,
            login: Login::default(),
        };
        let membership = Membership { fleet: fleet.name.clone(), standing: member.standing.clone(), instances: member.instances.clone() };
        (name.clone(), Asset { name: name.clone(), source, policy, member: Some(membership) })
    })
}

/// Notes who belongs to the fleets that a request is about, before anything is taken of them. Where that fails, it is that
/// fleet's failure.
pub async fn enrol<D>(env: &Env, asked: Option<&AssetName>, now: Timestamp) -> Vec<Entry<D>> {
    let mut failed = Vec::new();
    for fleet in env.config.fleets_of(asked).filter(|fleet| fleet.roll.looked) {
        if let Err(error) = env.vault.enrol(&fleet.name, &fleet.roll, now).await {
            let error = error.during("noting who belongs to it");
            failed.push(Entry { asset: fleet.name.clone(), outcome: Outcome::from_error(&error) });
        }
    }
    failed
}

/// Returns the fleets that a request is about and whose members cannot be known, or cannot join: each a failure of its own,
/// which does not touch the others. Fleets of which a function has nothing to do are not its business.
pub fn troubles<D>(env: &Env, asked: Option<&AssetName>, concerns: fn(&Policy) -> bool) -> Vec<Entry<D>> {
    env.config
        .fleets_of(asked)
        .filter(|fleet| concerns(&fleet.policy))
        .flat_map(|fleet| {
            let unknown = fleet.roll.unknown.clone().into_iter();
            let refused = fleet.roll.refused.iter().map(|(id, why)| format!("{id} is selected and cannot join: {why}"));
            unknown.chain(refused).map(|why| (fleet.name.clone(), why)).collect::<Vec<_>>()
        })
        .map(|(asset, why)| Entry { asset, outcome: Outcome::from_error(&failed(why).hint("its other members are seen to all the same")) })
        .collect()
}
