use crate::rows::{each_row, expect_log_densities};
use crate::{EvalError, LatentGain, LatentPairs, Retrieval};
use zbridge_core::ConditionalDensity;

/// log q(t_i|s_j) of every held-out target under every held-out source, in nats.
///
/// What [`gain`](Self::gain) and the retrievals are made of. n² densities are evaluated and kept:
/// take [`LatentPairs::at_most`] some 500 pairs.
#[derive(Debug, Clone, PartialEq)]
pub struct CrossDensities {
    /// `[targets, sources]`, row-major.
    nats: Vec<f64>,
    count: usize,
}

impl CrossDensities {
    /// The densities of these pairs, source by source in parallel; `progress` hears how many
    /// sources are done.
    ///
    /// # Errors
    /// [`EvalError::Mismatch`] when the pairs lie in other latent spaces,
    /// [`EvalError::NotALogDensity`] naming the source (as observation) and the target (as draw) at
    /// which the density is NaN or +∞.
    pub fn of(
        density: &(dyn ConditionalDensity + Sync),
        pairs: &LatentPairs,
        progress: &(dyn Fn(usize) + Sync),
    ) -> Result<Self, EvalError> {
        pairs.expect_dims(density.dims())?;
        let count = pairs.count();
        // Source by source: what a density has to find out about a source, it then finds out once.
        let by_source = each_row(count, progress, |source| {
            let same_source = pairs.sources().select(&vec![source; count]);
            let nats = density
                .given(&same_source)
                .and_then(|q| q.log_prob(pairs.targets()));
            expect_log_densities(
                "log q(target|source)",
                source,
                0,
                count,
                nats.map_err(EvalError::at_row(source))?,
            )
        })?;
        let of_target = |target: usize| by_source.iter().map(move |nats: &Vec<f64>| nats[target]);
        Ok(Self {
            nats: (0..count).flat_map(of_target).collect(),
            count,
        })
    }

    /// From values that are known, `[count, count]`: row `i` holds log q(t_i|s_j) over `j`.
    #[cfg(test)]
    pub(crate) fn from_nats(nats: Vec<f64>, count: usize) -> Self {
        assert_eq!(nats.len(), count * count);
        Self { nats, count }
    }

    /// How many pairs.
    pub fn count(&self) -> usize {
        self.count
    }

    /// log q(t_target|s_source) in nats.
    ///
    /// # Panics
    /// When there is no such pair.
    pub fn nats(&self, target: usize, source: usize) -> f64 {
        assert!(source < self.count, "a source among the pairs");
        self.nats[target * self.count + source]
    }

    /// How much better each target is explained by its own source than by held-out sources at
    /// large.
    pub fn gain(&self) -> LatentGain {
        LatentGain::of(self)
    }

    /// For each source, where its own target stands among all targets, by log q(·|source).
    pub fn retrieve_targets(&self) -> Retrieval {
        Retrieval::of(
            (0..self.count).map(|own| rank(own, self.count, |other| self.nats(other, own))),
            self.count,
        )
    }

    /// For each target, where its own source stands among all sources, by log q(target|·).
    pub fn retrieve_sources(&self) -> Retrieval {
        Retrieval::of(
            (0..self.count).map(|own| rank(own, self.count, |other| self.nats(own, other))),
            self.count,
        )
    }
}

/// 1 + how many others are higher + half of those that are equal.
fn rank(own: usize, count: usize, value: impl Fn(usize) -> f64) -> f64 {
    let level = value(own);
    let higher = (0..count).filter(|&other| value(other) > level).count();
    let equal = (0..count)
        .filter(|&other| other != own && value(other) == level)
        .count();
    1.0 + higher as f64 + 0.5 * equal as f64
}
