//! The little that we read of an ELF file: its notes, what it needs, and from which glibc on it starts.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use crate::install::cache;
use crate::install::error::InstallError;
use crate::process;

/// `XEN_ELFNOTE_PHYS32_ENTRY`: where a PVH loader jumps in. <https://xenbits.xen.org/docs/unstable/misc/pvh.html>
const PHYS32_ENTRY: u32 = 18;
/// `NT_GNU_BUILD_ID` of elf(5).
const BUILD_ID: u32 = 3;
const PT_DYNAMIC: u32 = 2;
const PT_INTERP: u32 = 3;
const PT_NOTE: u32 = 4;

/// Whether it is a 64-bit little-endian ELF file.
pub(crate) fn is_elf(bytes: &[u8]) -> bool {
    bytes.starts_with(b"\x7fELF\x02\x01")
}

/// What a file is to the dynamic loader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Asks for a loader by its path.
    Program,
    /// Is linked dynamically and asks for none: a library, or a plugin.
    Library,
    /// Anything else: a static program, a script.
    Other,
}

/// What that file is.
pub(crate) fn kind(path: &Path) -> Result<Kind, InstallError> {
    let segments = segments(&head(path)?).unwrap_or_default();
    let has = |kind| segments.iter().any(|segment| segment.kind == kind);
    Ok(if has(PT_INTERP) {
        Kind::Program
    } else if has(PT_DYNAMIC) {
        Kind::Library
    } else {
        Kind::Other
    })
}

/// Where in the file the path of its loader is, and how many bytes it has, the last of which is a zero.
pub(crate) fn interpreter(path: &Path) -> Result<Option<(u64, usize)>, InstallError> {
    let segments = segments(&head(path)?).unwrap_or_default();
    let found = segments.into_iter().find(|segment| segment.kind == PT_INTERP);
    Ok(found.and_then(|segment| Some((segment.offset, usize::try_from(segment.length).ok()?))))
}

/// Its first 64 KiB, where the program headers are: an engine's programs have tens of megabytes.
fn head(path: &Path) -> Result<Vec<u8>, InstallError> {
    let mut head = Vec::new();
    let file = File::open(path).map_err(InstallError::file(path))?;
    file.take(1 << 16).read_to_end(&mut head).map_err(InstallError::file(path))?;
    Ok(head)
}

/// One program header.
struct Segment {
    kind: u32,
    offset: u64,
    length: u64,
}

/// All program headers. None when it is no ELF file, or is cut short before their end.
fn segments(elf: &[u8]) -> Option<Vec<Segment>> {
    if !is_elf(elf) {
        return None;
    }
    let headers = usize::try_from(u64_at(elf, 0x20)?).ok()?;
    let (size, count) = (usize::from(u16_at(elf, 0x36)?), usize::from(u16_at(elf, 0x38)?));
    let segment = |header: usize| {
        let (offset, length) = (u64_at(elf, header + 0x08)?, u64_at(elf, header + 0x20)?);
        Some(Segment { kind: u32_at(elf, header)?, offset, length })
    };
    (0..count).map(|n| segment(headers + n * size)).collect()
}

/// Whether a kernel can be started by PVH.
pub(crate) fn has_pvh_note(elf: &[u8]) -> bool {
    notes(elf).is_some_and(|notes| notes.iter().any(|note| note.is(b"Xen\0", PHYS32_ENTRY)))
}

/// A program by its content: its build id in hex, which the linker makes of all that it links, or else its SHA-256.
///
/// # Errors
/// When it cannot be read.
pub fn identity_of_program(path: &Path) -> Result<String, InstallError> {
    let build_id =
        notes(&head(path)?).unwrap_or_default().into_iter().find(|note| note.is(b"GNU\0", BUILD_ID));
    match build_id {
        Some(note) => Ok(cache::hex(&note.data)),
        None => cache::hash_file(path).map_err(InstallError::file(path)),
    }
}

/// A note of a linker's.
struct Note {
    name: Vec<u8>,
    kind: u32,
    data: Vec<u8>,
}

impl Note {
    fn is(&self, name: &[u8], kind: u32) -> bool {
        self.name == name && self.kind == kind
    }
}

/// All notes. None when the file is cut short.
fn notes(elf: &[u8]) -> Option<Vec<Note>> {
    let mut notes = Vec::new();
    for header in segments(elf)?.iter().filter(|segment| segment.kind == PT_NOTE) {
        let offset = usize::try_from(header.offset).ok()?;
        let length = usize::try_from(header.length).ok()?;
        let mut segment = elf.get(offset..offset.checked_add(length)?)?;
        while segment.len() >= 12 {
            let name_size = usize::try_from(u32_at(segment, 0)?).ok()?;
            let data_size = usize::try_from(u32_at(segment, 4)?).ok()?;
            let data = 12 + name_size.next_multiple_of(4);
            notes.push(Note {
                name: segment.get(12..12 + name_size)?.to_vec(),
                kind: u32_at(segment, 8)?,
                data: segment.get(data..data + data_size)?.to_vec(),
            });
            let next = data + data_size.next_multiple_of(4);
            segment = segment.get(next..).unwrap_or_default();
        }
    }
    Some(notes)
}

/// The names of the libraries that a program or library asks for.
pub(crate) fn needed(path: &Path) -> Result<Vec<String>, InstallError> {
    let output = process::output(process::command("readelf").env("LC_ALL", "C").arg("-dW").arg(path))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let bracketed = |line: &str| Some(line.split_once('[')?.1.split_once(']')?.0.to_owned());
    Ok(text.lines().filter(|line| line.contains("(NEEDED)")).filter_map(bracketed).collect())
}

/// Whether it says itself where its libraries are.
pub(crate) fn has_run_path(path: &Path) -> Result<bool, InstallError> {
    let output = process::output(process::command("readelf").env("LC_ALL", "C").arg("-dW").arg(path))?;
    let text = String::from_utf8_lossy(&output.stdout);
    Ok(text.contains("(RUNPATH)") || text.contains("(RPATH)"))
}

/// The newest `GLIBC_x.y` that any of these files wants: on an older libc they do not start.
pub(crate) fn needs_glibc<'a>(
    files: impl IntoIterator<Item = &'a Path>,
) -> Result<Option<String>, InstallError> {
    let mut newest = None;
    for file in files {
        let output = process::output(process::command("readelf").env("LC_ALL", "C").arg("-VW").arg(file))?;
        newest = newest.max(newest_glibc(&String::from_utf8_lossy(&output.stdout)));
    }
    Ok(newest.map(|(major, minor)| format!("{major}.{minor}")))
}

/// Whether one version of glibc is newer than another: `2.34` than `2.4`.
pub fn is_newer(one: &str, than: &str) -> bool {
    let numbers =
        |version: &str| -> Vec<u32> { version.split('.').map_while(|number| number.parse().ok()).collect() };
    numbers(one) > numbers(than)
}

/// The newest version of the lines `Name: GLIBC_2.34  Flags: none`.
fn newest_glibc(text: &str) -> Option<(u32, u32)> {
    text.lines()
        .filter_map(|line| line.split_once("Name: GLIBC_")?.1.split_whitespace().next())
        .filter_map(|version| {
            let mut numbers = version.split('.').map(str::parse);
            Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
        })
        .max()
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    #[rstest::rstest]
    #[case("2.34", "2.31", true)]
    #[case("2.4", "2.31", false)]
    #[case("2.31", "2.31", false)]
    #[case("2.2.5", "2.31", false)]
    fn newer(#[case] one: &str, #[case] than: &str, #[case] expected: bool) {
        assert_eq!(is_newer(one, than), expected);
    }

    /// The smallest ELF file with one note of that type.
    pub(crate) fn elf_with_note(name: &[u8; 4], kind: u32) -> Vec<u8> {
        let mut elf = vec![0; 64 + 56];
        elf[..6].copy_from_slice(b"\x7fELF\x02\x01");
        elf[0x20] = 64;
        elf[0x36] = 56;
        elf[0x38] = 1;
        elf[64] = 4;
        elf[64 + 8] = 120;
        elf[64 + 0x20] = 20;
        for word in [4, 4, kind] {
            elf.extend(word.to_le_bytes());
        }
        elf.extend(name);
        elf.extend([0; 4]);
        elf
    }

    #[test]
    fn a_program_is_known_by_its_build_id_or_its_content() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        std::fs::write(&path, elf_with_note(b"GNU\0", 3)).unwrap();
        assert_eq!(identity_of_program(&path).unwrap(), "00000000");
        std::fs::write(&path, elf_with_note(b"GNU\0", 1)).unwrap();
        let whole = identity_of_program(&path).unwrap();
        assert_eq!((whole.len(), whole), (64, cache::hash_file(&path).unwrap()));
    }

    #[test]
    fn only_a_xen_note_18_is_pvh() {
        assert!(has_pvh_note(&elf_with_note(b"Xen\0", 18)));
        assert!(!has_pvh_note(&elf_with_note(b"Xen\0", 17)));
        assert!(!has_pvh_note(&elf_with_note(b"GNU\0", 18)));
        let elf = elf_with_note(b"Xen\0", 18);
        for length in 0..elf.len() {
            assert!(!has_pvh_note(&elf[..length]), "cut to {length}");
        }
    }

    #[test]
    fn a_file_is_told_by_its_program_headers() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        let check = |kind_of_segment: u8, expected: Kind| {
            let mut elf = elf_with_note(b"GNU\0", 1);
            elf[64] = kind_of_segment;
            std::fs::write(&path, elf).unwrap();
            assert_eq!(kind(&path).unwrap(), expected, "{kind_of_segment}");
        };
        check(2, Kind::Library);
        check(3, Kind::Program);
        check(4, Kind::Other);
        std::fs::write(&path, "#!/bin/sh\n").unwrap();
        assert_eq!(kind(&path).unwrap(), Kind::Other);
    }

    #[rstest::rstest]
    #[case("  0x0010:   Name: GLIBC_2.2.5  Flags: none  Version: 4\n  0x20:   Name: GLIBC_2.34  Flags: none\n  Name: GLIBC_2.9 ", Some((2, 34)))]
    #[case("  Name: LIBNL_3  Flags: none\n Name: GLIBC_PRIVATE  Flags", None)]
    fn the_newest_glibc_wins(#[case] text: &str, #[case] expected: Option<(u32, u32)>) {
        assert_eq!(newest_glibc(text), expected);
    }
}
