//! Everything that a region has, looked at once for many assets: a thousand assets that each asked for themselves would use up
//! what RDS lets an account ask.

use super::{look::Region, source::Source, tags};
use crate::{
    clock::{Timestamp, since},
    domain::{
        fleet::{Candidate, Unfit},
        place::Place,
        posture::{KeySeen, Quota},
    },
    error::Result,
    providers::aws::Aws,
};
use aws_sdk_rds::types::{DbCluster, DbInstance, Tag};
use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};
use tokio::sync::{Mutex, OnceCell};

/// A look serves for this long.
const SERVES: Duration = Duration::from_mins(1);
/// After so many single questions about a region, it is looked at as a whole.
const SINGLE: usize = 3;

/// What was seen of regions.
#[derive(Debug, Default)]
pub struct Directory(Mutex<HashMap<Place, Entry>>);

#[derive(Debug, Default)]
struct Entry {
    asked: usize,
    look: Option<(Timestamp, Arc<Shown>)>,
}

/// What a region shows.
#[derive(Debug)]
pub(super) struct Shown {
    instances: HashMap<String, DbInstance>,
    clusters: HashMap<String, DbCluster>,
    /// What is the same for all of them, asked for once.
    pub(super) quota: OnceCell<Option<Quota>>,
    keys: Mutex<HashMap<String, Arc<OnceCell<KeySeen>>>>,
}

impl Shown {
    async fn of(region: &Region) -> Result<Self> {
        let (instances, clusters) = tokio::try_join!(region.instances(), region.clusters())?;
        let id = |id: Option<&str>| id.unwrap_or_default().to_ascii_lowercase();
        Ok(Self {
            instances: instances.into_iter().map(|one| (id(one.db_instance_identifier()), one)).collect(),
            clusters: clusters.into_iter().map(|one| (id(one.db_cluster_identifier()), one)).collect(),
            quota: OnceCell::new(),
            keys: Mutex::default(),
        })
    }

    /// Where what is seen of a key is kept.
    pub(super) async fn key(&self, name: &str) -> Arc<OnceCell<KeySeen>> {
        self.keys.lock().await.entry(name.to_owned()).or_default().clone()
    }

    /// What an identifier names; none where it was not there.
    pub(super) fn source(&self, id: &str) -> Option<Source> {
        let id = id.to_ascii_lowercase();
        let cluster = match self.instances.get(&id) {
            Some(instance) => match instance.db_cluster_identifier().filter(|cluster| !cluster.is_empty()) {
                Some(cluster) => self.clusters.get(cluster)?,
                None => return Some(Source::Instance(Box::new(instance.clone()))),
            },
            None => self.clusters.get(&id)?,
        };
        let writer = cluster.db_cluster_members().iter().find(|member| member.is_cluster_writer().unwrap_or_default());
        let writer = writer.and_then(|member| self.instances.get(&member.db_instance_identifier()?.to_ascii_lowercase()));
        Some(Source::Cluster(Box::new(cluster.clone()), writer.cloned().map(Box::new)))
    }

    /// What a fleet could select: instances of their own, and clusters.
    fn candidates(&self) -> Vec<Candidate> {
        let of_cluster = |instance: &&DbInstance| instance.db_cluster_identifier().is_some_and(|cluster| !cluster.is_empty());
        let single = self.instances.values().filter(|instance| !of_cluster(instance)).map(|instance| Candidate {
            id: instance.db_instance_identifier().unwrap_or_default().to_owned(),
            tags: vec![read(instance.tag_list())],
            instances: Vec::new(),
            unfit: unfit(
                instance.engine(),
                instance.db_instance_status(),
                instance.read_replica_source_db_instance_identifier().or(instance.read_replica_source_db_cluster_identifier()),
                [instance.tag_list()].into_iter(),
            ),
        });
        let clusters = self.clusters.values().map(|cluster| {
            let id = cluster.db_cluster_identifier().unwrap_or_default();
            let members = || self.instances.values().filter(|instance| instance.db_cluster_identifier() == Some(id));
            let mut instances: Vec<_> = members().filter_map(|one| one.db_instance_identifier()).map(str::to_owned).collect();
            instances.sort_unstable();
            let tags = || std::iter::once(cluster.tag_list()).chain(members().map(DbInstance::tag_list));
            let follows = cluster.replication_source_identifier();
            Candidate {
                id: id.to_owned(),
                tags: tags().map(read).collect(),
                instances,
                unfit: unfit(cluster.engine(), cluster.status(), follows, tags()),
            }
        });
        let mut all: Vec<_> = single.chain(clusters).collect();
        all.sort_by(|a, b| a.id.cmp(&b.id));
        all
    }
}

fn read(tags: &[Tag]) -> BTreeMap<String, String> {
    tags.iter().filter_map(|tag| Some((tag.key()?.to_owned(), tag.value().unwrap_or_default().to_owned()))).collect()
}

fn unfit<'a>(
    engine: Option<&str>,
    status: Option<&str>,
    follows: Option<&str>,
    mut tags: impl Iterator<Item = &'a [Tag]>,
) -> Option<Unfit> {
    // The same API shows what only shares its machinery.
    let foreign = engine.is_some_and(|engine| matches!(engine, "docdb" | "neptune"));
    if tags.any(|tags| !tags::ours(tags).is_empty()) {
        return Some(Unfit::Ours);
    }
    match status {
        _ if foreign => Some(Unfit::Foreign),
        _ if follows.is_some_and(|source| !source.is_empty()) => Some(Unfit::ReadReplica),
        Some("deleting" | "deleted") => Some(Unfit::Leaving),
        Some(_) | None => None,
    }
}

impl Directory {
    /// Looks at a region, whatever was seen before.
    async fn look(&self, region: &Region, now: Timestamp) -> Result<Arc<Shown>> {
        let mut entries = self.0.lock().await;
        let shown = Arc::new(Shown::of(region).await?);
        entries.entry(region.place.clone()).or_default().look = Some((now, shown.clone()));
        Ok(shown)
    }

    /// Returns what a region showed lately; none where few have asked and one question more is cheaper than a whole look.
    pub(super) async fn lately(&self, region: &Region, now: Timestamp) -> Result<Option<Arc<Shown>>> {
        let mut entries = self.0.lock().await;
        let entry = entries.entry(region.place.clone()).or_default();
        if let Some((_, shown)) = entry.look.as_ref().filter(|(at, _)| *at <= now && since(now, *at) < SERVES) {
            return Ok(Some(shown.clone()));
        }
        entry.asked += 1;
        if entry.asked <= SINGLE {
            return Ok(None);
        }
        let shown = Arc::new(Shown::of(region).await?);
        entry.look = Some((now, shown.clone()));
        Ok(Some(shown))
    }
}

/// Returns everything in a region that a fleet could select.
pub async fn candidates(aws: &Aws, at: &Place, now: Timestamp) -> Result<Vec<Candidate>> {
    let region = Region::open(aws, at).await?;
    Ok(aws.directory.look(&region, now).await?.candidates())
}
