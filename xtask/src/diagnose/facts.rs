//! Reads versions out of logs and of the words around them.

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
    (Fact::Kernel, true, r"^\s*Linux \S+ (\d+\.\d+\S*) (?:#|SMP)"),
    (Fact::Arch, true, r"^\s*Linux \S+ \d+\.\d+\S* .*\b(x86_64|aarch64|ppc64le|s390x|armv7l)\b"),
    (Fact::Kernel, true, r"Linux version (\d+\.\d+\S*)"),
    (Fact::Kernel, true, r"(?i)^\s*kernel version: v?(\d+\.\d+\S*)"),
    (Fact::Arch, true, r"(?i)^\s*architecture: (x86_64|aarch64|ppc64le|s390x|armv7l)"),
    (Fact::Docker, true, r"Docker version (\d+\.\d+\.\d+)"),
    (Fact::Docker, true, r"^\s*Server Version: (\d+\.\d+\.\d+)"),
    (Fact::Podman, true, r"(?i)^\s*podman version:? v?(\d+\.\d+\.\d+)"),
    (Fact::Runc, true, r"runc version v?(\d+\.\d+\S*)"),
    (Fact::Crun, true, r"crun version v?(\d+\.\d+\S*)"),
    (Fact::Containerd, true, r"containerd (?:github\.com/containerd/containerd(?:/v2)? )?v?(\d+\.\d+\.\d+)"),
    (Fact::Glibc, true, r"(?:GLIBC|GNU libc)[^)]*\)(?: stable release version)? (\d\.\d+)"),
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

    /// What the lines of a case tell. Where prose names several versions, none is taken.
    pub(super) fn read(&self, case: &Case) -> Context {
        let mut context = Context::default();
        let mut said: Vec<(Fact, String)> = Vec::new();
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
                let Some(found) = self.tellers[at].captures(text).and_then(|groups| groups.get(1)) else {
                    continue;
                };
                if *sure {
                    context.note(*fact, found.as_str(), true);
                } else if line.kind == Kind::Words {
                    said.push((*fact, found.as_str().to_lowercase()));
                }
            }
        }
        said.sort();
        said.dedup();
        for (fact, value) in &said {
            if said.iter().all(|(other, same)| other != fact || same == value) {
                context.note(*fact, if value == "arm64" { "aarch64" } else { value }, false);
            }
        }
        context
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
        assert_eq!(Reader::new().unwrap().read(&Case::of_text("-", text)).value(fact), expected, "{text}");
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
}
