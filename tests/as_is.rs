//! Machines that are taken as they are: this one, where it is root's and its kernel can checkpoint, and the same by ssh,
//! where a server of OpenSSH is installed.

use std::fs;
use std::path::Path;
use std::process::Child;
use std::time::{Duration, Instant};

use xtask::process;

use crate::support::{cells, guests, night, xtask};

/// Two stories, one of them with two hosts; nothing is left behind.
#[test]
fn this_machine_is_a_host() {
    if !guests() {
        return;
    }
    if !nix::unistd::geteuid().is_root() || !Path::new("/proc/sys/kernel/ns_last_pid").exists() {
        eprintln!("skipped: this wants root, and a kernel with CONFIG_CHECKPOINT_RESTORE");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("run");
    two_stories_pass("local", &[], None, &out);
    assert!(!Path::new("/root/cell").exists());
}

/// `migrate` has both of its hosts there.
#[track_caller]
fn two_stories_pass(provider: &str, words: &[&str], path: Option<&str>, out: &Path) {
    let mut command = xtask();
    if let Some(path) = path {
        command.env("PATH", path);
    }
    command.args(["matrix", "--provider", provider, "--criu", "4.1.1"]).args(words);
    command.args(["--scenario", "counter", "--scenario", "migrate", "--out"]);
    let output = command.arg(out).output().unwrap();
    let cells = cells(out, &output);
    for cell in &cells {
        assert_eq!((&cell["verdict"], &cell["provider"]), (&"pass".into(), &provider.into()), "{cell:#}");
        let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
        assert_eq!(cell["kernel"]["observed"], release.trim(), "{cell:#}");
    }
    assert_eq!(cells.len(), 2);
}

/// A server of our own on the loopback, which ends with the test.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ended = self.0.kill().and_then(|()| self.0.wait());
    }
}

const SERVER: &str = "/usr/sbin/sshd";

fn serve(folder: &Path, port: u16) -> Server {
    for key in ["host", "user"] {
        let mut keygen = process::command("ssh-keygen");
        keygen.args(["-q", "-t", "ed25519", "-N", "", "-f"]);
        assert!(keygen.arg(folder.join(key)).status().unwrap().success());
    }
    let here = folder.display();
    let configuration = format!(
        "Port {port}\nListenAddress 127.0.0.1\nHostKey {here}/host\nAuthorizedKeysFile {here}/user.pub\n\
         StrictModes no\nPermitRootLogin yes\nUsePAM no\nPidFile none\n"
    );
    fs::write(folder.join("sshd.conf"), configuration).unwrap();
    fs::create_dir_all("/run/sshd").unwrap();
    let mut server = process::command(SERVER);
    server.arg("-D").arg("-f").arg(folder.join("sshd.conf")).arg("-E").arg(folder.join("sshd.log"));
    let server = Server(server.spawn().unwrap());
    let deadline = Instant::now() + Duration::from_secs(30);
    while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(Instant::now() < deadline, "sshd does not listen after 30 s");
    }
    server
}

/// The same machine, reached by ssh; nothing is left there.
#[test]
fn a_machine_by_ssh_is_a_host() {
    if !guests() {
        return;
    }
    if !nix::unistd::geteuid().is_root() || !Path::new(SERVER).exists() {
        eprintln!("skipped: this wants root and {SERVER}");
        return;
    }
    let folder = tempfile::Builder::new().prefix("sshd-").tempdir_in("/tmp").unwrap();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let _server = serve(folder.path(), port);
    // ssh takes its configuration from the user's home in the passwd file: a program of this name says which to take.
    let bin = folder.path().join("bin");
    fs::create_dir(&bin).unwrap();
    let here = folder.path().display();
    let configuration = format!(
        "Host box\n HostName 127.0.0.1\n Port {port}\n User root\n IdentityFile {here}/user\n \
         UserKnownHostsFile {here}/known\n StrictHostKeyChecking accept-new\n"
    );
    fs::write(folder.path().join("ssh.conf"), configuration).unwrap();
    let ssh = which::which("ssh").unwrap();
    let wrapper = format!("#!/bin/sh\nexec {} -F {here}/ssh.conf \"$@\"\n", ssh.display());
    fs::write(bin.join("ssh"), wrapper).unwrap();
    fs::set_permissions(bin.join("ssh"), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    two_stories_pass("ssh", &["--host", "box"], Some(&path), &folder.path().join("run"));
    let left =
        fs::read_dir("/tmp").unwrap().filter_map(|entry| entry.unwrap().file_name().into_string().ok());
    let left: Vec<_> = left.filter(|name| name.starts_with("criu-matrix-ssh-")).collect();
    assert!(left.is_empty(), "{left:?}");
}

/// It says what it cannot be asked for.
#[test]
fn a_kernel_is_no_axis_of_it() {
    let output = xtask().args(["matrix", "--provider", "local", "--kernel", "6.1"]).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(errors.contains("kernel, userland and CPU are observed, not asked for"), "{errors}");
}

/// Said at once, and not when a guest of QEMU's plays what a machine of its own had failed.
#[test]
fn a_bundle_is_of_qemus_hosts() {
    let folder = tempfile::tempdir().unwrap();
    night(folder.path(), |plan, _| *plan = plan.replace("provider = \"qemu\"", "provider = \"local\""));
    let cell = "counter@k7.2@bookworm@c3.17.1@criu@max";
    let output = xtask().args(["repro", cell, "--run"]).arg(folder.path()).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("its hosts are of the provider local"), "{said}");
}

#[test]
fn a_run_by_ssh_is_taken_up_with_its_machines() {
    let folder = tempfile::tempdir().unwrap();
    night(folder.path(), |plan, _| *plan = plan.replace("provider = \"qemu\"", "provider = \"ssh\""));
    let output = xtask().args(["matrix", "--resume"]).arg(folder.path()).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("--provider ssh wants --host"), "{said}");
}
