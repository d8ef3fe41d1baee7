//! EBS in one region, of our own account or of another. A listing is complete or an error.

use super::{
    error::told,
    wire::{Snapshot, Snapshots, Volume, Volumes},
};
use crate::{
    domain::place::Place,
    error::{Error, Kind, Result, invalid, retry},
    providers::aws::{
        Aws,
        call::{Call, CallError, Service},
        marks::Tags,
        shared::{ROLE, every_page},
    },
};
use aws_config::SdkConfig;
use serde::de::DeserializeOwned;
use std::time::Duration;

/// EC2 answers within seconds, or not at all.
const PATIENCE: Duration = Duration::from_mins(1);
/// The most that EC2 is asked for on a page.
const PAGE: &str = "500";

/// Parameters of a request.
pub(super) type Parameters = Vec<(String, String)>;

/// EBS in one region.
#[derive(Debug, Clone)]
pub(super) struct Region {
    pub(super) place: Place,
    pub(super) config: SdkConfig,
    /// The interface to the blocks of snapshots.
    pub(super) blocks: Call,
    call: Call,
    once: Call,
}

impl Region {
    /// Opens the region at `aws://region` or `aws://region/account`. Asks nothing yet.
    pub(super) async fn open(aws: &Aws, place: &Place) -> Result<Self> {
        if place.scheme() != crate::domain::place::Scheme::Aws {
            return Err(invalid(format!("{place} is no region of Amazon's")));
        }
        let config = match place.prefix() {
            "" => aws.in_region(place.bucket(), PATIENCE).await,
            account => aws.in_account(place.bucket(), account, PATIENCE).await?,
        };
        let (call, once) = (Call::new(&config, Service::Ec2), Call::once(&config, Service::Ec2));
        Ok(Self { place: place.clone(), blocks: Call::new(&config, Service::Ebs), call, once, config })
    }

    /// The region's own name: `eu-west-1`.
    pub(super) fn name(&self) -> &str {
        self.place.bucket()
    }

    /// Tells a refusal here as ours.
    pub(super) fn told(&self, action: &str, of: &str, error: &CallError) -> Error {
        let error = told(action, &format!("{of} at {}", self.place), error);
        match self.place.prefix() {
            account if !account.is_empty() && error.kind() == Kind::Denied && error.to_string().contains("credentials") => {
                error.hint(format!("account {account} needs the role {ROLE}, which must trust the role that this runs with"))
            }
            _ => error,
        }
    }

    /// Asks what may be asked again, under a right such as `ec2:DescribeVolumes`.
    pub(super) async fn ask(&self, right: &str, parameters: &Parameters) -> Result<Vec<u8>, CallError> {
        self.call.query(action(right), &borrowed(parameters)).await
    }

    /// Asks what may be asked again, and reads the answer.
    pub(super) async fn ask_for<T: DeserializeOwned>(&self, right: &str, of: &str, parameters: &Parameters) -> Result<T> {
        read(right, &self.ask(right, parameters).await.map_err(|error| self.told(right, of, &error))?)
    }

    /// Orders what must not be ordered twice: where no answer comes, whoever comes next looks first.
    pub(super) async fn order<T: DeserializeOwned>(&self, right: &str, of: &str, parameters: &Parameters) -> Result<T> {
        let reply = self.once.query(action(right), &borrowed(parameters)).await;
        read(right, &reply.map_err(|error| self.told(right, of, &error))?)
    }

    /// Every volume that fits.
    pub(super) async fn volumes(&self, by: &[(&str, &str)]) -> Result<Vec<Volume>> {
        every_page("volumes", |token| async move {
            let page: Volumes = self.page("ec2:DescribeVolumes", by, token).await?;
            Ok((page.volume_set.item, page.next_token))
        })
        .await
    }

    /// Every snapshot of this account that fits.
    pub(super) async fn snapshots(&self, by: &[(&str, &str)]) -> Result<Vec<Snapshot>> {
        every_page("snapshots", |token| async move {
            let page: Snapshots = self.page("ec2:DescribeSnapshots", by, token).await?;
            Ok((page.snapshot_set.item, page.next_token))
        })
        .await
    }

    async fn page<T: DeserializeOwned>(&self, right: &str, by: &[(&str, &str)], token: Option<String>) -> Result<T> {
        let mut parameters = vec![("MaxResults".to_owned(), PAGE.to_owned())];
        if right == "ec2:DescribeSnapshots" {
            // Others' snapshots that are shared with everybody are not ours, whatever their tags.
            parameters.push(("Owner.1".to_owned(), "self".to_owned()));
        }
        for (number, (name, value)) in by.iter().enumerate() {
            parameters.push((format!("Filter.{}.Name", number + 1), (*name).to_owned()));
            parameters.push((format!("Filter.{}.Value.1", number + 1), (*value).to_owned()));
        }
        parameters.extend(token.map(|token| ("NextToken".to_owned(), token)));
        let of = by.first().map_or("the region", |(_, value)| value);
        read(right, &self.ask(right, &parameters).await.map_err(|error| self.told(right, of, &error))?)
    }
}

/// The action that a right is about.
fn action(right: &str) -> &str {
    right.split_once(':').map_or(right, |(_, action)| action)
}

fn borrowed(parameters: &Parameters) -> Vec<(&str, String)> {
    parameters.iter().map(|(name, value)| (name.as_str(), value.clone())).collect()
}

/// Reads an answer. One that cannot be read says nothing: it is asked for again another time.
fn read<T: DeserializeOwned>(right: &str, reply: &[u8]) -> Result<T> {
    let unreadable = || format!("the answer to {right} cannot be read");
    let text = std::str::from_utf8(reply).map_err(|error| retry(unreadable()).because(error))?;
    quick_xml::de::from_str(text).map_err(|error| retry(unreadable()).because(error))
}

/// The parameters that tag what a request makes.
pub(super) fn tagged(kind: &str, tags: &Tags) -> Parameters {
    let mut parameters = vec![("TagSpecification.1.ResourceType".to_owned(), kind.to_owned())];
    for (number, (key, value)) in tags.iter().enumerate() {
        parameters.push((format!("TagSpecification.1.Tag.{}.Key", number + 1), key.clone()));
        parameters.push((format!("TagSpecification.1.Tag.{}.Value", number + 1), value.clone()));
    }
    parameters
}

/// A parameter.
pub(super) fn with(name: &str, value: impl Into<String>) -> (String, String) {
    (name.to_owned(), value.into())
}
