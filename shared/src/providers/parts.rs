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

/// The parts that S3 takes of one object, and the XML interface of Cloud Storage.
#[cfg(any(feature = "aws", feature = "gcp"))]
pub const MOST_PARTS: u32 = 10_000;
/// MiB of parts that are on their way at a time.
#[cfg(any(feature = "aws", feature = "gcp", feature = "azure"))]
pub const IN_FLIGHT: u32 = 64;

/// Returns the size of part `number` of an object of about `expected` bytes, where parts have 5 MiB to 5 GiB and there are at
/// most 10,000 of them. They grow when there turn out to be many, so that a wrong guess never ends an upload.
///
/// | expected  | parts 0–4,999 | 5,000–7,499 | 7,500–8,999 | 9,000–9,999 | holds up to |
/// |-----------|---------------|-------------|-------------|-------------|-------------|
/// | unknown   |         8 MiB |      32 MiB |     128 MiB |     512 MiB |     0.8 TiB |
/// | ≤ 70 GiB  |         8 MiB |      32 MiB |     128 MiB |     512 MiB |     0.8 TiB |
/// | 1 TiB     |       117 MiB |     468 MiB |     1.8 GiB |       5 GiB |     9.9 TiB |
/// | 5 TiB     |       583 MiB |     2.3 GiB |       5 GiB |       5 GiB |      20 TiB |
#[cfg(any(feature = "aws", feature = "gcp"))]
pub fn part_size(expected: Option<u64>, number: u32) -> u64 {
    const MIB: u64 = 1 << 20;
    let first = expected.unwrap_or_default().div_ceil(9_000).next_multiple_of(MIB).max(8 * MIB);
    let grown = match number {
        0..5_000 => first,
        5_000..7_500 => first.saturating_mul(4),
        7_500..9_000 => first.saturating_mul(16),
        9_000.. => first.saturating_mul(64),
    };
    grown.min(5 << 30)
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

    #[cfg(any(feature = "aws", feature = "gcp"))]
    fn capacity(expected: Option<u64>) -> u64 {
        (0..MOST_PARTS).map(|number| part_size(expected, number)).sum()
    }

    #[cfg(any(feature = "aws", feature = "gcp"))]
    #[test]
    fn any_object_that_s3_takes_fits_into_ten_thousand_parts() {
        const MIB: u64 = 1 << 20;
        const GIB: u64 = 1 << 30;
        const TIB: u64 = 1 << 40;
        assert_eq!(part_size(None, 0), 8 * MIB);
        assert_eq!(part_size(Some(70 * GIB), 0), 8 * MIB);
        assert_eq!(part_size(Some(TIB), 0), 117 * MIB);
        assert!(capacity(None) > 800 * GIB);
        for expected in [1, GIB, 71 * GIB, TIB, 5 * TIB, 40 * TIB] {
            let part = part_size(Some(expected), 0);
            assert!(expected.div_ceil(part) <= 9_000 && capacity(Some(expected)) >= expected, "{expected}");
            // A guess that is four times too low still ends well.
            assert!(expected > 4 * TIB || capacity(Some(expected)) >= 4 * expected, "{expected}");
        }
        for number in [0, 4_999, 5_000, 7_500, 9_999] {
            assert!((5 * MIB..=(5 << 30)).contains(&part_size(Some(50 * TIB), number)));
        }
    }
}
