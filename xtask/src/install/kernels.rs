//! Which of Debian's kernels there are, and which one an ask means.
//!
//! Up to 6.18 a kernel is one package. From 6.19 on `linux-image` is a stub: the image is in `linux-binary`,
//! the modules in `linux-modules`, configuration and lists in `linux-base`, and any of them can be missing.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use debversion::Version;

use crate::install::error::InstallError;
use crate::install::index::Stanza;
use crate::install::package::Package;

/// One kernel of the index, whole or not.
#[derive(Clone, Debug)]
pub(crate) struct DebianKernel {
    /// The release without the flavour: `6.12.117+deb13`.
    pub(crate) abi: String,
    /// `uname -r`.
    pub(crate) release: String,
    /// The packages' version.
    pub(crate) version: Version,
    /// The suite that has it.
    pub(crate) suite: String,
    /// The packages that make it up.
    pub(crate) packages: Vec<Package>,
    /// Packages that it wants and no suite has.
    pub(crate) missing: Vec<String>,
}

/// The kernel that an ask means, and what to tell about the choice.
#[derive(Debug)]
pub(crate) struct Choice<'a> {
    pub(crate) kernel: &'a DebianKernel,
    /// Newer ones that were passed over, and why.
    pub(crate) note: Option<String>,
}

impl DebianKernel {
    /// The first two numbers of the version: `6.12`.
    pub(crate) fn series(&self) -> String {
        series(&self.version.upstream_version)
    }

    fn answers_to(&self, ask: &str) -> bool {
        let image = format!("linux-image-{}", self.release);
        ask == self.abi || ask == self.release || ask == image || ask == self.version.to_string()
    }

    fn named(&self) -> String {
        format!("{} ({} in {})", self.abi, self.version, self.suite)
    }
}

/// Every kernel of that flavour, oldest first. Meta packages, unsigned, debug and real-time ones are none.
pub(crate) fn catalogue(stanzas: &[Stanza], flavour: &str) -> Vec<DebianKernel> {
    let mut parts: BTreeMap<(String, String), BTreeMap<&str, &Stanza>> = BTreeMap::new();
    for stanza in stanzas {
        if let Some((part, abi)) = part_of(stanza, flavour) {
            let key = (abi.to_owned(), stanza.package.version.clone());
            parts.entry(key).or_default().entry(part).or_insert(stanza);
        }
    }
    let mut kernels: Vec<DebianKernel> = parts
        .into_iter()
        .filter_map(|((abi, version), parts)| assemble(&abi, &version, flavour, &parts))
        .collect();
    kernels.sort_by(|a, b| a.version.cmp(&b.version).then_with(|| b.abi.cmp(&a.abi)));
    kernels
}

/// `image`, `binary`, `modules` or `base`, and the release without the flavour.
fn part_of<'a>(stanza: &'a Stanza, flavour: &str) -> Option<(&'static str, &'a str)> {
    let name = stanza.package.name.as_str();
    let (part, rest) = [
        ("image", "linux-image-"),
        ("binary", "linux-binary-"),
        ("modules", "linux-modules-"),
        ("base", "linux-base-"),
    ]
    .into_iter()
    .find_map(|(part, prefix)| Some((part, name.strip_prefix(prefix)?)))?;
    let abi = rest.strip_suffix(flavour)?.strip_suffix('-')?;
    let meta = part == "image" && stanza.depends.contains("linux-image-");
    (abi.starts_with(|c: char| c.is_ascii_digit()) && !abi.contains("-rt") && !meta).then_some((part, abi))
}

fn assemble(
    abi: &str,
    version: &str,
    flavour: &str,
    parts: &BTreeMap<&str, &Stanza>,
) -> Option<DebianKernel> {
    let image = parts.get("image");
    let split = image.is_none_or(|stanza| stanza.depends.contains("linux-binary-"));
    let wanted: &[&str] = if split { &["binary", "modules", "base"] } else { &["image"] };
    let packages = wanted.iter().filter_map(|part| Some(parts.get(part)?.package.clone())).collect();
    let missing = wanted
        .iter()
        .filter(|part| !parts.contains_key(*part))
        .map(|part| format!("linux-{part}-{abi}-{flavour}"))
        .collect();
    let suite = image.or_else(|| parts.values().next())?.suite.clone();
    Some(DebianKernel {
        abi: abi.to_owned(),
        release: format!("{abi}-{flavour}"),
        version: version.parse().ok()?,
        suite,
        packages,
        missing,
    })
}

/// The kernel that `ask` means: the newest whole one of a series, or exactly that one.
///
/// # Errors
/// When there is none, or when the very one that was asked for is not whole: with the nearest that is.
pub(crate) fn choose<'a>(kernels: &'a [DebianKernel], ask: &str) -> Result<Choice<'a>, InstallError> {
    let of_series = |kernel: &&DebianKernel| is_series(ask) && kernel.series() == ask;
    let exact = |kernel: &&DebianKernel| kernel.answers_to(ask) || upstream_is(kernel, ask);
    let mut candidates: Vec<&DebianKernel> = kernels.iter().rev().filter(of_series).collect();
    candidates.extend(kernels.iter().rev().filter(exact));
    let whole = candidates.iter().position(|kernel| kernel.missing.is_empty());
    let lacking = lacking(&candidates[..whole.unwrap_or(candidates.len())]);
    match (whole, lacking) {
        (Some(at), lacking) => Ok(Choice { kernel: candidates[at], note: lacking }),
        (None, Some(missing)) => Err(InstallError::IncompleteKernel {
            ask: ask.to_owned(),
            missing,
            nearest: nearest(kernels, ask),
        }),
        (None, None) => Err(InstallError::NoKernel { ask: ask.to_owned(), nearest: nearest(kernels, ask) }),
    }
}

/// What the newest of these lacks, and how many more there are.
fn lacking(kernels: &[&DebianKernel]) -> Option<String> {
    let (first, rest) = kernels.split_first()?;
    let others = rest.iter().filter(|kernel| kernel.abi != first.abi).count();
    let more =
        if others == 0 { String::new() } else { format!(", and {others} older ones lack packages too") };
    Some(format!("no suite has {} for {}{more}", first.missing.join(", "), first.named()))
}

/// The whole kernels on both sides of what was asked for.
pub(crate) fn nearest(kernels: &[DebianKernel], ask: &str) -> String {
    let whole: Vec<&DebianKernel> = kernels.iter().filter(|kernel| kernel.missing.is_empty()).collect();
    let wanted = numbers(ask.trim_start_matches("linux-image-"));
    let side = |kernel: &DebianKernel| numbers(&kernel.version.to_string()).cmp(&wanted);
    let below = whole.iter().rev().find(|kernel| side(kernel) != Ordering::Greater);
    let above = whole.iter().find(|kernel| side(kernel) == Ordering::Greater);
    let named: Vec<String> = below.into_iter().chain(above).map(|kernel| kernel.named()).collect();
    if named.is_empty() { "none at all".to_owned() } else { named.join(", ") }
}

fn upstream_is(kernel: &DebianKernel, ask: &str) -> bool {
    !is_series(ask) && kernel.version.upstream_version == ask
}

fn is_series(ask: &str) -> bool {
    let number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    ask.split_once('.').is_some_and(|(major, minor)| number(major) && number(minor))
}

fn series(upstream: &str) -> String {
    let numbers = numbers(upstream);
    numbers.iter().take(2).map(u64::to_string).collect::<Vec<_>>().join(".")
}

/// All numbers of a text, in order: `6.1.0-56` is 6, 1, 0, 56.
fn numbers(text: &str) -> Vec<u64> {
    text.split(|c: char| !c.is_ascii_digit()).filter_map(|part| part.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::install::index::tests::stanza;

    fn index() -> Vec<Stanza> {
        let split = |suite: &str, abi: &str, version: &str, parts: &[&str]| -> Vec<Stanza> {
            parts
                .iter()
                .map(|part| {
                    let depends = if *part == "image" {
                        format!("initramfs-tools, linux-binary-{abi}-cloud-amd64 (= {version}), linux-modules-{abi}-cloud-amd64 (= {version})")
                    } else {
                        String::new()
                    };
                    stanza(suite, &format!("linux-{part}-{abi}-cloud-amd64"), version, &depends)
                })
                .collect()
        };
        let all = ["image", "binary", "modules", "base"];
        let whole = |suite: &str, abi: &str, version: &str| {
            stanza(suite, &format!("linux-image-{abi}-cloud-amd64"), version, "kmod, linux-base (>= 4.3~)")
        };
        [
            vec![
                whole("bookworm-security", "6.1.0-56", "6.1.192-2"),
                whole("bookworm", "6.1.0-50", "6.1.176-1"),
                stanza(
                    "bookworm",
                    "linux-image-cloud-amd64",
                    "6.1.192-2",
                    "linux-image-6.1.0-56-cloud-amd64 (= 6.1.192-2)",
                ),
                stanza(
                    "bookworm-security",
                    "linux-image-6.12-cloud-amd64",
                    "6.12.999-1",
                    "linux-image-6.12.117+deb12-cloud-amd64",
                ),
                whole("bookworm-security", "6.12.117+deb12", "6.12.117-1~deb12u1"),
                whole("trixie-security", "6.12.117+deb13", "6.12.117-1"),
                stanza(
                    "trixie-security",
                    "linux-image-6.12.118+deb13-cloud-amd64-unsigned",
                    "6.12.118-1",
                    "",
                ),
                stanza("trixie-security", "linux-image-6.12.118+deb13-rt-cloud-amd64", "6.12.118-1", ""),
                stanza("experimental", "linux-binary-unsigned-7.3-cloud-amd64", "7.3~rc7-1~exp1", ""),
            ],
            split("experimental", "7.3", "7.3~rc7-1~exp1", &all),
            split("trixie-backports", "7.3.4+deb13", "7.3.4-1~bpo13+1", &["modules", "base"]),
            split("trixie-backports", "7.1.13+deb13", "7.1.13-1~bpo13+1", &["image", "binary"]),
            split("forky", "7.2.12+deb14", "7.2.12-1", &all),
        ]
        .concat()
    }

    #[track_caller]
    fn check(ask: &str, expected: &str) {
        let kernels = catalogue(&index(), "cloud-amd64");
        let said = match choose(&kernels, ask) {
            Ok(Choice { kernel, note: None }) => kernel.named(),
            Ok(Choice { kernel, note: Some(note) }) => format!("{}; {note}", kernel.named()),
            Err(error) => error.to_string(),
        };
        assert_eq!(said, expected);
    }

    #[test]
    fn a_series_is_its_newest_whole_package() {
        check("6.1", "6.1.0-56 (6.1.192-2 in bookworm-security)");
        check("6.12", "6.12.117+deb13 (6.12.117-1 in trixie-security)");
        check("7.2", "7.2.12+deb14 (7.2.12-1 in forky)");
        check(
            "7.3",
            "7.3 (7.3~rc7-1~exp1 in experimental); no suite has linux-binary-7.3.4+deb13-cloud-amd64 for 7.3.4+deb13 (7.3.4-1~bpo13+1 in trixie-backports)",
        );
    }

    #[test]
    fn an_exact_ask_is_that_kernel() {
        check("6.1.0-50", "6.1.0-50 (6.1.176-1 in bookworm)");
        check("6.12.117+deb12", "6.12.117+deb12 (6.12.117-1~deb12u1 in bookworm-security)");
        check("6.12.117-1~deb12u1", "6.12.117+deb12 (6.12.117-1~deb12u1 in bookworm-security)");
        check("linux-image-6.1.0-50-cloud-amd64", "6.1.0-50 (6.1.176-1 in bookworm)");
        check("6.12.117", "6.12.117+deb13 (6.12.117-1 in trixie-security)");
    }

    #[test]
    fn what_cannot_be_had_names_the_nearest() {
        check(
            "6.14",
            "no kernel `6.14` in the configured suites; nearest that can be had: 6.12.117+deb13 (6.12.117-1 in trixie-security), 7.2.12+deb14 (7.2.12-1 in forky)",
        );
        check(
            "7.1.13+deb13",
            "kernel `7.1.13+deb13` cannot be had: no suite has linux-modules-7.1.13+deb13-cloud-amd64, linux-base-7.1.13+deb13-cloud-amd64 for 7.1.13+deb13 (7.1.13-1~bpo13+1 in trixie-backports); nearest that can be had: 6.12.117+deb13 (6.12.117-1 in trixie-security), 7.2.12+deb14 (7.2.12-1 in forky)",
        );
        check(
            "9.9",
            "no kernel `9.9` in the configured suites; nearest that can be had: 7.3 (7.3~rc7-1~exp1 in experimental)",
        );
    }

    #[test]
    fn a_split_kernel_is_its_three_packages() {
        let kernels = catalogue(&index(), "cloud-amd64");
        let names: Vec<&str> = choose(&kernels, "7.2")
            .unwrap()
            .kernel
            .packages
            .iter()
            .map(|package| package.name.as_str())
            .collect();
        assert_eq!(
            names,
            [
                "linux-binary-7.2.12+deb14-cloud-amd64",
                "linux-modules-7.2.12+deb14-cloud-amd64",
                "linux-base-7.2.12+deb14-cloud-amd64"
            ]
        );
    }
}
