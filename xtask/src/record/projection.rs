//! A cell's folder, for a person to browse: `story.log` reads from top to bottom, and beside it lies each command
//! as `NN-STAGE-MM.sh` with its `.out` and `.err`, and each look at the workload as `NN-STAGE-MM.ticks`.
//! It says nothing that the record does not; nothing is ever read back from it.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::PathBuf;

use super::folder::set_aside;
use crate::model::{By, CellId, Event, Finished, Observation, Role, Stage};

/// Writes the cells' folders as events come.
#[derive(Debug)]
pub(super) struct Projection {
    cells: PathBuf,
    open: HashMap<CellId, OpenCell>,
}

/// A cell that is being played.
#[derive(Debug)]
struct OpenCell {
    folder: PathBuf,
    story: File,
    /// The newest step, with how many files it has so far.
    step: Option<(usize, Stage, u32)>,
}

/// What could not be written, and why.
pub(super) type Failure = (PathBuf, io::Error);

impl Projection {
    pub(super) fn new(cells: PathBuf) -> Self {
        Self { cells, open: HashMap::new() }
    }

    pub(super) fn show(&mut self, event: &Event) -> Result<(), Failure> {
        let Some(id) = event.cell() else { return Ok(()) };
        if let Event::CellStarted { at, .. } = event {
            let folder = self.cells.join(id.as_str());
            let cell = OpenCell::create(folder.clone()).map_err(|source| (folder, source))?;
            let cell = self.open.entry(id.clone()).insert_entry(cell).into_mut();
            return cell.tell(&format!("{id}, started {at}\n"));
        }
        // Evidence that comes after a cell's end is in the record.
        let Some(cell) = self.open.get_mut(id) else { return Ok(()) };
        cell.show(event)?;
        if matches!(event, Event::CellEnded { .. }) {
            self.open.remove(id);
        }
        Ok(())
    }
}

impl OpenCell {
    fn create(folder: PathBuf) -> io::Result<Self> {
        set_aside(&folder)?;
        fs::create_dir_all(&folder)?;
        let story = OpenOptions::new().append(true).create_new(true).open(folder.join("story.log"))?;
        Ok(Self { folder, story, step: None })
    }

    fn show(&mut self, event: &Event) -> Result<(), Failure> {
        match event {
            Event::HostReady { role, facts, millis, .. } => self.tell(&format!(
                "{} guest ready after {millis} ms: kernel {}, {}, CRIU {}, {}\n",
                role.name(),
                facts.kernel,
                facts.userland,
                facts.criu,
                facts.machine
            )),
            Event::StepStarted { step, stage, text, .. } => {
                self.step = Some((*step, *stage, 0));
                self.tell(&format!("\n== {step} {stage}: {text}\n"))
            }
            Event::CommandEnded { step, role, line, decisive, finished, by, .. } => {
                self.command(*step, *role, line, *decisive, finished, *by)
            }
            Event::Observed { step, observation, .. } => {
                let name = self.next_name(*step);
                self.put(&format!("{name}.ticks"), &ticks(observation))?;
                let ticks: usize = observation.outputs.values().map(|text| text.matches('\n').count()).sum();
                self.tell(&format!(
                    "looked at the {} guest, ticks so far: {ticks} ({name}.ticks)\n",
                    observation.role.name()
                ))
            }
            Event::Unfit { reason, .. } => self.tell(&format!("not played: {reason}\n")),
            Event::FeatureMissing { feature, .. } => self.tell(&format!("feature missing: {feature}\n")),
            Event::FileKept { name, bytes, error, .. } => {
                let error = error.as_deref().map_or(String::new(), |line| format!(": {line}"));
                self.tell(&format!("kept {name}, {bytes} bytes{error}\n"))
            }
            Event::GuestLost { role, how, .. } => self.tell(&format!("{} guest lost: {how}\n", role.name())),
            Event::Broken { reason, .. } => self.tell(&format!("broken: {reason}\n")),
            Event::CellEnded { seconds, .. } => self.tell(&format!("\nended after {seconds:.1} s\n")),
            Event::CellStarted { .. }
            | Event::RunStarted { .. }
            | Event::Note { .. }
            | Event::CellTaken { .. }
            | Event::RunEnded { .. } => Ok(()),
        }
    }

    fn command(
        &mut self,
        step: usize,
        role: Role,
        line: &str,
        decisive: bool,
        finished: &Finished,
        by: Option<By>,
    ) -> Result<(), Failure> {
        let Finished { exit, stdout, stderr, millis } = finished;
        let name = self.next_name(step);
        let weight = if decisive { "" } else { "; only evidence, may fail" };
        let by = match by {
            None => "",
            Some(By::Preparation) => "; not run, but when the stack's guest was prepared",
            Some(By::Agent) => "; not run: the agent did what it would do",
        };
        let script = format!(
            "#!/bin/sh\n# In the {} guest: {exit} after {millis} ms{weight}{by}.\n{line}\n",
            role.name()
        );
        self.put(&format!("{name}.sh"), &script)?;
        let mut told = format!("[{}] $ {line}\n", role.name());
        let mut files = vec![format!("{name}.sh")];
        for (extension, text) in [("out", stdout), ("err", stderr)] {
            if !text.is_empty() {
                let file = format!("{name}.{extension}");
                self.put(&file, text)?;
                files.push(file);
            }
        }
        let _ = writeln!(told, "    {exit} after {millis} ms ({}){by}", files.join(", "));
        self.tell(&told)
    }

    /// `NN-STAGE-MM`: sorted by name, a folder's files stand in the order in which they came about.
    fn next_name(&mut self, step: usize) -> String {
        let (index, stage, files) = match &mut self.step {
            Some(current) if current.0 == step => current,
            other => other.insert((step, Stage::Check, 0)),
        };
        *files += 1;
        format!("{index:02}-{stage}-{files:02}")
    }

    fn put(&self, name: &str, text: &str) -> Result<(), Failure> {
        let path = self.folder.join(name);
        fs::write(&path, text).map_err(|source| (path, source))
    }

    fn tell(&mut self, text: &str) -> Result<(), Failure> {
        self.story.write_all(text.as_bytes()).map_err(|source| (self.folder.join("story.log"), source))
    }
}

fn ticks(observation: &Observation) -> String {
    let Observation { outputs, stat, pid, inside, listed, items, .. } = observation;
    let pid = pid.map_or("none yet".to_owned(), |pid| pid.to_string());
    let mut text = format!("# {}, root process {pid}\n", observation.place());
    if let Some(word) = listed {
        let _ = writeln!(text, "== the engine's list\n{word}");
    }
    for (name, output) in outputs {
        let _ = writeln!(text, "== {name}\n{output}");
    }
    if !items.is_empty() {
        let _ = writeln!(text, "== what it is");
    }
    for (name, value) in items {
        let _ = writeln!(text, "{name} {value}");
    }
    let _ = write!(text, "== /proc/*/stat\n{stat}");
    if let Some(inside) = inside {
        let _ = write!(text, "== /proc/*/status: NSpid\n{inside}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::sample;

    #[test]
    fn a_cells_folder_can_be_browsed() {
        let dir = tempfile::tempdir().unwrap();
        let mut projection = Projection::new(dir.path().join("cells"));
        sample::cell("counter").iter().for_each(|event| projection.show(event).unwrap());
        let folder = dir.path().join("cells").join(sample::id("counter").as_str());
        let mut names: Vec<_> = fs::read_dir(&folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        let read = |name: &str| fs::read_to_string(folder.join(name)).unwrap();
        insta::assert_snapshot!(names.join("\n"), @r#"
        00-check-01.out
        00-check-01.sh
        01-dump-01.err
        01-dump-01.sh
        02-verify-01.ticks
        story.log
        "#);
        insta::assert_snapshot!(read("story.log"), @r#"
        counter@k6.12@trixie@c4.1.1@criu@max, started 2026-11-03T12:00:01Z
        source guest ready after 2500 ms: kernel 6.12.117, , CRIU , 

        == 0 check: check
        [source] $ criu check --all
            exit status 0 after 412 ms (00-check-01.sh, 00-check-01.out)

        == 1 dump: dump one
        [source] $ criu dump -t 321 -D one
            exit status 1 after 412 ms (01-dump-01.sh, 01-dump-01.err)

        == 2 verify: expect gone
        looked at the source guest, ticks so far: 1 (02-verify-01.ticks)
        kept dump.log, 12 bytes: Error (criu/cr-dump.c:1): no

        ended after 12.5 s
        "#);
        insta::assert_snapshot!(read("01-dump-01.sh"), @r#"
        #!/bin/sh
        # In the source guest: exit status 1 after 412 ms.
        criu dump -t 321 -D one
        "#);
        insta::assert_snapshot!(read("02-verify-01.ticks"), @r#"
        # source, root process 321
        == out
        who=c n=1 pid=321
        who=c n=2 pi
        == /proc/*/stat
        321 (sh) S 1 321 321
        "#);
        assert!(projection.open.is_empty());
    }

    #[test]
    fn an_interrupted_attempt_is_set_aside_and_never_deleted() {
        let dir = tempfile::tempdir().unwrap();
        for attempt in ["one", "two", "three"] {
            let mut projection = Projection::new(dir.path().to_owned());
            projection.show(&sample::cell("counter")[0]).unwrap();
            fs::write(dir.path().join(sample::id("counter").as_str()).join("attempt"), attempt).unwrap();
        }
        let read = |suffix: &str| {
            fs::read_to_string(dir.path().join(format!("{}{suffix}/attempt", sample::id("counter")))).unwrap()
        };
        assert_eq!(["", ".interrupted-1", ".interrupted-2"].map(read), ["three", "one", "two"]);
    }
}
