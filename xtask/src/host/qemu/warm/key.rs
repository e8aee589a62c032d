//! What a saved state depends on, as the key that it is kept under.

use std::collections::BTreeMap;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use crate::host::Preparation;
use crate::host::qemu::Accelerator;
use crate::host::qemu::frame::Frame;
use crate::install::{hash_file, key};

/// Changes with what a state's files are, and with how a guest is brought to the point where it is saved.
const FORMAT: &str = "1";

/// The key of a stack's state: 16 hex digits. The rate of the time-stamp counter is not in it, because it is
/// measured anew by each harness and never quite the same.
pub(super) fn state_key(
    frame: &Frame,
    preparation: &Preparation,
    hashes: &Hashes,
    processor: &str,
) -> io::Result<String> {
    let stack = &frame.stack;
    let mut parts = vec![FORMAT.to_owned(), frame.program.version.clone()];
    parts.extend(frame.program.argv.iter().map(|word| word.to_string_lossy().into_owned()));
    parts.extend([
        frame.accelerator.to_string(),
        frame.cpu.clone(),
        frame.memory_mib.to_string(),
        frame.cpus.to_string(),
    ]);
    if frame.accelerator == Accelerator::Kvm {
        // The guest sees the processor as it is.
        parts.push(processor.to_owned());
    }
    let program = frame.program.argv.iter().map(Path::new).filter(|word| word.is_file());
    let images = [&stack.kernel, &stack.initrd, &stack.userland, &stack.criu];
    let images = images.into_iter().chain(&stack.engine).chain(&stack.modules);
    for file in program.chain(images.into_iter().map(PathBuf::as_path)) {
        parts.push(format!("{:?}", Identity::of(file)?));
    }
    parts.push(preparation.folder.clone());
    for file in &preparation.files {
        parts.extend([hashes.of(&file.source)?, file.path.clone(), format!("{:o}", file.mode)]);
    }
    parts.push(format!("{} files", preparation.files.len()));
    for command in preparation.commands.iter().chain(&preparation.asks) {
        parts.extend([command.line.clone(), command.deadline.as_millis().to_string()]);
    }
    Ok(key(parts))
}

/// A file as the file system knows it: where it is, its length, when it was last written. Images are too large to be
/// read for each guest; one that is built anew under the same name has another time.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Identity(PathBuf, u64, i64, i64);

impl Identity {
    fn of(file: &Path) -> io::Result<Self> {
        let facts = std::fs::metadata(file)
            .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", file.display())))?;
        Ok(Self(file.to_owned(), facts.len(), facts.mtime(), facts.mtime_nsec()))
    }
}

/// SHA-256 of files, each computed once.
#[derive(Debug, Default)]
pub(super) struct Hashes(Mutex<BTreeMap<Identity, String>>);

impl Hashes {
    fn of(&self, file: &Path) -> io::Result<String> {
        let identity = Identity::of(file)?;
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(hash) = known.get(&identity) {
            return Ok(hash.clone());
        }
        let hash = hash_file(file)?;
        known.insert(identity, hash.clone());
        Ok(hash)
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use crate::host::Put;
    use crate::host::qemu::{QemuProgram, Stack};
    use crate::model::Command;

    fn frame(folder: &Path) -> Frame {
        let file = |name: &str| {
            let path = folder.join(name);
            std::fs::write(&path, name).unwrap();
            path
        };
        let program =
            QemuProgram { argv: vec!["qemu".into()], env: Vec::new(), version: "10.0.13".to_owned() };
        let stack = Stack {
            kernel: file("kernel"),
            initrd: file("initrd"),
            config: None,
            userland: file("userland"),
            criu: file("criu"),
            engine: None,
            modules: None,
        };
        Frame {
            program,
            accelerator: Accelerator::Tcg,
            cpu: "max".to_owned(),
            memory_mib: 512,
            cpus: 1,
            stack,
            tsc_khz: Some(2_596_000),
        }
    }

    fn preparation(folder: &Path) -> Preparation {
        let source = folder.join("put");
        std::fs::write(&source, "content").unwrap();
        Preparation {
            files: vec![Put { source, path: "/put".to_owned(), mode: 0o644 }],
            commands: vec![Command::new("true")],
            asks: vec![Command::new("ask")],
            folder: "/root/cell".to_owned(),
        }
    }

    /// A change to a frame and a preparation, and whether it asks for another state.
    #[rstest::rstest]
    #[case::nothing(|_: &mut Frame, _: &mut Preparation| {}, true)]
    #[case::counter_rate(|it: &mut Frame, _: &mut Preparation| it.tsc_khz = Some(1), true)]
    #[case::qemu(|it: &mut Frame, _: &mut Preparation| it.program.version.push('4'), false)]
    #[case::build(|it: &mut Frame, _: &mut Preparation| it.program.argv.push("-L".into()), false)]
    #[case::accelerator(|it: &mut Frame, _: &mut Preparation| it.accelerator = Accelerator::Kvm, false)]
    #[case::cpu(|it: &mut Frame, _: &mut Preparation| it.cpu.push('x'), false)]
    #[case::memory(|it: &mut Frame, _: &mut Preparation| it.memory_mib = 1024, false)]
    #[case::cpus(|it: &mut Frame, _: &mut Preparation| it.cpus = 2, false)]
    #[case::kernel(|it: &mut Frame, _: &mut Preparation| it.stack.kernel = it.stack.initrd.clone(), false)]
    #[case::initrd(|it: &mut Frame, _: &mut Preparation| it.stack.initrd = it.stack.kernel.clone(), false)]
    #[case::criu(|it: &mut Frame, _: &mut Preparation| it.stack.criu = it.stack.kernel.clone(), false)]
    #[case::content(
        |_: &mut Frame, it: &mut Preparation| std::fs::write(&it.files[0].source, "changed").unwrap(),
        false
    )]
    #[case::place(|_: &mut Frame, it: &mut Preparation| it.files[0].path.push('x'), false)]
    #[case::mode(|_: &mut Frame, it: &mut Preparation| it.files[0].mode = 0o600, false)]
    #[case::command(|_: &mut Frame, it: &mut Preparation| it.commands[0].line.push(';'), false)]
    #[case::question(|_: &mut Frame, it: &mut Preparation| it.asks[0].line.push(';'), false)]
    #[case::folder(|_: &mut Frame, it: &mut Preparation| it.folder.push('x'), false)]
    #[case::rebuilt_image(
        |it: &mut Frame, _: &mut Preparation| {
            let image = std::fs::File::options().write(true).open(&it.stack.userland).unwrap();
            image.set_modified(SystemTime::UNIX_EPOCH).unwrap();
        },
        false
    )]
    fn what_asks_for_another_state(#[case] change: fn(&mut Frame, &mut Preparation), #[case] same: bool) {
        let folder = tempfile::tempdir().unwrap();
        let hashes = Hashes::default();
        let (mut frame, mut preparation) = (frame(folder.path()), preparation(folder.path()));
        let before = state_key(&frame, &preparation, &hashes, "cpu").unwrap();
        change(&mut frame, &mut preparation);
        let after = state_key(&frame, &preparation, &hashes, "cpu").unwrap();
        assert_eq!(before == after, same);
    }

    #[test]
    fn an_image_that_is_gone_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let mut frame = frame(folder.path());
        frame.stack.criu = "/no/such".into();
        let error = state_key(&frame, &Preparation::default(), &Hashes::default(), "").unwrap_err();
        assert!(error.to_string().contains("/no/such"), "{error}");
    }
}
