//! The uncompressed kernel out of a bzImage. Booted by PVH it starts in about half the time under emulation,
//! because the guest does not have to unpack it.

use std::fs::{self, File};
use std::path::Path;

use crate::install::elf;
use crate::install::error::InstallError;
use crate::process;

/// Writes the uncompressed kernel to `out` when there is one that can be booted by PVH. False when there is none:
/// the bzImage serves then.
///
/// # Errors
/// When a file cannot be read or written. An unknown kind of image is no error.
pub(crate) fn extract(bz_image: &Path, out: &Path) -> Result<bool, InstallError> {
    let bytes = fs::read(bz_image).map_err(InstallError::file(bz_image))?;
    if elf::is_elf(&bytes) {
        return Ok(false);
    }
    let Some(payload) = payload(&bytes) else { return Ok(false) };
    let Some(program) = decompressor(payload) else { return Ok(false) };
    // All but gzip have the unpacked size behind the stream, which their tools do not like.
    let cut = payload.len().saturating_sub(4);
    for stream in [&payload[..cut], payload] {
        if let Some(kernel) = unpack(program, stream, out)? {
            let boots = elf::has_pvh_note(&kernel);
            if boots {
                fs::write(out, kernel).map_err(InstallError::file(out))?;
            }
            return Ok(boots);
        }
    }
    Ok(false)
}

/// The compressed kernel in a bzImage, by the fields of the boot protocol (2.08 and later):
/// <https://docs.kernel.org/arch/x86/boot.html>
fn payload(image: &[u8]) -> Option<&[u8]> {
    if image.get(0x202..0x206)? != b"HdrS" {
        return None;
    }
    let setup_sectors = match *image.get(0x1f1)? {
        0 => 4,
        n => usize::from(n),
    };
    let word = |at: usize| Some(u32::from_le_bytes(image.get(at..at + 4)?.try_into().ok()?) as usize);
    let start = (setup_sectors + 1) * 512 + word(0x248)?;
    image.get(start..start.checked_add(word(0x24c)?)?)
}

fn decompressor(payload: &[u8]) -> Option<&'static str> {
    let magics: [(&[u8], &str); 5] = [
        (b"\xfd7zXZ\0", "xz"),
        (b"\x28\xb5\x2f\xfd", "zstd"),
        (b"\x1f\x8b", "gzip"),
        (b"\x02\x21\x4c\x18", "lz4"),
        (b"\x04\x22\x4d\x18", "lz4"),
    ];
    magics.into_iter().find(|(magic, _)| payload.starts_with(magic)).map(|(_, program)| program)
}

/// The unpacked stream, if the tool is there, is content with it, and an ELF file comes out.
fn unpack(program: &str, stream: &[u8], out: &Path) -> Result<Option<Vec<u8>>, InstallError> {
    let packed = out.with_extension("packed");
    fs::write(&packed, stream).map_err(InstallError::file(&packed))?;
    let input = File::open(&packed).map_err(InstallError::file(&packed))?;
    let output = process::command(program).arg("-dc").stdin(input).output();
    fs::remove_file(&packed).map_err(InstallError::file(&packed))?;
    Ok(output
        .ok()
        .filter(|output| output.status.success() && elf::is_elf(&output.stdout))
        .map(|output| output.stdout))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::install::elf::tests::elf_with_note;

    /// A bzImage with one sector of setup and that payload.
    fn bz_image(payload: &[u8]) -> Vec<u8> {
        let mut image = vec![0; 1024];
        image[0x1f1] = 1;
        image[0x202..0x206].copy_from_slice(b"HdrS");
        image[0x248] = 16;
        image[0x24c..0x250].copy_from_slice(&u32::try_from(payload.len()).unwrap().to_le_bytes());
        image.extend([0xaa; 16]);
        image.extend(payload);
        image.extend([0xbb; 100]);
        image
    }

    #[track_caller]
    fn check(program: &str, note: u32, trailer: &[u8], expected: bool) {
        let dir = tempfile::tempdir().unwrap();
        let (image, out, plain) =
            (dir.path().join("bz"), dir.path().join("vmlinux"), dir.path().join("plain"));
        let elf = elf_with_note(b"Xen\0", note);
        fs::write(&plain, &elf).unwrap();
        let packed = process::output(process::command(program).arg("-c").arg(&plain)).unwrap().stdout;
        fs::write(&image, bz_image(&[&packed, trailer].concat())).unwrap();
        assert_eq!(extract(&image, &out).unwrap(), expected);
        assert_eq!(fs::read(&out).ok(), expected.then_some(elf));
    }

    #[test]
    fn every_compression_is_unpacked() {
        check("xz", 18, &[120, 0, 0, 0], true);
        check("gzip", 18, &[], true);
        check("zstd", 18, &[120, 0, 0, 0], true);
    }

    #[test]
    fn without_a_pvh_note_the_bz_image_serves() {
        check("gzip", 1, &[], false);
    }

    #[test]
    fn what_is_no_bz_image_is_no_error() {
        let dir = tempfile::tempdir().unwrap();
        let (image, out) = (dir.path().join("bz"), dir.path().join("vmlinux"));
        for content in [&b""[..], b"MZ", &[0; 4096], &bz_image(b"nothing known")] {
            fs::write(&image, content).unwrap();
            assert!(!extract(&image, &out).unwrap());
        }
    }
}
