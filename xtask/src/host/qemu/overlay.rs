//! An empty qcow2 file over a raw image: where a guest's writes go that are to be kept.
//!
//! Written here because qemu-img is a package of its own. The format: docs/interop/qcow2.rst of QEMU.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

/// 64 KiB, as qemu-img has it.
const CLUSTER_BITS: u32 = 16;
const CLUSTER: u64 = 1 << CLUSTER_BITS;
/// What one entry of the first table maps: a cluster full of entries of 8 bytes, a cluster each.
const MAPPED: u64 = CLUSTER / 8 * CLUSTER;
/// Clusters of the empty file: header, table of reference counts, reference counts, first table.
const CLUSTERS: u16 = 4;
/// The header extension that names the backing file's format, so that QEMU does not guess it from its content.
const BACKING_FORMAT: u32 = 0xe279_2aca;
const HEADER: u32 = 104;

/// Makes the file. A guest sees the base image's content, and its length rounded up to 512 bytes.
///
/// # Errors
/// When the file cannot be written, or the base image is larger than 4 TiB or has too long a name.
pub(super) fn create(file: &Path, base: &Path) -> io::Result<()> {
    let bytes = empty(base.as_os_str().as_encoded_bytes(), std::fs::metadata(base)?.len())?;
    File::create(file)?.write_all(&bytes)
}

fn empty(base: &[u8], length: u64) -> io::Result<Vec<u8>> {
    let size = length.next_multiple_of(512);
    let tables = size.div_ceil(MAPPED);
    if base.len() > 1023 || tables > CLUSTER / 8 {
        return Err(io::Error::other("qcow2 has no room for a name or an image that long"));
    }
    let mut file = Vec::new();
    let mut word = |number: u32| file.extend(number.to_be_bytes());
    let long = |number: u64, word: &mut dyn FnMut(u32)| {
        word((number >> 32) as u32);
        word((number & 0xffff_ffff) as u32);
    };
    word(u32::from_be_bytes(*b"QFI\xfb"));
    word(3);
    // The name of the base: behind the header and two extensions of 16 and 8 bytes.
    long(u64::from(HEADER) + 24, &mut word);
    word(base.len() as u32);
    word(CLUSTER_BITS);
    long(size, &mut word);
    word(0); // not encrypted
    word(tables as u32);
    long(3 * CLUSTER, &mut word); // the first table
    long(CLUSTER, &mut word); // the table of reference counts, of one cluster
    word(1);
    word(0); // no snapshots
    long(0, &mut word);
    (0..3).for_each(|_| long(0, &mut word)); // no features
    word(4); // reference counts have 2^4 bits
    word(HEADER);
    word(BACKING_FORMAT);
    word(3);
    word(u32::from_be_bytes(*b"raw\0"));
    word(0);
    long(0, &mut word); // the end of the extensions
    file.extend(base);
    file.resize(usize::from(CLUSTERS) * CLUSTER as usize, 0);
    let at = |cluster: u64| cluster as usize * CLUSTER as usize;
    file[at(1)..at(1) + 8].copy_from_slice(&(2 * CLUSTER).to_be_bytes());
    for used in 0..usize::from(CLUSTERS) {
        file[at(2) + 2 * used..at(2) + 2 * used + 2].copy_from_slice(&1_u16.to_be_bytes());
    }
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn long(file: &[u8], at: usize) -> u64 {
        u64::from_be_bytes(file[at..at + 8].try_into().unwrap())
    }

    /// Offsets as the format's description has them.
    #[test]
    fn the_header_is_the_formats() {
        let file = empty(b"/cache/userland.ext4", 600 * 1024 * 1024 + 1).unwrap();
        assert_eq!(&file[..8], b"QFI\xfb\0\0\0\x03");
        assert_eq!(long(&file, 24), 600 * 1024 * 1024 + 512);
        let name = long(&file, 8) as usize;
        assert_eq!(&file[name..name + 20], b"/cache/userland.ext4");
        assert_eq!(&file[104..120], b"\xe2\x79\x2a\xca\0\0\0\x03raw\0\0\0\0\0");
        // Two entries of 512 MiB each.
        assert_eq!(file[36..40], [0, 0, 0, 2]);
        assert_eq!((long(&file, 40), long(&file, 48)), (3 << 16, 1 << 16));
        assert_eq!(long(&file, 1 << 16), 2 << 16);
        assert_eq!(file[2 << 16..(2 << 16) + 10], [0, 1, 0, 1, 0, 1, 0, 1, 0, 0]);
    }

    #[test]
    fn what_has_no_room_is_refused() {
        assert!(empty(&[b'x'; 2000], 1).is_err());
        assert!(empty(b"/x", 5 << 40).is_err());
    }
}
