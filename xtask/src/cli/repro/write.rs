//! The bundle's files.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use super::case::Case;
use super::vm;
use crate::bundle::{self, Failure, Holds, Known, Replays, Sections, Verified, copy};
use crate::cli::{places, stacks};
use crate::diagnose::Answer;
use crate::install::Cache;
use crate::model::Role;
use crate::model::Workload;
use crate::report::{Style, explained};
use crate::run::{ENVIRONMENT, IMAGES};
use crate::script::script;

/// A bundle that is being made.
#[derive(Clone, Copy)]
pub(super) struct Bundle<'a> {
    pub(super) folder: &'a Path,
    pub(super) case: &'a Case,
    pub(super) failure: Failure<'a>,
}

impl Bundle<'_> {
    /// What is run: `story.sh`, `reproduce.sh`, the compiled workload, and how the engine's daemon is started.
    pub(super) fn scripts(&self, offline: bool) -> anyhow::Result<()> {
        let Failure { story, workload, engine, .. } = self.failure;
        self.program("story.sh", &script(story, workload, engine, &places::workloads())?)?;
        self.program("reproduce.sh", &bundle::reproduce(&self.failure.symptom()))?;
        let daemon: String = engine.daemon().iter().map(|command| format!("{}\n", command.line)).collect();
        if !daemon.is_empty() {
            let head = "#!/bin/sh\n# Starts the engine's daemon as it ran in the report.\nset -eu\nmkdir -p /root/cell && cd /root/cell\n";
            self.program("daemon.sh", &format!("{head}{daemon}"))?;
        }
        let (reproduce_vm, packages) = vm::texts(self.case, !daemon.is_empty());
        self.program("reproduce-vm.sh", &reproduce_vm)?;
        self.program("in-vm.sh", bundle::IN_VM)?;
        self.put("packages.txt", &packages)?;
        fs::create_dir_all(self.folder.join("bin"))?;
        let files = stacks::programs(&self.case.lock, &Cache::open()?, offline)?;
        for name in workload.files.iter().filter(|name| !Workload::is_source(name)) {
            let source = files.join(name);
            fs::copy(&source, self.folder.join("bin").join(name))
                .with_context(|| format!("cannot copy {}", source.display()))?;
        }
        Ok(())
    }

    /// What is told: the issue, what is in the bundle, logs, versions, diagnosis and neighbours.
    pub(super) fn told(&self, replays: &Replays, verified: &Verified, holds: Holds) -> anyhow::Result<()> {
        let (case, failure) = (self.case, &self.failure);
        copy(&case.paths.cell(&case.planned.id), &self.folder.join("logs"))?;
        let environment = self.found(ENVIRONMENT);
        let text = environment.map(fs::read).transpose()?.unwrap_or_default();
        let sections = Sections::parse(&String::from_utf8_lossy(&text));
        let known = Known { replays, verified, sections: &sections, neighbours: &case.neighbours };
        self.put("ISSUE.md", &bundle::issue(failure, &known)?)?;
        self.put("README.md", &bundle::readme(failure, &known, holds))?;
        self.put("versions.txt", &bundle::versions(failure))?;
        self.put("lock.toml", &case.lock.to_toml()?)?;
        self.put("neighbours.txt", &lines(&case.neighbours))?;
        let diagnoses = case.cell.diagnosis.clone().unwrap_or_default();
        self.put("diagnosis.json", &serde_json::to_string_pretty(&diagnoses)?)?;
        let answer =
            Answer { diagnoses, first_error: Vec::new(), context: crate::diagnose::Context::default() };
        self.put("diagnosis.txt", &explained(&answer, &Style::FILE))
    }

    /// Moves the images of the first replay that has some to the top, and removes those of the others.
    pub(super) fn take_images(&self) -> anyhow::Result<bool> {
        let mut taken = false;
        for tar in self.of_replays(IMAGES) {
            if taken {
                fs::remove_file(tar)?;
            } else {
                fs::rename(tar, self.folder.join(IMAGES))?;
                taken = true;
            }
        }
        Ok(taken)
    }

    /// A file that the guest of the cell told, or else one of a replay's.
    fn found(&self, name: &str) -> Option<PathBuf> {
        let own = self.case.paths.cell(&self.case.planned.id).join(Role::Source.name()).join(name);
        if own.is_file() { Some(own) } else { self.of_replays(name).into_iter().next() }
    }

    /// The files of that name of all replays, in the order of their cells.
    fn of_replays(&self, name: &str) -> Vec<PathBuf> {
        let cells = fs::read_dir(self.folder.join("replays/cells")).into_iter().flatten().flatten();
        let files = cells.map(|cell| cell.path().join(Role::Source.name()).join(name));
        let mut files: Vec<PathBuf> = files.filter(|file| file.is_file()).collect();
        files.sort();
        files
    }

    fn program(&self, name: &str, text: &str) -> anyhow::Result<()> {
        self.put(name, text)?;
        let path = self.folder.join(name);
        Ok(fs::set_permissions(path, fs::Permissions::from_mode(0o755))?)
    }

    fn put(&self, name: &str, text: &str) -> anyhow::Result<()> {
        let path = self.folder.join(name);
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
    }
}

fn lines(of: &[String]) -> String {
    of.iter().map(|line| format!("{line}\n")).collect()
}
