//! What can be said of a story only when all of its steps are known.

use toml::Spanned;

use super::Story;
use super::file::{Flavor, StepTable};
use super::words::Lowered;
use crate::model::{Role, Step, Verb, Way};
use crate::toml_file::Source;

/// The story in one of its variants.
pub(super) fn flavored(story: &Story, flavor: Flavor) -> Story {
    let mut story = story.clone();
    match flavor {
        Flavor::Default => {}
        Flavor::Unconfined => {
            story.name.push_str("+unconfined");
            story.settings.unconfined = true;
        }
        Flavor::Init => {
            story.name.push_str("+init");
            story.settings.init = true;
        }
    }
    story
}

/// Some engines must know when they dump whether the checkpoint is to leave its container.
pub(super) fn tell_what_is_carried(steps: &mut [Step]) {
    let leaves: Vec<String> = steps
        .iter()
        .filter_map(|step| match &step.verb {
            Verb::Transfer { checkpoint } => Some(checkpoint.clone()),
            Verb::Restore { from, fresh: true, .. } => Some(from.clone()),
            _ => None,
        })
        .collect();
    for step in steps {
        if let Verb::Dump { to, carried, .. } = &mut step.verb {
            *carried = leaves.contains(to);
        }
    }
}

/// A restore asks for lazy pages where the dump gives them. What is sent to another host must be carried to it.
pub(super) fn tell_by_which_way(
    source: &Source,
    tables: &[Spanned<StepTable>],
    steps: &mut [Step],
) -> Lowered<()> {
    let mut lazy = Vec::new();
    for (step, table) in steps.iter_mut().zip(tables) {
        match &step.verb {
            Verb::Dump { carried: false, .. } if step.cpuinfo => {
                let span = table.get_ref().cpuinfo.as_ref().map_or(0..0, Spanned::span);
                let error = source.wrong(span, "this checkpoint is never carried to the destination");
                return Err(error.help("put a `transfer` of it after the dump"));
            }
            Verb::Dump { to, carried, leave_running, parent, .. } if step.by.is_some() => {
                let span = table.get_ref().by.as_ref().map_or(0..0, Spanned::span);
                if !carried {
                    let error = source.wrong(span, "this checkpoint is never carried to the destination");
                    return Err(error.help("put a `transfer` of it after the dump"));
                }
                if parent.is_some() {
                    let error =
                        source.wrong(span, "its pages go elsewhere than those of the pre-dump before it");
                    return Err(error.help("leave out `parent`, or `by`"));
                }
                if *leave_running && step.by == Some(Way::LazyPages) {
                    let error = source.wrong(span, "a program that runs on changes the pages that it owes");
                    return Err(error.help("leave out `leave-running`"));
                }
                if step.by == Some(Way::LazyPages) {
                    lazy.push(to.clone());
                }
            }
            Verb::Restore { from, .. } if step.on == Role::Destination && lazy.contains(from) => {
                step.by = Some(Way::LazyPages);
            }
            _ => {}
        }
    }
    Ok(())
}
