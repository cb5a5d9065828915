use num_traits::Float;

/// Returns log Σ exp(terms), without overflow: the largest term is subtracted before `exp`.
///
/// −∞ for no terms or only terms of −∞; NaN if a term is NaN.
///
/// ```
/// let nats = [-1000.0, -1000.0 + 3f64.ln()];
/// assert!((zbridge_core::log_sum_exp(&nats) - (-1000.0 + 4f64.ln())).abs() < 1e-12);
/// ```
pub fn log_sum_exp<F: Float>(terms: &[F]) -> F {
    let largest = terms.iter().copied().fold(F::neg_infinity(), F::max);
    // Without this, ∞ − ∞ and (−∞) − (−∞) would be NaN. `F::max` ignores NaN, so look for it.
    if largest.is_infinite() && !terms.iter().any(|term| term.is_nan()) {
        return largest;
    }
    let mut sum = F::zero();
    for &term in terms {
        sum = sum + (term - largest).exp();
    }
    largest + sum.ln()
}

/// Replaces logits by probabilities proportional to exp(logit), and returns the logarithm of their
/// normaliser, which is [`log_sum_exp`] of the logits.
///
/// ```
/// let mut values = [0.0, 3f64.ln()];
/// let log_normaliser = zbridge_core::softmax_in_place(&mut values);
/// assert!((log_normaliser - 4f64.ln()).abs() < 1e-12);
/// assert!((values[1] - 0.75).abs() < 1e-12);
/// ```
pub fn softmax_in_place<F: Float>(logits: &mut [F]) -> F {
    // The largest exponential is 1, so that nothing overflows and the sum is not 0.
    let largest = logits.iter().copied().fold(F::neg_infinity(), F::max);
    let mut sum = F::zero();
    for logit in logits.iter_mut() {
        *logit = (*logit - largest).exp();
        sum = sum + *logit;
    }
    for probability in logits.iter_mut() {
        *probability = *probability / sum;
    }
    largest + sum.ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_logarithm_of_the_sum() {
        let terms = [0.3, -1.0, 2.0_f64];
        let plain = terms.iter().map(|term| term.exp()).sum::<f64>().ln();
        assert!((log_sum_exp(&terms) - plain).abs() < 1e-14);
        let mut probabilities = terms;
        assert!((softmax_in_place(&mut probabilities) - plain).abs() < 1e-14);
        for (probability, term) in probabilities.iter().zip(terms) {
            assert!((probability - (term - plain).exp()).abs() < 1e-14);
        }
    }

    #[test]
    fn large_terms_do_not_overflow() {
        assert!((log_sum_exp(&[1e4, 1e4_f64]) - (1e4 + 2.0_f64.ln())).abs() < 1e-9);
        assert!((log_sum_exp(&[-1e4, -1e4_f32]) - -1e4).abs() < 1.0);
    }

    #[test]
    fn infinite_and_nan_terms_give_what_the_formula_gives() {
        assert_eq!(log_sum_exp::<f64>(&[]), f64::NEG_INFINITY);
        assert_eq!(log_sum_exp(&[f64::NEG_INFINITY; 3]), f64::NEG_INFINITY);
        assert_eq!(log_sum_exp(&[f64::NEG_INFINITY, 1.0]), 1.0);
        assert_eq!(log_sum_exp(&[f64::INFINITY, 1.0]), f64::INFINITY);
        assert!(log_sum_exp(&[f64::NAN, 1.0]).is_nan());
        assert!(log_sum_exp(&[f64::NAN, f64::NEG_INFINITY]).is_nan());
    }
}
