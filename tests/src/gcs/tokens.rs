//! The tokens that the double gives and honours.

use super::REFRESH;
use super::world::Refusal;
use serde_json::{Value, json};

pub(super) struct Tokens {
    given: usize,
    /// For how many requests a new token is good, and how many the current one has left.
    lasting: usize,
    left: usize,
    everybody: bool,
}

impl Default for Tokens {
    fn default() -> Self {
        Self { given: 0, lasting: usize::MAX, left: 0, everybody: false }
    }
}

impl Tokens {
    /// Asks nobody for a token.
    pub(super) fn let_everybody_in(&mut self) {
        self.everybody = true;
    }

    pub(super) fn last_for(&mut self, requests: usize) {
        self.lasting = requests;
        self.left = self.left.min(requests);
    }

    pub(super) fn given(&self) -> usize {
        self.given
    }

    /// Gives a token for the refresh token; the former one is no longer good.
    pub(super) fn give(&mut self, asked: &[u8]) -> Result<Value, Refusal> {
        if !String::from_utf8_lossy(asked).contains(REFRESH) {
            return Err(Refusal(400, "invalid_grant", "Bad refresh token."));
        }
        self.given += 1;
        self.left = self.lasting;
        Ok(json!({ "access_token": format!("token-{}-for-tests-only", self.given), "expires_in": 3600, "token_type": "Bearer" }))
    }

    /// Whether a request bears the token that is good.
    pub(super) fn check(&mut self, authorization: Option<&str>) -> Result<(), Refusal> {
        if self.everybody {
            return Ok(());
        }
        let good = format!("Bearer token-{}-for-tests-only", self.given);
        if self.left == 0 || authorization != Some(good.as_str()) {
            return Err(Refusal(401, "authError", "Invalid Credentials"));
        }
        self.left -= 1;
        Ok(())
    }
}
