//! libvirt for the provider `vagrant`: set up, and undone. It is the only thing of a machine that is changed beside its
//! packages, so what was changed is written down before it is, and [`undo`] needs nothing else.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};

use crate::install::cache;
use crate::install::error::InstallError;
use crate::install::machine::{self, VAGRANT, system_program};
use crate::process;

/// Where it is written down.
const WRITTEN_DOWN: &str = "/var/lib/criu-matrix/libvirt.json";
/// How the names of our machines, networks and images begin.
pub const PREFIX: &str = "criu-matrix-";
/// Vagrant's own network, which it makes and never removes.
const VAGRANTS: &str = "vagrant-libvirt";
/// The pool of images that it makes where there is none.
const POOL: &str = "default";

const CONFIG: &str = "/etc/libvirt/qemu.conf";
/// As root, because /dev/kvm is often readable by root only, and libvirt then probes QEMU anew at each call, 4 s each; and
/// the harness's QEMU and kernels are in root's cache, where a security driver would not let it look.
const OURS: &str = "# criu-matrix: from here\nuser = \"root\"\ngroup = \"root\"\nsecurity_driver = \"none\"\n# criu-matrix: to here\n";

/// How long daemons may take to answer, or to end.
const PATIENCE: Duration = Duration::from_secs(60);

/// What is said before anything is changed.
pub const NOTICE: &str = "vagrant: packages are installed, libvirt's QEMU is made to run as root and without a security \
    driver (/etc/libvirt/qemu.conf), libvirtd and virtlogd are started, and the network `default`; libvirt itself turns \
    on net.ipv4.ip_forward and adds chains LIBVIRT_* to the firewall. \
    `cargo xtask setup --provider vagrant --undo` undoes all of it";

/// What was changed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Changed {
    /// Installed, with all that came along.
    packages: BTreeSet<String>,
    /// `/proc/sys/net/ipv4/ip_forward` as it was.
    ip_forward: String,
    /// Whether the firewall already had libvirt's chains.
    chains: bool,
    /// Whether Vagrant's own network and the pool of images were there, once it was looked.
    before: Option<Before>,
    /// Whether libvirt's configuration was changed.
    configured: bool,
    /// The daemons that were started.
    daemons: BTreeSet<String>,
    /// Whether the network `default` was started.
    network: bool,
}

/// What others had made in libvirt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Before {
    network: bool,
    pool: bool,
}

impl Changed {
    /// `None` where nothing was set up.
    fn read() -> Result<Option<Self>, InstallError> {
        let text = match fs::read_to_string(WRITTEN_DOWN) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            text => text.map_err(InstallError::file(WRITTEN_DOWN))?,
        };
        serde_json::from_str(&text).map(Some).map_err(|error| InstallError::NotUsable {
            path: WRITTEN_DOWN.into(),
            reason: format!("is not what setup wrote, and says what to undo: {error}"),
        })
    }

    fn write(&self) -> Result<(), InstallError> {
        let path = Path::new(WRITTEN_DOWN);
        let folder = path.parent().unwrap_or(path);
        fs::create_dir_all(folder).map_err(InstallError::file(folder))?;
        let text = serde_json::to_string_pretty(self).unwrap_or_default();
        cache::write_whole(path, text.as_bytes()).map_err(InstallError::file(path))
    }
}

/// Installs what is missing, and has libvirt answer.
///
/// # Errors
/// When this is not root, a package cannot be installed, or libvirt does not answer.
pub fn setup(dry_run: bool, tell: &dyn Fn(String)) -> Result<(), InstallError> {
    tell(NOTICE.to_owned());
    if dry_run {
        return machine::setup(VAGRANT, true, tell).map(drop);
    }
    must_be_root()?;
    let mut changed = Changed::read()?.unwrap_or_else(|| Changed {
        ip_forward: fs::read_to_string(IP_FORWARD).unwrap_or_default().trim().to_owned(),
        chains: iptables_has_chains(),
        ..Changed::default()
    });
    changed.write()?;
    let before = installed()?;
    let ran = machine::setup(VAGRANT, false, tell);
    // What was installed before something went wrong is there all the same.
    changed.packages.extend(installed()?.difference(&before).cloned());
    changed.write()?;
    ran?;
    let configured = configure()?;
    changed.configured |= configured;
    start(&mut changed, configured, tell)?;
    if changed.before.is_none() {
        let is_there = |list: &[&str], wanted: &str| {
            virsh(list).map(|names| names.lines().any(|name| name.trim() == wanted))
        };
        let network = is_there(&["net-list", "--all", "--name"], VAGRANTS)?;
        let pool = is_there(&["pool-list", "--all", "--name"], POOL)?;
        changed.before = Some(Before { network, pool });
    }
    if !virsh(&["net-list", "--name"])?.lines().any(|name| name == "default") {
        changed.network = true;
        changed.write()?;
        virsh(&["net-start", "default"])?;
    }
    changed.write()?;
    tell(format!("libvirt {} answers", virsh(&["--version"])?.trim()));
    Ok(())
}

/// Whether [`setup`] has changed something that [`undo`] would undo.
pub fn is_set_up() -> bool {
    Path::new(WRITTEN_DOWN).exists()
}

/// That libvirt answers, and what to do where it does not.
///
/// # Errors
/// With libvirt's words.
pub fn answers() -> Result<String, InstallError> {
    if let Some(needed) = machine::missing(VAGRANT).first() {
        return Err(unusable(&format!("package {} is missing", needed.package)));
    }
    virsh(&["list"]).map_err(|error| unusable(&error.to_string()))?;
    Ok(virsh(&["--version"])?.trim().to_owned())
}

fn unusable(reason: &str) -> InstallError {
    InstallError::NotUsable {
        path: "libvirt".into(),
        reason: format!("cannot be used: {reason}; as root: cargo xtask setup --provider vagrant"),
    }
}

fn must_be_root() -> Result<(), InstallError> {
    if nix::unistd::geteuid().is_root() {
        return Ok(());
    }
    Err(InstallError::NotUsable {
        path: "libvirt".into(),
        reason: "is set up by root only: sudo -E cargo xtask setup --provider vagrant".to_owned(),
    })
}

const IP_FORWARD: &str = "/proc/sys/net/ipv4/ip_forward";

fn installed() -> Result<BTreeSet<String>, InstallError> {
    let mut query = process::command("dpkg-query");
    query.args(["-W", "-f", "${db:Status-Abbrev} ${binary:Package}\\n"]);
    let text = String::from_utf8_lossy(&process::output(&mut query)?.stdout).into_owned();
    Ok(text.lines().filter_map(|line| line.strip_prefix("ii ")).map(|name| name.trim().to_owned()).collect())
}

/// Whether the configuration had to be changed.
fn configure() -> Result<bool, InstallError> {
    let text = fs::read_to_string(CONFIG).map_err(InstallError::file(CONFIG))?;
    if text.contains(OURS) {
        return Ok(false);
    }
    let text = format!("{}{OURS}", without_ours(&text));
    cache::write_whole(Path::new(CONFIG), text.as_bytes()).map_err(InstallError::file(CONFIG))?;
    Ok(true)
}

/// A configuration without the lines of ours, whatever an older version wrote between the marks.
fn without_ours(text: &str) -> String {
    let mut theirs = String::new();
    let mut ours = false;
    for line in text.lines() {
        match line {
            "# criu-matrix: from here" => ours = true,
            "# criu-matrix: to here" => ours = false,
            _ if ours => {}
            _ => theirs.extend([line, "\n"]),
        }
    }
    theirs
}

fn start(changed: &mut Changed, configured: bool, tell: &dyn Fn(String)) -> Result<(), InstallError> {
    if Path::new("/run/systemd/system").exists() {
        if configured {
            process::output(process::command("systemctl").args(["restart", "libvirtd"]))?;
        }
        return wait("libvirtd", || virsh(&["list"]).is_ok());
    }
    fs::create_dir_all("/run/libvirt").map_err(InstallError::file("/run/libvirt"))?;
    for daemon in ["virtlogd", "libvirtd"] {
        let running = pid_of(daemon);
        if let Some(pid) = running.filter(|_| configured && daemon == "libvirtd") {
            end(pid)?;
        } else if running.is_some() {
            continue;
        }
        tell(format!("starting {daemon}: there is no systemd here"));
        changed.daemons.insert(daemon.to_owned());
        changed.write()?;
        process::output(process::command(system_program(daemon)).arg("-d"))?;
    }
    wait("libvirtd", || virsh(&["list"]).is_ok())
}

/// The process of a daemon, where it runs.
fn pid_of(daemon: &str) -> Option<Pid> {
    let pid = fs::read_to_string(format!("/run/{daemon}.pid")).ok()?.trim().parse().ok()?;
    let name = fs::read_to_string(format!("/proc/{pid}/comm")).ok()?;
    (name.trim() == daemon).then(|| Pid::from_raw(pid))
}

fn end(pid: Pid) -> Result<(), InstallError> {
    let _gone = kill(pid, Signal::SIGTERM);
    wait("the end of a daemon", || !Path::new("/proc").join(pid.to_string()).exists())
}

/// Asks again and again, and fails after [`PATIENCE`].
#[expect(clippy::disallowed_methods, reason = "neither a daemon's socket nor its end can be waited for")]
fn wait(what: &str, mut until: impl FnMut() -> bool) -> Result<(), InstallError> {
    let deadline = Instant::now() + PATIENCE;
    while !until() {
        if Instant::now() > deadline {
            let reason = format!("{what} was waited for in vain for {} s", PATIENCE.as_secs());
            return Err(InstallError::NotUsable { path: "libvirt".into(), reason });
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    Ok(())
}

fn virsh(words: &[&str]) -> Result<String, InstallError> {
    let mut command = process::command("virsh");
    command.args(["-q", "-c", "qemu:///system"]).args(words);
    Ok(String::from_utf8_lossy(&process::output(&mut command)?.stdout).into_owned())
}

fn iptables_has_chains() -> bool {
    let listed = process::output(process::command(system_program("iptables")).arg("-S"));
    listed.is_ok_and(|listed| String::from_utf8_lossy(&listed.stdout).contains("LIBVIRT_"))
}

/// Removes the jumps to libvirt's chains, then the chains.
const WITHOUT_CHAINS: &str = r#"for tables in iptables ip6tables; do
	for table in filter nat mangle; do
		rules=$($tables -t $table -S 2>/dev/null) || continue
		echo "$rules" | sed -n 's/^-A \(.* -j LIBVIRT_.*\)$/-D \1/p' | while read -r rule; do $tables -t $table $rule; done
		echo "$rules" | sed -n 's/^-N \(LIBVIRT_.*\)$/\1/p' | while read -r chain; do
			$tables -t $table -F "$chain" && $tables -t $table -X "$chain"
		done
	done
done"#;

/// Undoes what [`setup`] has done, and what libvirt did for our machines; kept ones go too.
///
/// # Errors
/// When this is not root, or a step fails. What was undone until then stays undone.
pub fn undo(dry_run: bool, tell: &dyn Fn(String)) -> Result<(), InstallError> {
    let Some(mut changed) = Changed::read()? else {
        tell(format!("nothing to undo: there is no {WRITTEN_DOWN}"));
        return Ok(());
    };
    let packages: Vec<&str> = changed.packages.iter().map(String::as_str).collect();
    tell(format!(
        "machines, images and networks {PREFIX}* and {VAGRANTS} are removed; {CONFIG} gets its old content; daemons that \
         were started end ({}); ip_forward is {} again; packages are purged: {}",
        changed.daemons.iter().map(String::as_str).collect::<Vec<_>>().join(", "),
        changed.ip_forward,
        packages.join(" ")
    ));
    if dry_run {
        return Ok(());
    }
    must_be_root()?;
    // What libvirt keeps only libvirt can remove, and nobody does it once its packages are gone.
    if !machine::missing(VAGRANT).iter().any(|needed| needed.package.starts_with("libvirt")) {
        start(&mut changed, false, tell)?;
        remove_machines(&changed)?;
    }
    for daemon in changed.daemons.iter().filter_map(|daemon| pid_of(daemon)) {
        end(daemon)?;
    }
    if !changed.chains {
        process::output(process::command("sh").args(["-c", WITHOUT_CHAINS]))?;
    }
    if !changed.ip_forward.is_empty() {
        fs::write(IP_FORWARD, &changed.ip_forward).map_err(InstallError::file(IP_FORWARD))?;
    }
    if let Ok(text) = fs::read_to_string(CONFIG) {
        cache::write_whole(Path::new(CONFIG), without_ours(&text).as_bytes())
            .map_err(InstallError::file(CONFIG))?;
    }
    purge(&changed.packages, tell)?;
    if changed.configured && Path::new("/run/systemd/system").exists() && Path::new(CONFIG).exists() {
        process::output(process::command("systemctl").args(["restart", "libvirtd"]))?;
    }
    fs::remove_file(WRITTEN_DOWN).map_err(InstallError::file(WRITTEN_DOWN))
}

/// Purges packages, unless others that came later would go with them.
fn purge(packages: &BTreeSet<String>, tell: &dyn Fn(String)) -> Result<(), InstallError> {
    if packages.is_empty() {
        return Ok(());
    }
    let command = |words: &[&str]| {
        let mut command = process::command("apt-get");
        command.env("DEBIAN_FRONTEND", "noninteractive").args(words).arg("purge").args(packages);
        command
    };
    let tried = process::output(&mut command(&["-s", "-q"]))?;
    let others = others(&String::from_utf8_lossy(&tried.stdout), packages);
    if !others.is_empty() {
        tell(format!("the packages stay, because these need them and are not ours: {}", others.join(" ")));
        return Ok(());
    }
    process::output(&mut command(&["-q", "-y"])).map(drop).map_err(InstallError::from)
}

/// The packages that a simulated purge removes beside ours.
fn others(simulated: &str, ours: &BTreeSet<String>) -> Vec<String> {
    let removed = simulated.lines().filter_map(|line| {
        let name = line.strip_prefix("Purg ").or_else(|| line.strip_prefix("Remv "))?;
        name.split_whitespace().next()
    });
    let plain = |name: &str| name.split(':').next().unwrap_or(name).to_owned();
    let ours: BTreeSet<String> = ours.iter().map(|name| plain(name)).collect();
    removed.filter(|name| !ours.contains(&plain(name))).map(str::to_owned).collect()
}

fn remove_machines(changed: &Changed) -> Result<(), InstallError> {
    let ours = |list: String| -> Vec<String> {
        let names = list.lines().filter_map(|line| line.split_whitespace().next());
        names.filter(|name| name.starts_with(PREFIX)).map(str::to_owned).collect()
    };
    for machine in ours(virsh(&["list", "--all", "--name"])?) {
        // One that is off already cannot be turned off.
        let _off = virsh(&["destroy", &machine]);
        virsh(&["undefine", &machine, "--snapshots-metadata", "--remove-all-storage"])?;
    }
    // Where Vagrant never ran there is no pool.
    for image in ours(virsh(&["vol-list", "default"]).unwrap_or_default()) {
        virsh(&["vol-delete", "--pool", "default", &image])?;
    }
    let all = virsh(&["net-list", "--all", "--name"])?;
    let mut networks = ours(all.clone());
    let others = changed.before.unwrap_or(Before { network: true, pool: true });
    if !others.network && all.lines().any(|name| name == VAGRANTS) {
        networks.push(VAGRANTS.to_owned());
    }
    if !others.pool && virsh(&["pool-list", "--all", "--name"])?.lines().any(|name| name.trim() == POOL) {
        let _off = virsh(&["pool-destroy", POOL]);
        virsh(&["pool-undefine", POOL])?;
    }
    for network in networks {
        let _off = virsh(&["net-destroy", &network]);
        virsh(&["net-undefine", &network])?;
    }
    if changed.network {
        let _off = virsh(&["net-destroy", "default"]);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_need_is_seen() {
        let ours = ["libvirt0:amd64", "vagrant"].map(str::to_owned).into();
        let simulated = "Reading\nPurg vagrant [2.3.4]\nRemv virt-manager [4.1]\nPurg libvirt0 [9.0] []\n";
        assert_eq!(others(simulated, &ours), ["virt-manager"]);
    }

    #[rstest::rstest]
    #[case::none("a\nb\n", "a\nb\n")]
    #[case::ours(&format!("a\n{OURS}b\n"), "a\nb\n")]
    #[case::older("a\n# criu-matrix: from here\nuser = \"x\"\n# criu-matrix: to here\n", "a\n")]
    fn what_we_added_goes_and_nothing_else(#[case] text: &str, #[case] expected: &str) {
        assert_eq!(without_ours(text), expected);
    }
}
