//! `reproduce.sh`: plays the story's script, and says whether it fails as in the report.

use super::Symptom;

const TEMPLATE: &str = include_str!("reproduce.sh");

/// The script, in plain `sh`, for a failure that is known by this.
pub fn reproduce(symptom: &Symptom) -> String {
    let quoted = |text: &str| format!("'{}'", text.replace('\'', "'\\''"));
    let Symptom { step, text, hangs } = symptom;
    let values = format!(
        "STEP={}\nTEXT={}\nHANGS={}",
        quoted(step),
        quoted(text.as_deref().unwrap_or_default()),
        if *hangs { "yes" } else { "no" }
    );
    TEMPLATE.replace("# VALUES", &values)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use rstest::rstest;

    use super::*;

    /// A story that prints and ends so, and what is made of it.
    #[rstest]
    #[case::as_reported(
        "echo '== 3 dump one'; echo \"it can't\" >&2; exit 1",
        0,
        "REPRODUCED: step 3 (dump one) fails"
    )]
    #[case::went_through("echo '== 3 dump one'; echo passed", 1, "NOT REPRODUCED: the story went through")]
    #[case::another_step("echo '== 1 start'; exit 1", 2, "FAILED OTHERWISE: at step 1 start with status 1")]
    #[case::no_step("exit 7", 2, "FAILED OTHERWISE: at step none with status 7")]
    #[case::other_words("echo '== 3 dump one'; echo no; exit 1", 2, "nothing says \"it can't\"")]
    #[case::hangs("echo '== 3 dump one'; exit 124", 2, "FAILED OTHERWISE: step 3 dump one hangs")]
    fn says(#[case] story: &str, #[case] status: i32, #[case] expected: &str) {
        let symptom = Symptom { step: "3 dump one".into(), text: Some("it can't".into()), hangs: false };
        let (code, said) = play(&symptom, story);
        assert!(said.lines().last().unwrap_or_default().contains(expected), "{said}");
        assert_eq!(code, Some(status), "{said}");
    }

    #[rstest]
    #[case("echo '== 3 dump one'; exit 124", 0)]
    #[case("echo '== 3 dump one'; exit 1", 2)]
    fn a_hang_is_reproduced_by_a_hang(#[case] story: &str, #[case] status: i32) {
        let symptom = Symptom { step: "3 dump one".into(), text: None, hangs: true };
        assert_eq!(play(&symptom, story).0, Some(status));
    }

    fn play(symptom: &Symptom, story: &str) -> (Option<i32>, String) {
        let folder = tempfile::tempdir().unwrap();
        // Whoever runs the tests need not be root.
        fs::write(folder.path().join("reproduce.sh"), reproduce(symptom).replace("$(id -u)", "0")).unwrap();
        fs::write(folder.path().join("story.sh"), story).unwrap();
        let mut command = crate::process::command("sh");
        let output = command.arg(folder.path().join("reproduce.sh")).output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    }
}
