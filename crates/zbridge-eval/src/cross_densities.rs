use crate::checks::{at_draw, checked_log_densities};
use crate::parallel_rows::each_row;
use crate::{EvalError, LatentGain, LatentPairs, Retrieval};
use ndarray::iter::Lanes;
use ndarray::{Array2, ArrayView1, ArrayView2, Ix1};
use zbridge_core::{ConditionalDensity, Observer, Stage, log_sum_exp};

/// log q(t_i|s_j) of every held-out target under every held-out source, in nats.
///
/// [`gain`](Self::gain) and the retrievals follow from it. n² densities are evaluated and stored:
/// take about 500 pairs, with [`LatentPairs::at_most`].
///
/// ```
/// # use zbridge_core::{ConditionalDensity, DensityError, LatentDistribution, Latents};
/// use zbridge_core::{DiagonalGaussian, Posterior, Unobserved};
/// use zbridge_eval::{CrossDensities, LatentPairs};
/// # struct Copying;
/// # impl ConditionalDensity for Copying {
/// #     fn dims(&self) -> (usize, usize) { (2, 2) }
/// #     fn given(
/// #         &self, source: &Latents,
/// #     ) -> Result<Box<dyn LatentDistribution + '_>, DensityError> {
/// #         let log_var = Latents::filled(source.rows(), 2, 0.0);
/// #         Ok(Box::new(DiagonalGaussian::new(source.clone(), log_var)?))
/// #     }
/// # }
/// # let bridge = Copying;
///
/// // The bridge q(t|s) = N(s, I), on pairs that have nothing to do with each other.
/// let posterior = Posterior::from(DiagonalGaussian::standard(50, 2));
/// let pairs = LatentPairs::draw(&posterior, &posterior, 7)?;
/// let densities = CrossDensities::of(&bridge, &pairs, &Unobserved)?;
/// assert!(densities.gain().gain_nats.mean < 0.0);
/// assert!(densities.retrieve_targets().median_rank > 15.0);
/// # Ok::<(), zbridge_eval::EvalError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct CrossDensities {
    /// `[targets, sources]`.
    nats: Array2<f64>,
}

impl CrossDensities {
    /// Returns the densities of these pairs. Sources are computed in parallel; `observer` is called
    /// after each.
    ///
    /// # Errors
    /// [`EvalError::Mismatch`] if the pairs lie in other latent spaces,
    /// [`EvalError::NotALogDensity`] with the source (as observation) and the target (as draw) at
    /// which the density is NaN or +∞, [`EvalError::Interrupted`] if the observer stops the
    /// computation.
    pub fn of(
        density: &(dyn ConditionalDensity + Sync),
        pairs: &LatentPairs,
        observer: &dyn Observer,
    ) -> Result<Self, EvalError> {
        pairs.expect_dims_of(density)?;
        let count = pairs.count();
        let stage = Stage::new(observer, "cross densities", count as u64);
        // Source by source: a density computes what depends on its source only once.
        let by_source = each_row(count, &stage, |source| densities(density, pairs, source))?;
        let nats =
            Array2::from_shape_fn((count, count), |(target, source)| by_source[source][target]);
        Ok(Self { nats })
    }

    /// Returns densities that are known: row `i` holds log q(t_i|s_j) over `j`.
    #[cfg(test)]
    pub(crate) fn from_nats(nats: Array2<f64>) -> Self {
        assert!(nats.is_square());
        Self { nats }
    }

    /// Returns the number of pairs.
    pub fn count(&self) -> usize {
        self.nats.nrows()
    }

    /// Returns log q(t_target|s_source) in nats.
    ///
    /// # Panics
    /// If there is no such pair.
    pub fn nats(&self, target: usize, source: usize) -> f64 {
        self.nats[[target, source]]
    }

    /// Returns all densities in nats, `[targets, sources]`.
    pub fn view(&self) -> ArrayView2<'_, f64> {
        self.nats.view()
    }

    /// Returns how much better each target is explained by its own source than by held-out sources
    /// in general.
    pub fn gain(&self) -> LatentGain {
        LatentGain::of(self.nats.view())
    }

    /// Returns the rank of each source's own target among all targets, by log q(target|source) −
    /// log q(target), where q(target) is the mean over all sources: by Bayes' rule the log
    /// probability, up to a constant, that a target is the partner if each may be. The density
    /// alone would rank first what is likely whatever the source is.
    pub fn retrieve_targets(&self) -> Retrieval {
        let log_count = (self.count() as f64).ln();
        let mut information = self.nats.clone();
        for mut of_target in information.rows_mut() {
            let log_mean = log_sum_exp(&of_target.to_vec()) - log_count;
            // A target of no density under any source is no one's partner.
            let log_mean = log_mean.max(f64::MIN);
            of_target.mapv_inplace(|nats| nats - log_mean);
        }
        Retrieval::of(ranks(information.columns()), self.count())
    }

    /// Returns the rank of each target's own source among all sources, by log q(target|·).
    pub fn retrieve_sources(&self) -> Retrieval {
        Retrieval::of(ranks(self.nats.rows()), self.count())
    }
}

/// Returns log q(t|s_source) of every target, in nats.
fn densities(
    density: &(dyn ConditionalDensity + Sync),
    pairs: &LatentPairs,
    source: usize,
) -> Result<Vec<f64>, EvalError> {
    let count = pairs.count();
    let same_source = pairs.sources().select(&vec![source; count]);
    let name = "log q(target|source)";
    let nats = density
        .given(&same_source)
        .and_then(|conditional| conditional.log_prob(pairs.targets()))
        .map_err(at_draw(name, source, 0))?;
    checked_log_densities(name, source, 0..count, nats)
}

/// Returns the rank of the own candidate, number `i` for query `i`, among those of each query.
fn ranks(queries: Lanes<'_, f64, Ix1>) -> Vec<f64> {
    let queries = queries.into_iter().enumerate();
    queries
        .map(|(own, candidates)| rank(own, candidates))
        .collect()
}

/// Differences below this are those of rounding.
const TIE_NATS: f64 = 1e-9;

/// Returns 1 + the number of others that are higher + half of those that are equal.
fn rank(own: usize, values: ArrayView1<f64>) -> f64 {
    let (mut higher, mut equal) = (0, 0);
    for (other, &value) in values.iter().enumerate() {
        // Ties count half: a density that ignores its source gets the mean rank of chance.
        let is_equal = value == values[own] || (value - values[own]).abs() < TIE_NATS;
        higher += usize::from(value > values[own] && !is_equal);
        equal += usize::from(other != own && is_equal);
    }
    1.0 + higher as f64 + 0.5 * equal as f64
}
