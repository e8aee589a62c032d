//! The text that a guest prints of its machine, by its titles: `== TITLE`, then lines.

use std::collections::BTreeMap;

/// Sections by title.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sections(BTreeMap<String, String>);

impl Sections {
    /// Reads them. What comes before the first title is nobody's.
    pub fn parse(text: &str) -> Self {
        let mut sections = BTreeMap::new();
        let mut title: Option<&str> = None;
        for line in text.lines() {
            if let Some(next) = line.strip_prefix("== ") {
                title = Some(next);
                sections.entry(next.to_owned()).or_insert_with(String::new);
            } else if let Some(body) = title.and_then(|title| sections.get_mut(title)) {
                body.push_str(line);
                body.push('\n');
            }
        }
        Self(sections)
    }

    /// The text of a section; `None` where there is none, or nothing in it.
    pub fn get(&self, title: &str) -> Option<&str> {
        self.0.get(title).map(|body| body.trim_end()).filter(|body| !body.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_their_titles() {
        let sections = Sections::parse("lost\n== uname -a\nLinux\n== empty\n== cat /x\na\nb\n");
        assert_eq!(sections.get("uname -a"), Some("Linux"));
        assert_eq!((sections.get("cat /x"), sections.get("empty")), (Some("a\nb"), None));
    }
}
