//! The parts of an upload, as they came: in any order, some twice. Before an object appears they must tile it.

use crate::error::{Result, failed};
use std::{collections::BTreeMap, sync::Mutex};

/// What is known of the parts that were stored; `T` is what the store wants to hear of each again at the end.
#[derive(Debug)]
pub struct Parts<T>(Mutex<BTreeMap<u32, Part<T>>>);

#[derive(Debug, Clone)]
struct Part<T> {
    offset: u64,
    len: u64,
    receipt: T,
}

impl<T> Default for Parts<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T: Clone> Parts<T> {
    /// Takes note of a stored part; one that was stored again replaces its former self.
    pub fn add(&self, number: u32, offset: u64, len: usize, receipt: T) -> Result<()> {
        let mut parts = self.0.lock().map_err(|_| failed("another part of this upload ended in a panic"))?;
        parts.insert(number, Part { offset, len: len as u64, receipt });
        Ok(())
    }

    /// Returns the receipt of a part that was stored.
    #[cfg(feature = "gcp")]
    pub fn receipt(&self, number: u32) -> Result<Option<T>> {
        let parts = self.0.lock().map_err(|_| failed("a part of this upload ended in a panic"))?;
        Ok(parts.get(&number).map(|part| part.receipt.clone()))
    }

    /// Returns the receipts in order, if the parts cover exactly `size` bytes without a gap or an overlap.
    pub fn tiling(&self, size: u64) -> Result<Vec<T>> {
        let parts = self.0.lock().map_err(|_| failed("a part of this upload ended in a panic"))?;
        let mut end = 0;
        let mut receipts = Vec::with_capacity(parts.len());
        for (expected, (number, part)) in (0..).zip(parts.iter()) {
            if *number != expected || part.offset != end {
                return Err(failed(format!(
                    "part {number} of the upload begins at byte {}, after byte {end} of part {expected}",
                    part.offset
                )));
            }
            end += part.len;
            receipts.push(part.receipt.clone());
        }
        if end != size {
            return Err(failed(format!("the parts of the upload hold {end} bytes, and the object should have {size}")));
        }
        Ok(receipts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_must_tile_the_object() {
        let parts = Parts::default();
        parts.add(1, 8, 4, "b").unwrap();
        assert!(parts.tiling(12).is_err(), "the first part is missing");
        parts.add(0, 0, 7, "short").unwrap();
        assert!(parts.tiling(12).is_err(), "a gap");
        parts.add(0, 0, 8, "a").unwrap();
        assert_eq!(parts.tiling(12).unwrap(), ["a", "b"]);
        assert!(parts.tiling(13).is_err(), "too few bytes");
        assert!(Parts::<()>::default().tiling(0).unwrap().is_empty());
    }
}
