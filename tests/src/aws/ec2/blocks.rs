//! The interface to the blocks of snapshots, and the bytes behind them.

use super::Ec2;
use crate::aws::{
    rds::under_way::End,
    wire::{Call, Refusal},
};
use axum::body::Body;
use base64::{Engine, prelude::BASE64_STANDARD};
use hyper::Response;
use serde_json::json;
use sha2::{Digest, Sha256};
use std::{collections::BTreeMap, sync::Arc};

const SIZE: usize = 512 << 10;

/// The bytes of a volume: what was written, by blocks of 512 KiB.
#[derive(Debug, Clone, Default)]
pub struct Bytes(Arc<BTreeMap<u64, Vec<u8>>>);

impl Bytes {
    /// Of an image; blocks of zeros were never written.
    pub fn of(image: &[u8]) -> Self {
        let blocks = image.chunks(SIZE).enumerate().filter(|(_, block)| block.iter().any(|byte| *byte != 0));
        let whole = |block: &[u8]| {
            let mut block = block.to_vec();
            block.resize(SIZE, 0);
            block
        };
        Self(Arc::new(blocks.map(|(index, block)| (index as u64, whole(block))).collect()))
    }

    /// How many blocks were written.
    pub fn blocks(&self) -> usize {
        self.0.len()
    }
}

impl Ec2 {
    /// Answers a request for blocks.
    pub async fn blocks(&self, call: &Call) -> Result<Response<Body>, Refusal> {
        let regions = self.regions.lock().await;
        let id = call.get("snapshot");
        let missing = || Refusal::new("ResourceNotFoundException", format!("The snapshot {id} does not exist.")).with_status(404);
        let snapshot = regions.get(&call.region).and_then(|region| region.snapshots.get(id)).ok_or_else(missing)?;
        if !snapshot.under_way.over() || snapshot.under_way.end != End::Available {
            return Err(Refusal::new("ValidationException", "The snapshot is not completed"));
        }
        if snapshot.key.as_deref().is_some_and(|key| self.faults.refuses_key(key)) {
            return Err(Refusal::new("AccessDeniedException", "The KMS key cannot be used").with_status(403));
        }
        let number = |name: &str| call.get(name).parse::<u64>().ok();
        if call.action == "ListSnapshotBlocks" {
            let invalid = || Refusal::new("ValidationException", "maxResults must be between 100 and 10000");
            let most = number("maxResults").filter(|most| (100..=10_000).contains(most)).ok_or_else(invalid)?;
            let most = usize::try_from(most).expect("few").min(self.faults.rules_now().page);
            let from = number("pageToken").or_else(|| number("startingBlockIndex")).unwrap_or_default();
            let mut found = snapshot.bytes.0.range(from..).map(|(index, _)| *index);
            let blocks: Vec<_> =
                found.by_ref().take(most).map(|index| json!({ "BlockIndex": index, "BlockToken": token(id, index) })).collect();
            let next = found.next().map(|index| index.to_string());
            let body = json!({ "Blocks": blocks, "BlockSize": SIZE, "NextToken": next });
            return Ok(crate::aws::wire::answer(200, "application/json", body.to_string()));
        }
        let index = number("block").unwrap_or(u64::MAX);
        if call.get("blockToken") != token(id, index) {
            return Err(Refusal::new("ValidationException", "The block token is not this block's"));
        }
        let block = snapshot.bytes.0.get(&index).ok_or_else(missing)?;
        let sum = BASE64_STANDARD.encode(Sha256::digest(block));
        let mut body = block.clone();
        if self.faults.damages_blocks() {
            body[SIZE / 2] ^= 1;
        }
        let mut response = crate::aws::wire::answer(200, "application/octet-stream", body);
        for (name, value) in [("x-amz-checksum", sum.as_str()), ("x-amz-checksum-algorithm", "SHA256"), ("x-amz-data-length", "524288")] {
            response.headers_mut().insert(name, value.parse().expect("a header"));
        }
        Ok(response)
    }
}

fn token(id: &str, index: u64) -> String {
    BASE64_STANDARD.encode(format!("{id}/{index}+"))
}
