//! How text may look: wide or narrow, with colour or without, in Unicode or ASCII. A value that is handed on,
//! decided once where the terminal is known.

use std::os::fd::{AsRawFd, BorrowedFd};

use crate::judge::Kind;

/// The looks of everything that is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Style {
    /// Whether more than ASCII may be printed.
    pub unicode: bool,
    /// Whether colours may be.
    pub colour: bool,
    /// Whether it goes to a terminal that can redraw a line.
    pub live: bool,
    /// How many columns there are.
    pub width: usize,
}

impl Style {
    /// What goes to a file: no colour, Unicode, 100 columns.
    pub const FILE: Self = Self { unicode: true, colour: false, live: false, width: 100 };

    /// Decides by the environment (`env` is [`std::env::var`], or a test's) and by the terminal's width:
    /// `None` where there is no terminal. `NO_COLOR` is honoured (<https://no-color.org>).
    pub fn detect(env: impl Fn(&str) -> Option<String>, terminal: Option<usize>) -> Self {
        let set = |name: &str| env(name).filter(|value| !value.is_empty());
        let dumb = set("TERM").is_none_or(|term| term == "dumb");
        let locale = set("LC_ALL").or_else(|| set("LC_CTYPE")).or_else(|| set("LANG")).unwrap_or_default();
        let locale = locale.to_ascii_lowercase();
        Self {
            unicode: locale.contains("utf-8") || locale.contains("utf8"),
            colour: terminal.is_some() && !dumb && set("NO_COLOR").is_none(),
            live: terminal.is_some() && !dumb,
            width: terminal
                .or_else(|| set("COLUMNS").and_then(|columns| columns.parse().ok()))
                .unwrap_or(Self::FILE.width)
                .max(40),
        }
    }

    pub(super) fn mark(&self, kind: Kind) -> char {
        match (kind, self.unicode) {
            (Kind::Pass, true) => '✓',
            (Kind::Pass, false) => '.',
            (Kind::Fail, true) => '✗',
            (Kind::Fail, false) => 'X',
            (Kind::Skip, true) => '–',
            (Kind::Skip, false) => '-',
            (Kind::KnownBug, _) => 'k',
            (Kind::Fixed, _) => 'f',
            (Kind::Flaky, _) => '~',
            (Kind::Broken, _) => '!',
        }
    }

    /// Stands where no cell was planned, or none has ended.
    pub(super) fn absent(&self) -> char {
        if self.unicode { '·' } else { '_' }
    }

    /// Joins the axes of a product.
    pub(super) fn times(&self) -> &'static str {
        if self.unicode { " × " } else { " x " }
    }

    pub(super) fn ink(&self, kind: Kind, text: &str) -> String {
        self.paint(
            match kind {
                Kind::Pass => "32",
                Kind::Fail | Kind::Fixed => "1;31",
                Kind::Flaky | Kind::Broken => "1;35",
                Kind::KnownBug => "33",
                Kind::Skip => "2",
            },
            text,
        )
    }

    pub(super) fn bold(&self, text: &str) -> String {
        self.paint("1", text)
    }

    fn paint(&self, code: &str, text: &str) -> String {
        if self.colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

/// Without the control characters that a guest may have printed: nothing in a log moves the reader's cursor.
pub(super) fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_whitespace() { ' ' } else { c }).filter(|c| !c.is_control()).collect()
}

/// The columns of the terminal behind a file; `None` where there is no terminal.
pub fn terminal_width(file: BorrowedFd<'_>) -> Option<usize> {
    nix::ioctl_read_bad!(window_size, nix::libc::TIOCGWINSZ, nix::libc::winsize);
    let mut size = nix::libc::winsize { ws_row: 0, ws_col: 0, ws_xpixel: 0, ws_ypixel: 0 };
    // SAFETY: TIOCGWINSZ writes one winsize to the pointer, which outlives the call.
    unsafe { window_size(file.as_raw_fd(), &raw mut size) }.ok()?;
    // A serial line and some CI terminals do not know their width.
    Some(if size.ws_col == 0 { 80 } else { usize::from(size.ws_col) })
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use super::*;

    #[track_caller]
    fn check(env: &[(&str, &str)], terminal: Option<usize>, expected: Style) {
        let get = |name: &str| env.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
        assert_eq!(Style::detect(get, terminal), expected);
    }

    #[test]
    fn looks_follow_the_terminal_and_the_environment() {
        let style = |unicode, colour, live, width| Style { unicode, colour, live, width };
        let utf8 = ("LANG", "de_DE.UTF-8");
        let xterm = ("TERM", "xterm-256color");
        check(&[utf8, xterm], Some(120), style(true, true, true, 120));
        check(&[utf8, xterm, ("NO_COLOR", "1")], Some(120), style(true, false, true, 120));
        check(&[utf8, xterm, ("NO_COLOR", "")], Some(120), style(true, true, true, 120));
        check(&[utf8, ("TERM", "dumb")], Some(80), style(true, false, false, 80));
        check(&[utf8, xterm], None, style(true, false, false, 100));
        check(&[utf8, ("COLUMNS", "132")], None, style(true, false, false, 132));
        check(&[xterm], Some(80), style(false, true, true, 80));
        check(&[utf8, ("LC_ALL", "C"), xterm], Some(80), style(false, true, true, 80));
        check(&[utf8, xterm], Some(3), style(true, true, true, 40));
    }

    #[test]
    fn a_file_is_no_terminal() {
        assert_eq!(terminal_width(tempfile::tempfile().unwrap().as_fd()), None);
    }
}
