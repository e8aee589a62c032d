//! What can be said of a story only when all of its steps are known.

use super::Story;
use super::file::Flavor;
use crate::model::{Step, Verb};

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
