//! Vagrant itself, with the machines of one folder. The folder has a script `vagrant` that a person can use as well.

use std::fs::{self, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};

use crate::process::{self, ProcessError};

/// Where Vagrant looks.
#[derive(Clone, Debug)]
pub(super) struct Tool {
    /// Of the machines: `hosts.json`, Vagrant's state, keys, consoles, logs.
    pub(super) folder: PathBuf,
}

impl Tool {
    /// Writes the script. `project` is the folder of the Vagrantfile, `home` where Vagrant keeps its boxes.
    pub(super) fn new(folder: PathBuf, project: &Path, home: &Path) -> io::Result<Self> {
        let words = [
            ("VAGRANT_CWD", project),
            ("VAGRANT_HOME", home),
            ("VAGRANT_DOTFILE_PATH", &folder.join("state")),
            ("CRIU_MATRIX_HOSTS", &folder.join("hosts.json")),
        ];
        let words = words.map(|(name, path)| {
            let path = path.to_string_lossy();
            format!("export {name}={}\n", shlex::try_quote(&path).unwrap_or_default())
        });
        let script = format!(
            "#!/bin/sh\n# Vagrant with the machines of this folder: sh vagrant status, sh vagrant destroy -f\n{}export \
             VAGRANT_DEFAULT_PROVIDER=libvirt VAGRANT_CHECKPOINT_DISABLE=1\nunset VAGRANT_NO_PARALLEL\nexec vagrant \"$@\"\n",
            words.concat()
        );
        fs::write(folder.join("vagrant"), script)?;
        Ok(Self { folder })
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = process::command("sh");
        command.arg(self.folder.join("vagrant")).arg("--no-color").args(words);
        process::own_group(&mut command);
        command
    }

    /// Runs it to its end. What it prints is returned, and is in `vagrant.log`.
    pub(super) fn run(&self, words: &[&str]) -> Result<String, ProcessError> {
        let output = process::output(&mut self.command(words));
        let said = match &output {
            Ok(output) => String::from_utf8_lossy(&output.stdout).into_owned(),
            Err(error) => error.to_string(),
        };
        self.log(&format!("$ vagrant {}\n{said}\n", words.join(" ")));
        output.map(|_| said)
    }

    /// Starts it; its output is in `vagrant.log`.
    pub(super) fn start(&self, words: &[&str]) -> io::Result<Child> {
        self.log(&format!("$ vagrant {} &\n", words.join(" ")));
        let log = self.open_log()?;
        self.command(words).stdout(log.try_clone()?).stderr(log).spawn()
    }

    fn open_log(&self) -> io::Result<fs::File> {
        OpenOptions::new().create(true).append(true).open(self.folder.join("vagrant.log"))
    }

    /// What cannot be logged is missed by nobody but its reader.
    fn log(&self, text: &str) {
        let _lost = self.open_log().and_then(|mut log| io::Write::write_all(&mut log, text.as_bytes()));
    }
}
