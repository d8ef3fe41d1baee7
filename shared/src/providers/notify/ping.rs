//! The sign of life outside our own account: whoever does not get it in time raises the alarm, when nobody here can any more.

use super::{
    address,
    wire::{Wire, any_success, headers},
};
use crate::{clock::Clock, config::Heartbeat, error::Result, ports::Secrets};
use reqwest::Method;
use std::sync::Arc;

/// What a check came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Vital {
    /// It came to its end.
    Alive,
    /// It came to its end, and found something critical.
    Critical,
}

/// Asks for the URL, or for the URL + `/fail` where something is critical and the config says so.
pub async fn ping(heartbeat: &Heartbeat, vital: Vital, secrets: &dyn Secrets, clock: Arc<dyn Clock>) -> Result<()> {
    let mut url = address::read(secrets.resolve(&heartbeat.url).await?.expose())?;
    crate::redact::remember(url.path());
    if vital == Vital::Critical && heartbeat.fail {
        let path = format!("{}/fail", url.path().trim_end_matches('/'));
        url.set_path(&path);
    }
    Wire::new("the heartbeat's receiver", clock).send(Method::GET, &url, b"", || headers(&[]), any_success).await.map(|_| ())
}

/// Says whether its host is found, without asking for anything.
pub async fn reach(heartbeat: &Heartbeat, secrets: &dyn Secrets) -> Result<String> {
    address::resolve(&address::read(secrets.resolve(&heartbeat.url).await?.expose())?).await?;
    Ok("yes, its host is found; nothing is asked of it".to_owned())
}
