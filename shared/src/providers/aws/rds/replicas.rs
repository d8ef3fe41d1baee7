//! Replicas in RDS: each a throwaway instance or cluster, restored from a snapshot into the drill network.
//!
//! One is ours because its tags say so; whatever else bears its name is left alone. It has no public address, no backups and
//! no protection, and a master password that only this invocation knows: the next one sets another.

use super::{body::Body, difference, look::Region, settings::text, tags};
use crate::{
    catalog::Vault,
    clock::{Clock, Timestamp},
    config::{Asset, Copies, DrillNetwork, RdsDrill, Source},
    domain::{
        backup::{Expectations, Form, Manifest},
        compare::CheckResult,
        drill::ReplicaName,
        place::Place,
    },
    error::{Error, Kind, Result, conflict, invalid, not_found},
    id::AssetName,
    ports::{Replica, Replicas, Rows, Secret},
    providers::{
        aws::Aws,
        postgres::{PgUrl, Tools, ask},
    },
};
use async_trait::async_trait;
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fmt,
    sync::Arc,
};
use tokio::sync::Mutex;

/// Throwaway instances and clusters of one asset, in every region that its policy touches.
pub struct RdsReplicas {
    pub(super) aws: Arc<Aws>,
    pub(super) asset: AssetName,
    pub(super) source: String,
    spared: BTreeSet<String>,
    home: Place,
    pub(super) drill: RdsDrill,
    places: Vec<Place>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) tools: Tools,
    regions: Mutex<HashMap<Place, Region>>,
    at: Mutex<HashMap<ReplicaName, Place>>,
    pub(super) passwords: Mutex<HashMap<ReplicaName, Secret>>,
}

impl fmt::Debug for RdsReplicas {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RdsReplicas").field("asset", &self.asset).field("places", &self.places).finish_non_exhaustive()
    }
}

impl RdsReplicas {
    /// Makes replicas of an asset as `drill` says. Asks nothing yet.
    pub fn new(aws: Arc<Aws>, asset: &Asset, drill: RdsDrill, clock: Arc<dyn Clock>, tools: Tools) -> Result<Self> {
        let Source::Rds { instance, place: home, .. } = &asset.source else {
            return Err(invalid(format!(
                "{} is of kind {}, and `drill.into.rds` restores snapshots of rds",
                asset.name,
                asset.source.kind()
            )));
        };
        let places = places(asset, home, &drill)?;
        Ok(Self {
            aws,
            asset: asset.name.clone(),
            source: instance.clone(),
            spared: BTreeSet::from([instance.to_ascii_lowercase()]),
            home: home.clone(),
            drill,
            places,
            clock,
            tools,
            regions: Mutex::default(),
            at: Mutex::default(),
            passwords: Mutex::default(),
        })
    }

    /// Spares the sources of other assets too, whatever they are called and tagged: a replica that somebody kept and made
    /// production of is one no more.
    #[must_use]
    pub fn sparing<'a>(mut self, sources: impl IntoIterator<Item = &'a str>) -> Self {
        self.spared.extend(sources.into_iter().map(str::to_ascii_lowercase));
        self
    }

    /// Whether a source bears one of these identifiers: a replica's own and its members'.
    pub(super) fn spares<'a>(&self, ids: impl IntoIterator<Item = &'a str>) -> bool {
        ids.into_iter().any(|id| self.spared.contains(&id.to_ascii_lowercase()))
    }

    pub(super) async fn region(&self, place: &Place) -> Result<Region> {
        let mut regions = self.regions.lock().await;
        if let Some(region) = regions.get(place) {
            return Ok(region.clone());
        }
        let region = Region::open(&self.aws, place).await?;
        regions.insert(place.clone(), region.clone());
        Ok(region)
    }

    /// The drill network of a place.
    pub(super) fn network(&self, place: &Place) -> Result<DrillNetwork> {
        if let Some(network) = self.drill.regions.get(place.bucket()) {
            return Ok(network.clone());
        }
        if *place == self.home {
            let RdsDrill { subnet_group, security_groups, .. } = &self.drill;
            return Ok(DrillNetwork { subnet_group: subnet_group.clone(), security_groups: security_groups.clone() });
        }
        Err(invalid(format!("no drill network is known at {place}"))
            .hint(format!("add `regions: {{ {}: {{ subnet_group: …, security_groups: […] }} }}` to `drill.into.rds`", place.bucket())))
    }

    pub(super) async fn remember_place(&self, name: &ReplicaName, place: &Place) {
        self.at.lock().await.insert(name.clone(), place.clone());
    }

    /// Looks for what bears the name of a replica: ours, or else a stranger's. It is nowhere only if every place said so.
    pub(super) async fn find(&self, name: &ReplicaName) -> Result<Option<(Region, Body)>> {
        let known = self.at.lock().await.get(name).cloned();
        let places = known.map_or_else(|| self.places.clone(), |place| vec![place]);
        let (mut strange, mut blind) = (None, None);
        for place in places {
            match self.find_at(&place, name).await {
                Ok(Some((region, body))) if body.is_ours(name) => {
                    self.remember_place(name, &place).await;
                    return Ok(Some((region, body)));
                }
                Ok(Some(found)) => strange = Some(found),
                Ok(None) => {}
                Err(error) => blind = Some(error),
            }
        }
        match blind {
            Some(error) => Err(error),
            None => Ok(strange),
        }
    }

    async fn find_at(&self, place: &Place, name: &ReplicaName) -> Result<Option<(Region, Body)>> {
        let region = self.region(place).await?;
        Ok(Body::find(&region, name).await?.map(|body| (region, body)))
    }

    async fn ours(&self, name: &ReplicaName) -> Result<(Region, Body)> {
        let found = self.find(name).await?.filter(|(_, body)| body.is_ours(name));
        found.ok_or_else(|| not_found(format!("there is no replica {name}")))
    }

    /// Where a replica is asked.
    async fn url(&self, name: &ReplicaName) -> Result<PgUrl> {
        let (region, body) = self.ours(name).await?;
        let (body, password) = self.opened(&region, name, body).await?;
        self.url_of(&body, &password)
    }
}

/// Every place that may hold a replica of this asset: its own, those of its copies, and those with a drill network.
fn places(asset: &Asset, home: &Place, drill: &RdsDrill) -> Result<Vec<Place>> {
    let mut places = vec![home.clone()];
    let copies = asset.policy.copies.iter().filter(|copies| matches!(copies, Copies::Region { .. })).map(Copies::place);
    let from = asset.policy.drill.iter().filter_map(|policy| policy.from.as_ref()).filter(|from| from.holds_snapshots());
    places.extend(copies.chain(from).cloned());
    for region in drill.regions.keys() {
        places.push(Place::aws(region, None)?);
    }
    let mut known = std::collections::BTreeSet::new();
    places.retain(|place| known.insert(place.clone()));
    Ok(places)
}

pub(super) fn stranger(name: &ReplicaName, region: &Region) -> Error {
    conflict(format!("{} at {} exists and is not replica {name}", super::names::of_replica(name), region.place))
        .hint("nothing was touched: look at it, and remove it by hand if nobody needs it")
}

#[async_trait]
impl Replicas for RdsReplicas {
    async fn begin_replica(&self, name: &ReplicaName, backup: &Manifest, expires: Timestamp) -> Result<()> {
        self.begin(name, backup, expires).await
    }

    async fn replica(&self, name: &ReplicaName) -> Result<Option<Replica>> {
        let found = self.find(name).await?.filter(|(_, body)| body.is_ours(name));
        Ok(found.and_then(|(_, body)| {
            let (name, expires) = tags::replica(body.tags())?;
            Some(Replica { name, expires, sighting: body.sighting() })
        }))
    }

    async fn restore(&self, name: &ReplicaName, backup: &Manifest, _: &Vault) -> Result<BTreeMap<String, String>> {
        self.finish(name, backup).await
    }

    async fn measure(&self, name: &ReplicaName, expected: &Expectations, form: Form) -> Result<Expectations> {
        ask::measure(&self.url(name).await?, expected, form).await
    }

    async fn set_up(&self, name: &ReplicaName, backup: &Manifest) -> Result<Vec<CheckResult>> {
        let (_, body) = self.ours(name).await?;
        let recorded = backup.held.as_ref().map(|held| &held.settings).filter(|settings| text(settings, "engine").is_some());
        let recorded = recorded.ok_or_else(|| invalid("the manifest does not say how the source was set up"))?;
        Ok(difference::checks(recorded, &body.settings()))
    }

    async fn ask(&self, name: &ReplicaName, sql: &str) -> Result<Rows> {
        ask::ask(&self.url(name).await?, sql).await
    }

    async fn amcheck(&self, name: &ReplicaName) -> Result<usize> {
        // It brings its extension along, which is written into the replica.
        let url = PgUrl { options: None, ..self.url(name).await? };
        ask::amcheck(&url, &self.tools).await
    }

    async fn begin_teardown(&self, name: &ReplicaName) -> Result<()> {
        self.tear_down(name).await
    }

    async fn replicas(&self) -> Result<Vec<Replica>> {
        let mut all = Vec::new();
        for place in &self.places {
            match self.listed(place).await {
                Ok(found) => all.extend(found),
                // A region that is out of reach is swept another time; drills elsewhere do not wait for it.
                Err(error) if error.kind() == Kind::Retry => {
                    tracing::warn!(asset = %self.asset, "leftovers of drills at {place} could not be looked for: {}", error.full());
                }
                Err(error) => return Err(error),
            }
        }
        Ok(all)
    }
}
