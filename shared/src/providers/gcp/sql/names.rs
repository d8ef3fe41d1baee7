//! The names that Cloud SQL allows: lower-case letters, digits and hyphens, a letter first, and with the project's id and a colon
//! no more than 98 characters.

use crate::domain::drill::ReplicaName;
use sha2::{Digest, Sha256};

/// The most characters of a project's id, a colon and an instance's name.
const MOST: usize = 98;

/// The name of a replica's instance: the same every time, different for different replicas. A drill's slot is part of it, so
/// that no name is asked for twice: that of a deleted instance may be withheld for a week.
pub(super) fn of_replica(project: &str, name: &ReplicaName) -> String {
    let most = MOST.saturating_sub(project.len() + 1).clamp(30, 80);
    let plain: String = name.0.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' }).collect();
    if plain == name.0 && plain.len() <= most && plain.starts_with(|c: char| c.is_ascii_lowercase()) && !plain.ends_with('-') {
        return plain;
    }
    let digest = hex::encode(&Sha256::digest(&name.0)[..5]);
    let head: String = plain.chars().take(most - digest.len() - 3).collect();
    format!("r-{}-{digest}", head.trim_matches('-'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::Slot;
    use proptest::prelude::*;

    #[test]
    fn a_replicas_instance_is_called_as_it_is_where_that_fits() {
        let slot = Slot("2026-11-20T06:00:00Z".parse().unwrap());
        let id = |asset: &str| of_replica("acme", &ReplicaName::derive(&asset.parse().unwrap(), &slot));
        assert_eq!(id("pegasus-db"), "lastgood-drill-pegasus-db-20261120t060000z");
        let (long, longer) = (id(&"x".repeat(62)), id(&"x".repeat(63)));
        assert!(long != longer && long.len() <= 93, "{long} {longer}");
    }

    proptest! {
        #[test]
        fn whatever_the_name_cloud_sql_takes_it(name in "\\PC{0,120}", project in "[a-z]{6,30}") {
            let id = of_replica(&project, &ReplicaName(name));
            prop_assert!(id.len() + project.len() < 98, "{}", id);
            prop_assert!(id.starts_with(|c: char| c.is_ascii_lowercase()) && !id.ends_with('-'));
            prop_assert!(id.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-'), "{}", id);
        }
    }
}
