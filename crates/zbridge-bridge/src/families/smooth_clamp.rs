/// A number kept within bounds by a smooth function, and the slope of that function.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct SmoothClamp {
    /// Within ± the bound.
    pub(crate) value: f32,
    /// The derivative of the value by the number.
    pub(crate) slope: f32,
}

/// Returns `bound · tanh(x / bound)`, which is next to `x` near 0 and never beyond ±`bound`, and
/// its slope at `x`.
///
/// Log-scales that a network gives are clamped so: no step of a fit makes a density explode, and
/// unlike a hard clamp it lets a gradient through.
pub(crate) fn smooth_clamp(x: f32, bound: f32) -> SmoothClamp {
    // One `exp` in place of a `tanh`: 1 − 2 / (1 + e^2y) is right at both ends, where e^2y is 0 or
    // infinite.
    let tanh = 1.0 - 2.0 / (1.0 + (2.0 * x / bound).exp());
    SmoothClamp {
        value: bound * tanh,
        slope: 1.0 - tanh * tanh,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bound_is_kept_and_the_slope_is_that_of_tanh() {
        for i in -400..=400 {
            let x = i as f32 * 0.1;
            let exact = (f64::from(x) / 3.0).tanh();
            let SmoothClamp { value, slope } = smooth_clamp(x, 3.0);
            assert!(
                (f64::from(value) - 3.0 * exact).abs() < 2e-6,
                "{x}: {value}"
            );
            assert!(
                (f64::from(slope) - (1.0 - exact * exact)).abs() < 2e-6,
                "{x}: {slope}"
            );
        }
        let at_the_ends = [f32::MAX, f32::MIN].map(|x| smooth_clamp(x, 8.0));
        let bound = SmoothClamp {
            value: 8.0,
            slope: 0.0,
        };
        assert_eq!(
            at_the_ends,
            [
                bound,
                SmoothClamp {
                    value: -8.0,
                    ..bound
                }
            ]
        );
    }
}
