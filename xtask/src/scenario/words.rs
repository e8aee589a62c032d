//! The words that a scenario may hold, beyond what its file's shape says.

use std::ops::Range;

use toml::Spanned;

use super::file::StepTable;
use crate::toml_file::{FileError, Source};

/// Something lowered, or what is wrong with it and where.
pub(super) type Lowered<T> = Result<T, Box<FileError>>;

/// What `criu check --feature` of CRIU 4.3 knows; each name was tried. One that no CRIU knows would have every cell
/// skipped.
const FEATURES: &[&str] = &[
    "aio_remap",
    "apparmor_stacking",
    "autofs",
    "binfmt_misc_sandboxing",
    "can_map_vdso",
    "cgroupns",
    "clone3_set_tid",
    "compat_cr",
    "external_net_ns",
    "fdinfo_lock",
    "get_rseq_conf",
    "has_ipt_legacy",
    "ipv6_freebind",
    "kcmp_epoll",
    "link_nsid",
    "loginuid",
    "mem_dirty_track",
    "memfd_hugetlb",
    "mnt_id",
    "move_mount_set_group",
    "net_diag_raw",
    "network_lock_nftables",
    "newifindex",
    "nftables",
    "ns_pid",
    "nsid",
    "openat2",
    "overlayfs_maps",
    "pagemap_scan",
    "pagemap_scan_guard_pages",
    "pidfd_store",
    "seccomp_filters",
    "seccomp_suspend",
    "sk_ns",
    "sk_unix_file",
    "sockopt_buf_lock",
    "tcp_half_closed",
    "timens",
    "timer_cr_ids",
    "timerfd",
    "tun",
    "tun_ns",
    "uffd",
    "uffd-noncoop",
    "userns",
];

/// The features that a file names, each a known one.
pub(super) fn features(source: &Source, named: &[Spanned<String>]) -> Lowered<Vec<String>> {
    named
        .iter()
        .map(|name| {
            if FEATURES.contains(&name.get_ref().as_str()) {
                return Ok(name.get_ref().clone());
            }
            let error = source.wrong(name.span(), format!("CRIU has no feature `{}`", name.get_ref()));
            Err(error.help(format!("the names of `criu check --feature` are {}", FEATURES.join(", "))))
        })
        .collect()
}

/// The verbs of a step, with their places.
pub(super) fn verbs(step: &StepTable) -> Vec<(&'static str, Range<usize>)> {
    [
        ("start", step.start.as_ref().map(Spanned::span)),
        ("ticks", step.ticks.as_ref().map(Spanned::span)),
        ("pre-dump", step.pre_dump.as_ref().map(Spanned::span)),
        ("dump", step.dump.as_ref().map(Spanned::span)),
        ("restore", step.restore.as_ref().map(Spanned::span)),
        ("kill", step.kill.as_ref().map(Spanned::span)),
        ("pause", step.pause.as_ref().map(Spanned::span)),
        ("unpause", step.unpause.as_ref().map(Spanned::span)),
        ("stop", step.stop.as_ref().map(Spanned::span)),
        ("start-again", step.start_again.as_ref().map(Spanned::span)),
        ("remove", step.remove.as_ref().map(Spanned::span)),
        ("connect", step.connect.as_ref().map(Spanned::span)),
        ("reach", step.reach.as_ref().map(Spanned::span)),
        ("exec", step.exec.as_ref().map(Spanned::span)),
        ("forget", step.forget.as_ref().map(Spanned::span)),
        ("checkpoints", step.checkpoints.as_ref().map(Spanned::span)),
        ("stop-daemon", step.stop_daemon.as_ref().map(Spanned::span)),
        ("transfer", step.transfer.as_ref().map(Spanned::span)),
        ("sync", step.sync.as_ref().map(Spanned::span)),
        ("periodic", step.periodic.as_ref().map(Spanned::span)),
        ("newest", step.newest.as_ref().map(Spanned::span)),
        ("power-cut", step.power_cut.as_ref().map(Spanned::span)),
        ("expect", step.expect.as_ref().map(Spanned::span)),
    ]
    .into_iter()
    .filter_map(|(verb, span)| Some((verb, span?)))
    .collect()
}

/// Words as an error tells them.
pub(super) fn quoted(words: impl Iterator<Item = impl AsRef<str>>) -> String {
    words.map(|word| format!("`{}`", word.as_ref())).collect::<Vec<_>>().join(", ")
}

/// That a restore is not looked at.
pub(super) fn unproven(source: &Source, restore: Range<usize>) -> Box<FileError> {
    source
        .wrong(restore, "nobody looks at what this restore brought back")
        .help("put `expect = \"continues\"` after it, before the next restore or the end")
}
