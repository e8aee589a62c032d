//! CRIU's errors, in its logs and in what it prints.

/// Whether a file of that name is a log of CRIU's.
pub fn is_log(name: &str) -> bool {
    ["dump.log", "restore.log"].iter().any(|log| name.ends_with(log)) || stood_by(name)
}

/// Whether a file of that name is the log of a CRIU that serves pages to another, which dumps or restores.
pub fn stood_by(name: &str) -> bool {
    ["lazy-pages.log", "page-server.log"].iter().any(|log| name.ends_with(log))
}

/// What a line says behind CRIU's own mark of an error: `pr_err` prints `Error (file:line): …` behind the time and the
/// pid.
fn error(line: &str) -> Option<&str> {
    Some(line[line.find("Error (")?..].trim_end())
}

/// The first error of these lines that tells something.
pub fn first_error(lines: impl Iterator<Item = impl AsRef<str>>) -> Option<String> {
    first_telling(lines.filter_map(|line| error(line.as_ref()).map(str::to_owned)))
}

/// The first of these errors that tells something; the first of all where none does.
pub fn first_telling(mut errors: impl Iterator<Item = String>) -> Option<String> {
    let first = errors.next()?;
    if !is_idle(&first) {
        return Some(first);
    }
    Some(errors.find(|error| !is_idle(error)).unwrap_or(first))
}

/// What is told though nothing is wrong. That a helper exited (`cr_system` of criu/util.c) is told for every probe of a
/// tool that is not there (`iptables`, `nft`), that the limit of open files stays as it is where CRIU may not raise it.
fn is_idle(error: &str) -> bool {
    error.contains("(criu/util.c:") && error.contains("): exited, status=")
        || error.contains("rlimit: Can't setup RLIMIT_NOFILE")
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const PROBE: &str = "Error (criu/util.c:642): exited, status=1";
    const VDSO: &str = "Error (criu/vdso.c:381): vdso: Unexpected rt vDSO area bounds";

    const LIMIT: &str =
        "Error (criu/rlimit.c:17): rlimit: Can't setup RLIMIT_NOFILE for self: Operation not permitted";

    #[rstest]
    #[case::none(&[], None)]
    #[case::plain(&[VDSO, PROBE], Some(VDSO))]
    #[case::after_probes(&[PROBE, PROBE, VDSO], Some(VDSO))]
    #[case::after_a_limit(&[LIMIT, VDSO], Some(VDSO))]
    #[case::nothing_else(&[PROBE, PROBE], Some(PROBE))]
    fn the_telling_error(#[case] errors: &[&str], #[case] expected: Option<&str>) {
        let lines = errors.iter().map(|error| format!("(00.01) 17: {error}"));
        assert_eq!(first_error(lines).as_deref(), expected);
    }

    #[test]
    fn what_is_no_error_is_left_out() {
        assert_eq!(first_error(["Warn  (criu/x.c:1): nothing", "", "sh: Error"].iter()), None);
    }
}
