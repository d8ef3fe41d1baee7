//! Who was ever a member of a fleet: noted before a member's first backup, so that what is kept of it is never forgotten.

use super::{Key, Record, Vault};
use crate::{
    clock::Timestamp,
    domain::fleet::{Enrolled, Roll, Standing},
    error::{Kind, Result, retry},
    id::AssetName,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Every member that a fleet ever had.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Roster {
    /// The fleet.
    pub fleet: AssetName,
    /// The members, by the names that their backups stand under.
    pub members: BTreeMap<AssetName, Enrolment>,
}

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Enrolment {
    /// Its identifier.
    pub instance: String,
    /// Since when it was a member.
    pub since: Timestamp,
    /// When it was first seen to be none any more; none while it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left_at: Option<Timestamp>,
}

impl Record for Roster {
    const NAME: &'static str = "roster";
}

impl Roster {
    /// The members as the rules take them.
    pub fn enrolled(&self) -> Enrolled {
        self.members.iter().map(|(name, member)| (name.clone(), (member.instance.clone(), member.left_at))).collect()
    }

    /// Notes what a roll call found. Nobody is ever struck off.
    fn note(&mut self, roll: &Roll, now: Timestamp) {
        for (name, member) in &roll.members {
            let known = self.members.entry(name.clone());
            let known = known.or_insert_with(|| Enrolment { instance: member.id.clone(), since: now, left_at: None });
            match member.standing {
                Standing::Selected => {
                    known.instance.clone_from(&member.id);
                    known.left_at = None;
                }
                Standing::Left { .. } => {
                    known.left_at.get_or_insert(now);
                }
                Standing::Unknown => {}
            }
        }
    }
}

impl Vault {
    /// Returns who was ever a member of a fleet.
    pub async fn roster(&self, fleet: &AssetName) -> Result<Roster> {
        let stored = self.load::<Roster>(&Key::Roster(fleet.clone())).await?;
        Ok(stored.map_or_else(|| Roster { fleet: fleet.clone(), members: BTreeMap::new() }, |stored| stored.record))
    }

    /// Notes who belongs to a fleet, if that is news.
    pub async fn enrol(&self, fleet: &AssetName, roll: &Roll, now: Timestamp) -> Result<()> {
        let key = Key::Roster(fleet.clone());
        for _ in 0..5 {
            let stored = self.load::<Roster>(&key).await?;
            let (mut roster, version) = match stored {
                Some(stored) => (stored.record, Some(stored.version)),
                None => (Roster { fleet: fleet.clone(), members: BTreeMap::new() }, None),
            };
            let before = roster.clone();
            roster.note(roll, now);
            if roster == before {
                return Ok(());
            }
            let saved = match &version {
                Some(version) => self.save_if(&key, &roster, version).await,
                None => self.create(&key, &roster).await,
            };
            match saved {
                Err(error) if error.kind() == Kind::Conflict => {}
                done => return done.map(|_| ()),
            }
        }
        Err(retry(format!("{key} changes hands without pause")))
    }
}
