//! The identifiers that RDS allows: up to 63 letters, digits and hyphens, a letter first, no hyphen last and no two in a row.

use crate::domain::drill::ReplicaName;
use sha2::{Digest, Sha256};

/// The most characters of an identifier.
pub(super) const MOST: usize = 63;

/// Short enough that the instance of a cluster fits too.
const LONGEST: usize = 60;

/// The identifier of a replica's instance or cluster: the same every time, different for different replicas.
pub(super) fn of_replica(name: &ReplicaName) -> String {
    let mut plain: String = name.0.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' }).collect();
    while plain.contains("--") {
        plain = plain.replace("--", "-");
    }
    let plain = plain.trim_matches('-');
    if plain == name.0 && plain.len() <= LONGEST && plain.starts_with(|c: char| c.is_ascii_alphabetic()) {
        return plain.to_owned();
    }
    let digest = hex::encode(&Sha256::digest(&name.0)[..5]);
    let head: String = plain.chars().take(LONGEST - 11 - 2).collect();
    let head = head.trim_end_matches('-');
    match head.chars().next() {
        Some(first) if first.is_ascii_alphabetic() => format!("{head}-{digest}"),
        Some(_) => format!("r-{head}-{digest}"),
        None => format!("r-{digest}"),
    }
}

/// The identifier of the one instance of a replica that is an Aurora cluster.
pub(super) fn of_member(cluster: &str) -> String {
    of_numbered_member(cluster, 1)
}

/// The identifier of one of the instances of a cluster.
pub(super) fn of_numbered_member(cluster: &str, number: i32) -> String {
    format!("{cluster}-{number}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::Slot;
    use proptest::prelude::*;

    fn fits(id: &str) -> bool {
        id.len() <= 63
            && id.starts_with(|c: char| c.is_ascii_alphabetic())
            && !id.ends_with('-')
            && !id.contains("--")
            && id.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
    }

    #[test]
    fn a_replicas_identifier_is_its_name_where_rds_allows_that() {
        let slot = Slot("2026-11-20T06:00:00Z".parse().unwrap());
        let id = |asset: &str| of_replica(&ReplicaName::derive(&asset.parse().unwrap(), &slot));
        assert_eq!(id("orders-rds"), "lastgood-drill-orders-rds-20261120t060000z");
        let (long, longer) = (id(&"x".repeat(62)), id(&"x".repeat(63)));
        assert!(fits(&of_member(&long)) && fits(&of_member(&longer)), "{long} {longer}");
        assert_ne!(long, longer);
        assert_ne!(id("odd--name"), id("odd-name"));
        assert!(fits(&id("odd--name")));
    }

    proptest! {
        #[test]
        fn whatever_the_name_rds_takes_the_identifier(name in "\\PC{0,90}") {
            let id = of_replica(&ReplicaName(name));
            prop_assert!(fits(&of_member(&id)), "{}", id);
        }
    }
}
