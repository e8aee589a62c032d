//! How a report to an engine's developers is laid out: the headings of their own issue form, and what it asks for.

/// The headings, in their order, and the commands whose output the form asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Form {
    /// What happens.
    pub description: &'static str,
    /// How it is made to happen again.
    pub steps: &'static str,
    /// What came of it.
    pub received: &'static str,
    /// What should have come of it.
    pub expected: &'static str,
    /// How often it happens, and whatever else is known.
    pub additional: &'static str,
    /// Each is a plain command without quotes; its output has a section of its own.
    pub asks: &'static [&'static str],
}

impl Form {
    /// CRIU's own, of `.github/ISSUE_TEMPLATE.md`; runc's and crun's ask for no more.
    pub const CRIU: Self = Self {
        description: "Description",
        steps: "Steps to reproduce the issue",
        received: "Describe the results you received",
        expected: "Describe the results you expected",
        additional: "Additional information you deem important (e.g. issue happens only occasionally)",
        asks: &[],
    };

    /// The same, with further questions.
    pub(super) const fn asking(asks: &'static [&'static str]) -> Self {
        Self { asks, ..Self::CRIU }
    }
}
