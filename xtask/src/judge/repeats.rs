//! The same cell, several times over.

use super::verdict::{Kind, Samples, Verdict};

/// One verdict of many: theirs where they agree; flaky where some pass and some fail, which is for us to find out;
/// broken where some could not be asked, unless a failure was seen all the same. `None` of none.
pub fn of_repeats(verdicts: &[Verdict]) -> Option<Verdict> {
    let first = verdicts.first()?;
    let of = |kind: Kind| verdicts.iter().filter(move |verdict| verdict.kind == kind);
    let seconds = verdicts.iter().map(|verdict| verdict.seconds).sum::<Option<f64>>();
    let failed: Vec<_> = of(Kind::Fail).chain(of(Kind::KnownBug)).collect();
    let (passes, failures) = (of(Kind::Pass).count() + of(Kind::Fixed).count(), failed.len());
    if passes > 0 && failures > 0 {
        let failure = failed.first().copied().unwrap_or(first);
        let reason = format!("failed {failures} of {} times: {}", verdicts.len(), failure.reason);
        return Some(Verdict { kind: Kind::Flaky, reason, seconds, ..failure.clone() });
    }
    if verdicts.len() > 1
        && passes == verdicts.len()
        && verdicts.iter().any(|verdict| !verdict.samples.is_empty())
    {
        let mut samples = Samples::new();
        for (what, numbers) in verdicts.iter().flat_map(|verdict| &verdict.samples) {
            samples.entry(what.clone()).or_default().extend(numbers);
        }
        let reason = samples.iter().map(|(what, numbers)| told(what, numbers)).collect::<Vec<_>>().join("; ");
        return Some(Verdict { seconds, reason, samples, ..first.clone() });
    }
    let telling = failed.first().copied().or_else(|| of(Kind::Broken).next()).unwrap_or(first);
    Some(Verdict { seconds, ..telling.clone() })
}

/// One number as it is; of several the median, the 95th percentile by nearest rank, and the worst.
pub(super) fn told(what: &str, numbers: &[u64]) -> String {
    let mut sorted = numbers.to_vec();
    sorted.sort_unstable();
    let rank = |percent: usize| sorted[(sorted.len() * percent).div_ceil(100).max(1) - 1];
    match sorted.as_slice() {
        [] => String::new(),
        [one] => format!("{what}: {one}"),
        all => format!("{what}: median {}, p95 {}, worst {} of {}", rank(50), rank(95), rank(100), all.len()),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn verdict(kind: Kind) -> Verdict {
        Verdict {
            kind,
            stage: None,
            step: None,
            reason: kind.to_string(),
            first_error: None,
            known: None,
            copies: None,
            samples: Samples::new(),
            seconds: Some(1.5),
        }
    }

    #[rstest]
    #[case(&[], None)]
    #[case(&[Kind::Pass], Some(Kind::Pass))]
    #[case(&[Kind::Pass, Kind::Pass], Some(Kind::Pass))]
    #[case(&[Kind::Pass, Kind::Fail, Kind::Pass], Some(Kind::Flaky))]
    #[case(&[Kind::Fail, Kind::Broken], Some(Kind::Fail))]
    #[case(&[Kind::Pass, Kind::Broken], Some(Kind::Broken))]
    #[case(&[Kind::Skip, Kind::Skip], Some(Kind::Skip))]
    #[case(&[Kind::KnownBug, Kind::KnownBug], Some(Kind::KnownBug))]
    #[case(&[Kind::KnownBug, Kind::Fail], Some(Kind::Fail))]
    #[case(&[Kind::KnownBug, Kind::Fixed], Some(Kind::Flaky))]
    #[case(&[Kind::KnownBug, Kind::Broken], Some(Kind::KnownBug))]
    #[case(&[Kind::Fixed, Kind::Broken], Some(Kind::Broken))]
    fn of(#[case] kinds: &[Kind], #[case] expected: Option<Kind>) {
        let verdicts: Vec<_> = kinds.iter().copied().map(verdict).collect();
        assert_eq!(of_repeats(&verdicts).map(|verdict| verdict.kind), expected);
    }

    #[test]
    fn what_passes_measured_is_put_together() {
        let measured = |number| Verdict {
            samples: [("still, ms".to_owned(), vec![number])].into(),
            ..verdict(Kind::Pass)
        };
        let verdicts: Vec<_> = (1..=40).rev().map(measured).collect();
        let all = of_repeats(&verdicts).unwrap();
        assert_eq!(all.reason, "still, ms: median 20, p95 38, worst 40 of 40");
        assert_eq!(all.samples["still, ms"].len(), 40);
        assert_eq!(of_repeats(&verdicts[..1]).unwrap().reason, "pass");
    }

    #[test]
    fn flaky_says_how_often() {
        let verdicts: Vec<_> = [Kind::Pass, Kind::Fail, Kind::Pass].map(verdict).into();
        let all = of_repeats(&verdicts).unwrap();
        assert_eq!(all.reason, "failed 1 of 3 times: fail");
        assert_eq!(all.seconds, Some(4.5));
    }
}
