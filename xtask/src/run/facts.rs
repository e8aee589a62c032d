//! What a guest says of itself: the versions in a report are these, not the ones that were asked for.

use std::collections::BTreeMap;
use std::time::Duration;

use super::shortcut;
use crate::engine::{self, WORK_FOLDER};
use crate::guest::{Batch, Exec, Guest};
use crate::model::{GuestFacts, Lost};

/// Prints `name=value` lines, with what every root file system has. CRIU's libc is found beside it, or is the
/// userland's.
const QUESTIONS: &str = r#"
echo "kernel=$(uname -r)"
echo "kernel_build=$(uname -v)"
echo "userland=$(. /etc/os-release 2>/dev/null; echo "$PRETTY_NAME")"
glibc=$(getconf GNU_LIBC_VERSION 2>/dev/null); echo "glibc=${glibc#glibc }"
echo "criu=$(criu --version 2>/dev/null | sed -n 's/^Version: //p')"
echo "criu_git=$(criu --version 2>/dev/null | sed -n 's/^GitID: //p')"
if [ -e /opt/criu/lib/libc.so.6 ]; then
    own=$(/opt/criu/lib/ld-linux-x86-64.so.2 /opt/criu/lib/libc.so.6 | sed -n '1s/.*release version \([0-9.]*[0-9]\).*/\1/p')
    echo "criu_libc=own $own"
else
    echo "criu_libc=userland ${glibc#glibc }"
fi
echo "cpu=$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)"
echo "xsave=$(grep -o -m 1 -w xsave /proc/cpuinfo | head -n 1)"
echo "cmdline=$(cat /proc/cmdline)"
echo "lsm=$(cat /sys/kernel/security/lsm 2>/dev/null)"
"#;

/// Where a guest that is prepared has the answers: they are the same whenever it is woken.
const FILE: &str = "guest-facts";
/// The line that a preparation answers them by.
pub(super) fn beforehand() -> String {
    // Half of them would be worse than none.
    format!("{{ {QUESTIONS} }} >{FILE}.new && mv {FILE}.new {FILE}")
}

/// What the engine is, asked when the guest was prepared.
const ENGINE: &str = "engine-facts";

/// Asks, where the answers are not there yet.
pub(super) fn ask(guest: &mut dyn Guest, machine: String) -> Result<GuestFacts, Lost> {
    let [of_guest, of_engine] = [FILE, ENGINE].map(|name| engine::file(name, true));
    let seen = shortcut::seen(guest, &[&of_guest, &of_engine])?;
    let (of_guest, of_engine) = match &seen[..] {
        [Some(of_guest), Some(of_engine)] if !of_guest.is_empty() => (of_guest.clone(), of_engine.clone()),
        _ => anew(guest)?,
    };
    let mut answers = pairs(&of_guest);
    let mut take = |name: &str| answers.remove(name).unwrap_or_default();
    let mut facts = GuestFacts {
        kernel: take("kernel"),
        kernel_build: take("kernel_build"),
        userland: take("userland"),
        glibc: take("glibc"),
        criu: take("criu"),
        criu_libc: take("criu_libc"),
        engine: String::new(),
        stack: BTreeMap::new(),
        cpu: take("cpu"),
        machine,
        more: BTreeMap::new(),
    };
    facts.stack = pairs(&of_engine);
    facts.engine = facts.stack.remove("engine").unwrap_or_default();
    answers.insert("boot_failures".to_owned(), guest.facts().failures.join("; "));
    facts.more = answers.into_iter().filter(|(_, value)| !value.is_empty()).collect();
    Ok(facts)
}

/// By a shell: what the guest says, and what its engine does.
fn anew(guest: &mut dyn Guest) -> Result<(String, String), Lost> {
    let batch = Batch::new([
        format!("if [ -s {FILE} ]; then cat {FILE}; else {QUESTIONS} fi"),
        format!("cat {ENGINE} 2>/dev/null || true"),
    ]);
    let finished = guest.run(&Exec::sh(batch.line(), WORK_FOLDER, Duration::from_secs(60)))?;
    match &batch.parts(&finished.stdout)[..] {
        [of_guest, of_engine] if of_guest.status == 0 => {
            Ok((of_guest.stdout.clone(), of_engine.stdout.clone()))
        }
        _ => Err(Lost::Protocol(format!(
            "the guest cannot say what it is: {}: {} (work folder {WORK_FOLDER})",
            finished.exit,
            finished.stderr.trim()
        ))),
    }
}

/// `name=value` lines.
fn pairs(text: &str) -> BTreeMap<String, String> {
    text.lines()
        .filter_map(|line| line.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
        .filter(|(_, value)| !value.is_empty())
        .collect()
}
