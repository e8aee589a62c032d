//! Files that go there and come back.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

use guest::wire::{DATA_MAX, Reply, Request};

use crate::served::{Served, given};

#[test]
fn files_go_there_and_come_back() {
    let mut served = Served::new();
    let bytes: Vec<u8> = (0..5_000_000_u32).map(|i| (i >> 7) as u8).collect();
    let path = served.path("some/new/folder/file");
    served.send(1, &Request::Push { path: path.clone(), mode: 0o751, len: bytes.len() as u64 });
    for piece in bytes.chunks(DATA_MAX) {
        assert!(!fs::exists(&path).unwrap(), "it appears whole or not at all");
        served.send(1, &Request::Data(piece.to_vec()));
    }
    assert_eq!(served.next(), (1, Reply::Done(bytes.len() as u64)));
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o751);

    served.send(2, &Request::Pull { path, may_lack: false });
    let mut back = Vec::new();
    while back.len() < bytes.len() {
        let (2, Reply::Data(piece)) = served.next() else { panic!("no more data after {}", back.len()) };
        back.extend(piece);
    }
    assert_eq!(served.next(), (2, Reply::Done(bytes.len() as u64)));
    assert!(back == bytes);
}

#[test]
fn a_file_of_no_size_goes_both_ways() {
    let mut served = Served::new();
    let path = served.path("empty");
    served.send(1, &Request::Push { path: path.clone(), mode: 0o600, len: 0 });
    assert_eq!(served.next(), (1, Reply::Done(0)));
    served.send(2, &Request::Pull { path, may_lack: false });
    assert_eq!(served.next(), (2, Reply::Done(0)));
}

#[test]
fn a_file_that_may_lack_is_as_good_as_an_empty_one() {
    let mut served = Served::new();
    let path = served.path("file");
    let pull = Request::Pull { path: path.clone(), may_lack: true };
    assert_eq!(given(&mut served, &pull), "");
    fs::write(path, "here").unwrap();
    assert_eq!(given(&mut served, &pull), "here");
    // What is there and cannot be read is refused all the same.
    served.send(1, &Request::Pull { path: "/usr".to_owned(), may_lack: true });
    assert_eq!(served.next(), (1, Reply::Refused("/usr: Is a directory (os error 21)".to_owned())));
}

#[test]
fn files_are_refused_with_the_systems_words() {
    let mut served = Served::new();
    let pull = |path: &str| Request::Pull { path: path.to_owned(), may_lack: false };
    let push = |path: &str| Request::Push { path: path.to_owned(), mode: 0o600, len: 3 };
    for (request, why) in [
        (pull("/no/such"), "/no/such: No such file or directory (os error 2)"),
        (pull("/usr"), "/usr: Is a directory (os error 21)"),
        (pull("relative"), "relative: not an absolute path"),
        (push("relative"), "relative: not an absolute path"),
        (push("/proc/no/such"), "/proc/no: No such file or directory (os error 2)"),
        (push("/dev/null/file"), "/dev/null: File exists (os error 17)"),
    ] {
        served.send(1, &request);
        let (1, Reply::Refused(told)) = served.next() else { panic!("{request:?} was not refused") };
        assert_eq!(told, why);
    }
    // What was on its way to a refused push is dropped.
    served.send(1, &Request::Data(b"abc".to_vec()));
    assert_eq!(served.sh("echo still here").stdout, b"still here\n");
}

#[test]
fn a_file_is_overwritten_in_its_place() {
    let mut served = Served::new();
    let path = served.path("file");
    let overwrite = |path: &str| Request::Overwrite { path: path.to_owned(), bytes: b"new".to_vec() };
    served.send(1, &overwrite(&path));
    let (1, Reply::Refused(why)) = served.next() else { panic!("not refused") };
    assert_eq!(why, format!("{path}: No such file or directory (os error 2)"));
    fs::write(&path, "old and long").unwrap();
    let before = fs::metadata(&path).unwrap();
    served.send(2, &overwrite(&path));
    assert_eq!(served.next(), (2, Reply::Done(3)));
    assert_eq!(fs::read(&path).unwrap(), b"new and long");
    assert_eq!(fs::metadata(&path).unwrap().ino(), before.ino());
}

#[test]
fn a_push_that_is_too_long_or_cancelled_leaves_nothing() {
    let mut served = Served::new();
    let path = served.path("folder/file");
    served.send(1, &Request::Push { path: path.clone(), mode: 0o600, len: 3 });
    served.send(1, &Request::Data(b"four".to_vec()));
    let (1, Reply::Refused(_)) = served.next() else { panic!("not refused") };
    served.send(2, &Request::Push { path, mode: 0o600, len: 3 });
    served.send(2, &Request::Cancel);
    assert_eq!(served.sh("ls -A folder").stdout, b"");
}
