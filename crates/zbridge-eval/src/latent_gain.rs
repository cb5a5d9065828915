use crate::LogWeights;
use ndarray::{ArrayView1, ArrayView2};
use serde::{Deserialize, Serialize};
use zbridge_core::Estimate;

/// What a source tells of its target: log q(t_i|s_i) − log mean_j q(t_i|s_j), mean over held-out
/// pairs, in nats.
///
/// For q(t|s) = p(t|s) it estimates the mutual information of the latents. A density that ignores
/// its source has 0; one that is worse than its own marginal is below 0.
///
/// **Bias**: with the own source among the j, as in [`gain_nats`](Self::gain_nats), no value
/// exceeds ln n, and for the true conditional the mean is too low: a lower bound. Without it, as in
/// [`leave_one_out_nats`](Self::leave_one_out_nats), it is too high for *any* q (the logarithm of a
/// mean of n − 1 densities is too low), an upper bound, and +∞ if no other source explains the
/// target. Report the first. If the two differ much, there are too few pairs, which is so once the
/// gain comes near its ceiling.
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
    /// Returns the gain from log q(t_i|s_j) in nats, `[targets, sources]`.
    pub(crate) fn of(nats: ArrayView2<f64>) -> Self {
        let (mut gains, mut left_out) = (Vec::new(), Vec::new());
        for (own, of_target) in nats.outer_iter().enumerate() {
            let all = of_target.iter().copied().collect();

            gains.push(gain(of_target[own], &all));
            left_out.push(gain(of_target[own], &all_but(own, of_target)));
        }
        Self {
            gain_nats: Estimate::of_log_densities(gains.iter().copied()),
            leave_one_out_nats: Estimate::of_log_densities(left_out),
            ceiling_nats: (nats.nrows() as f64).ln(),
            per_pair_nats: gains,
        }
    }
}

fn all_but(own: usize, nats: ArrayView1<f64>) -> LogWeights {
    let others = nats.iter().enumerate();
    let others = others.filter(|(source, _)| *source != own);
    others.map(|(_, &nats)| nats).collect()
}

/// Returns log q(t|own source) − log of the mean density; −∞ if the own source excludes the target.
fn gain(own: f64, densities: &LogWeights) -> f64 {
    // Otherwise (−∞) − (−∞) would be NaN if the other sources exclude the target as well.
    if own == f64::NEG_INFINITY {
        return own;
    }
    own - densities.log_mean()
}

#[cfg(test)]
mod tests {
    use crate::CrossDensities;
    use ndarray::array;

    #[test]
    fn two_pairs_worked_out_by_hand() {
        let nats = array![[0.6f64, 0.2], [0.1, 0.3]].mapv(f64::ln);
        let found = CrossDensities::from_nats(nats).gain();
        assert!((found.per_pair_nats[0] - (0.6f64 / 0.4).ln()).abs() < 1e-12);
        assert!((found.gain_nats.mean - 0.5 * (1.5f64.ln() + 1.5f64.ln())).abs() < 1e-12);
        assert!((found.leave_one_out_nats.mean - 3f64.ln()).abs() < 1e-12);
        assert_eq!(found.ceiling_nats, 2f64.ln());
    }

    #[test]
    fn a_density_that_ignores_its_source_gains_nothing() {
        let found = CrossDensities::from_nats(array![[-1.0, -1.0], [-7.0, -7.0]]).gain();
        assert_eq!(
            (found.gain_nats.mean, found.leave_one_out_nats.mean),
            (0.0, 0.0)
        );
    }

    #[test]
    fn impossible_targets_are_minus_infinity_not_nan() {
        let impossible = f64::NEG_INFINITY;
        let found = CrossDensities::from_nats(array![[impossible, impossible], [0.0, 0.0]]).gain();
        assert_eq!(found.gain_nats.mean, impossible);
    }
}
