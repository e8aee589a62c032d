//! A verdict in the light of what is known: a cell that fails as described is a known bug, and one that passes all
//! the same shows that the bug is gone. Whoever fails otherwise fails.

use super::verdict::{Kind, Verdict};
use crate::known_bug::{KnownBug, Seen};

/// The verdict on a cell that is one of `bugs`; `rules` are those that its diagnosis names.
pub fn in_light_of(bugs: &[&KnownBug], verdict: Verdict, rules: &[&str]) -> Verdict {
    match verdict.kind {
        Kind::Fail => {
            let reason = verdict.sentence();
            let seen = Seen { stage: verdict.stage, reason: &reason, rules };
            match bugs.iter().find(|bug| bug.describes(seen)) {
                Some(bug) => Verdict { kind: Kind::KnownBug, known: Some(bug.known.clone()), ..verdict },
                None => verdict,
            }
        }
        Kind::Pass => match bugs.first() {
            Some(bug) => Verdict {
                kind: Kind::Fixed,
                reason: format!("it passes, and was known to fail at {}", bug.stages()),
                known: Some(bug.known.clone()),
                ..verdict
            },
            None => verdict,
        },
        Kind::Skip | Kind::Broken | Kind::KnownBug | Kind::Fixed | Kind::Flaky => verdict,
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::model::Stage;

    #[rstest]
    #[case::as_described(Kind::Fail, Some(Stage::Dump), "Error: bounds", Kind::KnownBug)]
    #[case::elsewhere(Kind::Fail, Some(Stage::Restore), "Error: bounds", Kind::Fail)]
    #[case::otherwise(Kind::Fail, Some(Stage::Dump), "Error: rseq", Kind::Fail)]
    #[case::gone(Kind::Pass, None, "", Kind::Fixed)]
    #[case::skipped(Kind::Skip, None, "no mnt_id feature", Kind::Skip)]
    #[case::not_asked(Kind::Broken, None, "Error: bounds", Kind::Broken)]
    fn a_cell_that_is_known(
        #[case] kind: Kind,
        #[case] stage: Option<Stage>,
        #[case] error: &str,
        #[case] expected: Kind,
    ) {
        let bug: KnownBug =
            toml::from_str("stage = 'dump'\nreason = 'bounds'\nissue = 'https://e.org/1'").unwrap();
        let first_error = Some(error.to_owned());
        let verdict = Verdict {
            kind,
            stage,
            step: None,
            reason: String::new(),
            first_error,
            known: None,
            copies: None,
            samples: crate::judge::Samples::new(),
            seconds: None,
        };
        let judged = in_light_of(&[&bug], verdict.clone(), &[]);
        assert_eq!(judged.kind, expected);
        let named = judged.known.is_some_and(|known| known.to_string() == "https://e.org/1");
        assert_eq!(named, matches!(expected, Kind::KnownBug | Kind::Fixed));
        assert_eq!(in_light_of(&[], verdict.clone(), &[]), verdict, "what nobody knows stays what it is");
    }

    #[test]
    fn of_two_bugs_the_one_that_describes_it_is_named() {
        let bug = |stage: &str, issue: u32| -> KnownBug {
            toml::from_str(&format!("stage = '{stage}'\nissue = 'https://e.org/{issue}'")).unwrap()
        };
        let (one, two) = (bug("restore", 1), bug("dump", 2));
        let verdict = Verdict {
            kind: Kind::Fail,
            step: None,
            stage: Some(Stage::Dump),
            reason: "exit status 1".into(),
            first_error: None,
            known: None,
            copies: None,
            samples: crate::judge::Samples::new(),
            seconds: None,
        };
        let judged = in_light_of(&[&one, &two], verdict, &[]);
        assert_eq!(judged.known.unwrap().issue.unwrap(), "https://e.org/2");
    }
}
