//! What the thin clients of Google's and Azure's services share: one client that is made when it is first needed, answers
//! that are read whole within a bound, patience that ends, and refusals that say what to do next.

mod refused;

pub(super) use refused::{Meaning, Refused, Words};

use super::again::pause_as_told;
use crate::error::{Result, failed};
use bytes::{Bytes, BytesMut};
use std::time::Duration;
use tokio::sync::Mutex;

/// A request is tried this often: about 13 s of waiting in all, so that a service in trouble is left alone soon.
const TRIES: u32 = 7;
/// No answer that is read whole is longer: the pages of listings have a few MiB.
const MOST: usize = 32 << 20;

/// The one client of a cloud. Redirects are never followed: they would carry who we are elsewhere.
#[derive(Debug, Default)]
pub(super) struct Client(Mutex<Option<reqwest::Client>>);

impl Client {
    /// The client, made now if it is the first time. An address of a test's or an emulator's is reached directly.
    pub(super) async fn get(&self, whose: &str, directly: bool) -> Result<reqwest::Client> {
        let mut client = self.0.lock().await;
        if let Some(client) = &*client {
            return Ok(client.clone());
        }
        super::tls::settle();
        let mut builder = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(Duration::from_secs(5))
            .read_timeout(Duration::from_mins(2))
            .user_agent(concat!("lastgood/", env!("CARGO_PKG_VERSION")));
        if directly {
            builder = builder.no_proxy();
        }
        let made = builder.build().map_err(|error| failed(format!("making a client for {whose}")).because(error))?;
        *client = Some(made.clone());
        Ok(made)
    }
}

/// How often a request was sent, and whether its token was renewed.
#[derive(Default)]
pub(super) struct Patience {
    tries: u32,
    renewed: bool,
}

impl Patience {
    /// Waits until the request may be sent again, or gives the refusal back. A token that was refused is renewed once.
    pub(super) async fn wait(&mut self, refused: Refused, renew: impl AsyncFnOnce()) -> Result<(), Refused> {
        if refused.status() == 401 && !self.renewed {
            self.renewed = true;
            renew().await;
            return Ok(());
        }
        self.tries += 1;
        if !refused.passing() || self.tries == TRIES {
            return Err(refused);
        }
        pause_as_told(self.tries, refused.retry_after()).await;
        Ok(())
    }
}

/// Reads an answer whole.
pub(super) async fn whole(mut answered: reqwest::Response) -> Result<Bytes, Refused> {
    let mut body = BytesMut::new();
    while let Some(chunk) = answered.chunk().await.map_err(Refused::silent)? {
        if body.len() + chunk.len() > MOST {
            return Err(Refused::Strange(format!("the answer has more than {MOST} bytes")));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}
