//! What kind of line it is: CRIU's own log has clocks and levels, everything else is somebody's words.

/// The kind of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// An error in CRIU's log.
    Error,
    /// A warning in CRIU's log.
    Warning,
    /// Anything else in CRIU's log.
    Debug,
    /// Not of CRIU's log: an engine's output, dmesg, prose.
    Words,
}

/// The kind of a line, and the clock of CRIU's log in microseconds.
pub(super) fn kind(line: &str) -> (Kind, Option<u64>) {
    let Some((clock, rest)) = clock(line) else { return (level(line), None) };
    let kind = match level(rest) {
        Kind::Words => Kind::Debug,
        level => level,
    };
    (kind, Some(clock))
}

/// `Error (criu/cr-dump.c:1781): …`: CRIU prints it without a clock where it has no log.
fn level(text: &str) -> Kind {
    let source = |word: &str| {
        text.match_indices(word).any(|(at, _)| {
            let after = text[at + word.len()..].trim_start();
            // A name of a source and a line: a text of many brackets is not searched to its end for each of them.
            let end = after.bytes().take(200).position(|byte| byte == b')');
            after.starts_with('(') && end.is_some_and(|end| after[..end].contains(".c:"))
        })
    };
    if source("Error") {
        Kind::Error
    } else if source("Warn") {
        Kind::Warning
    } else {
        Kind::Words
    }
}

/// `(00.123456)`, at most after what other tools put before it: a date, a file's name.
fn clock(line: &str) -> Option<(u64, &str)> {
    let mut from = 0;
    while let Some(open) = line[from..].find('(').map(|at| from + at).filter(|open| *open < 160) {
        let rest = &line[open + 1..];
        if let Some((inside, after)) = rest.split_once(')')
            && let Some((seconds, fraction)) = inside.split_once('.')
            && seconds.len() >= 2
            && fraction.len() == 6
            && let (Ok(seconds), Ok(fraction)) = (seconds.parse::<u64>(), fraction.parse::<u64>())
        {
            return Some((seconds.saturating_mul(1_000_000).saturating_add(fraction), after));
        }
        from = open + 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("(00.123456) Error (criu/cr-dump.c:1781): Dumping FAILED.", Kind::Error, Some(123_456))]
    #[case("(00.123456) pie: 42: Error (criu/pie/restorer.c:1): no", Kind::Error, Some(123_456))]
    #[case("(12.000001)      1: Warn  (criu/net.c:33): x", Kind::Warning, Some(12_000_001))]
    #[case("(00.000000) Version: 3.16.1 (gitid 0)", Kind::Debug, Some(0))]
    #[case("> time=\"x\" msg=\"(00.010000) Error (net.c:1): x\"", Kind::Error, Some(10_000))]
    #[case("Error (criu/util.c:1): Can't open", Kind::Error, None)]
    #[case("Error response from daemon: (see) x", Kind::Words, None)]
    #[case("Errors (4)", Kind::Words, None)]
    fn a_line_is(#[case] line: &str, #[case] expected: Kind, #[case] clock: Option<u64>) {
        assert_eq!(kind(line), (expected, clock));
    }
}
