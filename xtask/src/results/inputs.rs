//! What a cell's result depends on, as the key that it is kept under.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::host::Accelerator;
use crate::install::{Lock, LockedEngine, engine_key, key};
use crate::model::HostAsk;
use crate::plan::{Plan, PlannedCell};

/// Changes with what is kept, and with what a key is made of.
const FORMAT: &str = "1";

/// What is the same for every cell of a run, by content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Common {
    /// The harness.
    pub harness: String,
    /// What the agent is built from.
    pub agent: String,
    /// The workloads and scripts that guests get.
    pub workloads: String,
    /// What containers are made of, where it is a file of the user's own.
    pub image: Option<String>,
    /// The emulator, where it is not the lock's: the one that the user names, and this machine's.
    pub emulator: Vec<String>,
    /// What executes the guests' instructions.
    pub accelerator: Accelerator,
    /// This machine's processor, where guests see it as it is.
    pub processor: Option<String>,
    /// Whether every guest boots.
    pub cold: bool,
}

/// The inputs of a plan's cells.
pub struct Inputs<'a> {
    plan: &'a Plan,
    of_all: Option<String>,
    kernels: BTreeMap<&'a str, String>,
    userlands: BTreeMap<&'a str, String>,
    crius: BTreeMap<&'a str, String>,
    engines: BTreeMap<&'a str, String>,
    stories: BTreeMap<&'a str, String>,
}

impl<'a> Inputs<'a> {
    /// The inputs of a plan with the packages of a lock.
    pub fn new(plan: &'a Plan, lock: &'a Lock, common: &Common) -> Self {
        let Plan { provider, memory_mib, cpus, sabotage, .. } = plan;
        let stories = plan.stories.iter().filter_map(|(name, story)| {
            // How it is told, and what is known of it, changes nothing that happens.
            Some((name.as_str(), json(&(&story.workload, &story.features, &story.settings, &story.steps))?))
        });
        Self {
            plan,
            // Without it there is no key at all.
            of_all: json(&(FORMAT, common, &lock.tools, provider, memory_mib, cpus, sabotage)),
            kernels: each(&lock.kernels),
            userlands: each(&lock.userlands),
            crius: each(&lock.crius),
            engines: each::<LockedEngine>(&lock.engines),
            stories: stories.collect(),
        }
    }

    /// What a cell's inputs come to, 16 hex digits; `None` where one of them is not known.
    pub fn key(&self, cell: &PlannedCell) -> Option<String> {
        let story = self.stories.get(cell.scenario.as_str())?;
        let mut parts = vec![self.of_all.clone()?, cell.id.to_string(), story.clone()];
        for role in self.plan.story(cell)?.roles() {
            parts.extend(self.host(cell.on(role))?);
        }
        Some(key(parts))
    }

    fn host(&self, host: &HostAsk) -> Option<[String; 5]> {
        let HostAsk { kernel, userland, criu, engine, cpu } = host;
        // CRIU itself, and what a userland of the user's own holds, has no packages.
        let engine = self.engines.get(engine_key(engine, userland).as_str()).unwrap_or(engine);
        let of = |parts: &BTreeMap<&str, String>, ask: &String| parts.get(ask.as_str()).cloned();
        Some([
            of(&self.kernels, kernel)?,
            of(&self.userlands, userland)?,
            of(&self.crius, criu)?,
            engine.clone(),
            cpu.clone(),
        ])
    }
}

/// A key of each part.
fn each<T: Serialize>(parts: &BTreeMap<String, T>) -> BTreeMap<&str, String> {
    parts.iter().filter_map(|(ask, part)| Some((ask.as_str(), key([json(part)?])))).collect()
}

/// What has no form in JSON makes no key, rather than the same as something else.
fn json(value: &impl Serialize) -> Option<String> {
    serde_json::to_string(value).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::install::{LockedCriu, LockedKernel, LockedUserland, Package, Tools};
    use crate::model::Libc;
    use crate::scenario::Story;

    fn package(version: &str) -> Package {
        Package {
            name: "p".into(),
            version: version.into(),
            arch: "amd64".into(),
            uri: "http://x/p.deb".into(),
            size: 1,
            sha256: version.into(),
        }
    }

    fn lock() -> Lock {
        let mut lock = Lock::new(Tools::default());
        let packages = vec![package("1")];
        let kernel = LockedKernel::Debian {
            release: "6.12.1".into(),
            version: "6.12.1-1".into(),
            suite: "trixie".into(),
            packages: packages.clone(),
        };
        lock.kernels.insert("6.12".into(), kernel);
        let userland = LockedUserland::Debian { suite: "trixie".into(), packages: packages.clone() };
        lock.userlands.insert("trixie".into(), userland);
        let criu = LockedCriu::Debian {
            upstream: "4.1.1".into(),
            version: "4.1.1-1".into(),
            suite: "trixie".into(),
            libc: Libc::Own,
            packages,
        };
        lock.crius.insert("4.1.1".into(), criu);
        lock
    }

    fn plan() -> Plan {
        let host = HostAsk::sample();
        let story: Story = toml::from_str(
            r#"
            name = "counter"
            summary = "s"
            workload = "counter"
            steps = []
            "#,
        )
        .unwrap();
        let text = r#"
            format = 1
            provider = "qemu"
            memory-mib = 512
            cpus = 1
            stories = {}
        "#;
        let mut plan: Plan = toml::from_str(text).unwrap();
        plan.cell.push(PlannedCell::new("counter", &host, None, 1));
        plan.stories.insert("counter".into(), story);
        plan
    }

    fn common() -> Common {
        Common {
            harness: "h".into(),
            agent: "a".into(),
            workloads: "w".into(),
            image: None,
            emulator: Vec::new(),
            accelerator: Accelerator::Tcg,
            processor: None,
            cold: false,
        }
    }

    fn key_of(plan: &Plan, lock: &Lock, common: &Common) -> Option<String> {
        Inputs::new(plan, lock, common).key(&plan.cell[0])
    }

    struct All {
        plan: Plan,
        lock: Lock,
        common: Common,
    }

    /// A change, and whether the result of before still is one.
    #[rstest::rstest]
    #[case::nothing(|_: &mut All| {}, true)]
    #[case::summary(|it: &mut All| it.plan.stories.get_mut("counter").unwrap().summary = "other".into(), true)]
    #[case::other_cells(|it: &mut All| {
            let other = it.plan.cell[0].repeated(2);
            it.plan.cell.push(other);
        }, true)]
    #[case::other_locks(|it: &mut All| {
            let other = it.lock.crius["4.1.1"].clone();
            it.lock.crius.insert("4.3".into(), other);
        }, true)]
    #[case::passing_logs(|it: &mut All| it.plan.passing_logs = crate::record::PassingLogs::Drop, true)]
    #[case::harness(|it: &mut All| it.common.harness.push('x'), false)]
    #[case::agent(|it: &mut All| it.common.agent.push('x'), false)]
    #[case::workloads(|it: &mut All| it.common.workloads.push('x'), false)]
    #[case::image(|it: &mut All| it.common.image = Some("x".into()), false)]
    #[case::emulator(|it: &mut All| it.common.emulator.push("x".into()), false)]
    #[case::accelerator(|it: &mut All| it.common.accelerator = Accelerator::Kvm, false)]
    #[case::processor(|it: &mut All| it.common.processor = Some("x".into()), false)]
    #[case::cold(|it: &mut All| it.common.cold = true, false)]
    #[case::memory(|it: &mut All| it.plan.memory_mib = 1024, false)]
    #[case::cpus(|it: &mut All| it.plan.cpus = 2, false)]
    #[case::provider(|it: &mut All| it.plan.provider = "vagrant".into(), false)]
    #[case::sabotage(|it: &mut All| it.plan.sabotage = crate::engine::Sabotage::named("fresh-start"), false)]
    #[case::workload(|it: &mut All| it.plan.stories.get_mut("counter").unwrap().workload = "tree".into(), false)]
    #[case::features(|it: &mut All| it.plan.stories.get_mut("counter").unwrap().features.push("x".into()), false)]
    #[case::repeat(|it: &mut All| it.plan.cell[0] = it.plan.cell[0].repeated(2), false)]
    #[case::tools(|it: &mut All| it.lock.tools.qemu.push(package("2")), false)]
    #[case::kernel_package(
        |it: &mut All| match it.lock.kernels.get_mut("6.12").unwrap() {
            LockedKernel::Debian { packages, .. } => packages[0] = package("2"),
            LockedKernel::Own { .. } => unreachable!(),
        },
        false
    )]
    fn what_asks_for_another_result(#[case] change: fn(&mut All), #[case] same: bool) {
        let mut it = All { plan: plan(), lock: lock(), common: common() };
        let before = key_of(&it.plan, &it.lock, &it.common).unwrap();
        change(&mut it);
        assert_eq!(key_of(&it.plan, &it.lock, &it.common).unwrap() == before, same);
    }

    #[test]
    fn a_part_that_is_not_locked_makes_no_key() {
        let mut lock = lock();
        lock.crius.clear();
        assert_eq!(key_of(&plan(), &lock, &common()), None);
    }
}
