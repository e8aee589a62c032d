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
    use std::path::Path;
    use std::time::{Duration, Instant};

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

    /// What an earlier run left is no reproduction; what this one adds to it is.
    #[rstest]
    #[case::nothing("", 2)]
    #[case::own_log("mkdir -p $CELL/images; echo 'it broke' >$CELL/images/dump.log", 0)]
    #[case::daemon("echo 'it broke' >>$CELL/dockerd.log", 0)]
    #[case::daemon_anew("echo 'it broke' >$CELL/dockerd.log", 0)]
    #[case::kernel("echo '[3.0] it broke' >>$CELL/../ring", 0)]
    fn only_new_words_count(#[case] story: &str, #[case] status: i32) {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir_all(at("cell/logs")).unwrap();
        fs::create_dir_all(at("cell/images")).unwrap();
        for name in ["cell/images/dump.log", "cell/start.err", "cell/logs/criu.log", "cell/dockerd.log"] {
            fs::write(at(name), "much was told before it broke, and it broke\n").unwrap();
        }
        fs::write(at("ring"), "[1.0] boot\n[2.0] it broke\n").unwrap();
        let symptom = Symptom { step: "3 dump one".into(), text: Some("it broke".into()), hangs: false };
        let story = format!("CELL={}\necho '== 3 dump one'\n{story}\nexit 1", at("cell").display());
        let (code, said) = play_in(folder.path(), &symptom, &story);
        assert_eq!(code, Some(status), "{said}");
    }

    #[test]
    fn an_interrupt_ends_the_story_too() {
        let folder = tempfile::tempdir().unwrap();
        let symptom = Symptom { step: "3 dump one".into(), text: None, hangs: false };
        let story = "echo $$ >\"${0%/*}/story\"; kill \"$(cat \"${0%/*}/pid\")\"; exec sleep 60";
        assert_eq!(play_in(folder.path(), &symptom, story).0, Some(130));
        let pid = fs::read_to_string(folder.path().join("story")).unwrap();
        let until = Instant::now() + Duration::from_secs(20);
        while Path::new("/proc").join(pid.trim()).exists() {
            assert!(Instant::now() < until, "the story still runs");
        }
    }

    fn play(symptom: &Symptom, story: &str) -> (Option<i32>, String) {
        play_in(tempfile::tempdir().unwrap().path(), symptom, story)
    }

    /// With a kernel's ring that is the file `ring`, and a cell's folder of its own.
    fn play_in(folder: &Path, symptom: &Symptom, story: &str) -> (Option<i32>, String) {
        // Whoever runs the tests need not be root.
        let script = reproduce(symptom)
            .replace("$(id -u)", "0")
            .replace("/root/cell", &folder.join("cell").display().to_string())
            .replace("dmesg 2>/dev/null", "cat \"$here/ring\" 2>/dev/null");
        fs::write(folder.join("reproduce.sh"), script.replacen('\n', "\necho $$ >\"${0%/*}/pid\"\n", 1))
            .unwrap();
        fs::write(folder.join("story.sh"), story).unwrap();
        let mut command = crate::process::command("sh");
        let output = command.arg(folder.join("reproduce.sh")).output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    }
}
