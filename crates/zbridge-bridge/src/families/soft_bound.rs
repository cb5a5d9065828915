/// `bound · tanh(x / bound)` and its slope at `x`: the identity near 0, never beyond ±`bound`.
///
/// Log-scales of a network pass through it, so that no step of a fit makes a density explode.
pub(crate) fn soft_bound(x: f32, bound: f32) -> (f32, f32) {
    // One `exp` in place of a `tanh`: 1 − 2 / (1 + e^2y) is right at both ends, where e^2y is 0 or
    // infinite.
    let tanh = 1.0 - 2.0 / (1.0 + (2.0 * x / bound).exp());
    (bound * tanh, 1.0 - tanh * tanh)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bound_is_kept_and_the_slope_is_that_of_tanh() {
        for i in -400..=400 {
            let x = i as f32 * 0.1;
            let exact = (f64::from(x) / 3.0).tanh();
            let (value, slope) = soft_bound(x, 3.0);
            assert!(
                (f64::from(value) - 3.0 * exact).abs() < 2e-6,
                "{x}: {value}"
            );
            assert!(
                (f64::from(slope) - (1.0 - exact * exact)).abs() < 2e-6,
                "{x}: {slope}"
            );
        }
        assert_eq!(soft_bound(f32::MAX, 8.0), (8.0, 0.0));
        assert_eq!(soft_bound(f32::MIN, 8.0), (-8.0, 0.0));
    }
}
