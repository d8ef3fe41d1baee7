//! Signed evidence: which controls a drill speaks to, and whether a chain of signed links is whole.
//!
//! Promises: a link that was changed, moved, replaced or taken out from between others is found and named with the reason;
//! what nobody signed is called unsigned, and what cannot be told is could-not-verify, never good. What a chain alone cannot
//! show is that links are missing from its end: that takes a head that was remembered elsewhere, and it is an input here.

mod chain;
mod claim;
#[cfg(test)]
mod tests;

pub use chain::{Chain, Head, Judged, LinkSaid, LinkSeen, RecordSeen, Signature, Standing, judge};
pub use claim::{Claim, ControlShown, Facts, Shown, controls};
