//! Work on observations in parallel, each with a random stream of its own.

use crate::{EvalError, ImportanceSettings};
use rayon::prelude::*;
use std::sync::atomic::{AtomicUsize, Ordering};
use zbridge_core::{LatentModel, Latents, Observations};

/// A model and the observations that it is asked about.
#[derive(Clone, Copy)]
pub(crate) struct Questions<'a> {
    model: &'a (dyn LatentModel + Sync),
    observations: &'a Observations,
}

impl<'a> Questions<'a> {
    /// # Errors
    /// [`EvalError::Empty`] without observations.
    pub(crate) fn new(model: &'a (dyn LatentModel + Sync), observations: &'a Observations) -> Result<Self, EvalError> {
        match observations.rows() {
            0 => Err(EvalError::Empty { what: "observations to evaluate" }),
            _ => Ok(Self { model, observations }),
        }
    }

    /// `work(row)` for each observation, in their order; `progress` hears how many are done.
    ///
    /// # Errors
    /// That of a row that failed; where several fail, which of them is not determined.
    pub(crate) fn each_row<T: Send>(
        &self,
        progress: &(dyn Fn(usize) + Sync),
        work: impl Fn(usize) -> Result<T, EvalError> + Sync,
    ) -> Result<Vec<T>, EvalError> {
        let done = AtomicUsize::new(0);
        let one = |row| {
            let result = work(row)?;
            progress(done.fetch_add(1, Ordering::Relaxed) + 1);
            Ok(result)
        };
        (0..self.observations.rows()).into_par_iter().map(one).collect()
    }

    /// log p(x_row|z_k) in nats for each of `points`; `first` is the number of the first of them.
    pub(crate) fn log_likelihoods(&self, row: usize, first: usize, points: &Latents) -> Result<Vec<f64>, EvalError> {
        let observation = self.observations.select(&[row]);
        let values = self.model.log_likelihood_nats(&observation, points).map_err(EvalError::at_row(row))?;
        let values = values.into_iter().map(f64::from).collect();
        expect_log_densities("log p(x|z)", row, first, points.rows(), values)
    }
}

/// `values`, when there are `count` and none of them is NaN or +∞.
pub(crate) fn expect_log_densities(
    quantity: &str,
    row: usize,
    first: usize,
    count: usize,
    values: Vec<f64>,
) -> Result<Vec<f64>, EvalError> {
    EvalError::expect_count("log densities, one per draw", count, values.len())?;
    match values.iter().position(|&v| v.is_nan() || v == f64::INFINITY) {
        None => Ok(values),
        Some(i) => {
            Err(EvalError::NotALogDensity { quantity: quantity.to_owned(), row, draw: first + i, value: values[i] })
        }
    }
}

impl ImportanceSettings {
    /// Errors unless at least one draw is asked for and taken at once.
    pub(crate) fn check(&self) -> Result<(), EvalError> {
        let range = "at least 1 is needed";
        match (self.draws, self.chunk) {
            (0, _) => Err(EvalError::Setting { name: "draws", value: 0.0, range }),
            (_, 0) => Err(EvalError::Setting { name: "chunk", value: 0.0, range }),
            _ => Ok(()),
        }
    }

    /// (number of the first draw, how many) of each chunk.
    pub(crate) fn chunks(&self) -> impl Iterator<Item = (usize, usize)> {
        (0..self.draws).step_by(self.chunk).map(|first| (first, self.chunk.min(self.draws - first)))
    }
}
