//! Reads versions out of logs and of the words around them.

use std::collections::BTreeMap;

use regex::bytes::{RegexSet, RegexSetBuilder};
use regex::{Regex, escape};

use super::case::Case;
use super::context::{Context, Fact};
use super::line::Kind;

/// How a line tells something of the stack: the fact, whether it is a tool's own words of itself and not somebody's,
/// and a pattern whose first group is the value.
const TELLERS: [(Fact, bool, &str); 27] = [
    (Fact::Criu, true, r"Version: v?(\d+\.\d+(?:\.\d+)?)\S* \(gitid"),
    (Fact::Criu, true, r"^\s*(?:CRIU )?Version: v?(\d+\.\d+(?:\.\d+)?)\s*$"),
    (Fact::Kernel, true, r"Running on \S+ Linux (\d+\.\d+\S*) "),
    (Fact::Arch, true, r"Running on \S+ Linux \S+ .*\b(x86_64|aarch64|ppc64le|s390x|armv7l)\b"),
    (Fact::Kernel, true, r"^[\s>]*Linux \S+ (\d+\.\d+\S*) (?:#|SMP)"),
    (Fact::Arch, true, r"^[\s>]*Linux \S+ \d+\.\d+\S* .*\b(x86_64|aarch64|ppc64le|s390x|armv7l)\b"),
    (Fact::Kernel, true, r"^(?:\[ *\d+\.\d+\]\s*|.*\bkernel: )?Linux version (\d+\.\d+\S*)"),
    (Fact::Kernel, true, r"(?i)^\s*kernel version: v?(\d+\.\d+\S*)"),
    (Fact::Arch, true, r"(?i)^\s*architecture: (x86_64|aarch64|ppc64le|s390x|armv7l)"),
    (Fact::Docker, true, r"^[\s>]*Docker version (\d+\.\d+\.\d+)\S*, build"),
    (Fact::Docker, true, r"^\s*Server Version: (\d+\.\d+\.\d+)"),
    (Fact::Podman, true, r"(?i)^\s*podman version:? v?(\d+\.\d+\.\d+)"),
    (Fact::Runc, true, r"^[\s>]*runc version v?(\d+\.\d+\S*)"),
    (Fact::Crun, true, r"^[\s>]*crun version v?(\d+\.\d+\S*)"),
    (
        Fact::Containerd,
        true,
        r"^[\s>]*containerd (?:github\.com/containerd/containerd(?:/v2)? )?v?(\d+\.\d+\.\d+)",
    ),
    (
        Fact::Glibc,
        true,
        r"^[\s>]*(?:ldd|GNU C Library) \([^)]*(?:GLIBC|GNU libc)[^)]*\)(?: stable release version)? (\d\.\d+)",
    ),
    (Fact::Criu, false, r"(?i)\bcriu(?:[ -]version)?[ :=-]+v?(\d+\.\d+(?:\.\d+)?)\b"),
    (Fact::Kernel, false, r"(?i)\b(?:linux|kernel)(?:[ -]version)?[ :=-]+v?(\d+\.\d+(?:\.\d+)?[-\w.]*)"),
    (Fact::Docker, false, r"(?i)\bdocker(?: engine| ce|-ce)?(?: version)?[ :=-]+v?(\d+\.\d+\.\d+)"),
    (Fact::Podman, false, r"(?i)\bpodman(?: version)?[ :=-]+v?(\d+\.\d+(?:\.\d+)?)"),
    (Fact::Runc, false, r"(?i)\brunc[ :=-]+v?(\d+\.\d+\S*)"),
    (Fact::Crun, false, r"(?i)\bcrun[ :=-]+v?(\d+\.\d+\S*)"),
    (Fact::Glibc, false, r"(?i)\bglibc(?:[ -]version)?[ :=-]+v?(\d\.\d+)"),
    (Fact::Arch, false, r"(?i)\b(aarch64|arm64|ppc64le|s390x)\b"),
    (Fact::Engine, false, r"(?i)\b(docker)(?: container)? (?:checkpoint|start|run)\b"),
    (Fact::Engine, false, r"(?i)\b(podman)(?: container)? (?:checkpoint|restore|run)\b"),
    (Fact::Engine, false, r"(?i)\b(runc|crun) (?:--\S+ )*(?:checkpoint|restore|run)\b"),
];

/// The glibc of distributions that people name, by their `PRETTY_NAME` or by the kernel's release.
/// From the distributions' own package lists.
const DISTRIBUTIONS: [(&str, &str); 22] = [
    ("Ubuntu 16.04", "2.23"),
    ("Ubuntu 18.04", "2.27"),
    ("Ubuntu 20.04", "2.31"),
    ("Ubuntu 21.10", "2.34"),
    ("Ubuntu 22.04", "2.35"),
    ("Ubuntu 22.10", "2.36"),
    ("Ubuntu 23.04", "2.37"),
    ("Ubuntu 23.10", "2.38"),
    ("Ubuntu 24.04", "2.39"),
    ("Ubuntu 24.10", "2.40"),
    ("Ubuntu 25.04", "2.41"),
    ("(buster)", "2.28"),
    ("(bullseye)", "2.31"),
    ("(bookworm)", "2.36"),
    ("(trixie)", "2.41"),
    (".fc36.", "2.35"),
    (".fc37.", "2.36"),
    (".fc38.", "2.37"),
    (".fc39.", "2.38"),
    (".fc40.", "2.39"),
    (".fc41.", "2.40"),
    (".fc42.", "2.41"),
];

/// The tellers, ready to be asked.
pub(super) struct Reader {
    /// The patterns of all tellers, then the names of distributions: most lines match none of them.
    any: RegexSet,
    tellers: Vec<Regex>,
}

impl Reader {
    /// Compiles them.
    ///
    /// # Errors
    /// Where a pattern above is none.
    pub(super) fn new() -> Result<Self, regex::Error> {
        let patterns = TELLERS.into_iter().map(|(_, _, pattern)| pattern.to_owned());
        let names = DISTRIBUTIONS.into_iter().map(|(name, _)| escape(name));
        let any = RegexSetBuilder::new(patterns.chain(names)).unicode(false).build()?;
        let tellers =
            TELLERS.into_iter().map(|(_, _, pattern)| Regex::new(pattern)).collect::<Result<_, _>>()?;
        Ok(Self { any, tellers })
    }

    /// What the lines of a case tell. What is told in two ways is not known.
    pub(super) fn read(&self, case: &Case) -> Facts {
        let mut facts = Facts::default();
        let mut told = Vec::new();
        let mut said = Vec::new();
        for line in case.lines() {
            let text = case.text(*line);
            if !worth_reading(line.kind, text) {
                continue;
            }
            for at in self.any.matches(text.as_bytes()) {
                let Some((fact, sure, _)) = TELLERS.get(at) else {
                    said.push((Fact::Glibc, DISTRIBUTIONS[at - TELLERS.len()].1.to_owned()));
                    continue;
                };
                for found in self.tellers[at].captures_iter(text).filter_map(|groups| groups.get(1)) {
                    match line.run {
                        Some(run) if *sure => {
                            facts.runs.entry(run).or_default().note(*fact, found.as_str(), true);
                        }
                        None if *sure => told.push((*fact, found.as_str().to_owned())),
                        None => said.push((*fact, found.as_str().to_lowercase())),
                        Some(_) => {}
                    }
                }
            }
        }
        note_agreed(&mut facts.case, told, true);
        note_agreed(&mut facts.case, said, false);
        facts
    }
}

/// What logs tell of the stack.
#[derive(Debug, Default)]
pub(super) struct Facts {
    /// What is told of the whole case.
    pub(super) case: Context,
    /// What each run of CRIU tells of itself.
    runs: BTreeMap<usize, Context>,
}

impl Facts {
    /// What is known where a run wrote a line; what other runs tell of themselves is better than nothing where they
    /// agree.
    pub(super) fn of_run(&self, run: Option<usize>) -> Context {
        let own = run.and_then(|run| self.runs.get(&run)).cloned().unwrap_or_default();
        let mut others = Context::default();
        let all = self.runs.values().flat_map(Context::iter);
        note_agreed(&mut others, all.map(|(fact, value)| (fact, value.to_owned())).collect(), true);
        own.or(&self.case).or(&others)
    }
}

/// Takes every value that nothing else is told beside.
fn note_agreed(context: &mut Context, mut told: Vec<(Fact, String)>, sure: bool) {
    told.sort();
    told.dedup();
    for (fact, value) in &told {
        if told.iter().all(|(other, same)| other != fact || same == value) {
            context.note(*fact, if value == "arm64" { "aarch64" } else { value }, sure);
        }
    }
}

/// Most lines of a long log tell nothing of the stack: CRIU tells it in its first ones.
fn worth_reading(kind: Kind, text: &str) -> bool {
    match kind {
        Kind::Words => text.len() < 2000,
        Kind::Debug => text.contains("Version:") || text.contains("Running on"),
        Kind::Error | Kind::Warning => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, fact: Fact, expected: Option<&str>) {
        let facts = Reader::new().unwrap().read(&Case::of_text("-", text));
        assert_eq!(facts.of_run(None).value(fact), expected, "{text}");
    }

    #[test]
    fn a_log_tells_its_stack() {
        let log = "(00.000000) Version: 3.16.1 (gitid 0)\n(00.000007) Running on u Linux 5.15.0-56-generic #62-Ubuntu SMP Tue x86_64\n";
        check(log, Fact::Criu, Some("3.16.1"));
        check(log, Fact::Kernel, Some("5.15.0-56-generic"));
        check(log, Fact::Arch, Some("x86_64"));
        check("Docker version 20.10.24, build 297e128", Fact::Docker, Some("20.10.24"));
        check("ldd (Ubuntu GLIBC 2.35-0ubuntu3.1) 2.35", Fact::Glibc, Some("2.35"));
        check("on Ubuntu 22.04.1 LTS", Fact::Glibc, Some("2.35"));
        check(
            "Linux box 6.8.0-45-generic #45-Ubuntu SMP x86_64 GNU/Linux",
            Fact::Kernel,
            Some("6.8.0-45-generic"),
        );
    }

    #[test]
    fn a_mention_of_two_versions_is_none() {
        check("works with CRIU 3.15", Fact::Criu, Some("3.15"));
        check("works with CRIU 3.15\nfails with criu 3.16.1", Fact::Criu, None);
        check("CRIU version 31600 must be 31700 or higher", Fact::Criu, None);
    }

    #[test]
    fn two_words_of_a_tool_are_none() {
        check("Fine with Docker version 24.0.7. Broken with Docker version 25.0.2", Fact::Docker, None);
        check("Docker version 24.0.7, build a\nDocker version 25.0.2, build b", Fact::Docker, None);
        check("Works on Linux version 6.6, fails on Linux version 6.14", Fact::Kernel, None);
        check("[    0.000000] Linux version 6.1.0-56-amd64 (debian", Fact::Kernel, Some("6.1.0-56-amd64"));
    }

    #[test]
    fn each_run_tells_of_itself() {
        let text = "(00.000001) Version: 4.2 (gitid 0)\n(00.1) x\n(00.100000) Dumping finished successfully\n\
                    (00.000001) Version: 3.17 (gitid 0)\n";
        let facts = Reader::new().unwrap().read(&Case::of_text("-", text));
        let value = |run| facts.of_run(run).value(Fact::Criu).map(str::to_owned);
        assert_eq!((value(Some(0)), value(Some(1))), (Some("4.2".into()), Some("3.17".into())));
        assert_eq!(value(None), None);
    }
}
