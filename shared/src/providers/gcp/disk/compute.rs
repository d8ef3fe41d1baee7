//! Compute Engine in one project. "Not there" is told from "could not be asked", a listing is complete or an error, and an order
//! is followed until it is clear that it was taken up.

use super::{
    error::{ended, told},
    operation::Operation,
    wire::{Disk, Page, Snapshot},
};
use crate::{
    clock::Clock,
    config::DiskAt,
    domain::place::{Place, Scheme},
    error::{Error, Kind, Result, invalid, retry},
    providers::gcp::{
        Google,
        call::{Ask, Call, Service, escaped},
    },
};
use reqwest::Method;
use serde::de::DeserializeOwned;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::{sync::Arc, time::Duration};

/// An order is followed this often: what goes wrong, mostly goes wrong at once.
const LOOKS: u32 = 5;
const BETWEEN: Duration = Duration::from_secs(2);
/// Pages of one listing; at 500 each it is more than a project may have.
const MOST_PAGES: usize = 200;

/// Compute Engine in one project.
#[derive(Debug, Clone)]
pub(super) struct Compute {
    pub(super) place: Place,
    call: Call,
    clock: Arc<dyn Clock>,
}

/// What is ordered: under which right, of what, where and how.
#[derive(Debug)]
pub(super) struct Order<'a> {
    pub(super) permission: &'a str,
    pub(super) of: &'a str,
    pub(super) method: Method,
    /// The path below the project.
    pub(super) path: String,
    pub(super) body: Option<Value>,
    /// What makes of two sendings of it one order.
    pub(super) key: String,
    pub(super) guest_flush: bool,
}

impl Compute {
    /// Opens the project at `gcp://project`. Asks nothing yet.
    pub(super) fn new(google: Arc<Google>, place: &Place, clock: Arc<dyn Clock>) -> Result<Self> {
        if place.scheme() != Scheme::Gcp || !place.prefix().is_empty() {
            return Err(invalid(format!("{place} is no project of Google's")));
        }
        Ok(Self { place: place.clone(), call: Call::new(google, Service::Compute), clock })
    }

    /// Its project.
    pub(super) fn project(&self) -> &str {
        self.place.bucket()
    }

    fn address(&self, below: &str) -> String {
        let slash = if below.is_empty() { "" } else { "/" };
        format!("/compute/v1/projects/{}{slash}{below}", escaped(self.project()))
    }

    fn at(&self, of: &str) -> String {
        format!("{of} at {}", self.place)
    }

    /// Asks for something, or returns none where there is none.
    pub(super) async fn find<T: DeserializeOwned>(&self, permission: &str, of: &str, below: &str) -> Result<Option<T>> {
        let found = self.call.ask_operation(&Ask::get(self.address(below))).await.and_then(|reply| reply.json::<T>());
        match found.map_err(|refused| told(refused, permission, &self.at(of))) {
            Ok(found) => Ok(Some(found)),
            Err(error) if error.kind() == Kind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Lists everything that passes a filter.
    async fn all<T: DeserializeOwned>(&self, permission: &str, below: &str, filter: &str) -> Result<Vec<T>> {
        let (mut all, mut token) = (Vec::new(), None::<String>);
        for _ in 0..MOST_PAGES {
            let mut ask = Ask::get(self.address(below)).query("filter", filter).query("maxResults", "500");
            if let Some(token) = &token {
                ask = ask.query("pageToken", token.clone());
            }
            let page = self.call.ask(&ask).await.and_then(|reply| reply.json::<Page<T>>());
            let page = page.map_err(|refused| told(refused, permission, &self.at(below)))?;
            all.extend(page.items);
            match page.next_page_token.filter(|next| !next.is_empty()) {
                None => return Ok(all),
                next if next == token => return Err(retry(format!("listing {below} at {}: the same page came twice", self.place))),
                next => token = next,
            }
        }
        Err(retry(format!("listing {below} at {} does not end", self.place)))
    }

    /// Orders something, and follows the order until it ended, or is plainly under way. One that is sent twice takes effect once.
    pub(super) async fn order(&self, order: Order<'_>) -> Result<()> {
        let Order { permission, of, method, path, body, key, guest_flush } = order;
        let of = self.at(of);
        let mut ask = Ask::new(method, self.address(&path)).query("requestId", request_id(&key));
        if guest_flush {
            ask = ask.query("guestFlush", "true");
        }
        if let Some(body) = &body {
            ask = ask.json(body);
        }
        let asked = self.call.ask_operation(&ask).await.and_then(|reply| reply.json::<Operation>());
        let mut operation = asked.map_err(|refused| told(refused, permission, &of))?;
        for _ in 0..LOOKS {
            if let Some(said) = operation.failure() {
                return Err(ended(said, operation.http_error_status_code.unwrap_or_default(), permission, &of));
            }
            if operation.over() {
                return Ok(());
            }
            self.clock.sleep(BETWEEN).await;
            match self.find::<Operation>("compute.zoneOperations.get", &operation.name, &operation.path()).await {
                Ok(Some(now)) => operation = now,
                // An order that was accepted is not taken back because nobody may or can look at it: what comes of it shows.
                Ok(None) | Err(_) => return Ok(()),
            }
        }
        Ok(())
    }

    /// Looks at a disk.
    pub(super) async fn disk(&self, at: &DiskAt, name: &str) -> Result<Option<Disk>> {
        self.find("compute.disks.get", name, &format!("{}/disks/{}", below(at), escaped(name))).await
    }

    /// Lists the disks of a zone that bear a label.
    pub(super) async fn disks(&self, zone: &str, filter: &str) -> Result<Vec<Disk>> {
        self.all("compute.disks.list", &format!("zones/{}/disks", escaped(zone)), filter).await
    }

    /// Looks at a snapshot.
    pub(super) async fn snapshot(&self, name: &str) -> Result<Option<Snapshot>> {
        self.find("compute.snapshots.get", name, &format!("global/snapshots/{}", escaped(name))).await
    }

    /// Lists the snapshots that bear a label.
    pub(super) async fn snapshots(&self, filter: &str) -> Result<Vec<Snapshot>> {
        self.all("compute.snapshots.list", "global/snapshots", filter).await
    }

    /// Makes a disk in a zone.
    pub(super) async fn make_disk(&self, zone: &str, name: &str, body: Value) -> Result<()> {
        let now = self.clock.now();
        self.order(Order {
            permission: "compute.disks.create",
            of: name,
            method: Method::POST,
            path: format!("zones/{}/disks", escaped(zone)),
            body: Some(body),
            key: format!("make {zone} {name} {now}"),
            guest_flush: false,
        })
        .await
    }

    /// Removes a disk; one that is gone is a success.
    pub(super) async fn remove_disk(&self, zone: &str, name: &str) -> Result<()> {
        let now = self.clock.now();
        let order = Order {
            permission: "compute.disks.delete",
            of: name,
            method: Method::DELETE,
            path: format!("zones/{}/disks/{}", escaped(zone), escaped(name)),
            body: None,
            key: format!("remove {zone} {name} {now}"),
            guest_flush: false,
        };
        gone(self.order(order).await)
    }
}

/// Takes "it is not there" for a success.
pub(super) fn gone(removed: Result<()>) -> Result<(), Error> {
    match removed {
        Err(error) if error.kind() == Kind::NotFound => Ok(()),
        removed => removed,
    }
}

/// Where a disk is asked for, below its project.
pub(super) fn below(at: &DiskAt) -> String {
    match at {
        DiskAt::Zone(zone) => format!("zones/{}", escaped(zone)),
        DiskAt::Region(region) => format!("regions/{}", escaped(region)),
    }
}

/// A UUID that the same work always has: Google takes two orders that bear the same for one.
fn request_id(key: &str) -> String {
    let mut bytes: [u8; 16] = Sha256::digest(key)[..16].try_into().unwrap_or_default();
    bytes[6] = bytes[6] & 0x0f | 0x80;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex = hex::encode(bytes);
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_work_has_the_same_id_and_it_is_a_uuid() {
        let id = request_id("snapshot x");
        assert_eq!(id, request_id("snapshot x"));
        assert_ne!(id, request_id("snapshot y"));
        assert_eq!((id.len(), id.as_bytes()[14], id.matches('-').count()), (36, b'8', 4));
    }
}
