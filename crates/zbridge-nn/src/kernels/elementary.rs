//! Elementary functions of one number, without a branch, so that loops over them become vectors.
//!
//! Those that end in `_with` take the function `multiply_add(a, b, c) = a · b + c`: fused where the
//! processor can, which is faster and more accurate.

/// `e^x` to about 1e-7 relative, for x in [-87, 88] (clamped): the polynomial of Cephes' `expf`
/// (Moshier 1989).
#[inline(always)]
pub fn exp(x: f32) -> f32 {
    exp_with(|a, b, c| a * b + c, x)
}

/// [`exp`] with a `multiply_add`.
#[inline(always)]
pub fn exp_with(multiply_add: impl Fn(f32, f32, f32) -> f32, x: f32) -> f32 {
    let (above_one, power) = exp_parts(multiply_add, x);
    (above_one + 1.0) * power
}

/// `e^x − 1`, as accurate near zero as elsewhere.
#[inline(always)]
pub fn exp_minus_one_with(multiply_add: impl Fn(f32, f32, f32) -> f32 + Copy, x: f32) -> f32 {
    let (above_one, power) = exp_parts(multiply_add, x);
    multiply_add(above_one, power, power - 1.0)
}

/// `(e^r − 1, 2ⁿ)` for x = n ln 2 + r, so that e^x is the first plus 1, times the second.
#[inline(always)]
fn exp_parts(multiply_add: impl Fn(f32, f32, f32) -> f32, x: f32) -> (f32, f32) {
    // Adding 1.5 · 2²³ rounds to an integer; adding 127 more makes the low bits the exponent of 2ⁿ.
    const MAGIC: f32 = 12_582_912.0 + 127.0;
    // −ln 2 in two parts: n times the first has no rounding error.
    const MINUS_LN_2: [f32; 2] = [-0.693_359_4, 2.121_944_4e-4];
    let x = x.clamp(-87.0, 88.0);
    let shifted = multiply_add(x, std::f32::consts::LOG2_E, MAGIC);
    let n = shifted - MAGIC;
    let r = multiply_add(n, MINUS_LN_2[1], multiply_add(n, MINUS_LN_2[0], x));
    let p = 1.987_569_1e-4;
    let p = multiply_add(p, r, 1.398_199_9e-3);
    let p = multiply_add(p, r, 8.333_452e-3);
    let p = multiply_add(p, r, 4.166_579_6e-2);
    let p = multiply_add(p, r, 1.666_666_5e-1);
    let p = multiply_add(p, r, 0.5);
    let power = f32::from_bits(shifted.to_bits() << 23);
    (multiply_add(p * r, r, r), power)
}

/// `ln(1 + u)` for u in [0, 1] to about 1e-8: the series of 2 atanh(s) at s = u / (2 + u) ≤ 1/3.
#[inline(always)]
pub fn ln_one_plus(u: f32) -> f32 {
    let s = u / (2.0 + u);
    let s2 = s * s;
    let p = 1.0 / 13.0;
    let p = p * s2 + 1.0 / 11.0;
    let p = p * s2 + 1.0 / 9.0;
    let p = p * s2 + 1.0 / 7.0;
    let p = p * s2 + 0.2;
    let p = p * s2 + 1.0 / 3.0;
    let p = p * s2 + 1.0;
    2.0 * s * p
}

/// The logistic function, 1 / (1 + e^−x).
#[inline(always)]
pub fn sigmoid(x: f32) -> f32 {
    // e^−|x| is at most 1, so that neither side overflows.
    let e = exp(-x.abs());
    let positive = 1.0 / (1.0 + e);
    if x >= 0.0 { positive } else { e * positive }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exponential_is_accurate_over_its_range() {
        for i in -8700..8800 {
            let x = i as f32 * 0.01;
            let (ours, exact) = (f64::from(exp(x)), f64::from(x).exp());
            let relative_error = (ours / exact - 1.0).abs();
            assert!(relative_error < 3e-7, "e^{x}: {ours} against {exact}");
        }
    }
}
