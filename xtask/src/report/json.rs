//! `report.json`, which other tools read.

use serde::Serialize;

use super::Report;

pub(super) fn render(report: &Report) -> Result<String, serde_json::Error> {
    pretty(report)
}

pub(super) fn pretty(value: &impl Serialize) -> Result<String, serde_json::Error> {
    let mut text = serde_json::to_string_pretty(value)?;
    text.push('\n');
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Stage;
    use crate::report::{Run, sample};

    #[test]
    fn a_cell_looks_like_this() {
        let cells = sample::report().cells;
        let failed = cells.into_iter().find(|cell| cell.stage == Some(Stage::Restore)).unwrap();
        let report = Report::new(Run { harness: "0.1.0".into(), ..Run::default() }, vec![failed]);
        insta::assert_snapshot!(render(&report).unwrap(), @r#"
        {
          "format": 1,
          "run": {
            "started": null,
            "ended": null,
            "complete": false,
            "harness": "0.1.0",
            "notes": []
          },
          "cells": [
            {
              "id": "counter@k7.2@bookworm@c3.17.1@criu@max",
              "scenario": "counter",
              "kernel": {
                "asked": "7.2",
                "observed": "7.2.3+deb14-cloud-amd64"
              },
              "userland": {
                "asked": "bookworm",
                "observed": "Debian GNU/Linux 12 (bookworm)",
                "glibc": "2.36"
              },
              "criu": {
                "asked": "3.17.1",
                "observed": "3.17.1",
                "libc": "own 2.36"
              },
              "engine": {
                "ask": "criu",
                "name": "criu",
                "asked": null,
                "observed": "3.17.1"
              },
              "cpu": "max",
              "provider": "qemu",
              "verdict": "fail",
              "stage": "restore",
              "reason": "criu restore: exit status 1: (00.338) Error (criu/cr-restore.c:1480): 338 killed by signal 11: Segmentation fault",
              "diagnosis": null,
              "known_bug": null,
              "seconds": 6.5,
              "logs": [
                "cells/counter@k7.2@bookworm@c3.17.1@criu@max/restore.log",
                "cells/counter@k7.2@bookworm@c3.17.1@criu@max/story.log"
              ]
            }
          ]
        }
        "#);
    }

    #[test]
    fn what_was_written_is_read_back() {
        let report = sample::report();
        assert_eq!(serde_json::from_str::<Report>(&render(&report).unwrap()).unwrap(), report);
    }

    #[test]
    fn a_report_of_cells_alone_can_be_read() {
        let report: Report = serde_json::from_str(r#"{"format":1,"cells":[]}"#).unwrap();
        assert_eq!(report, Report::new(Run::default(), Vec::new()));
    }
}
