//! What happens to each number by itself, for many rows at once.

use crate::lanes::Lanes;
use pulp::{Simd, WithSimd};
use zbridge_nn::InstructionSet;
use zbridge_nn::elementary::{exp_minus_one_with, exp_with, ln_one_plus};

/// A function of one number, right up to 1e-6 of its value, in tails that vanish up to 1e-5.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Activation {
    /// `x`.
    Identity,
    /// `max(x, slope · x)`: with a slope up to 1, `slope · x` on the negative side.
    LeakyRelu(f32),
    /// `x` within these bounds.
    Clip(f32, f32),
    /// `x`, or `α · (e^x − 1)` on the negative side.
    Elu(f32),
    /// `σ(x) = 1 / (1 + e^−x)`.
    Sigmoid,
    /// The hyperbolic tangent.
    Tanh,
    /// `x · σ(x)`.
    Silu,
    /// `x · Φ(x)`, with the normal distribution function (Hendrycks & Gimpel 2016).
    Gelu,
    /// Its approximation `x · σ(2 √(2/π) (x + 0.044715 x³))`.
    GeluTanh,
    /// `ln(1 + e^x)`.
    Softplus,
    /// `x · tanh(ln(1 + e^x))` (Misra 2019).
    Mish,
}

/// `values ← activation(values)`.
pub(crate) fn activate(set: InstructionSet, activation: Activation, values: &mut [Lanes]) {
    struct Kernel<'a>(Activation, &'a mut [Lanes]);
    impl WithSimd for Kernel<'_> {
        type Output = ();

        #[inline(always)]
        fn with_simd<S: Simd>(self, simd: S) {
            activate_with_simd(simd, self.0, self.1);
        }
    }
    set.run(Kernel(activation, values));
}

/// The same within a kernel.
#[inline(always)]
pub(crate) fn activate_with_simd<S: Simd>(_: S, activation: Activation, values: &mut [Lanes]) {
    // Where there is no such instruction, `mul_add` is a slow call.
    if S::IS_SCALAR {
        activate_with(|a, b, c| a * b + c, activation, values);
    } else {
        activate_with(f32::mul_add, activation, values);
    }
}

#[inline(always)]
fn activate_with(
    fma: impl Fn(f32, f32, f32) -> f32 + Copy,
    activation: Activation,
    values: &mut [Lanes],
) {
    match activation {
        Activation::Identity => {}
        Activation::LeakyRelu(slope) => each(values, |x| x.max(slope * x)),
        Activation::Clip(least, most) => each(values, |x| clip(x, least, most)),
        Activation::Elu(alpha) => each(values, |x| elu_with(fma, alpha, x)),
        Activation::Sigmoid => each(values, |x| 1.0 / (1.0 + exp_with(fma, -x))),
        Activation::Tanh => each(values, |x| tanh_with(fma, x)),
        Activation::Silu => each(values, |x| x / (1.0 + exp_with(fma, -x))),
        Activation::Gelu => each(values, |x| x * normal_distribution_with(fma, x)),
        Activation::GeluTanh => each(values, |x| gelu_tanh_with(fma, x)),
        Activation::Softplus => each(values, |x| {
            x.max(0.0) + ln_one_plus(exp_with(fma, -x.abs()))
        }),
        Activation::Mish => each(values, |x| x * mish_factor(exp_with(fma, x.min(20.0)))),
    }
}

#[inline(always)]
fn each(values: &mut [Lanes], function: impl Fn(f32) -> f32) {
    // One loop over all lanes: the compiler would unroll an inner one before it vectorises.
    for x in values.as_flattened_mut() {
        *x = function(*x);
    }
}

/// Unlike `clamp`, without a panic for bounds in the wrong order; NaN stays NaN.
#[inline(always)]
fn clip(x: f32, least: f32, most: f32) -> f32 {
    let x = if x < least { least } else { x };
    if x > most { most } else { x }
}

#[inline(always)]
fn elu_with(fma: impl Fn(f32, f32, f32) -> f32 + Copy, alpha: f32, x: f32) -> f32 {
    if x > 0.0 {
        x
    } else {
        alpha * exp_minus_one_with(fma, x)
    }
}

#[inline(always)]
fn gelu_tanh_with(fma: impl Fn(f32, f32, f32) -> f32 + Copy, x: f32) -> f32 {
    const MINUS_TWO_ROOT_TWO_OVER_PI: f32 = -1.595_769;
    let cubic = fma(0.044_715 * x * x, x, x);
    x / (1.0 + exp_with(fma, MINUS_TWO_ROOT_TWO_OVER_PI * cubic))
}

/// With m = e^(−2|x|) − 1, which is small where the tangent is: −m / (m + 2).
#[inline(always)]
fn tanh_with(fma: impl Fn(f32, f32, f32) -> f32 + Copy, x: f32) -> f32 {
    let m = exp_minus_one_with(fma, -2.0 * x.abs());
    (-m / (m + 2.0)).copysign(x)
}

/// Φ(x). On the negative side it is erfc(z)/2 with z = −x/√2, and e^(z²) · erfc(z) / t is a
/// polynomial of t = 1 / (1 + 0.4 z) up to 6e-8: least squares of relative errors at Chebyshev's
/// points for z up to 9.6.
#[inline(always)]
fn normal_distribution_with(fma: impl Fn(f32, f32, f32) -> f32 + Copy, x: f32) -> f32 {
    let z = x.abs() * std::f32::consts::FRAC_1_SQRT_2;
    let t = 1.0 / fma(0.4, z, 1.0);
    let p = 0.041_125_625;
    let p = fma(p, t, -0.139_601_7);
    let p = fma(p, t, 0.082_278_065);
    let p = fma(p, t, 0.090_208_71);
    let p = fma(p, t, 0.077_984_41);
    let p = fma(p, t, 0.194_252_07);
    let p = fma(p, t, 0.201_638_9);
    let p = fma(p, t, 0.226_482_32);
    let p = fma(p, t, 0.225_631_67);
    let below = 0.5 * p * t * exp_with(fma, -0.5 * x * x);
    if x < 0.0 { below } else { 1.0 - below }
}

/// tanh(ln(1 + e)): ((1 + e)² − 1) / ((1 + e)² + 1).
#[inline(always)]
fn mish_factor(e: f32) -> f32 {
    let square = e * (e + 2.0);
    square / (square + 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lanes::ROWS;

    /// ∫ φ from −∞ to x by Simpson's rule.
    fn normal_distribution(x: f64) -> f64 {
        let (steps, width) = (4000, 12.0);
        let density = |t: f64| (-0.5 * t * t).exp() / std::f64::consts::TAU.sqrt();
        let at = |i: usize| density(-x.abs() - width * i as f64 / steps as f64);
        let weight = |i: usize| {
            if i == 0 || i == steps {
                1.0
            } else {
                (2 + 2 * (i % 2)) as f64
            }
        };
        let tail = (0..=steps).map(|i| weight(i) * at(i)).sum::<f64>() * width / (3 * steps) as f64;
        if x < 0.0 { tail } else { 1.0 - tail }
    }

    fn exact(activation: Activation, x: f64) -> f64 {
        let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
        match activation {
            Activation::Identity => x,
            Activation::LeakyRelu(slope) => x.max(f64::from(slope) * x),
            Activation::Clip(least, most) => x.clamp(f64::from(least), f64::from(most)),
            Activation::Elu(alpha) => x.max(0.0) + f64::from(alpha) * x.min(0.0).exp_m1(),
            Activation::Sigmoid => sigmoid(x),
            Activation::Tanh => x.tanh(),
            Activation::Silu => x * sigmoid(x),
            Activation::Gelu => x * normal_distribution(x),
            Activation::GeluTanh => {
                x * sigmoid(2.0 * (2.0 / std::f64::consts::PI).sqrt() * (x + 0.044715 * x.powi(3)))
            }
            Activation::Softplus => x.max(0.0) + (-x.abs()).exp().ln_1p(),
            Activation::Mish => x * x.exp().ln_1p().tanh(),
        }
    }

    const ALL: [Activation; 12] = [
        Activation::Identity,
        Activation::LeakyRelu(0.2),
        Activation::Clip(-1.0, 6.0),
        Activation::Clip(0.0, f32::INFINITY),
        Activation::Elu(0.7),
        Activation::Sigmoid,
        Activation::Tanh,
        Activation::Silu,
        Activation::Gelu,
        Activation::GeluTanh,
        Activation::Softplus,
        Activation::Mish,
    ];

    #[test]
    fn every_function_is_accurate_on_both_sides() {
        let coarse = (-2750..2750).map(|i| i as f32 * 0.03125);
        let fine = (-500..500).map(|i| i as f32 * 1e-3 + 3e-7);
        for (x, activation) in coarse
            .chain(fine)
            .flat_map(|x| ALL.map(|activation| (x, activation)))
        {
            let mut values = [[x; ROWS]];
            activate(InstructionSet::current(), activation, &mut values);
            let (found, exact) = (
                f64::from(values[0][ROWS - 1]),
                exact(activation, f64::from(x)),
            );
            // In a tail, an exponent far from zero has been rounded.
            let rounding = if exact.abs() < 1e-2 { 1e-5 } else { 1e-6 };
            let gap = (found - exact).abs();
            assert!(
                gap <= rounding * exact.abs() + 1e-30,
                "{activation:?} of {x}: {found} for {exact}"
            );
        }
    }

    #[test]
    fn far_away_nothing_is_lost_and_what_is_no_number_stays_so() {
        for activation in ALL {
            let mut values = [1e30, -1e30, f32::NAN].map(|x| [x; ROWS]);
            activate(InstructionSet::current(), activation, &mut values);
            let [high, low, none] = values.map(|lanes| lanes[0]);
            assert!(
                high.is_finite() && low.is_finite() && none.is_nan(),
                "{activation:?}: {high}, {low}, {none}"
            );
        }
    }
}
