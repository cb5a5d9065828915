//! Matrix products on the `gemm` crate: the one place of this workspace that holds `unsafe`.

use crate::kernels::transpose::turn;
use std::ops::Range;
use std::sync::Once;

/// A matrix over a slice: element (row, column) lies at `row · row_stride + column ·
/// column_stride`.
#[derive(Clone, Copy)]
pub(crate) struct Matrix<'a> {
    values: &'a [f32],
    rows: usize,
    columns: usize,
    row_stride: usize,
    column_stride: usize,
}

impl<'a> Matrix<'a> {
    /// `[rows, columns]`, row-major.
    pub(crate) fn new(values: &'a [f32], rows: usize, columns: usize) -> Self {
        assert!(
            values.len() >= rows * columns,
            "a matrix of {rows} × {columns} over {} values",
            values.len()
        );
        Self {
            values,
            rows,
            columns,
            row_stride: columns,
            column_stride: 1,
        }
    }

    /// Some of its rows, without moving a value.
    pub(crate) fn some_rows(self, range: Range<usize>) -> Self {
        assert!(range.end <= self.rows, "rows {range:?} of {}", self.rows);
        let start = (range.start * self.row_stride).min(self.values.len());
        Self {
            values: &self.values[start..],
            rows: range.len(),
            ..self
        }
    }

    /// The transpose, without moving a value.
    pub(crate) fn transposed(self) -> Self {
        Self {
            rows: self.columns,
            columns: self.rows,
            row_stride: self.column_stride,
            column_stride: self.row_stride,
            ..self
        }
    }
}

/// What to do with the values already in the destination.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Into {
    /// Overwrite them.
    Replace,
    /// Add to them.
    Accumulate,
}

/// Multiplications of a product from which on a part of it may be another core's: some 10 µs.
pub(crate) const WORTH_SHARING: usize = 1 << 19;

/// `destination ← left · right` (or `+=`), destination row-major. One thread: batches are split
/// over cores above.
pub(crate) fn multiply(destination: &mut [f32], mode: Into, left: Matrix, right: Matrix) {
    product(destination, right.columns, mode, left, right);
}

/// The same, half of a large product for whichever core is idle.
pub(crate) fn multiply_shared(destination: &mut [f32], mode: Into, left: Matrix, right: Matrix) {
    let Some(half) = half_of(left.rows, left.columns * right.columns) else {
        return multiply(destination, mode, left, right);
    };
    let (above, below) = destination.split_at_mut(half * right.columns);
    rayon::join(
        || multiply(above, mode, left.some_rows(0..half), right),
        || multiply(below, mode, left.some_rows(half..left.rows), right),
    );
}

/// Rows of the first half of a product with so many, of so many multiplications each, if it is
/// worth sharing.
fn half_of(rows: usize, each: usize) -> Option<usize> {
    // Processors hold sums of six rows in registers.
    (rows * each >= 2 * WORTH_SHARING && rows > 6).then(|| (rows / 2).next_multiple_of(6))
}

/// The weights of a layer on its way forward.
#[derive(Clone, Copy)]
pub(crate) enum Weight<'w> {
    /// `[outputs, inputs]`.
    Plain(&'w [f32]),
    /// The same laid out by [`lay_out`].
    Panels(&'w [f32]),
}

/// Outputs of a panel: as many as the widest processors hold the sums of in registers.
pub(crate) const PANEL: usize = 64;

/// A weight `[outputs, inputs]` turned over into panels `[inputs, 64]`, one behind the other:
/// products read them from front to back, without packing them.
pub(crate) fn lay_out(weight: &[f32], inputs: usize, panels: &mut [f32]) {
    for (weight, panel) in weight
        .chunks(PANEL * inputs)
        .zip(panels.chunks_mut(PANEL * inputs))
    {
        turn(weight, weight.len() / inputs, inputs, panel);
    }
}

/// Rows, and outputs, from which on laying a weight out pays.
const WIDE: usize = 16;

/// A weight `[outputs, inputs]` for a product with `rows` rows: laid out in `space` where that
/// pays.
pub(crate) fn weight_for<'w>(
    rows: usize,
    weight: &'w [f32],
    inputs: usize,
    space: &'w mut Vec<f32>,
) -> Weight<'w> {
    if rows < WIDE || weight.len() < WIDE * inputs {
        return Weight::Plain(weight);
    }
    space.resize(weight.len(), 0.0);
    lay_out(weight, inputs, space);
    Weight::Panels(space)
}

/// `y ← x · weightᵀ` (or `+=`), for `x` `[rows, inputs]` and `y` `[rows, outputs]`; half of a large
/// product is for whichever core is idle.
pub(crate) fn multiply_by_weight(
    y: &mut [f32],
    outputs: usize,
    mode: Into,
    x: &[f32],
    weight: Weight,
) {
    let rows = y.len() / outputs;
    match weight {
        Weight::Plain(weight) => {
            let inputs = weight.len() / outputs;
            multiply(
                y,
                mode,
                Matrix::new(x, rows, inputs),
                Matrix::new(weight, outputs, inputs).transposed(),
            );
        }
        Weight::Panels(panels) => {
            let x = Matrix::new(x, rows, panels.len() / outputs);
            let Some(half) = half_of(rows, panels.len()) else {
                return multiply_by_panels(y, outputs, mode, x, panels);
            };
            let (above, below) = y.split_at_mut(half * outputs);
            rayon::join(
                || multiply_by_panels(above, outputs, mode, x.some_rows(0..half), panels),
                || multiply_by_panels(below, outputs, mode, x.some_rows(half..rows), panels),
            );
        }
    }
}

fn multiply_by_panels(y: &mut [f32], outputs: usize, mode: Into, x: Matrix, panels: &[f32]) {
    for (index, panel) in panels.chunks(PANEL * x.columns).enumerate() {
        let panel = Matrix::new(panel, x.columns, panel.len() / x.columns);
        product(&mut y[index * PANEL..], outputs, mode, x, panel);
    }
}

/// `destination ← left · right` (or `+=`), where the destination's rows are `stride` apart.
fn product(destination: &mut [f32], stride: usize, mode: Into, left: Matrix, right: Matrix) {
    let (rows, columns, inner) = (left.rows, right.columns, left.columns);
    assert_eq!(inner, right.rows, "inner dimensions of a product");
    if rows == 0 || columns == 0 {
        return;
    }
    // A right factor is packed for more rows than so many times 6: packing takes longer than
    // reading it where it lies once more, up to the most that may be set.
    static READ_IN_PLACE: Once = Once::new();
    READ_IN_PLACE.call_once(|| gemm::set_lhs_packing_threshold_single_thread(256));
    let reach = (rows - 1) * stride + columns;
    assert!(
        columns <= stride && destination.len() >= reach,
        "a destination of {rows} × {columns}"
    );
    // SAFETY: each pointer stays inside its slice: whoever made the matrices, and the assertion
    // above, checked that all their elements lie there; `destination` is borrowed exclusively, so
    // it does not overlap with the operands, and its rows do not overlap each other.
    #[allow(unsafe_code)]
    unsafe {
        gemm::gemm(
            rows,
            columns,
            inner,
            destination.as_mut_ptr(),
            1,
            stride as isize,
            mode == Into::Accumulate,
            left.values.as_ptr(),
            left.column_stride as isize,
            left.row_stride as isize,
            right.values.as_ptr(),
            right.column_stride as isize,
            right.row_stride as isize,
            1.0f32,
            1.0f32,
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(count: usize, seed: usize) -> Vec<f32> {
        (0..count)
            .map(|i| ((i * 31 + seed * 7) % 17) as f32 - 8.0)
            .collect()
    }

    /// Integers, so that no order of sums matters.
    #[test]
    fn products_are_sums_of_products_however_factors_lie() {
        for (rows, inner, columns) in [
            (1, 1, 1),
            (5, 70, 3),
            (100, 20, 64),
            (49, 7, 130),
            (17, 300, 65),
            (96, 2, 16),
            (130, 64, 130),
        ] {
            let (left, right) = (values(rows * inner, 1), values(inner * columns, 2));
            let at = |i: usize, j: usize| {
                (0..inner)
                    .map(|k| left[i * inner + k] * right[k * columns + j])
                    .sum::<f32>()
            };
            let expected: Vec<f32> = (0..rows * columns)
                .map(|i| at(i / columns, i % columns))
                .collect();
            let more: Vec<f32> = expected.iter().map(|value| value + 3.0).collect();
            let (mut left_over, mut right_over) = (vec![0.0; left.len()], vec![0.0; right.len()]);
            turn(&left, rows, inner, &mut left_over);
            turn(&right, inner, columns, &mut right_over);
            let lefts = [
                Matrix::new(&left, rows, inner),
                Matrix::new(&left_over, inner, rows).transposed(),
            ];
            let rights = [
                Matrix::new(&right, inner, columns),
                Matrix::new(&right_over, columns, inner).transposed(),
            ];
            for (left, right) in lefts
                .into_iter()
                .flat_map(|left| rights.map(|right| (left, right)))
            {
                let mut found = vec![3.0; rows * columns];
                multiply(&mut found, Into::Accumulate, left, right);
                assert_eq!(found, more);
                multiply_shared(&mut found, Into::Replace, left, right);
                assert_eq!(found, expected);
            }
            let mut space = vec![];
            for weight in [
                Weight::Plain(&right_over),
                weight_for(WIDE, &right_over, inner, &mut space),
            ] {
                let mut found = vec![3.0; rows * columns];
                multiply_by_weight(&mut found, columns, Into::Accumulate, &left, weight);
                assert_eq!(found, more);
            }
        }
    }
}
