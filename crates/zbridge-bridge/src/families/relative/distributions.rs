//! q(·|s) for a batch of sources.

use super::{Relative, weighted_mean};
use crate::rows::{DistinctRows, clamped};
use ndarray::{Array2, ArrayView1, ArrayView2, Axis, aview1};
use rayon::prelude::*;
use std::ops::Range;
use zbridge_core::{
    DensityError, LatentDistribution, Latents, RandomStream, log_sum_exp, softmax_in_place,
};

/// q(·|source_i) for each row of a batch of sources.
pub(super) struct RelativeDistributions<'r> {
    /// q₀ of every row.
    base: Box<dyn LatentDistribution + 'r>,
    batch: SourceBatch<'r>,
}

/// A batch of sources.
struct SourceBatch<'r> {
    density: &'r Relative,
    /// Sources often occur many times; what depends on a source alone is computed once.
    distinct: DistinctRows,
    /// a of the distinct sources, `[distinct, views · anchors]`.
    sources: Array2<f32>,
    /// The means of q₀ for the distinct sources, if it has such: `[distinct, target]`.
    means: Option<Latents>,
}

/// Distinct sources that share fresh draws of q₀.
const SOURCES_AT_ONCE: usize = 32;
/// Fresh draws of q₀ among which a draw is chosen, at least.
const MIN_PROPOSALS: usize = 256;
/// The same for each draw that one source is asked for.
const PROPOSALS_OF_A_DRAW: usize = 4;
/// The same at most, for memory's sake.
const MAX_PROPOSALS: usize = 1 << 17;

impl<'r> RelativeDistributions<'r> {
    pub(super) fn new(density: &'r Relative, source: &Latents) -> Result<Self, DensityError> {
        Ok(Self {
            base: density.base.as_dyn().given(source)?,
            batch: SourceBatch::new(density, source)?,
        })
    }
}

impl<'r> SourceBatch<'r> {
    fn new(density: &'r Relative, source: &Latents) -> Result<Self, DensityError> {
        let distinct = DistinctRows::of(source.view());
        let firsts = source.select(&distinct.firsts);
        Ok(Self {
            sources: density.tilt.source.relative(firsts.view()),
            means: density.base.means(&firsts)?,
            distinct,
            density,
        })
    }

    /// Returns the places of the distinct sources, block by block.
    fn blocks(&self) -> Vec<Range<usize>> {
        let count = self.sources.nrows();
        let block = |first| first..count.min(first + SOURCES_AT_ONCE);
        (0..count).step_by(SOURCES_AT_ONCE).map(block).collect()
    }

    fn sources_at(&self, places: &Range<usize>) -> ArrayView2<'_, f32> {
        self.sources.slice_axis(Axis(0), places.clone().into())
    }

    fn means_at(&self, places: &Range<usize>) -> Option<ArrayView2<'_, f32>> {
        let means = self.means.as_ref()?.view();
        Some(means.slice_axis_move(Axis(0), places.clone().into()))
    }

    /// Returns what `each` makes of κ S of each distinct source with the fixed draws.
    fn of_fixed_tilts<T: Send>(&self, each: impl Fn(Vec<f64>) -> T + Sync) -> Vec<T> {
        let of_block = |places: Range<usize>| -> Vec<T> {
            let (sources, means) = (self.sources_at(&places), self.means_at(&places));
            let tilts = self.density.fixed_tilts(sources, means);
            let rows = tilts.rows().into_iter();
            rows.map(|row| each(in_f64(row))).collect()
        };
        let blocks: Vec<Vec<T>> = self.blocks().into_par_iter().map(of_block).collect();
        blocks.into_iter().flatten().collect()
    }

    /// Returns draws of the distinct sources in `places`, as many as `rows_at` has rows for each,
    /// with the rows that they belong to.
    fn draw_block(
        &self,
        places: Range<usize>,
        rows_at: &[Vec<usize>],
        mut stream: RandomStream,
    ) -> Result<Vec<(usize, Vec<f32>)>, DensityError> {
        let rows_at = &rows_at[places.clone()];
        let most = rows_at.iter().map(Vec::len).max().unwrap_or_default();
        let count = (PROPOSALS_OF_A_DRAW * most).clamp(MIN_PROPOSALS, MAX_PROPOSALS);
        let proposals = self.density.base.draws(count, &mut stream)?;
        let (sources, means) = (self.sources_at(&places), self.means_at(&places));
        let tilts = self.density.tilts(sources, means, proposals.view());
        let mut drawn = Vec::new();
        for (place, (rows, tilts)) in rows_at.iter().zip(tilts.rows()).enumerate() {
            let cumulative = cumulative_probabilities(tilts);
            for &row in rows {
                let uniform = f64::from(stream.uniform());
                let chosen = cumulative.partition_point(|&total| total <= uniform);
                let proposal = proposals.row(chosen.min(count - 1));
                let point = match means {
                    Some(means) => &proposal + &means.row(place),
                    None => proposal.to_owned(),
                };
                drawn.push((row, point.to_vec()));
            }
        }
        Ok(drawn)
    }
}

impl LatentDistribution for RelativeDistributions<'_> {
    fn shape(&self) -> (usize, usize) {
        self.base.shape()
    }

    /// Returns draws chosen among fresh draws of q₀, which several sources share. Several draws for
    /// one source are chosen with replacement.
    fn sample_each(
        &self,
        draws: usize,
        stream: &mut RandomStream,
    ) -> Result<Latents, DensityError> {
        let (rows, dim) = self.shape();
        let batch = &self.batch;
        let mut rows_at = vec![Vec::new(); self.batch.sources.nrows()];
        for (row, &place) in self.batch.distinct.places.iter().enumerate() {
            rows_at[place].extend(row * draws..(row + 1) * draws);
        }
        // A stream for each block: draws do not depend on the threads.
        let streams = RandomStream::named(stream.bits(), "bridge/relative");
        let blocks = self.batch.blocks().into_par_iter().enumerate();
        let drawn: Vec<_> = blocks
            .map(|(block, places)| batch.draw_block(places, &rows_at, streams.child(block as u64)))
            .collect::<Result<_, _>>()?;
        let mut points = Array2::zeros((rows * draws, dim));
        for (row, point) in drawn.into_iter().flatten() {
            points.row_mut(row).assign(&aview1(&point));
        }
        Ok(clamped(points)?)
    }

    fn log_prob(&self, points: &Latents) -> Result<Vec<f64>, DensityError> {
        let mut nats = self.base.log_prob(points)?;
        let log_count = (self.batch.density.fixed.draws.nrows() as f64).ln();
        let log_normalisers = self
            .batch
            .of_fixed_tilts(|tilts| log_sum_exp(&tilts) - log_count);
        let targets = self.batch.density.tilt.target.relative(points.view());
        let strength = f64::from(self.batch.density.strength());
        for (row, nats) in nats.iter_mut().enumerate() {
            let place = self.batch.distinct.places[row];
            let product = self.batch.sources.row(place).dot(&targets.row(row));
            *nats += strength * f64::from(product) - log_normalisers[place];
        }
        DensityError::check(nats)
    }

    /// Returns the mean of the fixed draws with weights exp(κ S), added to the mean of a
    /// regression.
    fn means(&self) -> Result<Option<Latents>, DensityError> {
        let (rows, dim) = self.shape();
        let draws = &self.batch.density.fixed.draws;
        let of_distinct = self.batch.of_fixed_tilts(|mut tilts| {
            softmax_in_place(&mut tilts);
            weighted_mean(&tilts, draws.view())
        });
        let mut means = Array2::zeros((rows, dim));
        for (mut mean, &place) in means
            .rows_mut()
            .into_iter()
            .zip(&self.batch.distinct.places)
        {
            mean += &aview1(&of_distinct[place]);
            if let Some(of_base) = &self.batch.means {
                mean += &of_base.row(place);
            }
        }
        Ok(Some(clamped(means)?))
    }
}

fn in_f64(values: ArrayView1<'_, f32>) -> Vec<f64> {
    values.iter().map(|&value| f64::from(value)).collect()
}

/// Returns the sums of probabilities proportional to exp(tilt), up to and with each.
fn cumulative_probabilities(tilts: ArrayView1<'_, f32>) -> Vec<f64> {
    let mut probabilities = in_f64(tilts);
    softmax_in_place(&mut probabilities);
    let mut total = 0.0;
    for probability in &mut probabilities {
        total += *probability;
        *probability = total;
    }
    probabilities
}
