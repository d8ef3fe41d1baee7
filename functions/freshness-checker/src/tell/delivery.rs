//! Deliveries: some at once, each in its own time.

use futures::{Stream, StreamExt, stream};
use lastgood_core::{
    clock::{Timestamp, since},
    domain::tell::{Alert, Digest, Filter, Message, Topic},
    env::Env,
    function::Function,
    ports::Notifier,
};
use std::{sync::Arc, time::Duration};

/// What one channel may take, at most.
const PATIENCE: Duration = Duration::from_secs(30);
/// How many are told at once.
const AT_ONCE: usize = 8;

/// One channel, by its number in the config's order.
#[derive(Debug, Clone)]
pub struct Channel {
    pub number: usize,
    pub filter: Filter,
    pub notifier: Arc<dyn Notifier>,
}

impl Channel {
    pub fn name(&self) -> &str {
        self.notifier.channel()
    }
}

/// What one channel is told.
#[derive(Debug)]
pub struct Delivery {
    pub channel: Channel,
    pub notice: Option<Alert>,
    pub alerts: Vec<(Topic, Alert)>,
    pub digest: Option<Digest>,
}

impl Delivery {
    /// What is to be told, as much as the channel takes at once; none where there is nothing.
    pub fn of(channel: Channel, notice: Option<Alert>, mut alerts: Vec<(Topic, Alert)>, digest: Option<Digest>) -> Option<Self> {
        alerts.truncate(channel.notifier.at_once());
        (notice.is_some() || !alerts.is_empty() || digest.is_some()).then_some(Self { channel, notice, alerts, digest })
    }
}

/// Delivers, and returns each delivery with what became of it as soon as that is known.
pub fn deliver(env: &Env, now: Timestamp, wave: Vec<Delivery>) -> impl Stream<Item = (Delivery, Result<(), String>)> + Unpin + use<> {
    let vault = env.vault.place().to_string();
    // A kill while waiting would tell everybody again.
    let left = env.deadline.map_or(PATIENCE, |deadline| since(deadline, env.clock.now()) / 3);
    let patience = PATIENCE.min(left.max(Duration::from_secs(1)));
    let send = move |delivery: Delivery| {
        let alerts = delivery.notice.iter().cloned().chain(delivery.alerts.iter().map(|(_, alert)| alert.clone())).collect();
        let function = crate::FreshnessChecker::NAME.to_owned();
        let message = Message { function, vault: vault.clone(), sent_at: now, alerts, digest: delivery.digest.clone() };
        async move {
            let sent = tokio::time::timeout(patience, delivery.channel.notifier.notify(&message)).await;
            let outcome = match sent {
                Ok(sent) => sent.map_err(|error| error.full()),
                Err(_) => Err(format!("it took nothing within {}s", patience.as_secs())),
            };
            (delivery, outcome)
        }
    };
    stream::iter(wave.into_iter().map(send).collect::<Vec<_>>()).buffer_unordered(AT_ONCE).boxed()
}
