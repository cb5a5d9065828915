//! Densities that move standard normal noise to the target.

use super::parametric::check_source;
use crate::rows::{clamped, flat_mut, rows_of_mut, standard_normal};
use ndarray::{ArrayView2, ArrayViewMut2, Axis};
use rayon::prelude::*;
use zbridge_core::{
    DensityError, LN_TWO_PI, LatentDistribution, Latents, RandomStream, ShapeError,
};

/// A smooth and invertible map between noise and target, for each source: what a flow is.
pub(crate) trait Transport: Sync {
    /// Working space.
    type Tape: Default;

    /// Returns (source dimensions, target dimensions).
    fn dims(&self) -> (usize, usize);

    /// Moves noise to the target, in place.
    ///
    /// # Shapes
    /// `sources` `[rows, source dim]`, `points` `[rows, target dim]`.
    fn to_target(
        &self,
        sources: ArrayView2<'_, f32>,
        points: ArrayViewMut2<'_, f32>,
        tape: &mut Self::Tape,
    );

    /// Moves points of the target to noise, in place, and adds log |det ∂noise/∂point| to
    /// `log_determinants`.
    ///
    /// # Shapes
    /// `sources` `[rows, source dim]`, `points` `[rows, target dim]`, `log_determinants` `[rows]`.
    fn to_noise(
        &self,
        sources: ArrayView2<'_, f32>,
        points: ArrayViewMut2<'_, f32>,
        log_determinants: &mut [f64],
        tape: &mut Self::Tape,
    );
}

/// Rows that a core works on at a time.
const ROWS_AT_ONCE: usize = 256;

/// q(·|source_i) for each row of a batch of sources: where a [`Transport`] moves standard normal
/// noise.
pub(crate) struct TransportDistributions<T> {
    transport: T,
    source: Latents,
}

impl<T: Transport> TransportDistributions<T> {
    /// Returns the distributions for these sources.
    ///
    /// # Errors
    /// [`ShapeError::Mismatch`] if the source has another dimension.
    pub(crate) fn new(transport: T, source: &Latents) -> Result<Self, ShapeError> {
        check_source(source, transport.dims().0)?;
        let source = source.clone();
        Ok(Self { transport, source })
    }
}

impl<T: Transport> LatentDistribution for TransportDistributions<T> {
    fn shape(&self) -> (usize, usize) {
        (self.source.rows(), self.transport.dims().1)
    }

    fn sample_each(
        &self,
        draws: usize,
        stream: &mut RandomStream,
    ) -> Result<Latents, DensityError> {
        let (rows, dim) = self.shape();
        // All noise is drawn before the rows are shared out: it does not depend on the threads.
        let mut points = standard_normal((rows * draws, dim), stream);
        let blocks = flat_mut(&mut points)
            .par_chunks_mut(ROWS_AT_ONCE * dim)
            .enumerate();
        blocks.for_each_init(T::Tape::default, |tape, (block, points)| {
            let points = rows_of_mut(points, dim);
            let first = block * ROWS_AT_ONCE;
            let rows: Vec<usize> = (first..first + points.nrows())
                .map(|draw| draw / draws)
                .collect();
            let sources = self.source.view().select(Axis(0), &rows);
            self.transport.to_target(sources.view(), points, tape);
        });
        Ok(clamped(points)?)
    }

    fn log_prob(&self, points: &Latents) -> Result<Vec<f64>, DensityError> {
        let (rows, dim) = self.shape();
        points.expect_shape("points under the density", rows, dim)?;
        let mut nats = vec![0.0; rows];
        let (sources, points) = (self.source.view(), points.view());
        let sources = sources.axis_chunks_iter(Axis(0), ROWS_AT_ONCE);
        let points = points.axis_chunks_iter(Axis(0), ROWS_AT_ONCE);
        let blocks: Vec<_> = sources
            .zip(points)
            .zip(nats.chunks_mut(ROWS_AT_ONCE))
            .collect();
        blocks.into_par_iter().for_each_init(
            T::Tape::default,
            |tape, ((sources, points), nats)| {
                // log q(t) = log N(noise; 0, I) + log |det ∂noise/∂t|; the second is added first.
                let mut noise = points.to_owned();
                self.transport
                    .to_noise(sources, noise.view_mut(), nats, tape);
                for (nats, noise) in nats.iter_mut().zip(noise.rows()) {
                    *nats += standard_normal_nats(noise.iter());
                }
            },
        );
        DensityError::check(nats)
    }
}

/// Returns log N(noise; 0, I) in nats.
pub(crate) fn standard_normal_nats<'n>(noise: impl IntoIterator<Item = &'n f32>) -> f64 {
    let term = |&z: &f32| -0.5 * (LN_TWO_PI + f64::from(z) * f64::from(z));
    noise.into_iter().map(term).sum()
}
