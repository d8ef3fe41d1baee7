//! What drills left behind in a region. One look serves every asset of an invocation: a thousand assets that each looked
//! through a thousand instances would do nothing else.

use super::{body::Body, look::Region, replicas::RdsReplicas, tags};
use crate::{
    clock::{Timestamp, since},
    domain::{drill::ReplicaName, place::Place},
    error::Result,
    ports::Replica,
};
use aws_sdk_rds::types::DbInstance;
use std::{collections::HashMap, time::Duration};
use tokio::sync::Mutex;

/// A look serves for this long: what expires meanwhile is found by the next one.
const SERVES: Duration = Duration::from_mins(1);

/// The replicas that were seen, by place.
#[derive(Debug, Default)]
pub struct Leftovers(Mutex<HashMap<Place, Look>>);

#[derive(Debug)]
struct Look {
    at: Timestamp,
    seen: Vec<Seen>,
}

/// A replica, and the identifiers that it and its members bear.
#[derive(Debug)]
struct Seen {
    replica: Replica,
    ids: Vec<String>,
}

impl Leftovers {
    /// Forgets a replica that is being removed.
    pub(super) async fn forget(&self, name: &ReplicaName) {
        for look in self.0.lock().await.values_mut() {
            look.seen.retain(|seen| seen.replica.name != *name);
        }
    }
}

impl RdsReplicas {
    /// Every replica at a place, of whichever asset.
    pub(super) async fn listed(&self, place: &Place) -> Result<Vec<Replica>> {
        let mut looks = self.aws.leftovers.0.lock().await;
        let now = self.clock.now();
        if looks.get(place).is_none_or(|look| since(now, look.at) >= SERVES || look.at > now) {
            let seen = look(&self.region(place).await?).await?;
            looks.insert(place.clone(), Look { at: now, seen });
        }
        let seen = looks.get(place).map(|look| look.seen.as_slice()).unwrap_or_default();
        let ours = seen.iter().filter(|seen| !self.spares(seen.ids.iter().map(String::as_str)));
        Ok(ours.map(|seen| seen.replica.clone()).collect())
    }
}

async fn look(region: &Region) -> Result<Vec<Seen>> {
    let mut found = Vec::new();
    let mut add = |body: &Body| {
        if let Some((name, expires)) = tags::replica(body.tags()) {
            let replica = Replica { name, expires, sighting: body.sighting() };
            found.push(Seen { replica, ids: body.ids().map(str::to_owned).collect() });
        }
    };
    // A member comes and goes with its cluster, which is looked at below.
    let single = |instance: &DbInstance| instance.db_cluster_identifier().is_none_or(str::is_empty);
    for instance in region.instances().await?.into_iter().filter(single) {
        add(&Body::Instance(Box::new(instance)));
    }
    for cluster in region.clusters().await?.into_iter().filter(|cluster| tags::replica(cluster.tag_list()).is_some()) {
        let members = region.members(&cluster).await?;
        add(&Body::Cluster(Box::new(cluster), members));
    }
    Ok(found)
}
