//! Tells each channel what it is owed, and remembers what it took.
//!
//! What a channel knows is remembered only after it took delivery: a kill in between tells it once more, and never not at
//! all. A channel that refuses is a finding of its own, what it should have heard goes to the next, and it is tried again by
//! the next check. A slow channel keeps nobody waiting but itself.

mod delivery;

use crate::Acks;
use delivery::{Channel, Delivery, deliver};
use lastgood_core::{
    catalog::{Key, Status},
    clock::Timestamp,
    domain::{
        finding::{Finding, FindingKind, Severity},
        tell::{Alert, Case, Digest, Instead, Known, Memory, Refusal, Round, Standing, Topic, cases, digest_due, instead, notice, owed},
    },
    env::Env,
    error::Result,
    function::Findings,
    id::AssetName,
};
use std::collections::{BTreeMap, BTreeSet};

/// What is told in one check.
pub(crate) struct Telling<'a> {
    env: &'a Env,
    status: &'a Status,
    only: Option<&'a AssetName>,
    told: Memory,
    acks: &'a mut Acks,
    now: Timestamp,
    unsaved: Option<String>,
}

/// Tells every channel what it is owed, but for what is acknowledged, and ends the acknowledgements whose time has come.
/// Returns what could not be delivered, as findings.
pub async fn tell(env: &Env, status: &Status, only: Option<&AssetName>, acks: &mut Acks) -> Vec<Finding> {
    if env.notifiers.is_empty() && env.config.heartbeat.is_none() {
        return Vec::new();
    }
    // Better told twice than not at all.
    let mut told = env.vault.load::<Memory>(&Key::Told).await.ok().flatten().map(|stored| stored.record).unwrap_or_default();
    renamed(env, &mut told);
    let mut telling = Telling { env, status, only, told, acks, now: status.checked_at, unsaved: None };
    telling.all().await
}

impl Telling<'_> {
    async fn all(&mut self) -> Vec<Finding> {
        let before = self.told.clone();
        // What others could not deliver is told with what is not delivered here.
        let (elsewhere, findings): (Vec<_>, Vec<_>) =
            self.status.findings().into_iter().partition(|finding| Topic::of(finding) == undelivered_topic());
        self.end_acks(&findings, Self::looked).await;
        let cases = self.cases(&findings);
        let wave = self.first_wave(&cases);
        let mut refusals = self.wave(wave, Instead::OfNobody).await;
        let mut refused: BTreeSet<usize> = refusals.iter().map(|refusal| refusal.channel).collect();

        // What they refused goes to the next, and to whoever is next if that refuses too.
        let mut undelivered = self.undelivered(&elsewhere);
        loop {
            let wave = self.second_wave(&refusals, &refused, &undelivered);
            if wave.is_empty() {
                break;
            }
            let again = self.wave(wave, Instead::OfAnother).await;
            if again.is_empty() {
                break;
            }
            refused.extend(again.iter().map(|refusal| refusal.channel));
            refusals.extend(again);
            undelivered = self.undelivered(&elsewhere);
        }
        self.end_acks(&undelivered, |_, topic| *topic == undelivered_topic()).await;
        self.note(&cases);
        if self.told != before {
            self.remember(None).await;
        }
        undelivered.extend(self.unsaved.take().map(|why| self.not_delivered(format!("what was told could not be noted: {why}"))));
        undelivered
    }

    async fn end_acks(&mut self, findings: &[Finding], looked: impl Fn(&Self, &Topic) -> bool) {
        let mut acks = std::mem::take(self.acks);
        acks.end(self.env, findings, |topic| looked(self, topic), self.now).await;
        *self.acks = acks;
    }

    fn cases(&self, findings: &[Finding]) -> BTreeMap<Topic, Case> {
        cases(findings, |asset| self.fleet(asset), &self.told.since, |finding| self.acks.of(finding, self.now).is_some(), self.now)
    }

    fn fleet(&self, asset: &AssetName) -> Option<AssetName> {
        self.env.config.assets.get(asset)?.member.as_ref().map(|member| member.fleet.clone())
    }

    /// Whether this check looked for what a finding would be about. An asset of which nothing could be seen was not looked at.
    fn looked(&self, topic: &Topic) -> bool {
        if *topic == undelivered_topic() {
            return false;
        }
        let in_scope = match self.only {
            None => true,
            Some(only) => topic.asset.as_ref().is_some_and(|asset| asset == only || self.fleet(asset).as_ref() == Some(only)),
        };
        let blind = |asset: &AssetName| {
            let seen = self.status.assets.iter().find(|seen| seen.asset == *asset);
            seen.is_some_and(|seen| {
                let only_that = !seen.findings.is_empty() && seen.findings.iter().all(|f| f.kind == FindingKind::CouldNotObserve);
                seen.newest.is_none() && seen.backups == 0 && only_that
            })
        };
        in_scope && !topic.asset.as_ref().is_some_and(blind)
    }

    /// Runs `judge` over one round.
    fn round<T>(&self, cases: &BTreeMap<Topic, Case>, looked: &(dyn Fn(&Topic) -> bool + Sync), judge: impl FnOnce(&Round<'_>) -> T) -> T {
        let (rules, runbook) = (&self.env.config.alerts, self.env.config.runbook.as_str());
        judge(&Round { cases, looked, stood: &self.told.since, rules, runbook, now: self.now })
    }

    fn known(&self, channel: &str) -> Known {
        self.told.channels.get(channel).cloned().unwrap_or_default()
    }

    /// What each channel is owed of what this check found, and its digest at its hour.
    fn first_wave(&self, cases: &BTreeMap<Topic, Case>) -> Vec<Delivery> {
        let rules = &self.env.config.alerts;
        let looked = |topic: &Topic| self.looked(topic);
        let wave = self.channels().filter_map(|channel| {
            let known = self.known(channel.name());
            let alerts = self.round(cases, &looked, |round| owed(&channel.filter, &known, round));
            let due = self.only.is_none() && channel.notifier.reads_digests() && digest_due(&known, rules.digest.as_ref(), self.now);
            let digest = due.then(|| {
                let quiet = self.acks.holding(self.now);
                Digest::of(&channel.filter, &self.status.assets, cases, &quiet, rules, self.now)
            });
            let notice = notice(&known, &self.env.config.runbook);
            Delivery::of(channel, notice, alerts, digest)
        });
        wave.collect()
    }

    /// What is told in place of channels that refused, and that they did.
    fn second_wave(&self, refusals: &[Refusal], refused: &BTreeSet<usize>, undelivered: &[Finding]) -> Vec<Delivery> {
        let channels: Vec<_> = self.channels().collect();
        let knowns: Vec<_> = channels.iter().map(|channel| self.known(channel.name())).collect();
        let standing = |n: usize| Standing { filter: &channels[n].filter, known: &knowns[n], refused: refused.contains(&n) };
        let standings: Vec<_> = (0..channels.len()).map(standing).collect();
        let cases = self.cases(undelivered);
        // What is not delivered is over only once a whole check has tried.
        let looked = |topic: &Topic| *topic == undelivered_topic();
        let mut owed_now: Vec<_> = channels
            .iter()
            .enumerate()
            .map(|(n, channel)| self.round(&cases, &looked, |round| owed(&channel.filter, &knowns[n], round)))
            .collect();
        let unheard: Vec<_> = refused.iter().map(|n| Refusal { channel: *n, alerts: owed_now[*n].clone() }).collect();
        for (n, alerts) in instead(&[refusals, &unheard].concat(), &standings, |asset| self.fleet(asset)) {
            let new: Vec<_> = alerts.into_iter().filter(|(topic, _)| owed_now[n].iter().all(|(owed, _)| owed != topic)).collect();
            owed_now[n].extend(new);
        }
        let open = channels.into_iter().zip(owed_now).filter(|(channel, _)| !refused.contains(&channel.number));
        open.filter_map(|(channel, alerts)| Delivery::of(channel, None, alerts, None)).collect()
    }

    /// Delivers, remembers each delivery at once, and returns what was refused.
    async fn wave(&mut self, wave: Vec<Delivery>, whose: Instead) -> Vec<Refusal> {
        use futures::StreamExt;
        let mut refusals = Vec::new();
        let mut under_way = deliver(self.env, self.now, wave);
        while let Some((delivery, outcome)) = under_way.next().await {
            let name = delivery.channel.name().to_owned();
            let known = self.told.channels.entry(name.clone()).or_default();
            match outcome {
                Ok(()) => {
                    let own = |alert: &Alert| {
                        let asset = alert.finding.asset.as_ref();
                        let member = asset.and_then(|asset| self.env.config.assets.get(asset)?.member.as_ref());
                        delivery.channel.filter.takes(&alert.finding, member.map(|member| &member.fleet))
                    };
                    let (fitting, moved): (Vec<_>, Vec<_>) = match whose {
                        Instead::OfNobody => (delivery.alerts.clone(), Vec::new()),
                        Instead::OfAnother => delivery.alerts.iter().cloned().partition(|(_, alert)| own(alert)),
                    };
                    known.took(&fitting, self.now, Instead::OfNobody);
                    known.took(&moved, self.now, Instead::OfAnother);
                    if delivery.digest.is_some() {
                        known.digest_at = Some(self.now);
                    }
                    for (topic, alert) in &delivery.alerts {
                        if !alert.what.is_over() {
                            self.told.since.entry(topic.clone()).or_insert(alert.since.unwrap_or(self.now));
                        }
                    }
                }
                Err(why) => {
                    tracing::warn!(channel = name, "it could not be told: {why}");
                    known.refused(&why, self.now);
                    refusals.push(Refusal { channel: delivery.channel.number, alerts: delivery.alerts });
                }
            }
            self.remember(Some(&name)).await;
        }
        refusals
    }

    /// Which channels take nothing, and whether the sign of life was taken, as findings.
    fn undelivered(&self, elsewhere: &[Finding]) -> Vec<Finding> {
        let names: Vec<_> = self.env.notifiers.iter().map(|notifier| notifier.channel()).collect();
        let channels = names.iter().filter_map(|name| {
            let refused = self.told.channels.get(*name)?.refused.as_ref()?;
            Some(self.not_delivered(format!("nothing could be told to {name} since {}: {}", refused.since, refused.why)))
        });
        let heartbeat = self.env.config.heartbeat.as_ref().and(self.told.heartbeat.as_ref());
        let heartbeat = heartbeat.map(|refused| format!("the heartbeat was not taken since {}: {}", refused.since, refused.why));
        elsewhere.iter().cloned().chain(channels).chain(heartbeat.map(|sentence| self.not_delivered(sentence))).collect()
    }

    fn not_delivered(&self, sentence: String) -> Finding {
        Finding::new(FindingKind::NotDelivered, Severity::Warning, sentence, "lastgood doctor").linked(&self.env.config.runbook)
    }

    fn channels(&self) -> impl Iterator<Item = Channel> {
        let open = |(number, notifier): (usize, &std::sync::Arc<dyn lastgood_core::ports::Notifier>)| Channel {
            number,
            filter: notifier.filter(),
            notifier: notifier.clone(),
        };
        self.env.notifiers.iter().enumerate().map(open)
    }

    /// Notes what needs no delivery: since when what stands stands, and what is long over.
    fn note(&mut self, cases: &BTreeMap<Topic, Case>) {
        for (topic, case) in cases {
            self.told.since.entry(topic.clone()).or_insert(case.since);
        }
        let known: BTreeSet<Topic> = self.told.channels.values().flat_map(|known| known.topics.keys().cloned()).collect();
        let gone = |topic: &Topic| !cases.contains_key(topic) && !known.contains(topic);
        let over: Vec<_> = self.told.since.keys().filter(|topic| gone(topic) && self.looked(topic)).cloned().collect();
        for topic in over {
            self.told.since.remove(&topic);
        }
        let names: BTreeSet<_> = self.env.notifiers.iter().map(|notifier| notifier.channel()).collect();
        self.told.channels.retain(|name, _| names.contains(name.as_str()));
        for notifier in &self.env.notifiers {
            let known = self.told.channels.entry(notifier.channel().to_owned()).or_default();
            if self.only.is_none() {
                known.digest_at.get_or_insert(self.now);
            }
            for knows in known.topics.values_mut() {
                knows.told_at.get_or_insert(self.now);
            }
        }
    }

    /// Saves what is known of one channel, or of all of them.
    async fn remember(&mut self, channel: Option<&str>) {
        let told = &self.told;
        let saved: Result<Memory> = self
            .env
            .vault
            .revise(&Key::Told, |stored: &mut Memory| {
                stored.since.clone_from(&told.since);
                if channel.is_none() {
                    stored.channels.retain(|name, _| told.channels.contains_key(name));
                }
                for (name, known) in told.channels.iter().filter(|(name, _)| channel.is_none_or(|channel| channel == *name)) {
                    stored.channels.insert(name.clone(), known.clone());
                }
            })
            .await;
        if let Err(error) = saved {
            self.unsaved = Some(error.full());
        }
    }
}

/// Earlier versions called a channel by its kind and its number: `webhook (1 of 2)`.
fn renamed(env: &Env, told: &mut Memory) {
    for (n, notifier) in env.notifiers.iter().enumerate() {
        let ending = format!(" ({} of {})", n + 1, env.notifiers.len());
        let old = told.channels.keys().find(|name| name.ends_with(&ending)).cloned();
        if let Some(known) = old.and_then(|old| told.channels.remove(&old)) {
            told.channels.entry(notifier.channel().to_owned()).or_insert(known);
        }
    }
}

/// What every channel that takes nothing is told of under.
const fn undelivered_topic() -> Topic {
    Topic { asset: None, kind: FindingKind::NotDelivered }
}
