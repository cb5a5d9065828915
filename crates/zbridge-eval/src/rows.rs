//! Work on observations in parallel, each with a random stream of its own.

use crate::{EvalError, ImportanceSettings};
use rayon::prelude::*;
use std::sync::atomic::{AtomicUsize, Ordering};
use zbridge_core::{LatentModel, Latents, Observations};

/// A model and the observations that it is asked about.
#[derive(Clone, Copy)]
pub(crate) struct Questions<'a> {
    model: &'a dyn LatentModel,
    observations: &'a Observations,
}

impl<'a> Questions<'a> {
    /// # Errors
    /// [`EvalError::Empty`] without observations.
    pub(crate) fn new(
        model: &'a dyn LatentModel,
        observations: &'a Observations,
    ) -> Result<Self, EvalError> {
        match observations.rows() {
            0 => Err(EvalError::Empty {
                what: "observations to evaluate",
            }),
            _ => Ok(Self {
                model,
                observations,
            }),
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
        each_row(self.observations.rows(), progress, work)
    }

    /// Observations and dimensions of the latent space that a proposal must have.
    pub(crate) fn extent(&self) -> (usize, usize) {
        (self.observations.rows(), self.model.latent_dim())
    }

    /// log p(x_row|z_k) in nats for each of `points`; `first` is the number of the first of them.
    pub(crate) fn log_likelihoods(
        &self,
        row: usize,
        first: usize,
        points: &Latents,
    ) -> Result<Vec<f64>, EvalError> {
        let observation = self.observations.select(&[row]);
        let values = self
            .model
            .log_likelihood_nats(&observation, points)
            .map_err(EvalError::at_row(row))?;
        let values = values.into_iter().map(f64::from).collect();
        expect_log_densities("log p(x|z)", row, first, points.rows(), values)
    }
}

/// `work(row)` for each of `rows`, in parallel and in their order; `progress` hears how many are
/// done.
///
/// # Errors
/// That of a row that failed; where several fail, which of them is not determined.
pub(crate) fn each_row<T: Send>(
    rows: usize,
    progress: &(dyn Fn(usize) + Sync),
    work: impl Fn(usize) -> Result<T, EvalError> + Sync,
) -> Result<Vec<T>, EvalError> {
    let done = AtomicUsize::new(0);
    let one = |row| {
        let result = work(row)?;
        progress(done.fetch_add(1, Ordering::Relaxed) + 1);
        Ok(result)
    };
    (0..rows).into_par_iter().map(one).collect()
}

/// (number of the first, how many) of each chunk of `total`.
pub(crate) fn chunks(total: usize, chunk: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..total)
        .step_by(chunk)
        .map(move |first| (first, chunk.min(total - first)))
}

/// Errors unless a count that was set is at least `least`.
pub(crate) fn expect_at_least(
    name: &'static str,
    least: usize,
    value: usize,
) -> Result<(), EvalError> {
    let range = if least == 1 {
        "at least 1 is needed"
    } else {
        "at least 2 are needed"
    };
    if value >= least {
        Ok(())
    } else {
        Err(EvalError::Setting {
            name,
            value: value as f64,
            range,
        })
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
    match values
        .iter()
        .position(|&v| v.is_nan() || v == f64::INFINITY)
    {
        None => Ok(values),
        Some(i) => Err(EvalError::NotALogDensity {
            quantity: quantity.to_owned(),
            row,
            draw: first + i,
            value: values[i],
        }),
    }
}

impl ImportanceSettings {
    /// Errors unless at least one draw is asked for and taken at once.
    pub(crate) fn check(&self) -> Result<(), EvalError> {
        expect_at_least("draws", 1, self.draws)?;
        expect_at_least("chunk", 1, self.chunk)
    }

    /// (number of the first draw, how many) of each chunk.
    pub(crate) fn chunks(&self) -> impl Iterator<Item = (usize, usize)> {
        chunks(self.draws, self.chunk)
    }
}
