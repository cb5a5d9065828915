use crate::checks::{at_draw, checked_log_densities, expect_setting};
use crate::open_uniform::open_uniform;
use crate::parallel_rows::each_row;
use crate::{EvalError, LatentPairs, Uniformity};
use ndarray::{ArrayView1, Axis, concatenate};
use serde::{Deserialize, Serialize};
use zbridge_core::{
    ConditionalDensity, DensityError, Estimate, Latents, Observer, RandomStream, Stage,
};

/// How many draws to take for each pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PitSettings {
    /// L, draws from q(·|s_i) for each pair: a hundred or more.
    pub draws: usize,
    /// Seed of the draws.
    pub seed: u64,
}

/// Whether targets are distributed as q(·|source) says, by probability-integral transforms.
///
/// Each target gets its rank among L draws from q(·|its source), as a number in 0..1. If the target
/// is such a draw too, that number is uniform, *exactly and for any L*: ties and the gaps between
/// ranks are filled with random numbers. Departures show how q errs:
///
/// | histogram | of a dimension | of the highest-density level |
/// |---|---|---|
/// | high at both ends | q too narrow there | – |
/// | high in the middle | q too wide there | – |
/// | mean above ½ | q shifted: targets lie above the draws | q too wide |
/// | mean below ½ | q shifted: targets lie below the draws | q too narrow or misplaced |
///
/// Uniform transforms do not imply that q is the true conditional: its own marginal, with the
/// source ignored, has them as well. Read them together with the [gain](crate::LatentGain).
///
/// # Source
/// Talts, Betancourt, Simpson, Vehtari, Gelman (2018), *Validating Bayesian inference algorithms
/// with simulation-based calibration*, theorem 1; Zhao, Dalmasso, Izbicki, Lee (2021), *Diagnostics
/// for conditional density models and Bayesian inference algorithms* (highest-density levels);
/// Hermans et al. (2022) for their use as expected coverage.
///
/// ```
/// # use zbridge_core::{ConditionalDensity, DensityError, LatentDistribution, Latents};
/// use zbridge_core::{DiagonalGaussian, Posterior, Unobserved};
/// use zbridge_eval::{LatentPairs, PitCalibration, PitSettings};
/// # struct Marginal;
/// # impl ConditionalDensity for Marginal {
/// #     fn dims(&self) -> (usize, usize) { (2, 2) }
/// #     fn given(
/// #         &self, source: &Latents,
/// #     ) -> Result<Box<dyn LatentDistribution + '_>, DensityError> {
/// #         Ok(Box::new(DiagonalGaussian::standard(source.rows(), 2)))
/// #     }
/// # }
/// # let bridge = Marginal;
///
/// // The bridge q(t|s) = N(0, I), on targets that are standard normal.
/// let posterior = Posterior::from(DiagonalGaussian::standard(200, 2));
/// let pairs = LatentPairs::draw(&posterior, &posterior, 7)?;
/// let settings = PitSettings { draws: 99, seed: 7 };
/// let calibration = PitCalibration::of(&bridge, &pairs, &settings, &Unobserved)?;
/// assert!(calibration.dimensions_p_value > 0.01);
/// # Ok::<(), zbridge_eval::EvalError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PitCalibration {
    /// L.
    pub draws: usize,
    /// The number of pairs.
    pub count: usize,
    /// For each dimension of the target, the ranks of its coordinate among those of the draws.
    pub per_dimension: Vec<Uniformity>,
    /// The smallest p-value of a dimension times their number (Bonferroni), at most 1: one test of
    /// all dimensions.
    pub dimensions_p_value: f64,
    /// Share of draws with a *lower* density than the target's.
    pub highest_density: Uniformity,
    /// How many targets lie in sets that hold half of the density's mass.
    pub coverage_50: Coverage,
    /// The same of sets that hold nine tenths of it.
    pub coverage_90: Coverage,
}

/// The share of targets that lie in sets of a stated probability: near that probability if the
/// density is right, below it if the density is too narrow or misplaced.
///
/// Whether a target lies in a set follows from its rank among the draws, so that the share is right
/// for any number of draws.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Coverage {
    /// Of the region of highest density, over all dimensions together.
    pub region: Estimate,
    /// Of the central interval of each dimension: the mean over dimensions, with its standard error
    /// over targets.
    pub intervals: Estimate,
}

impl Coverage {
    /// Returns the shares of at least one target in sets of probability `mass`.
    fn of(transforms: &[Transforms], mass: f64) -> Self {
        let inside = |inside: bool| f64::from(u8::from(inside));
        let in_region = |row: &Transforms| inside(row.density_level >= 1.0 - mass);
        let in_intervals = |row: &Transforms| {
            let centred = row.coordinates.iter().map(|rank| (rank - 0.5).abs());
            let found: f64 = centred.map(|gap| inside(gap <= 0.5 * mass)).sum();
            found / row.coordinates.len() as f64
        };
        Self {
            region: Estimate::of(transforms.iter().map(in_region)),
            intervals: Estimate::of(transforms.iter().map(in_intervals)),
        }
    }
}

impl PitCalibration {
    /// Returns the transforms of these pairs under `density`.
    ///
    /// Pair `i` uses the stream `("evaluate/pit", seed).child(i)`; the result does not depend on
    /// the number of threads. `observer` is called after each pair.
    ///
    /// # Errors
    /// [`EvalError::Setting`] without draws, [`EvalError::Mismatch`] if the pairs lie in other
    /// latent spaces, [`EvalError::NotALogDensity`] with the pair and draw (the last is the target)
    /// at which the density is NaN or +∞, [`EvalError::Interrupted`] if the observer stops the
    /// computation.
    pub fn of(
        density: &(dyn ConditionalDensity + Sync),
        pairs: &LatentPairs,
        settings: &PitSettings,
        observer: &dyn Observer,
    ) -> Result<Self, EvalError> {
        let transforms = transforms(density, pairs, settings, observer)?;
        Ok(Self::over(&transforms, settings.draws))
    }

    /// Returns the uniformity of the transforms of at least one target.
    fn over(transforms: &[Transforms], draws: usize) -> Self {
        let mut per_dimension = Vec::new();
        for column in 0..transforms[0].coordinates.len() {
            let ranks = transforms.iter().map(|row| row.coordinates[column]);
            per_dimension.push(Uniformity::of(ranks));
        }
        Self {
            draws,
            count: transforms.len(),
            dimensions_p_value: bonferroni_p_value(&per_dimension),
            per_dimension,
            highest_density: Uniformity::of(transforms.iter().map(|row| row.density_level)),
            coverage_50: Coverage::of(transforms, 0.5),
            coverage_90: Coverage::of(transforms, 0.9),
        }
    }
}

/// Returns, for each pair, the share of draws with a lower density than the target's: uniform
/// between 0 and 1 if the density is right. It is what [`PitCalibration::highest_density`] is over.
///
/// # Errors
/// Those of [`PitCalibration::of`].
pub fn density_levels(
    density: &(dyn ConditionalDensity + Sync),
    pairs: &LatentPairs,
    settings: &PitSettings,
    observer: &dyn Observer,
) -> Result<Vec<f64>, EvalError> {
    let transforms = transforms(density, pairs, settings, observer)?;
    Ok(transforms
        .into_iter()
        .map(|row| row.density_level)
        .collect())
}

/// Returns the transforms of each pair.
fn transforms(
    density: &(dyn ConditionalDensity + Sync),
    pairs: &LatentPairs,
    settings: &PitSettings,
    observer: &dyn Observer,
) -> Result<Vec<Transforms>, EvalError> {
    expect_setting("draws", 1, settings.draws)?;
    pairs.expect_dims_of(density)?;
    let streams = RandomStream::named(settings.seed, "evaluate/pit");
    let stage = Stage::new(observer, "calibration", pairs.count() as u64);
    each_row(pairs.count(), &stage, |row| {
        let stream = streams.child(row as u64);
        Transforms::of(density, pairs, row, settings.draws, stream)
    })
}

/// Returns the smallest p-value times the number of tests, at most 1.
fn bonferroni_p_value(tests: &[Uniformity]) -> f64 {
    // A Bonferroni correction: any dependence between dimensions is allowed.
    let mut smallest = 1.0f64;
    for test in tests {
        smallest = smallest.min(test.ks_p_value);
    }
    (smallest * tests.len() as f64).min(1.0)
}

/// The transforms of one target.
struct Transforms {
    coordinates: Vec<f64>,
    density_level: f64,
}

impl Transforms {
    fn of(
        density: &(dyn ConditionalDensity + Sync),
        pairs: &LatentPairs,
        row: usize,
        draws: usize,
        mut stream: RandomStream,
    ) -> Result<Self, EvalError> {
        let name = "log q(target|source)";
        let points = DrawsAndTarget::of(density, pairs, row, draws, &mut stream)
            .map_err(at_draw(name, row, 0))?;
        let nats = checked_log_densities(name, row, 0..draws + 1, points.nats)?;
        let (target_nats, drawn_nats) = nats.split_last().expect("the last is the target");
        // In this order: each rank takes a number from the stream.
        let coordinates = coordinate_ranks(pairs.targets().row(row), &points.draws, &mut stream);
        let drawn_nats = drawn_nats.iter().copied();
        Ok(Self {
            coordinates,
            density_level: randomised_rank(*target_nats, drawn_nats, &mut stream),
        })
    }
}

/// Returns the rank of each coordinate of the target among those of the draws.
fn coordinate_ranks(
    target: ArrayView1<f32>,
    draws: &Latents,
    stream: &mut RandomStream,
) -> Vec<f64> {
    let mut ranks = Vec::with_capacity(target.len());
    for (&truth, drawn) in target.iter().zip(draws.view().columns()) {
        // Comparisons are exact: every f32 is an f64.
        let drawn = drawn.iter().map(|&z| f64::from(z));
        ranks.push(randomised_rank(f64::from(truth), drawn, stream));
    }
    ranks
}

/// The draws for one pair, with the log densities of these and of the target.
struct DrawsAndTarget {
    /// `[draws, dim]`.
    draws: Latents,
    /// `[draws + 1]`; the last is that of the target.
    nats: Vec<f64>,
}

impl DrawsAndTarget {
    fn of(
        density: &(dyn ConditionalDensity + Sync),
        pairs: &LatentPairs,
        row: usize,
        count: usize,
        stream: &mut RandomStream,
    ) -> Result<Self, DensityError> {
        let source = pairs.sources().select(&[row]);
        let draws = density.given(&source)?.sample_each(count, stream)?;
        let target = pairs.targets().select(&[row]);
        draws.expect_shape("draws of the density", count, target.dim())?;
        let points = concatenate(Axis(0), &[draws.view(), target.view()])
            .expect("both have the dimensions of the target");
        // Draws and target in one call: a density computes what depends on the source only once.
        let same_source = source.repeat_each(count + 1);
        let conditional = density.given(&same_source)?;
        let nats = conditional.log_prob(&Latents::new(points)?)?;
        Ok(Self { draws, nats })
    }
}

/// Returns (values below + V · (values equal + 1)) / (L + 1) with V uniform: uniform if the truth
/// is one of L + 1 exchangeable values.
fn randomised_rank(
    truth: f64,
    drawn: impl IntoIterator<Item = f64>,
    stream: &mut RandomStream,
) -> f64 {
    let (mut below, mut equal, mut all) = (0, 0, 0);
    for value in drawn {
        below += usize::from(value < truth);
        equal += usize::from(value == truth);
        all += 1;
    }
    (below as f64 + open_uniform(stream) * (equal + 1) as f64) / (all + 1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_in_a_set_by_its_ranks() {
        let row = |density_level, coordinates: [f64; 2]| Transforms {
            coordinates: coordinates.into(),
            density_level,
        };
        let transforms = [row(0.3, [0.5, 0.04]), row(0.05, [0.2, 0.8])];
        let (half, most) = (
            Coverage::of(&transforms, 0.5),
            Coverage::of(&transforms, 0.9),
        );
        assert_eq!((half.region.mean, most.region.mean), (0.0, 0.5));
        assert_eq!((half.intervals.mean, most.intervals.mean), (0.25, 0.75));
    }

    #[test]
    fn a_rank_lies_between_those_of_its_neighbours() {
        let mut stream = RandomStream::named(1, "rank");
        let mut rank =
            |truth: f64, drawn: &[f64]| randomised_rank(truth, drawn.iter().copied(), &mut stream);
        for _ in 0..100 {
            let two_below = rank(2.5, &[1.0, 2.0, 3.0, 4.0]);
            assert!(two_below > 0.4 && two_below < 0.6);
            let tied = rank(2.0, &[1.0, 2.0, 2.0, 4.0]);
            assert!(tied > 0.2 && tied < 0.8);
        }
    }
}
