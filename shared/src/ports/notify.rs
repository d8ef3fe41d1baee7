//! Somebody to tell.

use crate::{
    domain::tell::{Filter, Message},
    error::Result,
};
use async_trait::async_trait;
use std::fmt::Debug;

/// Tells people or machines what they must know. A refused delivery is an error, never a shrug.
#[async_trait]
pub trait Notifier: Debug + Send + Sync {
    /// The channel as a finding would name it; never its address.
    fn channel(&self) -> &str;

    /// Which alerts it wants.
    fn filter(&self) -> Filter {
        Filter::default()
    }

    /// Whether it is told at its hour how everything stands, good or not. One that wakes people is not.
    fn reads_digests(&self) -> bool {
        true
    }

    /// The most alerts of one delivery; the rest stays owed.
    fn at_once(&self) -> usize {
        1_000
    }

    /// Delivers a message.
    async fn notify(&self, message: &Message) -> Result<()>;

    /// Says how it would be reached, having looked as far as that goes without telling anybody anything.
    async fn reach(&self) -> Result<String>;

    /// Sends a letter; none where the channel is not one that letters go through.
    async fn mail(&self, _: &Letter) -> Option<Result<()>> {
        None
    }
}

/// A letter: the same in plain text and for whoever reads HTML, and a page beside it.
#[derive(Debug, Clone)]
pub struct Letter {
    /// One line.
    pub subject: String,
    /// Its text.
    pub text: String,
    /// The same as HTML.
    pub html: String,
    /// A page that goes with it: its file name, and its HTML.
    pub page: Option<(String, String)>,
}
