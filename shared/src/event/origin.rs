//! Whether an event comes from an account whose events are believed.
//!
//! An event's account is compared and nothing else: whoever can put a message on a bus or a topic can write any account
//! into it. What keeps strangers out is the policy of the bus and of the topic; this finds one that is too open.

use super::{Envelope, Event};
use crate::error::{Result, refused};
use std::collections::BTreeSet;

impl Event {
    /// Refuses an event that says it is of an account that is not among `known`. Where none is known nothing is compared.
    pub fn of_known_account(&self, known: &BTreeSet<String>) -> Result<()> {
        if known.is_empty() {
            return Ok(());
        }
        let delivered = match self.envelope {
            Envelope::EventBridge | Envelope::Sns => self.account.as_ref(),
            // A Google project, or nobody.
            Envelope::Plain | Envelope::S3 | Envelope::PubSub | Envelope::CloudEvents | Envelope::Notice => None,
        };
        let mut said = delivered.into_iter().chain(self.notice.iter().flat_map(|notice| &notice.accounts));
        match said.find(|account| !known.contains(*account)) {
            None => Ok(()),
            Some(stranger) => {
                let stranger = crate::redact::clip(&crate::redact::text(stranger), 20);
                let known = known.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
                Err(refused(format!("an event of account {stranger} is not believed, only those of {known}"))
                    .hint("if that account is yours, add it to `accounts` in the config; if not, close the bus or topic to it"))
            }
        }
    }
}
