//! `outcomes.jsonl`: what each cell came to, a line each, so that a report of ten thousand cells reads no record twice.
//! A line counts only where nothing that it was judged by has changed; without it the cell's record is judged anew.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use super::Outcome;
use crate::install::key;
use crate::model::CellId;
use crate::plan::{Plan, PlannedCell};
use crate::record::RunRecord;

/// What cells are judged by, besides their records: harness, rules, stories and known bugs. A key for each scenario.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JudgedBy(BTreeMap<String, String>);

impl JudgedBy {
    /// Of a plan, with the harness and the rules by their content.
    pub fn new(plan: &Plan, harness: &str, rules: &str) -> Self {
        let of_all = json(&(harness, rules, &plan.provider, plan.sabotage, &plan.known_bug));
        let of = |story| Some(key([of_all.clone()?, json(story)?]));
        Self(plan.stories.iter().filter_map(|(name, story)| Some((name.clone(), of(story)?))).collect())
    }

    /// What one cell is judged by; empty where that cannot be told.
    pub fn of(&self, cell: &PlannedCell) -> &str {
        self.0.get(&cell.scenario).map_or("", String::as_str)
    }
}

fn json(value: &impl Serialize) -> Option<String> {
    serde_json::to_string(value).ok()
}

/// One line.
#[derive(Debug, Serialize, Deserialize)]
struct Line<T> {
    /// What it was judged by.
    by: String,
    /// When that attempt at the cell began.
    started: String,
    outcome: T,
}

/// Takes outcomes down as they come.
#[derive(Debug)]
pub struct OutcomesFile(Mutex<File>);

impl OutcomesFile {
    /// Goes on with the file, or begins it.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn open(path: &Path) -> io::Result<Self> {
        Ok(Self(Mutex::new(OpenOptions::new().create(true).append(true).open(path)?)))
    }

    /// Adds a line. What could not be written is judged again: nothing rests on it.
    pub fn put(&self, by: &str, started: &str, outcome: &Outcome) {
        let Ok(text) = line(by, started, outcome) else { return };
        let _judged_again = self.0.lock().unwrap_or_else(PoisonError::into_inner).write_all(&text);
    }
}

/// One line of the file, whole.
fn line(by: &str, started: &str, outcome: &Outcome) -> Result<Vec<u8>, serde_json::Error> {
    let mut text = serde_json::to_vec(&Line { by: by.to_owned(), started: started.to_owned(), outcome })?;
    text.push(b'\n');
    Ok(text)
}

/// The whole file of these outcomes of cells that have ended.
///
/// # Errors
/// When a value has no form in JSON.
pub fn render_outcomes(
    plan: &Plan,
    by: &JudgedBy,
    record: &RunRecord,
    outcomes: &BTreeMap<CellId, Outcome>,
) -> Result<Vec<u8>, serde_json::Error> {
    let mut text = Vec::new();
    for cell in &plan.cell {
        let told = record.cells.get(&cell.id).filter(|told| told.has_ended());
        if let (Some(told), Some(outcome)) = (told, outcomes.get(&cell.id)) {
            text.extend(line(by.of(cell), &told.started, outcome)?);
        }
    }
    Ok(text)
}

/// The outcomes in a file that still hold, by the cell. A file that is not there has none; a line that cannot be read
/// counts for nothing.
pub fn read_outcomes(
    path: &Path,
    plan: &Plan,
    by: &JudgedBy,
    record: &RunRecord,
) -> BTreeMap<CellId, Outcome> {
    let Ok(file) = File::open(path) else { return BTreeMap::new() };
    let planned: BTreeMap<_, _> = plan.cell.iter().map(|cell| (&cell.id, cell)).collect();
    let holds = |line: &Line<Outcome>| {
        let id = &line.outcome.cell.id;
        planned.get(id).is_some_and(|cell| !line.by.is_empty() && by.of(cell) == line.by)
            && record.cells.get(id).is_some_and(|told| told.has_ended() && told.started == line.started)
    };
    BufReader::new(file)
        .split(b'\n')
        .map_while(Result::ok)
        .filter_map(|line| serde_json::from_slice::<Line<Outcome>>(&line).ok())
        .filter(holds)
        .map(|line| (line.outcome.cell.id.clone(), line.outcome))
        .collect()
}
