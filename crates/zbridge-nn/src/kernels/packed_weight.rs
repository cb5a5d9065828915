//! Weights in the order in which products read them.

use super::aligned_buffer::AlignedBuffer;
use super::matrix::Matrix;
use super::multiply::{half_of, multiply};
use super::product::{Accumulation, product};
use super::transpose::transpose;
use crate::instruction_set::InstructionSet;

/// The weight of a layer on its way forward.
#[derive(Clone, Copy)]
pub(crate) enum Weight<'w> {
    /// `[outputs, inputs]`.
    Plain(&'w [f32]),
    /// The same, packed by [`pack`].
    Packed(Panels<'w>),
}

/// A weight as [`pack`] leaves it: panels `[inputs, panel_width]` of the transposed weight, one
/// behind the other; the last may be narrower.
#[derive(Clone, Copy)]
pub(crate) struct Panels<'w> {
    pub(crate) values: &'w [f32],
    pub(crate) panel_width: usize,
}

/// Outputs of a panel: as many as `gemm` holds the sums of in registers at once.
pub(crate) fn panel_width() -> usize {
    match InstructionSet::current() {
        InstructionSet::Avx2 => 16,
        _ => 64,
    }
}

/// Transposes a weight `[outputs, inputs]` into `panels`, as long as it, which products read from
/// front to back. Without this, `gemm` would have to pack it, and rows that are a power of two
/// apart fall on the same lines of the cache.
pub(crate) fn pack(weight: &[f32], inputs: usize, panel_width: usize, panels: &mut [f32]) {
    let size = panel_width * inputs;
    for (weight, panel) in weight.chunks(size).zip(panels.chunks_mut(size)) {
        transpose(weight, weight.len() / inputs, inputs, panel);
    }
}

/// Rows, and outputs, from which on packing a weight pays.
const WORTH_PACKING: usize = 16;

/// A weight `[outputs, inputs]` for a product with `rows` rows: packed into `space` where that
/// pays.
pub(crate) fn weight_for<'w>(
    rows: usize,
    weight: &'w [f32],
    inputs: usize,
    space: &'w mut AlignedBuffer,
) -> Weight<'w> {
    if rows < WORTH_PACKING || weight.len() < WORTH_PACKING * inputs {
        return Weight::Plain(weight);
    }
    let panel_width = panel_width();
    let values = space.resize(weight.len());
    pack(weight, inputs, panel_width, values);
    Weight::Packed(Panels {
        values,
        panel_width,
    })
}

/// `y ← x · weightᵀ` (or `+=`), for `x` `[rows, inputs]` and `y` `[rows, outputs]`; half of a large
/// product is for whichever core is idle.
pub(crate) fn multiply_by_weight(
    y: &mut [f32],
    outputs: usize,
    accumulation: Accumulation,
    x: &[f32],
    weight: Weight,
) {
    let rows = y.len() / outputs;
    match weight {
        Weight::Plain(weight) => {
            let inputs = weight.len() / outputs;
            let weight = Matrix::new(weight, outputs, inputs);
            multiply(
                y,
                accumulation,
                Matrix::new(x, rows, inputs),
                weight.transposed(),
            );
        }
        Weight::Packed(panels) => {
            let x = Matrix::new(x, rows, panels.values.len() / outputs);
            // Rows are halved, never inputs: every sum has the same order as in one piece.
            let Some(half) = half_of(rows, panels.values.len()) else {
                return multiply_by_panels(y, outputs, accumulation, x, panels);
            };
            let (above, below) = y.split_at_mut(half * outputs);
            let (x_above, x_below) = (x.some_rows(0..half), x.some_rows(half..rows));
            rayon::join(
                || multiply_by_panels(above, outputs, accumulation, x_above, panels),
                || multiply_by_panels(below, outputs, accumulation, x_below, panels),
            );
        }
    }
}

fn multiply_by_panels(
    y: &mut [f32],
    outputs: usize,
    accumulation: Accumulation,
    x: Matrix,
    panels: Panels,
) {
    let (inputs, width) = (x.columns(), panels.panel_width);
    for (index, panel) in panels.values.chunks(width * inputs).enumerate() {
        let panel = Matrix::new(panel, inputs, panel.len() / inputs);
        // A panel of the weight gives some columns of y, whose rows stay `outputs` apart.
        product(&mut y[index * width..], outputs, accumulation, x, panel);
    }
}
