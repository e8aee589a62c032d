//! Lays text out: colours inside a table, lists and sentences broken where the width ends.

use std::fmt::Write as _;

use super::Style;
use super::style::printable;

/// The table would count a colour's escape codes as columns. So a coloured text is laid out as a stand-in of the
/// same width, in characters of the private use area, and filled in when the table stands.
#[derive(Default)]
pub(super) struct Inks(Vec<String>);

impl Inks {
    const FIRST: u32 = 0xE000;
    const FILLER: char = '\u{F8FF}';

    pub(super) fn stand_in(&mut self, plain: &str, coloured: String) -> String {
        let next = u32::try_from(self.0.len()).ok().and_then(|number| char::from_u32(Self::FIRST + number));
        match next.filter(|next| *next < Self::FILLER && plain != coloured) {
            None => plain.to_owned(),
            Some(next) => {
                self.0.push(coloured);
                plain.chars().enumerate().map(|(at, _)| if at == 0 { next } else { Self::FILLER }).collect()
            }
        }
    }

    pub(super) fn fill_in(&self, line: &str) -> String {
        let mut filled = String::with_capacity(line.len());
        for character in line.chars().filter(|character| *character != Self::FILLER) {
            match (character as u32).checked_sub(Self::FIRST).and_then(|number| self.0.get(number as usize)) {
                Some(coloured) => filled.push_str(coloured),
                None => filled.push(character),
            }
        }
        filled
    }
}

/// Items side by side, with a hanging indent as wide as the title.
pub(super) fn push_list(text: &mut String, title: &str, items: &[String], style: &Style) {
    let mut column = title.len();
    text.push_str(title);
    for (number, item) in items.iter().enumerate() {
        let width = item.chars().count();
        if number > 0 && column + 2 + width > style.width {
            let _ = write!(text, "\n{:indent$}", "", indent = title.len());
            column = title.len();
        } else if number > 0 {
            text.push_str("  ");
            column += 2;
        }
        text.push_str(item);
        column += width;
    }
    text.push('\n');
}

/// Words, broken where the width ends; what comes after the first line stands below its first word.
pub(super) fn push_wrapped(text: &mut String, lead: &str, words: &str, style: &Style) {
    let mut column = lead.len();
    text.push_str(lead);
    for (number, word) in printable(words).split_whitespace().enumerate() {
        let width = word.chars().count();
        if number > 0 && column + 1 + width > style.width {
            let _ = write!(text, "\n{:indent$}", "", indent = lead.len());
            column = lead.len();
        } else if number > 0 {
            text.push(' ');
            column += 1;
        }
        text.push_str(word);
        column += width;
    }
    text.push('\n');
}
