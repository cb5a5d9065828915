//! Log-likelihood of Bernoulli pixels, and its gradient.
//!
//! Sums run in sixteen lanes of fixed order, so that every instruction set adds in the same order.

use super::elementary::{exp, ln_one_plus};
use crate::instruction_set::vectorise;

const LANES: usize = 16;

/// Σ x·l − ln(1 + e^l) over one row of logits `l` and targets `x` in 0..1: log p(x) in nats.
pub(crate) fn bernoulli_log_likelihood(logits: &[f32], targets: &[f32]) -> f32 {
    vectorise(
        #[inline(always)]
        move || {
            let (l_lanes, l_rest) = logits.as_chunks::<LANES>();
            let (x_lanes, x_rest) = targets.as_chunks::<LANES>();
            let mut sums = [0.0f32; LANES];
            for (l, x) in l_lanes.iter().zip(x_lanes) {
                for lane in 0..LANES {
                    sums[lane] += log_probability(l[lane], x[lane]);
                }
            }
            let rest = l_rest.iter().zip(x_rest);
            let rest: f32 = rest.map(|(&l, &x)| log_probability(l, x)).sum();
            sums.iter().sum::<f32>() + rest
        },
    )
}

#[inline(always)]
fn log_probability(logit: f32, target: f32) -> f32 {
    target * logit - logit.max(0.0) - ln_one_plus(exp(-logit.abs()))
}

/// The same sum, and in the same pass `logits ← scale · (sigmoid(l) − x)`: the gradient of −scale ·
/// log p.
pub(crate) fn bernoulli_backward(logits: &mut [f32], targets: &[f32], scale: f32) -> f32 {
    vectorise(
        #[inline(always)]
        move || {
            let mut sums = [0.0f32; LANES];
            for (l, x) in logits.chunks_mut(LANES).zip(targets.chunks(LANES)) {
                for ((l, &x), sum) in l.iter_mut().zip(x).zip(&mut sums) {
                    let e = exp(-l.abs());
                    let positive = 1.0 / (1.0 + e);
                    *sum += x * *l - l.max(0.0) - ln_one_plus(e);
                    *l = scale * (if *l >= 0.0 { positive } else { e * positive } - x);
                }
            }
            sums.iter().sum()
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exact_log_probability(logit: f32, target: f32) -> f64 {
        let (l, x) = (f64::from(logit), f64::from(target));
        x * l - l.max(0.0) - (-l.abs()).exp().ln_1p()
    }

    #[test]
    fn sums_agree_with_f64_whatever_the_length() {
        for n in [1, 15, 16, 17, 784] {
            let logits: Vec<f32> = (0..n).map(|i| (i as f32 * 0.37).sin() * 20.0).collect();
            let targets: Vec<f32> = (0..n).map(|i| (i % 7) as f32 / 6.0).collect();
            let pairs = logits.iter().zip(&targets);
            let exact: f64 = pairs.map(|(&l, &x)| exact_log_probability(l, x)).sum();
            let tolerance = 1e-5 * exact.abs().max(1.0);
            let ours = f64::from(bernoulli_log_likelihood(&logits, &targets));
            assert!((ours - exact).abs() < tolerance, "{ours} against {exact}");
            let mut gradient = logits.clone();
            let again = f64::from(bernoulli_backward(&mut gradient, &targets, 2.0));
            assert!((again - exact).abs() < tolerance, "{again} against {exact}");
            for ((g, &l), &x) in gradient.iter().zip(&logits).zip(&targets) {
                let expected = 2.0 * (1.0 / (1.0 + (-f64::from(l)).exp()) - f64::from(x));
                assert!((f64::from(*g) - expected).abs() < 1e-6);
            }
        }
    }
}
