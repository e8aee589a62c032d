//! What an engine makes of each verb, as a text to be compared: one table an engine.

use super::lowering::{Engine, Scene};
use crate::model::{Action, Expectation, Role, Settings, Step, Verb, Workload};

/// The verbs of a table, by what they are called in it.
fn verbs() -> Vec<(&'static str, Step)> {
    let dump = |leave_running| Verb::Dump {
        to: "one".to_owned(),
        parent: None,
        leave_running,
        dir: false,
        carried: true,
    };
    let restore = |fresh| Verb::Restore { from: "one".to_owned(), dir: false, fresh };
    let mut into = Step::plain(restore(true));
    into.container = Some("clone".to_owned());
    let mut there = Step::plain(restore(false));
    there.on = Role::Destination;
    let mut plain = vec![
        ("start", Verb::Start),
        ("dump", dump(false)),
        ("dump, leave running", dump(true)),
        ("restore", restore(false)),
        ("kill", Verb::Kill),
        ("stop", Verb::Stop),
        ("pause", Verb::Pause),
        ("remove by force", Verb::Remove { force: true }),
        ("exec", Verb::Exec("id -u".to_owned())),
        ("transfer", Verb::Transfer { checkpoint: "one".to_owned() }),
        ("checkpoints", Verb::Checkpoints(vec!["two".to_owned(), "one".to_owned()])),
        ("expect paused", Verb::Expect(Expectation::Paused)),
    ];
    let mut all: Vec<_> = plain.drain(..).map(|(name, verb)| (name, Step::plain(verb))).collect();
    all.extend([("restore in another container", into), ("restore on the destination", there)]);
    all
}

/// The table of an engine: each verb, and below it its commands, or the words of its refusal.
pub(super) fn table(engine: &dyn Engine) -> String {
    let settings = Settings { unconfined: false, memory_mib: Some(64), ..Settings::default() };
    let settings = if engine.recipe().is_some() { settings } else { Settings::default() };
    let workload = Workload::named("ticker").unwrap();
    let scene = Scene { workload, settings: &settings };
    let mut text = String::new();
    for (name, step) in verbs() {
        text.push_str(&format!("{name}\n"));
        match engine.lower(&step, &scene) {
            Err(refusal) => text.push_str(&format!("    - {refusal}\n")),
            Ok(actions) => actions.iter().for_each(|action| {
                text.push_str(&match action {
                    Action::Run(role, command) => format!("    {} $ {}\n", role.name(), command.line),
                    Action::Carry(file) => format!("    carry {file}\n"),
                });
            }),
        }
    }
    text.push_str(&format!("look\n    {}\n", engine.look(None, &scene).root.command.line));
    text
}
