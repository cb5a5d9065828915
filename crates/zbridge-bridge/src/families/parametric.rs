//! Distributions that are worked out when something is asked of them, a block of rows at a time.
//!
//! A full covariance has thousands of numbers for each row; those of a whole batch would not fit in
//! any cache, and sometimes not in memory. So only the sources are kept.

use crate::rows::{clamped, flat_mut, standard_normal};
use ndarray::{Array2, ArrayView2, ArrayViewMut2, Axis};
use rayon::prelude::*;
use zbridge_core::{DensityError, LatentDistribution, Latents, RandomStream, ShapeError};

/// Where the mean stands in a row of parameters.
pub(crate) type MeanIn<F> = for<'p> fn(&F, &'p [f32]) -> &'p [f32];

/// A family in which a source determines a row of parameters, and these a distribution over the
/// target.
pub(crate) trait Parametric: Sync {
    /// Working space in which parameters are computed.
    type Tape: Default;

    /// Uniform draws that a draw needs besides `dim` standard normal ones.
    const UNIFORMS: usize = 0;

    /// Returns the mean `[dim]` of the distribution of a row of parameters, if it is among these.
    const MEAN: Option<MeanIn<Self>> = None;

    /// Returns the distributions' parameters, a row for each of the sources `[rows, source dim]`.
    fn parameters_of<'t>(
        &self,
        sources: ArrayView2<'_, f32>,
        tape: &'t mut Self::Tape,
    ) -> ArrayView2<'t, f32>;

    /// Returns the log density of `point` `[dim]` under a row of parameters, in nats. `scratch` is
    /// working space of any content.
    fn log_density_nats(&self, parameters: &[f32], point: &[f32], scratch: &mut Vec<f64>) -> f64;

    /// Replaces standard normal `noise` `[draws, dim]` by draws from the distribution of a row of
    /// parameters. `uniforms` `[draws · UNIFORMS]` are uniform on [0, 1).
    fn draw(
        &self,
        parameters: &[f32],
        uniforms: &[f32],
        noise: ArrayViewMut2<'_, f32>,
        scratch: &mut Vec<f64>,
    );
}

/// q(·|source_i) for each row of a batch of sources, under a [`Parametric`] family.
pub(crate) struct ParametricDistributions<'f, F> {
    family: &'f F,
    source: Latents,
    dim: usize,
}

impl<'f, F: Parametric> ParametricDistributions<'f, F> {
    /// Returns the distributions of `family`, which joins `dims` = (source dim, target dim), for
    /// these sources.
    ///
    /// # Errors
    /// [`ShapeError::Mismatch`] if the source has another dimension.
    pub(crate) fn new(
        family: &'f F,
        dims: (usize, usize),
        source: &Latents,
    ) -> Result<Self, ShapeError> {
        check_source(source, dims.0)?;
        Ok(Self {
            family,
            source: source.clone(),
            dim: dims.1,
        })
    }
}

impl<F: Parametric> LatentDistribution for ParametricDistributions<'_, F> {
    fn shape(&self) -> (usize, usize) {
        (self.source.rows(), self.dim)
    }

    fn sample_each(
        &self,
        draws: usize,
        stream: &mut RandomStream,
    ) -> Result<Latents, DensityError> {
        let rows = self.source.rows();
        let mut values = standard_normal((rows, draws * self.dim), stream);
        let per_row = draws * F::UNIFORMS;
        // All noise is drawn before the rows are shared out: it does not depend on the threads.
        let uniforms: Vec<f32> = (0..rows * per_row).map(|_| stream.uniform()).collect();
        for_each_row(
            self.family,
            &self.source,
            &mut values,
            |row, parameters, noise, scratch| {
                let uniforms = &uniforms[row * per_row..][..per_row];
                let noise = ArrayViewMut2::from_shape((draws, self.dim), noise);
                self.family
                    .draw(parameters, uniforms, noise.expect("draws · dim"), scratch);
            },
        );
        Ok(Latents::clamped(
            values.into_raw_vec_and_offset().0,
            self.dim,
        )?)
    }

    fn log_prob(&self, points: &Latents) -> Result<Vec<f64>, DensityError> {
        points.expect_shape("points under the density", self.source.rows(), self.dim)?;
        let mut nats = Array2::zeros((points.rows(), 1));
        for_each_row(
            self.family,
            &self.source,
            &mut nats,
            |row, parameters, nats, scratch| {
                let point = points.row_values(row);
                nats[0] = self.family.log_density_nats(parameters, point, scratch);
            },
        );
        DensityError::check(nats.into_raw_vec_and_offset().0)
    }

    fn means(&self) -> Result<Option<Latents>, DensityError> {
        let Some(mean_in) = F::MEAN else {
            return Ok(None);
        };
        let mut means = Array2::zeros((self.source.rows(), self.dim));
        for_each_row(
            self.family,
            &self.source,
            &mut means,
            |_, parameters, row, _| row.copy_from_slice(mean_in(self.family, parameters)),
        );
        Ok(Some(clamped(means)?))
    }
}

/// Calls `each` with the number of each row of `source`, its parameters under `family`, its row of
/// `results` `[rows, width]`, and working space, block by block on all cores.
pub(crate) fn for_each_row<F: Parametric, R: Send>(
    family: &F,
    source: &Latents,
    results: &mut Array2<R>,
    each: impl Fn(usize, &[f32], &mut [R], &mut Vec<f64>) + Sync,
) {
    const ROWS_AT_ONCE: usize = 256;
    let width = results.ncols();
    if results.is_empty() {
        return;
    }
    let sources = source.view();
    let sources: Vec<_> = sources.axis_chunks_iter(Axis(0), ROWS_AT_ONCE).collect();
    let results = flat_mut(results).par_chunks_mut(ROWS_AT_ONCE * width);
    let blocks = sources.into_par_iter().zip(results).enumerate();
    // A tape for each task of rayon, kept from block to block.
    blocks.for_each_init(
        <(F::Tape, Vec<f64>)>::default,
        |(tape, scratch), (block, (sources, results))| {
            let parameters = family.parameters_of(sources, tape);
            let rows = parameters
                .rows()
                .into_iter()
                .zip(results.chunks_exact_mut(width));
            for (row, (parameters, results)) in rows.enumerate() {
                let parameters = parameters.to_slice().expect("rows of a row-major array");
                each(block * ROWS_AT_ONCE + row, parameters, results, scratch);
            }
        },
    );
}

/// Checks that sources have `width` dimensions.
///
/// # Errors
/// [`ShapeError::Mismatch`] otherwise.
pub(crate) fn check_source(source: &Latents, width: usize) -> Result<(), ShapeError> {
    source.expect_shape("source latents of the bridge", source.rows(), width)
}
