//! Figures as people and as programs read them, and the file of all samples.

use comfy_table::{CellAlignment, Table, presets};
use serde::Serialize;

use super::figure::{Bar, Measured};

/// The version of the JSON forms.
const FORMAT: u32 = 1;

/// What stands where nothing is.
const NOTHING: &str = "-";

/// The table, and below it the figures that were not measured, with the reasons.
pub(super) fn text(all: &[Measured]) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["figure", "median", "", "min to max", "bar", "met", "how"]);
    for measured in all {
        table.add_row(row(measured));
    }
    if let Some(column) = table.column_mut(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    let mut text: String = table.lines().map(|line| format!("{}\n", line.trim_end())).collect();
    for measured in all {
        if let Some(why) = measured.why() {
            text.push_str(&format!("\n{}: not measured: {why}", measured.figure.name));
        }
    }
    if !text.ends_with('\n') {
        text.push('\n');
    }
    text
}

fn row(measured: &Measured) -> [String; 7] {
    let figure = &measured.figure;
    let or_nothing = |text: Option<String>| text.unwrap_or_else(|| NOTHING.to_owned());
    let summary = measured.summary();
    let bar = figure.bar.map(|bar| match bar {
        Bar::AtMost(value) => format!("at most {value}"),
        Bar::Under(value) => format!("under {value}"),
    });
    let met = summary.and_then(|it| it.met).map(|met| if met { "yes" } else { "no" }.to_owned());
    [
        figure.name.to_owned(),
        or_nothing(summary.map(|it| number(it.median))),
        figure.unit.to_owned(),
        or_nothing(summary.map(|it| format!("{} to {}", number(it.min), number(it.max)))),
        or_nothing(bar),
        or_nothing(met),
        figure.how.to_owned(),
    ]
}

/// As many digits as mean something.
fn number(value: f64) -> String {
    match value {
        _ if value >= 100.0 => format!("{value:.0}"),
        _ if value >= 1.0 => format!("{value:.2}"),
        _ => format!("{value:.4}"),
    }
}

/// What `--format json` prints.
#[derive(Debug, Serialize)]
struct Told<'a> {
    format: u32,
    figures: Vec<FigureTold<'a>>,
}

#[derive(Debug, Serialize)]
struct FigureTold<'a> {
    name: &'a str,
    unit: &'a str,
    median: Option<f64>,
    min: Option<f64>,
    max: Option<f64>,
    bar: Option<f64>,
    met: Option<bool>,
    /// Why it was not measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<&'a str>,
}

impl<'a> FigureTold<'a> {
    fn of(measured: &'a Measured) -> Self {
        let summary = measured.summary();
        Self {
            name: measured.figure.name,
            unit: measured.figure.unit,
            median: summary.map(|it| it.median),
            min: summary.map(|it| it.min),
            max: summary.map(|it| it.max),
            bar: measured.figure.bar.map(Bar::value),
            met: summary.and_then(|it| it.met),
            why: measured.why(),
        }
    }
}

/// The figures for other programs, on one line.
pub(super) fn json(all: &[Measured]) -> serde_json::Result<String> {
    let told = Told { format: FORMAT, figures: all.iter().map(FigureTold::of).collect() };
    serde_json::to_string(&told).map(|line| line + "\n")
}

/// What the samples are of.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct Subject {
    /// When the benchmark began.
    pub(super) at: String,
    /// The host that was asked for.
    pub(super) host: String,
    /// The engine of the figures that have containers.
    pub(super) engine: String,
    /// The harness's version.
    pub(super) harness: String,
    /// How many samples a figure was to have.
    pub(super) runs: u32,
    /// This machine's processors.
    pub(super) processors: usize,
}

/// The file of all samples.
pub(super) fn raw<'all>(subject: &Subject, all: &'all [Measured]) -> serde_json::Result<String> {
    #[derive(Serialize)]
    struct Sampled<'a> {
        #[serde(flatten)]
        told: FigureTold<'a>,
        how: &'a str,
        samples: &'a [f64],
    }
    #[derive(Serialize)]
    struct Raw<'a> {
        format: u32,
        #[serde(flatten)]
        subject: &'a Subject,
        figures: Vec<Sampled<'a>>,
    }
    let sampled = |measured: &'all Measured| Sampled {
        told: FigureTold::of(measured),
        how: measured.figure.how,
        samples: measured.samples.as_deref().unwrap_or_default(),
    };
    let raw = Raw { format: FORMAT, subject, figures: all.iter().map(sampled).collect() };
    serde_json::to_string_pretty(&raw).map(|text| text + "\n")
}

#[cfg(test)]
mod tests {
    use super::super::figure::Figure;
    use super::*;

    fn three() -> [Measured; 3] {
        let of = |figure, samples| Measured { figure, samples };
        let smoke = Figure { bar: Some(Bar::Under(0.5)), ..Figure::told("smoke-again", "s", "twice") };
        [
            of(Figure::told("boot", "s", "from QEMU's start"), Ok(vec![3.5, 3.25])),
            of(Figure::ratio("wake-over-boot", 0.05, "pair by pair"), Ok(vec![0.04, 0.06, 0.03])),
            of(smoke, Err("no room".to_owned())),
        ]
    }

    #[test]
    fn a_table_keeps_the_place_of_what_was_not_measured() {
        insta::assert_snapshot!(text(&three()), @r"
         figure          median     min to max        bar           met  how
         boot              3.38  s  3.25 to 3.50      -             -    from QEMU's start
         wake-over-boot  0.0400  x  0.0300 to 0.0600  at most 0.05  yes  pair by pair
         smoke-again          -  s  -                 under 0.5     -    twice

        smoke-again: not measured: no room
        ");
    }

    #[test]
    fn json_has_nulls_where_nothing_is() {
        insta::assert_snapshot!(json(&three()).unwrap(), @r#"{"format":1,"figures":[{"name":"boot","unit":"s","median":3.375,"min":3.25,"max":3.5,"bar":null,"met":null},{"name":"wake-over-boot","unit":"x","median":0.04,"min":0.03,"max":0.06,"bar":0.05,"met":true},{"name":"smoke-again","unit":"s","median":null,"min":null,"max":null,"bar":0.5,"met":null,"why":"no room"}]}"#);
    }

    #[test]
    fn the_file_has_every_sample_in_its_order() {
        let raw: serde_json::Value =
            serde_json::from_str(&raw(&Subject::default(), &three()).unwrap()).unwrap();
        assert_eq!(raw["figures"][1]["samples"], serde_json::json!([0.04, 0.06, 0.03]));
        assert_eq!(raw["figures"][2]["samples"], serde_json::json!([]));
        assert_eq!(raw["figures"][2]["why"], "no room");
        assert_eq!(raw["runs"], 0);
    }
}
