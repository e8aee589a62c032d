//! A series of checkpoints, of which each has its name only when it is whole: what engines with plain folders of images
//! have in common. `periodic.sh` does the work.

use super::lowering::{quoted, run};
use crate::model::{Action, Command, Role, Source, Verb, Workload};

/// The commands of the verbs of a series, and of a power cut. `dump` is a line of `sh` that dumps into the folder
/// `$to` and leaves the program running; `place` says where an output is. None for other verbs.
pub(super) fn lower(
    verb: &Verb,
    on: Role,
    workload: &Workload,
    dump: &str,
    place: &dyn Fn(&str) -> Source,
) -> Option<Vec<Action>> {
    let streams: String = workload
        .streams
        .iter()
        .map(|stream| format!(" {} {}", stream.who, place(stream.file).word()))
        .collect();
    let line = match verb {
        // Two whole ones: so the first that is cut short is never the only one.
        Verb::Periodic { to } => format!(
            "setsid sh ./periodic.sh run {to} {}{streams} </dev/null >{to}.log 2>&1 & \
             until [ -e images/{to}.2 ]; do kill -0 $! 2>/dev/null || \
             {{ grep -hs 'Error (' images/{to}.*.new/dump.log >&2; cat {to}.log >&2; exit 1; }}; sleep 0.1; done",
            quoted(dump)
        ),
        Verb::Newest(series) => format!("sh ./periodic.sh newest {series}"),
        Verb::PowerCut { amid: Some(series) } => format!("sh ./periodic.sh amid {series}{streams}"),
        Verb::PowerCut { amid: None } => return Some(Vec::new()),
        _ => return None,
    };
    Some(vec![run(on, Command::new(line).within(120))])
}

/// What is not whole in place of what is.
pub(super) fn half(on: Role, series: &str) -> Vec<Action> {
    vec![run(on, Command::new(format!("sh ./periodic.sh half {series}")))]
}
