//! The gates of a recurrent unit, element by element; compiled for each processor as in
//! [`super::elementwise`].

use super::elementwise::sigmoid;
use multiversion::multiversion;

/// tanh(x), by the sigmoid: absolute error about 1e-7.
#[inline(always)]
fn tanh(x: f32) -> f32 {
    2.0 * sigmoid(2.0 * x) - 1.0
}

/// A row's step: `gates`, the input's part `[3 · units]`, become (reset r, update u, candidate n),
/// and `after` the new state n + u ⊙ (h − n), for `from_state` `[3 · units]` and the state h
/// `before`.
#[multiversion(targets("x86_64+avx512f+avx512vl+avx512bw+avx512dq", "x86_64+avx2+fma"))]
pub(crate) fn gated_step(gates: &mut [f32], from_state: &[f32], before: &[f32], after: &mut [f32]) {
    let units = after.len();
    let (reset, rest) = gates.split_at_mut(units);
    let (update, candidate) = rest.split_at_mut(units);
    let (s_reset, s_rest) = from_state.split_at(units);
    let (s_update, s_candidate) = s_rest.split_at(units);
    let (candidate, s_candidate, before) = (
        &mut candidate[..units],
        &s_candidate[..units],
        &before[..units],
    );
    for i in 0..units {
        let r = sigmoid(reset[i] + s_reset[i]);
        let u = sigmoid(update[i] + s_update[i]);
        let n = tanh(candidate[i] + r * s_candidate[i]);
        (reset[i], update[i], candidate[i]) = (r, u, n);
        after[i] = n + u * (before[i] - n);
    }
}

/// The way back through [`gated_step`]: `gradient` is that of the new state and becomes what goes
/// to the state before without a weight, u ⊙ gradient; `gates` becomes the gradient at the input's
/// part, `from_state` that at its own.
#[multiversion(targets("x86_64+avx512f+avx512vl+avx512bw+avx512dq", "x86_64+avx2+fma"))]
pub(crate) fn gated_step_backward(
    gates: &mut [f32],
    from_state: &mut [f32],
    before: &[f32],
    gradient: &mut [f32],
) {
    let units = gradient.len();
    let (reset, rest) = gates.split_at_mut(units);
    let (update, candidate) = rest.split_at_mut(units);
    let (s_reset, s_rest) = from_state.split_at_mut(units);
    let (s_update, s_candidate) = s_rest.split_at_mut(units);
    let (candidate, s_candidate, before) = (
        &mut candidate[..units],
        &mut s_candidate[..units],
        &before[..units],
    );
    for i in 0..units {
        let (r, u, n, g) = (reset[i], update[i], candidate[i], gradient[i]);
        let at_candidate = g * (1.0 - u) * (1.0 - n * n);
        let at_update = g * (before[i] - n) * u * (1.0 - u);
        let at_reset = at_candidate * s_candidate[i] * r * (1.0 - r);
        (reset[i], update[i], candidate[i]) = (at_reset, at_update, at_candidate);
        (s_reset[i], s_update[i], s_candidate[i]) = (at_reset, at_update, at_candidate * r);
        gradient[i] = g * u;
    }
}
