//! Who belongs to a fleet: decided from what a region shows, what was enrolled before, and what the config names itself.
//!
//! Promises: what is ours by its tags (a drill's replica, a restored instance) never joins; a member that is no longer
//! selected stays an asset, with what is known of why; two things never share a name, and who cannot join is told.

use super::place::Place;
use crate::{clock::Timestamp, config::Fleet, id::AssetName};
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};

/// Something of a region that could be a member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// Its identifier.
    pub id: String,
    /// Its tags, and those of each instance of a cluster.
    pub tags: Vec<BTreeMap<String, String>>,
    /// The instances that a cluster consists of.
    pub instances: Vec<String>,
    /// Why it can be no member of any fleet; none where it can.
    pub unfit: Option<Unfit>,
}

/// Why something can be no member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unfit {
    /// It bears a tag of ours: a drill's replica, or an instance that was restored.
    Ours,
    /// It follows another, which is what is backed up.
    ReadReplica,
    /// It is being deleted.
    Leaving,
    /// It is no relational database of RDS's own.
    Foreign,
}

/// Who was enrolled: an asset's name, and what it is.
pub type Enrolled = BTreeMap<AssetName, (String, Option<Timestamp>)>;

/// Who belongs to a fleet.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Roll {
    /// Whether anybody has looked.
    pub looked: bool,
    /// The members, former ones as well.
    pub members: BTreeMap<AssetName, Member>,
    /// What bears the tag and is left out, and why.
    pub left_out: Vec<(String, String)>,
    /// What bears the tag and should be kept, and cannot join: why.
    pub refused: Vec<(String, String)>,
    /// Why it cannot be known who the members are, if it cannot.
    pub unknown: Option<String>,
}

/// One member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Its identifier.
    pub id: String,
    /// The instances that a cluster consists of.
    pub instances: Vec<String>,
    /// How it stands.
    pub standing: Standing,
}

/// What an asset is to its fleet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Membership {
    /// The fleet.
    pub fleet: AssetName,
    /// How it stands.
    pub standing: Standing,
    /// The instances that it consists of, where it is a cluster.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub instances: Vec<String>,
}

/// How a member stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    /// The fleet selects it.
    Selected,
    /// It was a member, and whether it still is could not be found out.
    Unknown,
    /// It was a member and is none any more.
    Left {
        /// What became of it.
        why: Departure,
        /// Since when, if it was noted.
        since: Option<Timestamp>,
        /// Whether the config says that this is known and meant.
        retired: bool,
    },
}

/// What became of a former member.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Departure {
    /// It is not there any more.
    Gone,
    /// It is there, and does not bear the tag.
    Untagged,
    /// It is there, and bears a tag of ours.
    Ours,
    /// It follows another now.
    ReadReplica,
    /// Another line of the config keeps it.
    Elsewhere(AssetName),
}

impl Standing {
    /// Whether it was a member and is none any more.
    pub const fn has_left(&self) -> bool {
        matches!(self, Self::Left { .. })
    }
}

/// What stands in the way of a member's name: assets of the config's own, and members of other fleets.
#[derive(Debug, Default)]
pub struct Taken {
    /// Every name that is given.
    pub names: BTreeSet<AssetName>,
    /// What is kept already, and by whom: a place and an identifier.
    pub bodies: BTreeMap<(Place, String), AssetName>,
}

impl Taken {
    fn keeper(&self, place: &Place, candidate: &Candidate) -> Option<&AssetName> {
        let ids = std::iter::once(&candidate.id).chain(&candidate.instances);
        ids.into_iter().find_map(|id| self.bodies.get(&(place.clone(), id.to_ascii_lowercase())))
    }
}

/// The most characters of an asset's name.
const LONGEST: usize = 63;

/// The name that a member always has: `<fleet>-<identifier>`. Where that is too long, a digest stands for its end.
pub fn name_of(fleet: &AssetName, id: &str) -> Option<AssetName> {
    let id = id.to_ascii_lowercase();
    let name = format!("{fleet}-{id}");
    if name.len() <= LONGEST {
        return name.parse().ok();
    }
    let digest = hex::encode(&Sha256::digest(&id)[..4]);
    name.get(..LONGEST - 1 - digest.len()).and_then(|head| format!("{head}-{digest}").parse().ok())
}

/// Calls the roll of a fleet: `shown` is what its region shows, or why it could not be looked at. Whoever joins is noted in
/// `taken`, so that nobody is kept by two fleets.
pub fn roll(fleet: &Fleet, shown: Result<&[Candidate], &str>, enrolled: &Enrolled, taken: &mut Taken) -> Roll {
    let mut roll = Roll { looked: true, ..Roll::default() };
    match shown {
        Ok(shown) => {
            for candidate in shown.iter().filter(|candidate| candidate.tags.iter().any(|tags| fleet.select.tag.is_among(tags))) {
                admit(fleet, candidate, taken, &mut roll);
            }
        }
        Err(why) => roll.unknown = Some(why.to_owned()),
    }
    for (name, (id, left_at)) in enrolled {
        // A line of the config that has this very name speaks for its backups.
        if roll.members.contains_key(name) || taken.names.contains(name) {
            continue;
        }
        let standing = match shown {
            Err(_) => Standing::Unknown,
            Ok(shown) => Standing::Left {
                why: departure(fleet, id, shown, taken),
                since: *left_at,
                retired: fleet.select.retired.iter().any(|retired| retired.eq_ignore_ascii_case(id)),
            },
        };
        taken.names.insert(name.clone());
        roll.members.insert(name.clone(), Member { id: id.clone(), instances: Vec::new(), standing });
    }
    roll
}

fn admit(fleet: &Fleet, candidate: &Candidate, taken: &mut Taken, roll: &mut Roll) {
    let id = &candidate.id;
    let why = match candidate.unfit {
        Some(Unfit::Ours) => Some("it bears a tag of ours: a drill's replica, or restored by us and not yet in service"),
        Some(Unfit::ReadReplica) => Some("it is a read replica: what it follows is backed up"),
        Some(Unfit::Leaving) => Some("it is being deleted"),
        Some(Unfit::Foreign) => Some("it is no relational database"),
        None => None,
    };
    if let Some(why) = why {
        roll.left_out.push((id.clone(), why.to_owned()));
        return;
    }
    if let Some(keeper) = taken.keeper(&fleet.place, candidate) {
        roll.left_out.push((id.clone(), format!("{keeper} keeps it")));
        return;
    }
    let Some(name) = name_of(&fleet.name, id) else {
        roll.refused.push((id.clone(), "no asset can be named after it".to_owned()));
        return;
    };
    if taken.names.contains(&name) {
        roll.refused.push((id.clone(), format!("its name would be {name}, which another asset has")));
        return;
    }
    taken.names.insert(name.clone());
    for id in std::iter::once(id).chain(&candidate.instances) {
        taken.bodies.insert((fleet.place.clone(), id.to_ascii_lowercase()), name.clone());
    }
    let member = Member { id: id.clone(), instances: candidate.instances.clone(), standing: Standing::Selected };
    roll.members.insert(name, member);
}

fn departure(fleet: &Fleet, id: &str, shown: &[Candidate], taken: &Taken) -> Departure {
    let Some(found) = shown.iter().find(|candidate| candidate.id.eq_ignore_ascii_case(id)) else { return Departure::Gone };
    match found.unfit {
        Some(Unfit::Ours) => Departure::Ours,
        Some(Unfit::ReadReplica) => Departure::ReadReplica,
        Some(Unfit::Leaving | Unfit::Foreign) => Departure::Gone,
        None => taken.keeper(&fleet.place, found).map_or(Departure::Untagged, |keeper| Departure::Elsewhere(keeper.clone())),
    }
}

#[cfg(test)]
mod tests;
