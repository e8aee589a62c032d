//! The wire: round trips, any split of a stream, any bytes at all.

#![expect(clippy::unwrap_used, reason = "a test panics to fail")]

use guest::wire::{
    Await, Decoder, Exec, FRAME_MAX, Hello, How, Message, Reply, Request, Size, WireError, encode,
};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

fn request() -> impl Strategy<Value = Request> {
    let bytes = || vec(any::<u8>(), 0..200);
    let size = || any::<(u16, u16)>().prop_map(|(rows, cols)| Size { rows, cols });
    let exec = (
        vec(any::<String>(), 0..4),
        vec(any::<(String, String)>(), 0..4),
        any::<String>(),
        option::of(any::<u64>()),
        option::of(any::<String>()),
        any::<bool>(),
        option::of(size()),
    )
        .prop_map(|(argv, env, cwd, deadline_ms, at_deadline, stdin, tty)| Exec {
            argv,
            env,
            cwd,
            deadline_ms,
            at_deadline,
            stdin,
            tty,
        });
    prop_oneof![
        Just(Request::Hello),
        exec.prop_map(Request::Exec),
        bytes().prop_map(Request::Stdin),
        size().prop_map(Request::Resize),
        any::<(String, u32, u64)>().prop_map(|(path, mode, len)| Request::Push { path, mode, len }),
        bytes().prop_map(Request::Data),
        any::<(String, bool)>().prop_map(|(path, may_lack)| Request::Pull { path, may_lack }),
        any::<(u64, u32)>().prop_map(|(secs, nanos)| Request::SetClock { secs, nanos }),
        bytes().prop_map(Request::Seed),
        Just(Request::Cancel),
        Just(Request::PowerOff),
        Just(Request::Processes),
        Just(Request::Namespaces),
        Just(Request::KernelLog),
        (any::<String>(), bytes()).prop_map(|(socket, bytes)| Request::Ask { socket, bytes }),
        (any::<String>(), bytes()).prop_map(|(path, bytes)| Request::Overwrite { path, bytes }),
        any::<(String, String, u64, u64)>().prop_map(|(path, needle, more, within_ms)| {
            Request::Await(Await { path, needle, more, within_ms })
        }),
    ]
}

fn reply() -> impl Strategy<Value = Reply> {
    let bytes = || vec(any::<u8>(), 0..200);
    let hello = (any::<(String, String, String, u64, bool, bool, bool)>(), vec(any::<String>(), 0..4))
        .prop_map(|((release, build, boot_id, uptime_ms, root, criu, engine), failures)| Hello {
            release,
            build,
            boot_id,
            uptime_ms,
            root,
            criu,
            engine,
            failures,
        });
    let how = prop_oneof![
        any::<i32>().prop_map(How::Status),
        any::<i32>().prop_map(How::Signal),
        Just(How::TimedOut)
    ];
    prop_oneof![
        hello.prop_map(Reply::Hello),
        bytes().prop_map(Reply::Stdout),
        bytes().prop_map(Reply::Stderr),
        how.prop_map(Reply::Exited),
        bytes().prop_map(Reply::Data),
        any::<u64>().prop_map(Reply::Done),
        any::<String>().prop_map(Reply::Refused),
    ]
}

/// Feeds a stream in pieces of the given lengths, over and over, and collects what it says.
fn decode<M: Message>(stream: &[u8], pieces: &[usize]) -> Result<Vec<(u32, M)>, WireError> {
    let mut decoder = Decoder::default();
    let mut said = Vec::new();
    let mut rest = stream;
    let mut lengths = pieces.iter().cycle();
    while !rest.is_empty() {
        let length = lengths.next().map_or(rest.len(), |length| *length).clamp(1, rest.len());
        let (piece, after) = rest.split_at(length);
        rest = after;
        decoder.feed(piece);
        while let Some(message) = decoder.message()? {
            said.push(message);
        }
    }
    Ok(said)
}

fn stream_of<M: Message>(messages: &[(u32, M)]) -> Vec<u8> {
    let mut stream = Vec::new();
    for (id, message) in messages {
        encode(*id, message, &mut stream).unwrap();
    }
    stream
}

proptest! {
    #[test]
    fn requests_come_out_as_they_went_in(
        messages in vec((any::<u32>(), request()), 0..6),
        pieces in vec(1usize..300, 0..6),
    ) {
        prop_assert_eq!(decode::<Request>(&stream_of(&messages), &pieces).unwrap(), messages);
    }

    #[test]
    fn replies_come_out_as_they_went_in(
        messages in vec((any::<u32>(), reply()), 0..6),
        pieces in vec(1usize..300, 0..6),
    ) {
        prop_assert_eq!(decode::<Reply>(&stream_of(&messages), &pieces).unwrap(), messages);
    }

    #[test]
    fn any_bytes_are_messages_or_an_error_whatever_the_split(
        bytes in vec(any::<u8>(), 0..400),
        pieces in vec(1usize..50, 0..6),
    ) {
        prop_assert_eq!(decode::<Request>(&bytes, &pieces), decode::<Request>(&bytes, &[]));
        prop_assert_eq!(decode::<Reply>(&bytes, &pieces), decode::<Reply>(&bytes, &[]));
    }

    /// Random bytes seldom get past the length; these always do.
    #[test]
    fn any_fields_are_a_message_or_an_error(kind in any::<u8>(), fields in vec(any::<u8>(), 0..120)) {
        let mut frame = u32::try_from(fields.len() + 5).unwrap().to_le_bytes().to_vec();
        frame.push(kind);
        frame.extend([0; 4]);
        frame.extend(&fields);
        for known in [kind & 0x1f, 0x80 | (kind & 0x0f)] {
            frame[4] = known;
            if let Ok(messages) = decode::<Request>(&frame, &[]) {
                prop_assert_eq!(stream_of(&messages), frame.clone());
            }
            if let Ok(messages) = decode::<Reply>(&frame, &[]) {
                prop_assert_eq!(stream_of(&messages), frame.clone());
            }
        }
    }
}

#[track_caller]
fn refused(stream: &[u8], expected: WireError) {
    let mut decoder = Decoder::<Request>::default();
    decoder.feed(stream);
    assert_eq!(decoder.message(), Err(expected.clone()));
    decoder.feed(&stream_of(&[(1, Request::Cancel)]));
    assert_eq!(decoder.message(), Err(expected), "what is malformed stays so");
}

/// Length, kind, id and fields as bytes.
fn frame(kind: u8, fields: &[u8]) -> Vec<u8> {
    let mut frame = u32::try_from(fields.len() + 5).unwrap().to_le_bytes().to_vec();
    frame.push(kind);
    frame.extend([7, 0, 0, 0]);
    frame.extend(fields);
    frame
}

#[test]
fn malformed_frames_are_refused_by_their_names() {
    refused(&[0xff; 4], WireError::Length(0xffff_ffff));
    refused(&[4, 0, 0, 0], WireError::Length(4));
    refused(&frame(0x7f, &[]), WireError::Kind(0x7f));
    refused(&frame(0x81, &[]), WireError::Kind(0x81));
    refused(&frame(0x0a, &[0]), WireError::Long);
    refused(&frame(0x07, &[0, 9, 0, 0, 0, b'x']), WireError::Short);
    refused(&frame(0x07, &[0, 1, 0, 0, 0, 0xff]), WireError::Text);
    refused(&frame(0x01, b"something else"), WireError::Magic);
    refused(&frame(0x01, b"criu-mtx\x02\x01"), WireError::Version(0x0102));
    // A list that says it has four thousand million entries.
    refused(&frame(0x02, &[0xff; 4]), WireError::Short);
}

#[test]
fn another_version_is_told_from_its_first_bytes_whatever_follows() {
    refused(&frame(0x01, b"criu-mtx\x63\x00what a later version has to say"), WireError::Version(0x63));
}

#[test]
fn a_message_too_long_is_not_sent() {
    let mut out = b"before".to_vec();
    let pull = |length| Request::Pull { path: "x".repeat(length), may_lack: false };
    let error = encode(1, &pull(FRAME_MAX), &mut out).unwrap_err();
    assert_eq!(error, WireError::Length(FRAME_MAX + 10));
    assert_eq!(out, b"before");
    encode(1, &pull(FRAME_MAX - 10), &mut out).unwrap();
}
