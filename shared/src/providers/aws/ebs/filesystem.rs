//! Which file system begins at some bytes, by its superblock. Recognised is not mounted: it says that what was there is still
//! there and readable, not that every file is.

/// So many bytes from a beginning are looked at: Btrfs keeps its superblock at 64 KiB.
pub(super) const NEEDED: u64 = (64 << 10) + 4096;

/// What begins here; none where it is nothing that we know.
pub(super) fn recognised(bytes: &[u8]) -> Option<&'static str> {
    extended(bytes).or_else(|| xfs(bytes)).or_else(|| btrfs(bytes)).or_else(|| other(bytes))
}

/// Linux's extended ones: the superblock stands at 1 KiB, its magic number at 56 in it.
fn extended(bytes: &[u8]) -> Option<&'static str> {
    let block = bytes.get(1024..1024 + 264)?;
    let word = |at: usize| u32::from_le_bytes([block[at], block[at + 1], block[at + 2], block[at + 3]]);
    let sane = word(0) > 0 && word(4) > 0 && word(24) <= 6;
    if block[56..58] != [0x53, 0xef] || !sane {
        return None;
    }
    // Extents, 64 bits and flexible groups came with ext4, the journal with ext3.
    let (journal, newer) = (word(92) & 0x4 != 0, word(96) & (0x40 | 0x80 | 0x200) != 0);
    Some(match (newer, journal) {
        (true, _) => "ext4",
        (false, true) => "ext3",
        (false, false) => "ext2",
    })
}

fn xfs(bytes: &[u8]) -> Option<&'static str> {
    let size = u32::from_be_bytes(bytes.get(4..8)?.try_into().ok()?);
    (bytes.get(..4)? == b"XFSB" && size.is_power_of_two() && (512..=65536).contains(&size)).then_some("xfs")
}

fn btrfs(bytes: &[u8]) -> Option<&'static str> {
    let at = (64 << 10) + 64;
    (bytes.get(at..at + 8)? == b"_BHRfS_M").then_some("btrfs")
}

/// What bears no file system itself, and is worth a name in the evidence.
fn other(bytes: &[u8]) -> Option<&'static str> {
    let has = |at: usize, magic: &[u8]| bytes.get(at..at + magic.len()) == Some(magic);
    match () {
        () if has(0, b"LUKS\xba\xbe") => Some("luks"),
        () if has(512, b"LABELONE") => Some("lvm2"),
        () if has(4086, b"SWAPSPACE2") => Some("swap"),
        () if has(82, b"FAT32") || has(54, b"FAT16") => Some("fat"),
        () => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn extended_with(journal: u32, newer: u32) -> Vec<u8> {
        let mut bytes = vec![0; 4096];
        for (at, word) in [(0, 128_u32), (4, 1024), (24, 2), (92, journal), (96, newer)] {
            bytes[1024 + at..1024 + at + 4].copy_from_slice(&word.to_le_bytes());
        }
        bytes[1024 + 56..1024 + 58].copy_from_slice(&[0x53, 0xef]);
        bytes
    }

    #[test]
    fn file_systems_are_told_by_their_superblocks() {
        assert_eq!(recognised(&extended_with(0x4, 0x40)), Some("ext4"));
        assert_eq!(recognised(&extended_with(0x4, 0)), Some("ext3"));
        assert_eq!(recognised(&extended_with(0, 0)), Some("ext2"));
        let mut xfs = vec![0; 4096];
        xfs[..8].copy_from_slice(b"XFSB\x00\x00\x10\x00");
        assert_eq!(recognised(&xfs), Some("xfs"));
        let mut btrfs = vec![0; 70 << 10];
        btrfs[(64 << 10) + 64..(64 << 10) + 72].copy_from_slice(b"_BHRfS_M");
        assert_eq!(recognised(&btrfs), Some("btrfs"));
    }

    #[test]
    fn a_magic_number_alone_is_not_believed() {
        let mut lone = vec![0; 4096];
        lone[1024 + 56..1024 + 58].copy_from_slice(&[0x53, 0xef]);
        assert_eq!(recognised(&lone), None, "a superblock of no blocks");
        assert_eq!(recognised(b"XFSB\0\0\0\x01"), None, "blocks of one byte");
        assert_eq!(recognised(&[]), None);
        assert_eq!(recognised(&[0; 8192]), None);
    }
}
