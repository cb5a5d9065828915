//! The gates of a recurrent unit, element by element.

use super::elementary::sigmoid;
use crate::instruction_set::vectorise;

/// tanh(x), by the sigmoid: absolute error about 1e-7.
#[inline(always)]
fn tanh(x: f32) -> f32 {
    2.0 * sigmoid(2.0 * x) - 1.0
}

/// A row's step: `gates`, the input's part `[3 · units]`, become (reset r, update u, candidate n),
/// and `after` the new state n + u ⊙ (h − n), for `from_state` `[3 · units]` and the state h
/// `before`.
pub(crate) fn gated_step(gates: &mut [f32], from_state: &[f32], before: &[f32], after: &mut [f32]) {
    vectorise(
        #[inline(always)]
        move || gated_step_loop(gates, from_state, before, after),
    );
}

#[inline(always)]
fn gated_step_loop(gates: &mut [f32], from_state: &[f32], before: &[f32], after: &mut [f32]) {
    let units = after.len();
    let (reset, rest) = gates.split_at_mut(units);
    let (update, candidate) = rest.split_at_mut(units);
    let (s_reset, s_rest) = from_state.split_at(units);
    let (s_update, s_candidate) = s_rest.split_at(units);
    // Slices of exactly this length, so that indices need no check.
    let candidate = &mut candidate[..units];
    let (s_candidate, before) = (&s_candidate[..units], &before[..units]);
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
pub(crate) fn gated_step_backward(
    gates: &mut [f32],
    from_state: &mut [f32],
    before: &[f32],
    gradient: &mut [f32],
) {
    vectorise(
        #[inline(always)]
        move || gated_step_backward_loop(gates, from_state, before, gradient),
    );
}

#[inline(always)]
fn gated_step_backward_loop(
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
    let (candidate, s_candidate) = (&mut candidate[..units], &mut s_candidate[..units]);
    let before = &before[..units];
    for i in 0..units {
        let (r, u, n, g) = (reset[i], update[i], candidate[i], gradient[i]);
        // The slopes of sigmoid and tanh, from their values: s (1 − s) and 1 − n².
        let at_candidate = g * (1.0 - u) * (1.0 - n * n);
        let at_update = g * (before[i] - n) * u * (1.0 - u);
        let at_reset = at_candidate * s_candidate[i] * r * (1.0 - r);
        (reset[i], update[i], candidate[i]) = (at_reset, at_update, at_candidate);
        (s_reset[i], s_update[i], s_candidate[i]) = (at_reset, at_update, at_candidate * r);
        gradient[i] = g * u;
    }
}
