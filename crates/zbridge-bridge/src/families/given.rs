//! Distributions of a batch of sources that are worked out a block of rows at a time, when they are
//! asked something.
//!
//! A full covariance has thousands of numbers for each row; kept for a whole batch they would not
//! fit in any cache, and sometimes not in memory. So only the sources are kept.

use rayon::prelude::*;
use zbridge_core::{DensityError, LatentDistribution, Latents, RandomStream, ShapeError};

/// A family in which a source determines a row of parameters, and these a distribution over the
/// target.
pub(crate) trait Parametric: Sync {
    /// Working space in which parameters are computed.
    type Tape: Default;

    /// Uniform draws that a draw needs besides `dim` standard normal ones.
    const CHOICES: usize = 0;

    /// The distributions' parameters for sources `[rows, source dim]`, a row of equal length for
    /// each.
    fn distributions<'t>(&self, sources: &[f32], tape: &'t mut Self::Tape) -> &'t [f32];

    /// log density of `point` `[dim]` under a row of parameters, in nats; `space` is anyone's to
    /// use.
    fn log_density_nats(&self, parameters: &[f32], point: &[f32], space: &mut Vec<f64>) -> f64;

    /// Turns standard normal noise `[draws, dim]` into draws from the distribution of a row of
    /// parameters; `choices` `[draws, CHOICES]` are uniform on [0, 1).
    fn draw(&self, parameters: &[f32], choices: &[f32], noise: &mut [f32], space: &mut Vec<f64>);
}

/// q(·|source_i) for each row of a batch of sources.
pub(crate) struct Given<'f, F> {
    family: &'f F,
    source: Latents,
    dim: usize,
}

impl<'f, F: Parametric> Given<'f, F> {
    /// The distributions of `family`, which joins `dims` = (source dim, target dim), for these
    /// sources.
    ///
    /// # Errors
    /// [`ShapeError::Mismatch`] when the source has another dimension.
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

impl<F: Parametric> LatentDistribution for Given<'_, F> {
    fn shape(&self) -> (usize, usize) {
        (self.source.rows(), self.dim)
    }

    fn sample_each(
        &self,
        draws: usize,
        stream: &mut RandomStream,
    ) -> Result<Latents, DensityError> {
        let mut values = vec![0.0; self.source.rows() * draws * self.dim];
        stream.fill_standard_normal(&mut values);
        let choices: Vec<f32> = (0..self.source.rows() * draws * F::CHOICES)
            .map(|_| stream.uniform())
            .collect();
        let per_row = draws * F::CHOICES;
        for_each_row(
            self.family,
            &self.source,
            &mut values,
            draws * self.dim,
            |row, parameters, noise, space| {
                self.family.draw(
                    parameters,
                    &choices[row * per_row..][..per_row],
                    noise,
                    space,
                );
            },
        );
        Ok(Latents::clamped(values, self.dim)?)
    }

    fn log_prob(&self, points: &Latents) -> Result<Vec<f64>, DensityError> {
        let found = (points.rows(), points.dim());
        if found != self.shape() {
            return Err(ShapeError::Mismatch {
                what: "points under the density",
                expected: self.shape(),
                found,
            }
            .into());
        }
        let mut nats = vec![0.0; points.rows()];
        for_each_row(
            self.family,
            &self.source,
            &mut nats,
            1,
            |row, parameters, nats, space| {
                // `max` also takes the number where a sum of infinities is none.
                nats[0] = self
                    .family
                    .log_density_nats(parameters, points.row_values(row), space)
                    .max(f64::MIN);
            },
        );
        Ok(nats)
    }
}

/// Hands the number of each row of `source`, its parameters under `family`, its `width` values of
/// `results`, and working space to `each`, block by block on all cores.
pub(crate) fn for_each_row<F: Parametric, R: Send>(
    family: &F,
    source: &Latents,
    results: &mut [R],
    width: usize,
    each: impl Fn(usize, &[f32], &mut [R], &mut Vec<f64>) + Sync,
) {
    const ROWS_AT_ONCE: usize = 256;
    if results.is_empty() {
        return;
    }
    let blocks = source.values().par_chunks(ROWS_AT_ONCE * source.dim());
    let blocks = blocks
        .zip(results.par_chunks_mut(ROWS_AT_ONCE * width))
        .enumerate();
    blocks.for_each_init(
        <(F::Tape, Vec<f64>)>::default,
        |(tape, space), (block, (sources, results))| {
            let parameters = family.distributions(sources, tape);
            let rows = parameters.chunks_exact(parameters.len() * source.dim() / sources.len());
            for (row, (parameters, results)) in
                rows.zip(results.chunks_exact_mut(width)).enumerate()
            {
                each(block * ROWS_AT_ONCE + row, parameters, results, space);
            }
        },
    );
}

/// Refuses sources of another width.
///
/// # Errors
/// [`ShapeError::Mismatch`].
pub(crate) fn check_source(source: &Latents, width: usize) -> Result<(), ShapeError> {
    if source.dim() == width {
        return Ok(());
    }
    let (expected, found) = ((source.rows(), width), (source.rows(), source.dim()));
    Err(ShapeError::Mismatch {
        what: "source latents of the bridge",
        expected,
        found,
    })
}
