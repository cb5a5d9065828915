//! Element by element: activations, likelihoods, the optimiser's update.
//!
//! Each function is compiled for AVX-512, for AVX2 and for the baseline, and the processor picks at
//! run time. Sums run in sixteen lanes of fixed order, so that every variant adds in the same
//! order.

use multiversion::multiversion;

/// `e^x` to about 1e-7 relative, for x in [-87, 88] (clamped), without a branch: Cephes'
/// polynomial.
#[inline(always)]
pub(crate) fn exp(x: f32) -> f32 {
    exp_with(|a, b, c| a * b + c, x)
}

/// The same with `multiply_add(a, b, c)` for every `a · b + c`.
#[inline(always)]
pub(crate) fn exp_with(multiply_add: impl Fn(f32, f32, f32) -> f32, x: f32) -> f32 {
    let (above_one, power) = exp_parts(multiply_add, x);
    (above_one + 1.0) * power
}

/// `e^x − 1`, as accurate near zero as elsewhere.
#[inline(always)]
pub(crate) fn exp_minus_one_with(
    multiply_add: impl Fn(f32, f32, f32) -> f32 + Copy,
    x: f32,
) -> f32 {
    let (above_one, power) = exp_parts(multiply_add, x);
    multiply_add(above_one, power, power - 1.0)
}

/// `(e^r − 1, 2ⁿ)` whose product, with 1 added to the first, is `e^x`.
#[inline(always)]
fn exp_parts(multiply_add: impl Fn(f32, f32, f32) -> f32, x: f32) -> (f32, f32) {
    // Adding 1.5·2²³ rounds to an integer; 127 more makes the low bits the exponent of 2ⁿ.
    const MAGIC: f32 = 12_582_912.0 + 127.0;
    let x = x.clamp(-87.0, 88.0);
    let shifted = multiply_add(x, std::f32::consts::LOG2_E, MAGIC);
    let n = shifted - MAGIC;
    let r = multiply_add(n, 2.121_944_4e-4, multiply_add(n, -0.693_359_4, x));
    let p = 1.987_569_1e-4;
    let p = multiply_add(p, r, 1.398_199_9e-3);
    let p = multiply_add(p, r, 8.333_452e-3);
    let p = multiply_add(p, r, 4.166_579_6e-2);
    let p = multiply_add(p, r, 1.666_666_5e-1);
    let p = multiply_add(p, r, 0.5);
    (
        multiply_add(p * r, r, r),
        f32::from_bits(shifted.to_bits() << 23),
    )
}

/// `ln(1 + u)` for u in [0, 1] to about 1e-8: the series of atanh at u / (2 + u).
#[inline(always)]
pub(crate) fn ln_one_plus(u: f32) -> f32 {
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

/// 1 / (1 + e^−x).
#[inline(always)]
pub(crate) fn sigmoid(x: f32) -> f32 {
    let e = exp(-x.abs());
    let positive = 1.0 / (1.0 + e);
    if x >= 0.0 { positive } else { e * positive }
}

/// `output ← input · sigmoid(input)`.
#[multiversion(targets("x86_64+avx512f+avx512vl+avx512bw+avx512dq", "x86_64+avx2+fma"))]
pub(crate) fn silu(input: &[f32], output: &mut [f32]) {
    for (y, &x) in output.iter_mut().zip(input) {
        *y = x * sigmoid(x);
    }
}

/// `gradient ← gradient · d silu(input)`.
#[multiversion(targets("x86_64+avx512f+avx512vl+avx512bw+avx512dq", "x86_64+avx2+fma"))]
pub fn silu_backward(input: &[f32], gradient: &mut [f32]) {
    for (g, &x) in gradient.iter_mut().zip(input) {
        let s = sigmoid(x);
        *g *= s * (1.0 + x * (1.0 - s));
    }
}

/// `output ← max(input, slope · input)` for slope in [0, 1].
#[multiversion(targets("x86_64+avx512f+avx512vl+avx512bw+avx512dq", "x86_64+avx2+fma"))]
pub(crate) fn leaky_relu(input: &[f32], slope: f32, output: &mut [f32]) {
    for (y, &x) in output.iter_mut().zip(input) {
        *y = x.max(slope * x);
    }
}

/// `gradient ← gradient · d leaky_relu(input)`.
#[multiversion(targets("x86_64+avx512f+avx512vl+avx512bw+avx512dq", "x86_64+avx2+fma"))]
pub(crate) fn leaky_relu_backward(input: &[f32], slope: f32, gradient: &mut [f32]) {
    for (g, &x) in gradient.iter_mut().zip(input) {
        *g *= if x > 0.0 { 1.0 } else { slope };
    }
}

/// `output ← e^input` to about 1e-7 relative, for inputs in [-87, 88] (clamped).
#[multiversion(targets("x86_64+avx512f+avx512vl+avx512bw+avx512dq", "x86_64+avx2+fma"))]
pub fn exponentials(input: &[f32], output: &mut [f32]) {
    for (y, &x) in output.iter_mut().zip(input) {
        *y = exp(x);
    }
}

/// `values ← sigmoid(values)`.
#[multiversion(targets("x86_64+avx512f+avx512vl+avx512bw+avx512dq", "x86_64+avx2+fma"))]
pub(crate) fn sigmoids(values: &mut [f32]) {
    for value in values {
        *value = sigmoid(*value);
    }
}

/// `total += Σ rows`: a bias's gradient.
#[multiversion(targets("x86_64+avx512f+avx512vl+avx512bw+avx512dq", "x86_64+avx2+fma"))]
pub(crate) fn add_rows(rows: &[f32], total: &mut [f32]) {
    for row in rows.chunks_exact(total.len()) {
        total
            .iter_mut()
            .zip(row)
            .for_each(|(total, value)| *total += value);
    }
}

const LANES: usize = 16;

/// Σ x·l − ln(1 + e^l) over one row of logits `l` and targets `x` in 0..1: log p(x) under Bernoulli
/// pixels.
#[multiversion(targets("x86_64+avx512f+avx512vl+avx512bw+avx512dq", "x86_64+avx2+fma"))]
pub(crate) fn bernoulli_log_likelihood(logits: &[f32], targets: &[f32]) -> f32 {
    let term = |l: f32, x: f32| x * l - l.max(0.0) - ln_one_plus(exp(-l.abs()));
    let mut lanes = [0.0f32; LANES];
    let (l_chunks, x_chunks) = (logits.chunks_exact(LANES), targets.chunks_exact(LANES));
    let rest: f32 = l_chunks
        .remainder()
        .iter()
        .zip(x_chunks.remainder())
        .map(|(&l, &x)| term(l, x))
        .sum();
    for (l, x) in l_chunks.zip(x_chunks) {
        for lane in 0..LANES {
            lanes[lane] += term(l[lane], x[lane]);
        }
    }
    lanes.iter().sum::<f32>() + rest
}

/// The same sum, and in the same pass `logits ← scale · (sigmoid(l) − x)`: the gradient of −scale ·
/// log p.
#[multiversion(targets("x86_64+avx512f+avx512vl+avx512bw+avx512dq", "x86_64+avx2+fma"))]
pub(crate) fn bernoulli_backward(logits: &mut [f32], targets: &[f32], scale: f32) -> f32 {
    let mut lanes = [0.0f32; LANES];
    for (l_chunk, x_chunk) in logits.chunks_mut(LANES).zip(targets.chunks(LANES)) {
        for ((l, &x), lane) in l_chunk.iter_mut().zip(x_chunk).zip(&mut lanes) {
            let e = exp(-l.abs());
            let positive = 1.0 / (1.0 + e);
            *lane += x * *l - l.max(0.0) - ln_one_plus(e);
            *l = scale * (if *l >= 0.0 { positive } else { e * positive } - x);
        }
    }
    lanes.iter().sum()
}

/// The numbers of one step of Adam.
#[derive(Clone, Copy)]
pub(crate) struct AdamUpdate {
    /// β₁ and 1 − β₁.
    pub(crate) first: (f32, f32),
    /// β₂ and 1 − β₂.
    pub(crate) second: (f32, f32),
    /// The learning rate over the first bias correction.
    pub(crate) rate: f32,
    /// One over the second bias correction.
    pub(crate) second_correction: f32,
}

/// One Adam update in place (Kingma & Ba 2015).
#[multiversion(targets("x86_64+avx512f+avx512vl+avx512bw+avx512dq", "x86_64+avx2+fma"))]
pub(crate) fn adam_update(
    parameters: &mut [f32],
    gradients: &[f32],
    first: &mut [f32],
    second: &mut [f32],
    update: AdamUpdate,
) {
    let moments = first.iter_mut().zip(second);
    for ((p, &g), (m, v)) in parameters.iter_mut().zip(gradients).zip(moments) {
        *m = update.first.0 * *m + update.first.1 * g;
        *v = update.second.0 * *v + update.second.1 * g * g;
        *p -= update.rate * *m / ((*v * update.second_correction).sqrt() + 1e-8);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exponential_is_accurate_over_its_range() {
        for i in -8700..8800 {
            let x = i as f32 * 0.01;
            let (ours, exact) = (f64::from(exp(x)), f64::from(x).exp());
            assert!(
                (ours / exact - 1.0).abs() < 3e-7,
                "e^{x}: {ours} against {exact}"
            );
        }
    }

    #[test]
    fn bernoulli_sums_agree_with_f64_whatever_the_length() {
        for n in [1, 15, 16, 17, 784] {
            let logits: Vec<f32> = (0..n).map(|i| (i as f32 * 0.37).sin() * 20.0).collect();
            let targets: Vec<f32> = (0..n).map(|i| (i % 7) as f32 / 6.0).collect();
            let exact: f64 = logits
                .iter()
                .zip(&targets)
                .map(|(&l, &x)| {
                    let (l, x) = (f64::from(l), f64::from(x));
                    x * l - l.max(0.0) - (-l.abs()).exp().ln_1p()
                })
                .sum();
            let ours = f64::from(bernoulli_log_likelihood(&logits, &targets));
            assert!(
                (ours - exact).abs() < 1e-5 * exact.abs().max(1.0),
                "{ours} against {exact}"
            );
            let mut gradient = logits.clone();
            let again = f64::from(bernoulli_backward(&mut gradient, &targets, 2.0));
            assert!((again - exact).abs() < 1e-5 * exact.abs().max(1.0));
            for ((g, &l), &x) in gradient.iter().zip(&logits).zip(&targets) {
                let expected = 2.0 * (1.0 / (1.0 + (-f64::from(l)).exp()) - f64::from(x));
                assert!((f64::from(*g) - expected).abs() < 1e-6);
            }
        }
    }
}
