//! Where file systems may begin on a volume: at its start, or where its partition table (GPT or MBR) says.

/// A sector, as partition tables count.
const SECTOR: u64 = 512;
/// More partitions than this nobody boots from.
const MOST: usize = 128;

/// The offsets in bytes, in order; the start of the volume is always among them.
pub(super) fn beginnings(first: &[u8]) -> Vec<u64> {
    let mut found = vec![0];
    if first.get(510..512) == Some(&[0x55, 0xaa]) {
        let protective = (0..4).any(|slot| first.get(446 + slot * 16 + 4) == Some(&0xee));
        found.extend(if protective { gpt(first) } else { mbr(first) });
    }
    found.sort_unstable();
    found.dedup();
    found
}

fn mbr(first: &[u8]) -> Vec<u64> {
    let start = |slot: usize| {
        let at = 446 + slot * 16;
        let kind = *first.get(at + 4)?;
        let sector = u64::from(le32(first, at + 8)?);
        (kind != 0 && sector > 0).then_some(sector * SECTOR)
    };
    (0..4).filter_map(start).collect()
}

fn gpt(first: &[u8]) -> Vec<u64> {
    if first.get(512..520) != Some(b"EFI PART") {
        return Vec::new();
    }
    let (Some(table), Some(count), Some(size)) = (le64(first, 512 + 72), le32(first, 512 + 80), le32(first, 512 + 84)) else {
        return Vec::new();
    };
    let at = |slot: usize| usize::try_from(table.checked_mul(SECTOR)?.checked_add(slot as u64 * u64::from(size))?).ok();
    let start = |slot: usize| {
        let at = at(slot)?;
        let used = first.get(at..at + 16)?.iter().any(|byte| *byte != 0);
        le64(first, at + 32)?.checked_mul(SECTOR).filter(|_| used)
    };
    (0..MOST.min(count as usize)).filter_map(start).collect()
}

fn le32(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at.checked_add(4)?)?.try_into().ok()?))
}

fn le64(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at.checked_add(8)?)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn signed() -> Vec<u8> {
        let mut first = vec![0; 4096];
        first[510..512].copy_from_slice(&[0x55, 0xaa]);
        first
    }

    #[test]
    fn partitions_are_found_in_either_table() {
        let mut mbr = signed();
        mbr[446 + 4] = 0x83;
        mbr[446 + 8..446 + 12].copy_from_slice(&2048_u32.to_le_bytes());
        assert_eq!(beginnings(&mbr), [0, 1 << 20]);
        let mut gpt = signed();
        gpt[446 + 4] = 0xee;
        gpt[512..520].copy_from_slice(b"EFI PART");
        gpt[584..592].copy_from_slice(&2_u64.to_le_bytes());
        gpt[592..596].copy_from_slice(&4_u32.to_le_bytes());
        gpt[596..600].copy_from_slice(&128_u32.to_le_bytes());
        for (slot, sector) in [(0, 4096_u64), (2, 2048)] {
            let at = 1024 + slot * 128;
            gpt[at] = 1;
            gpt[at + 32..at + 40].copy_from_slice(&sector.to_le_bytes());
        }
        assert_eq!(beginnings(&gpt), [0, 1 << 20, 2 << 20]);
        assert_eq!(beginnings(&[0; 4096]), [0]);
    }

    proptest! {
        #[test]
        fn whatever_the_bytes_nothing_breaks(mut bytes in proptest::collection::vec(any::<u8>(), 0..2048), sign in any::<bool>()) {
            if sign && bytes.len() > 1100 {
                bytes[510..512].copy_from_slice(&[0x55, 0xaa]);
                bytes[450] = 0xee;
                bytes[512..520].copy_from_slice(b"EFI PART");
            }
            prop_assert_eq!(beginnings(&bytes)[0], 0);
        }
    }
}
