//! A command's output in memory, with a limit.

use std::collections::VecDeque;

/// How many bytes of one stream are kept: the first half of it from its head, the rest from its tail.
pub const OUTPUT_MAX: usize = 2 * 1024 * 1024;

/// How the mark begins that stands where bytes of a stream were left out.
pub const CUT: &str = "[criu-matrix: ";

/// One stream of a command.
#[derive(Default)]
pub(super) struct Capture {
    head: Vec<u8>,
    tail: VecDeque<u8>,
    cut: u64,
}

impl Capture {
    pub(super) fn take(&mut self, bytes: &[u8]) {
        let room = (OUTPUT_MAX / 2 - self.head.len()).min(bytes.len());
        let (head, tail) = bytes.split_at(room);
        self.head.extend_from_slice(head);
        self.tail.extend(tail);
        let over = self.tail.len().saturating_sub(OUTPUT_MAX / 2);
        self.tail.drain(..over);
        self.cut += over as u64;
    }

    /// As text; what is not UTF-8 is replaced, and what was left out is said.
    pub(super) fn into_text(self) -> String {
        let mut bytes = self.head;
        if self.cut > 0 {
            let mark = format!("\n{CUT}{} bytes are left out here]\n", self.cut);
            bytes.extend_from_slice(mark.as_bytes());
        }
        bytes.extend(self.tail);
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_output_is_whole() {
        let mut capture = Capture::default();
        capture.take(b"one ");
        capture.take(b"two\xff");
        assert_eq!(capture.into_text(), "one two\u{fffd}");
    }

    #[test]
    fn long_output_keeps_head_and_tail_and_says_what_is_missing() {
        let mut capture = Capture::default();
        capture.take(b"first");
        for _ in 0..64 {
            capture.take(&vec![b'.'; OUTPUT_MAX / 32]);
        }
        capture.take(b"last");
        let text = capture.into_text();
        assert!(text.starts_with("first..") && text.ends_with("..last"));
        let left_out = OUTPUT_MAX + 9;
        assert!(text.contains(&format!("\n[criu-matrix: {left_out} bytes are left out here]\n")));
    }
}
