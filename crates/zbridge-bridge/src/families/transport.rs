//! Densities that carry standard normal noise to the target.

use super::given::check_source;
use rayon::prelude::*;
use zbridge_core::{
    DensityError, LN_TWO_PI, LatentDistribution, Latents, RandomStream, ShapeError,
};

/// A smooth and invertible map between noise and target, for each source: what a flow is.
pub(crate) trait Transport: Sync {
    /// Working space.
    type Tape: Default;

    /// (source dimensions, target dimensions).
    fn dims(&self) -> (usize, usize);

    /// Moves noise to the target, in place.
    ///
    /// # Shapes
    /// `sources` `[rows, source dim]`, `points` `[rows, target dim]`.
    fn to_target(&self, sources: &[f32], points: &mut [f32], tape: &mut Self::Tape);

    /// Moves points of the target to noise, in place, and adds log |det ∂noise/∂point| to
    /// `log_determinants`.
    ///
    /// # Shapes
    /// `sources` `[rows, source dim]`, `points` `[rows, target dim]`, `log_determinants` `[rows]`.
    fn to_noise(
        &self,
        sources: &[f32],
        points: &mut [f32],
        log_determinants: &mut [f64],
        tape: &mut Self::Tape,
    );
}

/// Numbers count as at most this far from 0 where a network sees them: however far off a point is,
/// what a network says about it stays finite. The map stays invertible, since it is so for every
/// input of its networks.
pub(crate) const REACH: f32 = 1e6;

/// How many rows a core works on at a time.
const ROWS_AT_ONCE: usize = 256;

/// q(·|source_i) for each row of a batch of sources: what becomes of standard normal noise on the
/// way.
pub(crate) struct Transported<T> {
    transport: T,
    source: Latents,
}

impl<T: Transport> Transported<T> {
    /// The distributions for these sources.
    ///
    /// # Errors
    /// [`ShapeError::Mismatch`] when the source has another dimension.
    pub(crate) fn new(transport: T, source: &Latents) -> Result<Self, ShapeError> {
        check_source(source, transport.dims().0)?;
        Ok(Self {
            transport,
            source: source.clone(),
        })
    }
}

impl<T: Transport> LatentDistribution for Transported<T> {
    fn shape(&self) -> (usize, usize) {
        (self.source.rows(), self.transport.dims().1)
    }

    fn sample_each(
        &self,
        draws: usize,
        stream: &mut RandomStream,
    ) -> Result<Latents, DensityError> {
        let (rows, dim) = self.shape();
        let mut values = vec![0.0; rows * draws * dim];
        stream.fill_standard_normal(&mut values);
        let blocks = values.par_chunks_mut(ROWS_AT_ONCE * dim).enumerate();
        blocks.for_each_init(
            <(T::Tape, Vec<f32>)>::default,
            |(tape, sources), (block, points)| {
                sources.clear();
                for draw in (block * ROWS_AT_ONCE..).take(points.len() / dim) {
                    sources.extend_from_slice(self.source.row_values(draw / draws));
                }
                self.transport.to_target(sources, points, tape);
            },
        );
        Ok(Latents::clamped(values, dim)?)
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
        let (inputs, dim) = self.transport.dims();
        let mut nats = vec![0.0; points.rows()];
        let given = self.source.values().par_chunks(ROWS_AT_ONCE * inputs);
        let asked = points
            .values()
            .par_chunks(ROWS_AT_ONCE * dim)
            .zip(nats.par_chunks_mut(ROWS_AT_ONCE));
        given.zip(asked).for_each_init(
            <(T::Tape, Vec<f32>)>::default,
            |(tape, noise), (sources, (points, nats))| {
                noise.clear();
                noise.extend_from_slice(points);
                self.transport.to_noise(sources, noise, nats, tape);
                for (nats, noise) in nats.iter_mut().zip(noise.chunks_exact(dim)) {
                    // `max` also takes the number where a sum of infinities is none.
                    *nats = (*nats + standard_normal_nats(noise)).max(f64::MIN);
                }
            },
        );
        Ok(nats)
    }
}

/// log N(noise; 0, I) in nats.
pub(crate) fn standard_normal_nats(noise: &[f32]) -> f64 {
    noise
        .iter()
        .map(|&z| -0.5 * (LN_TWO_PI + f64::from(z) * f64::from(z)))
        .sum()
}
