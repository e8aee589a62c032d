//! A figure: what it is, the bar that it is held to, and the samples that it was made of. Knows no guest.

/// What is measured, and how much of it is still good.
#[derive(Clone, Copy, Debug)]
pub(super) struct Figure {
    /// Its name, for `--only` and for other programs.
    pub(super) name: &'static str,
    /// `s`, `MiB`, or `x` for a ratio.
    pub(super) unit: &'static str,
    /// What it is held to; `None` for one that is only told.
    pub(super) bar: Option<Bar>,
    /// How it is measured, for who reads the table.
    pub(super) how: &'static str,
}

impl Figure {
    /// A figure without a bar.
    pub(super) const fn told(name: &'static str, unit: &'static str, how: &'static str) -> Self {
        Self { name, unit, bar: None, how }
    }

    /// A ratio that has a bar.
    pub(super) const fn ratio(name: &'static str, bar: f64, how: &'static str) -> Self {
        Self { name, unit: "x", bar: Some(Bar::AtMost(bar)), how }
    }
}

/// What a median is held to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Bar {
    /// It may be as high as this.
    AtMost(f64),
    /// It must be lower than this.
    Under(f64),
}

impl Bar {
    /// The number of it.
    pub(super) fn value(self) -> f64 {
        match self {
            Self::AtMost(value) | Self::Under(value) => value,
        }
    }

    fn is_met_by(self, median: f64) -> bool {
        match self {
            Self::AtMost(value) => median <= value,
            Self::Under(value) => median < value,
        }
    }
}

/// All samples of one figure in the order in which they were taken, or why there are none.
pub(super) type Samples = Result<Vec<f64>, String>;

/// A figure with what came of it.
#[derive(Clone, Debug)]
pub(super) struct Measured {
    pub(super) figure: Figure,
    pub(super) samples: Samples,
}

/// What is told of samples.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Summary {
    pub(super) median: f64,
    pub(super) min: f64,
    pub(super) max: f64,
    /// Whether the median meets the bar, where there is one.
    pub(super) met: Option<bool>,
}

impl Measured {
    /// None where nothing was measured.
    pub(super) fn summary(&self) -> Option<Summary> {
        let mut sorted = self.samples.clone().ok()?;
        sorted.sort_by(f64::total_cmp);
        let (min, max) = (*sorted.first()?, *sorted.last()?);
        let median = median(&sorted);
        Some(Summary { median, min, max, met: self.figure.bar.map(|bar| bar.is_met_by(median)) })
    }

    /// Why nothing was measured, where nothing was.
    pub(super) fn why(&self) -> Option<&str> {
        match &self.samples {
            Err(why) => Some(why),
            Ok(samples) if samples.is_empty() => Some("no sample was taken"),
            Ok(_) => None,
        }
    }
}

/// Of sorted samples, of which there is one at least: the middle one, or the mean of the two in the middle.
fn median(sorted: &[f64]) -> f64 {
    let middle = sorted.len() / 2;
    if sorted.len() % 2 == 1 { sorted[middle] } else { f64::midpoint(sorted[middle - 1], sorted[middle]) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn summary(bar: Bar, samples: &[f64]) -> Option<(f64, f64, f64, bool)> {
        let figure = Figure { bar: Some(bar), ..Figure::told("x", "s", "") };
        let Summary { median, min, max, met } =
            Measured { figure, samples: Ok(samples.to_vec()) }.summary()?;
        Some((median, min, max, met.unwrap()))
    }

    #[rstest::rstest]
    #[case(Bar::AtMost(3.0), &[3.0], Some((3.0, 3.0, 3.0, true)))]
    #[case(Bar::Under(3.0), &[3.0], Some((3.0, 3.0, 3.0, false)))]
    #[case(Bar::AtMost(1.0), &[2.0, 1.0], Some((1.5, 1.0, 2.0, false)))]
    #[case(Bar::AtMost(2.0), &[9.0, 1.0, 2.0], Some((2.0, 1.0, 9.0, true)))]
    #[case(Bar::AtMost(2.0), &[], None)]
    fn summaries(#[case] bar: Bar, #[case] samples: &[f64], #[case] expected: Option<(f64, f64, f64, bool)>) {
        assert_eq!(summary(bar, samples), expected);
    }

    #[test]
    fn without_a_bar_nothing_is_met_or_missed() {
        let measured = Measured { figure: Figure::told("x", "s", ""), samples: Ok(vec![1.0]) };
        assert_eq!(measured.summary().unwrap().met, None);
        let nothing = Measured { samples: Err("no QEMU".to_owned()), ..measured };
        assert_eq!((nothing.summary(), nothing.why()), (None, Some("no QEMU")));
    }
}
