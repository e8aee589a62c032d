//! A profile as a trace that Perfetto and chrome://tracing open: a row for each cell at a time, and in it cells with
//! their parts. The format is the array form of
//! <https://docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU>.

use serde_json::{Value, json};

use super::CellProfile;

/// The trace as JSON.
///
/// # Errors
/// Never by what a profile holds: JSON can hold it all.
pub fn trace(cells: &[CellProfile]) -> Result<String, serde_json::Error> {
    let mut events: Vec<Value> = Vec::new();
    // When each row is free again.
    let mut rows: Vec<u64> = Vec::new();
    for cell in cells {
        let (Some(first), Some(last)) = (cell.spans.first(), cell.spans.last()) else { continue };
        let row = rows.iter().position(|free| *free <= first.from).unwrap_or_else(|| {
            rows.push(0);
            rows.len() - 1
        });
        rows[row] = last.to;
        events.push(slice(cell.cell.as_str(), "cell", row, first.from, last.to, ""));
        events.extend(
            cell.spans
                .iter()
                .map(|span| slice(span.part.name(), span.part.name(), row, span.from, span.to, &span.what)),
        );
    }
    for row in 0..rows.len() {
        let name = format!("cells, {} at a time", row + 1);
        events.push(json!({"ph": "M", "name": "thread_name", "pid": 1, "tid": row, "args": {"name": name}}));
    }
    serde_json::to_string(&json!({"displayTimeUnit": "ms", "traceEvents": events}))
}

/// A stretch of time in a row; the format counts microseconds.
fn slice(name: &str, category: &str, row: usize, from: u64, to: u64, what: &str) -> Value {
    json!({
        "ph": "X", "name": name, "cat": category, "pid": 1, "tid": row,
        "ts": from * 1000, "dur": (to - from) * 1000, "args": {"what": what},
    })
}

#[cfg(test)]
mod tests {
    use super::super::spans::tests::cell;
    use super::*;

    #[test]
    fn cells_that_overlap_are_in_rows_of_their_own_and_parts_within_their_cell() {
        let cells = [cell("counter", 0), cell("clone", 300), cell("files", 1100)];
        let trace: Value = serde_json::from_str(&trace(&cells).unwrap()).unwrap();
        let events = trace["traceEvents"].as_array().unwrap();
        let of = |category: &str| -> Vec<&Value> {
            events.iter().filter(|event| event["cat"] == *category).collect()
        };
        let rows: Vec<_> = of("cell").iter().map(|event| event["tid"].as_u64().unwrap()).collect();
        assert_eq!(rows, [0, 1, 0]);
        let dump = of("dump")[1];
        assert_eq!((&dump["ts"], &dump["dur"], &dump["tid"]), (&json!(500_000), &json!(500_000), &json!(1)));
        assert_eq!(events.iter().filter(|event| event["ph"] == "M").count(), 2);
    }
}
