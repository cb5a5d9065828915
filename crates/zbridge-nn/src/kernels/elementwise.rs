//! Loops over slices, element by element: activations, their derivatives, sums of rows.

use super::elementary::{exp, sigmoid};
use crate::instruction_set::vectorise;

/// `output ← input · sigmoid(input)`.
pub(crate) fn silu(input: &[f32], output: &mut [f32]) {
    vectorise(
        #[inline(always)]
        move || {
            for (y, &x) in output.iter_mut().zip(input) {
                *y = x * sigmoid(x);
            }
        },
    );
}

/// `gradient ← gradient · d silu(input)`.
pub fn silu_backward(input: &[f32], gradient: &mut [f32]) {
    vectorise(
        #[inline(always)]
        move || {
            for (g, &x) in gradient.iter_mut().zip(input) {
                let s = sigmoid(x);
                *g *= s * (1.0 + x * (1.0 - s));
            }
        },
    );
}

/// `output ← max(input, slope · input)` for slope in [0, 1].
pub(crate) fn leaky_relu(input: &[f32], slope: f32, output: &mut [f32]) {
    vectorise(
        #[inline(always)]
        move || {
            for (y, &x) in output.iter_mut().zip(input) {
                *y = x.max(slope * x);
            }
        },
    );
}

/// `gradient ← gradient · d leaky_relu(input)`.
pub(crate) fn leaky_relu_backward(input: &[f32], slope: f32, gradient: &mut [f32]) {
    vectorise(
        #[inline(always)]
        move || {
            for (g, &x) in gradient.iter_mut().zip(input) {
                *g *= if x > 0.0 { 1.0 } else { slope };
            }
        },
    );
}

/// `output ← e^input` to about 1e-7 relative, for inputs in [-87, 88] (clamped).
pub fn exponentials(input: &[f32], output: &mut [f32]) {
    vectorise(
        #[inline(always)]
        move || {
            for (y, &x) in output.iter_mut().zip(input) {
                *y = exp(x);
            }
        },
    );
}

/// `values ← sigmoid(values)`.
pub(crate) fn sigmoids(values: &mut [f32]) {
    vectorise(
        #[inline(always)]
        move || {
            for value in values {
                *value = sigmoid(*value);
            }
        },
    );
}

/// `total += Σ rows`, for rows `[n, total.len()]`: the gradient of a bias.
pub(crate) fn add_rows(rows: &[f32], total: &mut [f32]) {
    vectorise(
        #[inline(always)]
        move || {
            for row in rows.chunks_exact(total.len()) {
                for (total, value) in total.iter_mut().zip(row) {
                    *total += value;
                }
            }
        },
    );
}
