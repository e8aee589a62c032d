//! Figures that are measured together, sample by sample, so that this machine's noise meets all of them alike.

use anyhow::bail;

use super::figure::{Figure, Measured, Samples};
use super::stages::Stages;
use crate::interrupt;

/// Figures, and the way to measure all of them at once.
#[derive(Clone, Copy)]
pub(super) struct Group {
    pub(super) figures: &'static [Figure],
    /// So many samples of each figure, in the order of the figures. An error is why none of them was measured.
    pub(super) measure: fn(&Stages, u32) -> anyhow::Result<Vec<Samples>>,
}

impl Group {
    /// Measures, and keeps the figures that are `wanted`.
    ///
    /// # Errors
    /// When it was interrupted. What cannot be measured keeps its place, with the reason.
    pub(super) fn measured(
        &self,
        stages: &Stages,
        runs: u32,
        wanted: &dyn Fn(&Figure) -> bool,
    ) -> anyhow::Result<Vec<Measured>> {
        let all = (self.measure)(stages, runs);
        if interrupt::happened() {
            bail!("interrupted");
        }
        let all = all.unwrap_or_else(|error| vec![Err(format!("{error:#}")); self.figures.len()]);
        let pairs = std::iter::zip(self.figures, all);
        Ok(pairs
            .filter(|(figure, _)| wanted(figure))
            .map(|(&figure, samples)| Measured { figure, samples })
            .collect())
    }
}

/// One row that is not counted, then so many that are; as columns.
pub(super) fn columns<const FIGURES: usize>(
    runs: u32,
    mut row: impl FnMut() -> anyhow::Result<[f64; FIGURES]>,
) -> anyhow::Result<Vec<Samples>> {
    row()?;
    let mut columns = vec![Vec::new(); FIGURES];
    for _ in 0..runs {
        if interrupt::happened() {
            bail!("interrupted");
        }
        for (column, value) in std::iter::zip(&mut columns, row()?) {
            column.push(value);
        }
    }
    Ok(columns.into_iter().map(Ok).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_row_does_not_count() {
        let mut count = 0.0;
        let columns = columns(2, || {
            count += 1.0;
            Ok([count, -count])
        });
        assert_eq!(columns.unwrap(), [Ok(vec![2.0, 3.0]), Ok(vec![-2.0, -3.0])]);
    }

    #[test]
    fn one_row_that_fails_is_why_there_is_no_figure() {
        let mut count = 0;
        let columns = columns(2, || {
            count += 1;
            if count == 3 {
                bail!("no room")
            }
            Ok([1.0])
        });
        assert_eq!(columns.unwrap_err().to_string(), "no room");
    }
}
