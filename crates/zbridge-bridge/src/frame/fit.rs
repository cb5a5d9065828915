//! How a frame is found from posteriors.

use super::{Atoms, Frame, LogVariances};
use crate::BridgeError;
use crate::principal_components::PrincipalComponents;
use crate::rows::stacked;
use ndarray::{Array2, ArrayView1, Axis};
use std::borrow::Cow;
use std::collections::HashSet;
use zbridge_core::{DiagonalGaussian, Estimate, Posterior, Stage};

/// Least share of an active dimension's variance that is carried by the posteriors' means.
const MIN_ACTIVE_SHARE: f64 = 0.02;
/// Largest number of distinct posteriors of a modality that counts as discrete.
const MAX_ATOMS: usize = 256;
/// Active dimensions up to which all of them are coordinates.
const MAX_WHOLE_DIMENSIONS: usize = 128;
/// Principal components of a wider space. From a few hundred to a thousand pairs of 768 and 384
/// dimensions that have 20 causes in common, a regression is best among 64 of them, and as good
/// among 128 (decision 0008).
const WIDE_DIRECTIONS: usize = 64;
/// Rows that principal components are found from.
const MAX_PRINCIPAL_ROWS: usize = 4096;
/// Deviations of log-variances below this count as this: so little is rounding.
const MIN_LOG_DEVIATION: f32 = 0.05;
/// Smaller deviations count as this, so that a constant can be standardised.
const MIN_DEVIATION: f32 = 1e-6;

/// Parts of a batch of posteriors, as means and log-variances.
type Moments<'m> = [Cow<'m, DiagonalGaussian>];

impl Frame {
    /// Returns the coordinates standardised by the aggregate of these posteriors, which are of one
    /// latent space. If it has more active dimensions than `directions`, as many principal
    /// components are the coordinates.
    ///
    /// # Errors
    /// [`BridgeError::Interrupted`] if the observer of the stage stops it.
    pub(crate) fn fit(
        posteriors: &[&Posterior],
        directions: Option<usize>,
        stage: &Stage<'_>,
    ) -> Result<Self, BridgeError> {
        let moments: Vec<_> = posteriors
            .iter()
            .map(|posterior| posterior.moments())
            .collect();
        let aggregate = Aggregate::of(&moments);
        let mut frame = Self {
            mean: aggregate.mean.iter().map(|&mean| mean as f32).collect(),
            deviation: aggregate.deviations(),
            active: aggregate.active(),
            principal: None,
            atoms: None,
            log_variances: None,
        };
        if directions.is_none() {
            frame.atoms = frame.find_atoms(&moments);
        }
        let is_discrete = frame.atoms.is_some();
        let default = || frame.default_directions(&moments).filter(|_| !is_discrete);
        if let Some(count) = directions.or_else(default) {
            frame.principal = frame.principal_components(&moments, count, stage)?;
        }
        // As many components as there are dimensions are none.
        if directions.is_some() && frame.principal.is_none() {
            frame.atoms = frame.find_atoms(&moments);
        }
        if frame.principal.is_none() && frame.atoms.is_none() {
            frame.log_variances = frame.log_variances_of(&moments);
        }
        Ok(frame)
    }

    /// Returns how log-variances vary; `None` if they are the same for all posteriors.
    fn log_variances_of(&self, moments: &Moments<'_>) -> Option<LogVariances> {
        let columns = self.active.iter().map(|&column| {
            let values = moments.iter().flat_map(move |part| rows_of(part));
            Estimate::of(values.map(move |(_, log_var)| f64::from(log_var[column])))
        });
        let columns: Vec<Estimate> = columns.collect();
        let deviation =
            |found: &Estimate| (found.standard_error * (found.count as f64).sqrt()) as f32;
        let varies = columns
            .iter()
            .any(|found| deviation(found) > MIN_LOG_DEVIATION);
        varies.then(|| LogVariances {
            mean: columns.iter().map(|found| found.mean as f32).collect(),
            deviation: columns
                .iter()
                .map(|found| deviation(found).max(MIN_LOG_DEVIATION))
                .collect(),
        })
    }

    /// Returns the coordinates standardised by the aggregate of these posteriors.
    #[cfg(test)]
    pub(crate) fn of(posteriors: &[&Posterior]) -> Self {
        let stage = Stage::new(&zbridge_core::Unobserved, "frame", 0);
        Self::fit(posteriors, None, &stage).unwrap()
    }

    /// Returns how many principal components are the coordinates unless somebody says otherwise;
    /// `None` if the dimensions are few enough as they are.
    fn default_directions(&self, moments: &Moments<'_>) -> Option<usize> {
        let rows: usize = moments.iter().map(|part| part.rows()).sum();
        let count = WIDE_DIRECTIONS.min(rows / 2).max(1);
        (self.active.len() > MAX_WHOLE_DIMENSIONS).then_some(count)
    }

    /// Returns the first `count` principal components of the means of the first few posteriors.
    fn principal_components(
        &self,
        moments: &Moments<'_>,
        count: usize,
        stage: &Stage<'_>,
    ) -> Result<Option<PrincipalComponents>, BridgeError> {
        let parts = moments
            .iter()
            .map(|part| self.active_columns(part.mean().view()));
        let parts: Vec<Array2<f32>> = parts.collect();
        let means = stacked(&parts);
        let rows = means.nrows().min(MAX_PRINCIPAL_ROWS);
        let means = means.slice_axis(Axis(0), (0..rows).into());
        PrincipalComponents::of(means, count, stage)
    }

    /// Returns the distinct posteriors, if they are few and occur repeatedly.
    fn find_atoms(&self, moments: &Moments<'_>) -> Option<Atoms> {
        let mut seen = HashSet::new();
        let (mut means, mut log_vars) = (Vec::new(), Vec::new());
        for (mean, log_var) in moments.iter().flat_map(|moments| rows_of(moments)) {
            if !seen.insert(bits_of(mean, log_var)) {
                continue;
            }
            if seen.len() > MAX_ATOMS {
                return None;
            }
            for &column in &self.active {
                means.push((mean[column] - self.mean[column]) / self.deviation[column]);
                log_vars.push(log_var[column] - 2.0 * self.deviation[column].ln());
            }
        }
        let rows: usize = moments.iter().map(|moments| moments.rows()).sum();
        // Posteriors of a continuous modality never occur twice; a quarter of repeats is no
        // accident.
        (4 * seen.len() <= 3 * rows).then_some(Atoms(means, log_vars))
    }
}

/// Moments of the aggregate of posteriors, each `[dim]`.
struct Aggregate {
    mean: Vec<f64>,
    /// Variance of the posteriors' means.
    variance_of_means: Vec<f64>,
    /// The same plus the mean of the posteriors' variances.
    variance: Vec<f64>,
}

impl Aggregate {
    fn of(moments: &Moments<'_>) -> Self {
        let dim = moments.first().map_or(0, |moments| moments.dim());
        let rows = moments.iter().map(|moments| moments.rows()).sum::<usize>() as f64;
        let mut sums = vec![0.0; dim];
        let mut squares = vec![0.0; dim];
        let mut variances = vec![0.0; dim];
        for (mean, log_var) in moments.iter().flat_map(|moments| rows_of(moments)) {
            for column in 0..dim {
                let mean = f64::from(mean[column]);
                sums[column] += mean;
                squares[column] += mean * mean;
                variances[column] += f64::from(log_var[column]).exp();
            }
        }
        let mean: Vec<f64> = sums.iter().map(|sum| sum / rows).collect();
        let variance_of =
            |column: usize| (squares[column] / rows - mean[column] * mean[column]).max(0.0);
        let variance_of_means: Vec<f64> = (0..dim).map(variance_of).collect();
        let variance = |column: usize| variance_of_means[column] + variances[column] / rows;
        Self {
            variance: (0..dim).map(variance).collect(),
            variance_of_means,
            mean,
        }
    }

    fn deviations(&self) -> Vec<f32> {
        let deviations = self.variance.iter().map(|variance| variance.sqrt() as f32);
        deviations
            .map(|deviation| deviation.max(MIN_DEVIATION))
            .collect()
    }

    /// Returns the dimensions along which means vary; all of them if none does.
    fn active(&self) -> Vec<usize> {
        let all = 0..self.mean.len();
        let varies = |&column: &usize| {
            self.variance_of_means[column] > MIN_ACTIVE_SHARE * self.variance[column]
        };
        let active: Vec<usize> = all.clone().filter(varies).collect();
        if active.is_empty() {
            all.collect()
        } else {
            active
        }
    }
}

/// Returns (means, log-variances) of every row, each `[dim]`.
fn rows_of(
    gaussian: &DiagonalGaussian,
) -> impl Iterator<Item = (ArrayView1<'_, f32>, ArrayView1<'_, f32>)> {
    (0..gaussian.rows()).map(|row| (gaussian.mean().row(row), gaussian.log_var().row(row)))
}

fn bits_of(mean: ArrayView1<'_, f32>, log_var: ArrayView1<'_, f32>) -> Vec<u32> {
    mean.iter()
        .chain(log_var)
        .map(|value| value.to_bits())
        .collect()
}
