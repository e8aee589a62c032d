//! `report`: from the record alone, on any machine.

use std::borrow::Cow;
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;

use super::judged::{self, Judged, Rules};
use super::{places, profile};
use crate::exit_code::ExitCode;
use crate::plan::Plan;
use crate::record::{self, FolderError, Paths, RunFolder};
use crate::report::{self, Diff, Format, Report, Style, gather, render_outcomes};
use crate::toml_file::Source;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The run folder; the newest one below `runs/` when left out
    folder: Option<PathBuf>,
    /// Show the cells of another run beside it, as of one that was played by another provider; again for a third. The run
    /// folder keeps its own reports
    #[arg(long, value_name = "REPORT")]
    with: Vec<PathBuf>,
    /// In which forms
    #[arg(long, value_delimiter = ',', default_value = "text")]
    format: Vec<Format>,
    /// Tell where the time went: a table, and trace.json in the run folder for Perfetto or chrome://tracing
    #[arg(long)]
    profile: bool,
    /// Hold it against an earlier run, as `matrix --baseline` does: a run folder, or its report.json
    #[arg(long, value_name = "REPORT")]
    baseline: Option<PathBuf>,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let folder = match &arguments.folder {
        Some(folder) => folder.clone(),
        None => record::newest(&places::runs())?,
    };
    let paths = Paths::of(&folder)?;
    let (report, outcomes) = gathered(&paths)?;
    let baseline = arguments.baseline.as_deref().map(load).transpose()?;
    let diff = baseline.as_ref().map(|baseline| (baseline, Diff::of(baseline, &report)));
    let held = match RunFolder::open(&folder) {
        Ok(held) => Some(held),
        // A run that is under way writes its own in the end.
        Err(FolderError::InUse { .. }) => {
            eprintln!("note: the run is under way; this is how far it has come");
            None
        }
        Err(error) => return Err(error.into()),
    };
    let code = match &diff {
        Some((_, diff)) => ExitCode::against(diff, &report),
        None => ExitCode::from_report(&report),
    };
    let style = super::style_of(std::io::stdout().as_fd());
    // What is shown is made while the files are written.
    let shown = std::thread::scope(|scope| -> anyhow::Result<Vec<String>> {
        let shown = scope.spawn(|| shown(&report, arguments, &style, paths.root()));
        if let Some(held) = &held {
            write_reports(&report, held)?;
            if let Some(outcomes) = outcomes {
                held.put(&held.outcomes(), &outcomes)?;
            }
            if let Some((baseline, diff)) = &diff {
                write_diff(diff, baseline, &report, held)?;
            }
        }
        shown.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })?;
    shown.iter().for_each(|text| print!("{text}"));
    if arguments.profile {
        profile::tell(&paths, held.as_ref(), &record::read(&paths)?.record)?;
    }
    let Some((_, diff)) = diff else { return Ok(code) };
    // JSON and XML go to other tools, which want one document: the diff is in the run folder.
    for format in arguments.format.iter().filter(|it| matches!(it, Format::Text | Format::Markdown)) {
        print!("\n{}", format.render_diff(&diff, &style)?);
    }
    Ok(code)
}

/// The report in the forms that are asked for, with the cells of other runs beside its own.
fn shown(report: &Report, arguments: &Arguments, style: &Style, root: &Path) -> anyhow::Result<Vec<String>> {
    let mut all = Cow::Borrowed(report);
    for other in &arguments.with {
        let folder = if other.is_dir() { other } else { other.parent().unwrap_or(other) };
        all = Cow::Owned(all.into_owned().beside(load(other)?, folder));
    }
    arguments.format.iter().map(|format| Ok(format.render(&all, style, root)?)).collect()
}

/// The report, and what is to be kept of the judging, where there was any.
fn gathered(paths: &Paths) -> anyhow::Result<(Report, Option<Vec<u8>>)> {
    let read = record::read(paths)?;
    if let Some(torn) = read.torn {
        eprintln!("note: {torn}");
    }
    let plan = read_plan(&paths.plan())?;
    let Judged { outcomes, by, anew, unreadable } =
        judged::judged(paths, &plan, &read.record, &Rules::default())?;
    let kept = (anew && unreadable.is_empty())
        .then(|| render_outcomes(&plan, &by, &read.record, &outcomes))
        .transpose()?;
    Ok((gather(&plan, &read.record, &outcomes), kept))
}

/// The report of a run folder, made from its record, or the one that a file holds.
pub(super) fn load(path: &Path) -> anyhow::Result<Report> {
    if path.is_dir() {
        return Ok(gathered(&Paths::of(path)?)?.0);
    }
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let report: Report =
        serde_json::from_str(&text).with_context(|| format!("{} is no report.json", path.display()))?;
    if report.format > Report::FORMAT {
        anyhow::bail!(
            "{}: its format is {}, and this build reads up to {}: use a newer one",
            path.display(),
            report.format,
            Report::FORMAT
        );
    }
    Ok(report)
}

pub(super) fn read_plan(path: &Path) -> anyhow::Result<Plan> {
    let plan: Plan = Source::read(path)?.parse().map_err(anyhow::Error::from)?;
    if plan.format > Plan::FORMAT {
        anyhow::bail!(
            "{}: its format is {}, and this build reads up to {}: use a newer one",
            path.display(),
            plan.format,
            Plan::FORMAT
        );
    }
    Ok(plan)
}

/// Writes `report.json`, `report.md` and `junit.xml` into a run folder, each beside the others: of ten thousand cells
/// that takes half a second each.
pub(super) fn write_reports(report: &Report, folder: &RunFolder) -> anyhow::Result<()> {
    let write = |format: Format, path: &Path| -> anyhow::Result<()> {
        Ok(folder.put(path, format.render(report, &Style::FILE, folder.root())?.as_bytes())?)
    };
    let files = [
        (Format::Json, folder.report_json()),
        (Format::Markdown, folder.report_markdown()),
        (Format::Junit, folder.junit()),
    ];
    std::thread::scope(|scope| {
        let writers = files.each_ref().map(|(format, path)| scope.spawn(|| write(*format, path)));
        writers
            .into_iter()
            .try_for_each(|writer| writer.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    })
}

/// Writes `diff.json`, `diff.md` and `baseline.json` into a run folder.
pub(super) fn write_diff(
    diff: &Diff,
    before: &Report,
    after: &Report,
    folder: &RunFolder,
) -> anyhow::Result<()> {
    folder.put(&folder.diff_json(), Format::Json.render_diff(diff, &Style::FILE)?.as_bytes())?;
    folder.put(&folder.diff_markdown(), Format::Markdown.render_diff(diff, &Style::FILE)?.as_bytes())?;
    let next = report::baseline(before, after);
    folder.put(&folder.baseline(), Format::Json.render(&next, &Style::FILE, folder.root())?.as_bytes())?;
    Ok(())
}
