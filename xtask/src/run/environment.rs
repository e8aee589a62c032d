//! What a report to CRIU's developers says of the machine and of the tasks, besides the logs: one text in sections,
//! asked of a guest whose cell did not end well, before it goes.

use crate::engine::Engine;

/// Sections begin with a line `== TITLE`. What a userland has not prints nothing.
const MACHINE: &str = r#"
say() { echo "== $*"; }
ask() { say "$*"; "$@" 2>&1; }
ask uname -a
ask cat /proc/cmdline
ask cat /etc/os-release
ask getconf GNU_LIBC_VERSION
ask iptables --version
ask nft --version
ask cat /sys/kernel/security/lsm; echo
ask cat /proc/self/cgroup
ask cat /proc/cgroups
ask find /sys/fs/cgroup -maxdepth 2 -type d
for file in /etc/criu/*.conf "$HOME"/.criu/*.conf; do [ ! -e "$file" ] || ask cat "$file"; done
"#;

/// Of each task of the tree below `$root`, while it lives.
const TASKS: &str = r#"
tree() { echo "$1"; for child in $(cat /proc/"$1"/task/*/children 2>/dev/null); do tree "$child"; done; }
for pid in $([ -z "$root" ] || tree "$root"); do
    [ -e "/proc/$pid/status" ] || continue
    for file in status cgroup limits maps mountinfo; do ask cat "/proc/$pid/$file"; done
    ask ls -l "/proc/$pid/fd" "/proc/$pid/ns"
    for file in /proc/"$pid"/fdinfo/*; do ask cat "$file"; done
done
"#;

/// The line of `sh` that prints it all.
pub(super) fn questions(engine: &dyn Engine) -> String {
    let own: String = engine.form().asks.iter().map(|line| format!("ask {line}\n")).collect();

    format!("{MACHINE}{own}root={} 2>/dev/null\n{TASKS}", engine.root(None))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine;

    /// On this machine: every title is there, and no engine is needed for it.
    #[test]
    fn sections_have_titles() {
        for name in engine::NAMES {
            let line = questions(engine::named(name, None).unwrap().as_ref());
            let mut command = crate::process::command("sh");
            let output = command.arg("-c").arg(format!("{line}\ntrue")).output().unwrap();
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            assert!(text.contains("== uname -a\nLinux"), "{text}");
            assert!(text.contains("\n== cat /proc/cmdline\n"), "{text}");
            assert!(!String::from_utf8_lossy(&output.stderr).contains("yntax"), "{name}");
        }
    }
}
