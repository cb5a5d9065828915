use crate::row_estimate::LogLikelihoodMoments;
use crate::{CrossDensities, LogWeights};
use serde::{Deserialize, Serialize};
use zbridge_core::Estimate;

/// What a source tells of its target: log q(t_i|s_i) − log mean_j q(t_i|s_j), mean over held-out
/// pairs, in nats.
///
/// For q(t|s) = p(t|s) it estimates the mutual information of the latents; a density that ignores
/// its source has 0, one that is worse than its own marginal is below.
///
/// **Bias**: with the own source among the j, as in [`gain_nats`](Self::gain_nats), no value
/// exceeds ln n, and for the true conditional the mean is too low: a lower bound. Without it, as in
/// [`leave_one_out_nats`](Self::leave_one_out_nats), it is too high for *any* q (the logarithm of a
/// mean of n − 1 densities is too low), an upper bound, and +∞ where no other source explains the
/// target. Report the first; where the two are far apart, more pairs are needed than there are,
/// which is so once the gain comes near its ceiling.
///
/// # Source
/// Poole, Ozair, van den Oord, Alemi, Tucker (2019), *On variational bounds of mutual information*,
/// eqs. 12 and 13.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LatentGain {
    /// Mean over pairs, the own source among those averaged over.
    pub gain_nats: Estimate,
    /// Mean over pairs, the own source left out.
    pub leave_one_out_nats: Estimate,
    /// ln n, which no pair's gain exceeds.
    pub ceiling_nats: f64,
    /// The gain of each pair, the own source among those averaged over.
    pub per_pair_nats: Vec<f64>,
}

impl LatentGain {
    pub(crate) fn of(densities: &CrossDensities) -> Self {
        let rows = 0..densities.count();
        let per_pair_nats: Vec<f64> = rows
            .clone()
            .map(|row| gain(densities, row, |_| true))
            .collect();
        let left_out = rows.map(|row| gain(densities, row, |source| source != row));
        Self {
            gain_nats: LogLikelihoodMoments::of(per_pair_nats.iter().copied()).estimate(),
            leave_one_out_nats: LogLikelihoodMoments::of(left_out).estimate(),
            ceiling_nats: (densities.count() as f64).ln(),
            per_pair_nats,
        }
    }
}

/// log q(t|own source) − log mean over the sources that are asked for; −∞ where the own source
/// excludes the target.
fn gain(densities: &CrossDensities, row: usize, asked: impl Fn(usize) -> bool) -> f64 {
    let own = densities.nats(row, row);
    if own == f64::NEG_INFINITY {
        return own;
    }
    let mut mean = LogWeights::default();
    (0..densities.count())
        .filter(|&source| asked(source))
        .for_each(|source| mean.push(densities.nats(row, source)));
    own - mean.log_mean()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_pairs_worked_out_by_hand() {
        let nats = [0.6f64, 0.2, 0.1, 0.3].map(f64::ln).to_vec();
        let found = CrossDensities::from_nats(nats, 2).gain();
        assert!((found.per_pair_nats[0] - (0.6f64 / 0.4).ln()).abs() < 1e-12);
        assert!((found.gain_nats.mean - 0.5 * (1.5f64.ln() + 1.5f64.ln())).abs() < 1e-12);
        assert!((found.leave_one_out_nats.mean - 3f64.ln()).abs() < 1e-12);
        assert_eq!(found.ceiling_nats, 2f64.ln());
    }

    #[test]
    fn a_density_that_ignores_its_source_gains_nothing() {
        let found = CrossDensities::from_nats(vec![-1.0, -1.0, -7.0, -7.0], 2).gain();
        assert_eq!(
            (found.gain_nats.mean, found.leave_one_out_nats.mean),
            (0.0, 0.0)
        );
    }

    #[test]
    fn impossible_targets_are_minus_infinity_not_nan() {
        let none = f64::NEG_INFINITY;
        let found = CrossDensities::from_nats(vec![none, none, 0.0, 0.0], 2).gain();
        assert_eq!(found.gain_nats.mean, none);
    }
}
