//! What changed between two reports: the comparing, and a file for each form.

mod compare;
mod groups;
mod markdown;
mod text;

pub use compare::{Change, Changed, Diff, VersionChange, baseline};

pub(super) use markdown::render as markdown;
pub(super) use text::render as text;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::judge::Kind;
    use crate::model::Stage;
    use crate::report::{Cell, Format, Report, Style, sample};

    /// The sample, and a night later: some of each change.
    fn nights() -> Diff {
        let before = sample::report();
        let mut cells = before.cells.clone();
        cells.retain(|cell| cell.scenario != "pre-dump" || cell.userland.asked != "trixie");
        cells.push(sample::cell("threads", "6.18", "trixie", "4.3"));
        for cell in &mut cells {
            let (verdict, stage, reason) = match cell.id.as_str() {
                "clone@k6.12@bookworm@c4.1.1@criu@max" | "clone@k6.12@bookworm@c4.2.1@criu@max" => (
                    Kind::Fail,
                    Some(Stage::Restore),
                    "exit status 1: Error (criu/mount.c:12): can't `mount`",
                ),
                "leave-running@k5.10@bookworm@c3.17.1@criu@max" => {
                    (Kind::Fixed, None, "it passes, and was known to fail at verify")
                }
                "rollback@k6.12@trixie@c4.1.1@criu@max" => (Kind::Pass, None, ""),
                "migrate@k5.10@bookworm@c4.3@criu@max" => (Kind::Pass, None, ""),
                "counter@k5.10@trixie@c4.3@criu@max" => (Kind::Broken, None, "no space left on device"),
                "counter@k5.10@bookworm@c4.3@criu@max" => (Kind::Skip, None, "no mnt_id feature"),
                "fork-app@k6.18@bookworm@c4.1.1@criu@max" => {
                    cell.known_bug = Some(sample::known());
                    (Kind::KnownBug, cell.stage, "criu dump: exit status 1: Error: BUG")
                }
                "counter@k6.1@bookworm@c4.3@criu@max" => {
                    cell.known_bug = Some(sample::known());
                    (Kind::KnownBug, Some(Stage::Dump), "exit status 1")
                }
                _ => continue,
            };
            *cell = Cell { verdict, stage, reason: Some(reason.into()), ..cell.clone() };
        }
        for cell in cells.iter_mut().filter(|cell| cell.kernel.asked == "6.12") {
            cell.kernel.observed = Some("6.12.120+deb13-cloud-amd64".into());
        }
        Diff::of(&before, &Report::new(before.run.clone(), cells))
    }

    #[test]
    fn as_text() {
        insta::assert_snapshot!(Format::Text.render_diff(&nights(), &Style::FILE).unwrap(), @r#"
        Regressed

        ✗ fail at restore, 2 cells
            exit status 1: Error (criu/mount.c:12): can't `mount`
            before: pass
            clone: kernel 6.12 × CRIU 4.1.1, 4.2.1 × userland bookworm

        Known bugs that are gone

        f fixed, 1 cell
            it passes, and was known to fail at verify
            known: https://github.com/checkpoint-restore/criu/issues/1234
            before: known-bug at verify: tick 18 is missing
            leave-running@k5.10@bookworm@c3.17.1@criu@max

        Repaired

        ✓ pass, 1 cell
            before: fail at verify: the restored program counted on from 41, and the checkpoint was taken at
                    17: it did not go back
            rollback@k6.12@trixie@c4.1.1@criu@max

        Failing otherwise than before

        k known-bug at dump, 1 cell
            criu dump: exit status 1: Error: BUG
            known: https://github.com/checkpoint-restore/criu/issues/1234
            before: fail at dump: criu dump: exit status 1: (00.041232) Error (criu/parasite-syscall.c:243):
                    BUG at criu/parasite-syscall.c:243
            fork-app@k6.18@bookworm@c4.1.1@criu@max

        Known bugs that passed before

        k known-bug at dump, 1 cell
            exit status 1
            known: https://github.com/checkpoint-restore/criu/issues/1234
            before: pass
            counter@k6.1@bookworm@c4.3@criu@max

        Newly broken

        ! broken, 1 cell
            no space left on device
            before: pass
            counter@k5.10@trixie@c4.3@criu@max

        Newly skipped

        – skip, 1 cell
            no mnt_id feature
            before: pass
            counter@k5.10@bookworm@c4.3@criu@max

        Not asked before

        ✓ pass, 1 cell
            before: broken: the guest's kernel panicked: Kernel panic - not syncing: Attempted to kill init!
                    exitcode=0x0000000b
            migrate@k5.10@bookworm@c4.3@criu@max

        New cells

        ✓ pass, 1 cell
            threads@k6.18@trixie@c4.3@criu@max

        Gone cells

        ✓ pass, 15 cells
            pre-dump: every kernel × CRIU 4.1.1, 4.2.1, 4.3 × userland trixie

        – skip, 4 cells
            pre-dump: kernel 5.10, 6.1, 6.12, 6.18 × CRIU 3.17.1 × userland trixie

        ✗ fail at restore, 1 cell
            pre-dump@k7.2@trixie@c3.17.1@criu@max

        moved: kernel 6.12: 6.12.117+deb13-cloud-amd64 → 6.12.120+deb13-cloud-amd64
        compared with the run of 2026-11-03T12:00:00Z: 2 regressed, 1 fixed, 1 repaired, 1 failing otherwise, 1 now known-bug, 1 newly broken, 1 newly skipped, 1 not asked before, 1 new, 20 gone, 251 as before
        "#);
    }

    #[test]
    fn as_markdown() {
        insta::assert_snapshot!(Format::Markdown.render_diff(&nights(), &Style::FILE).unwrap(), @r#"
        ## What changed

        **2 regressed, 1 fixed, 1 repaired, 1 failing otherwise, 1 now known-bug, 1 newly broken, 1 newly skipped, 1 not asked before, 1 new, 20 gone, 251 as before**, compared with the run of 2026-11-03T12:00:00Z.

        - kernel 6.12: 6.12.117+deb13-cloud-amd64 → 6.12.120+deb13-cloud-amd64

        ### Regressed

        - **✗ fail at restore, 2 cells**: `` exit status 1: Error (criu/mount.c:12): can't `mount` ``  
          before: `pass`  
          clone: kernel 6.12 × CRIU 4.1.1, 4.2.1 × userland bookworm  
          log: `cells/clone@k6.12@bookworm@c4.1.1@criu@max/story.log`

        ### Known bugs that are gone

        - **f fixed, 1 cell**: `it passes, and was known to fail at verify`  
          known: https://github.com/checkpoint-restore/criu/issues/1234  
          before: `known-bug at verify: tick 18 is missing`  
          `leave-running@k5.10@bookworm@c3.17.1@criu@max`  
          log: `cells/leave-running@k5.10@bookworm@c3.17.1@criu@max/story.log`

        <details><summary>Repaired: 1 cell</summary>

        - **✓ pass, 1 cell**  
          before: `fail at verify: the restored program counted on from 41, and the checkpoint was taken at 17: it did not go back`  
          `rollback@k6.12@trixie@c4.1.1@criu@max`

        </details>

        <details><summary>Failing otherwise than before: 1 cell</summary>

        - **k known-bug at dump, 1 cell**: `criu dump: exit status 1: Error: BUG`  
          known: https://github.com/checkpoint-restore/criu/issues/1234  
          before: `fail at dump: criu dump: exit status 1: (00.041232) Error (criu/parasite-syscall.c:243): BUG at criu/parasite-syscall.c:243`  
          `fork-app@k6.18@bookworm@c4.1.1@criu@max`  
          log: `cells/fork-app@k6.18@bookworm@c4.1.1@criu@max/dump.log`

        </details>

        <details><summary>Known bugs that passed before: 1 cell</summary>

        - **k known-bug at dump, 1 cell**: `exit status 1`  
          known: https://github.com/checkpoint-restore/criu/issues/1234  
          before: `pass`  
          `counter@k6.1@bookworm@c4.3@criu@max`  
          log: `cells/counter@k6.1@bookworm@c4.3@criu@max/story.log`

        </details>

        <details><summary>Newly broken: 1 cell</summary>

        - **! broken, 1 cell**: `no space left on device`  
          before: `pass`  
          `counter@k5.10@trixie@c4.3@criu@max`  
          log: `cells/counter@k5.10@trixie@c4.3@criu@max/story.log`

        </details>

        <details><summary>Newly skipped: 1 cell</summary>

        - **– skip, 1 cell**: `no mnt_id feature`  
          before: `pass`  
          `counter@k5.10@bookworm@c4.3@criu@max`

        </details>

        <details><summary>Not asked before: 1 cell</summary>

        - **✓ pass, 1 cell**  
          before: `broken: the guest's kernel panicked: Kernel panic - not syncing: Attempted to kill init! exitcode=0x0000000b`  
          `migrate@k5.10@bookworm@c4.3@criu@max`

        </details>

        <details><summary>New cells: 1 cell</summary>

        - **✓ pass, 1 cell**  
          `threads@k6.18@trixie@c4.3@criu@max`

        </details>

        <details><summary>Gone cells: 20 cells</summary>

        - **✓ pass, 15 cells**  
          pre-dump: every kernel × CRIU 4.1.1, 4.2.1, 4.3 × userland trixie
        - **– skip, 4 cells**  
          pre-dump: kernel 5.10, 6.1, 6.12, 6.18 × CRIU 3.17.1 × userland trixie
        - **✗ fail at restore, 1 cell**  
          `pre-dump@k7.2@trixie@c3.17.1@criu@max`

        </details>
        "#);
    }

    #[test]
    fn of_nothing() {
        let report = sample::report();
        let diff = Diff::of(&report, &report);
        insta::assert_snapshot!(Format::Text.render_diff(&diff, &Style::FILE).unwrap(), @"compared with the run of 2026-11-03T12:00:00Z: 280 as before");
        let error = Format::Junit.render_diff(&diff, &Style::FILE).unwrap_err();
        insta::assert_snapshot!(error, @"a diff has no form junit: text, markdown and json are known");
    }
}
