//! Products of matrices, on one core or on two.

use super::matrix::Matrix;
use super::product::{Accumulation, product};

/// Multiplications of a product from which on a part of it may be another core's: some 10 µs.
pub(crate) const WORTH_SHARING: usize = 1 << 19;

/// `destination ← left · right` (or `+=`), destination row-major. One thread: batches are split
/// over cores above.
pub(crate) fn multiply(
    destination: &mut [f32],
    accumulation: Accumulation,
    left: Matrix,
    right: Matrix,
) {
    product(destination, right.columns(), accumulation, left, right);
}

/// The same, half of a large product for whichever core is idle.
pub(crate) fn multiply_shared(
    destination: &mut [f32],
    accumulation: Accumulation,
    left: Matrix,
    right: Matrix,
) {
    let Some(half) = half_of(left.rows(), left.columns() * right.columns()) else {
        return multiply(destination, accumulation, left, right);
    };
    let (above, below) = destination.split_at_mut(half * right.columns());
    rayon::join(
        || multiply(above, accumulation, left.some_rows(0..half), right),
        || {
            multiply(
                below,
                accumulation,
                left.some_rows(half..left.rows()),
                right,
            )
        },
    );
}

/// Rows of the first half of a product with `rows` rows of `row_work` multiplications each; `None`
/// where it is not worth sharing.
pub(crate) fn half_of(rows: usize, row_work: usize) -> Option<usize> {
    // `gemm` holds sums of six rows in registers.
    const TILE_ROWS: usize = 6;
    let worth_sharing = rows * row_work >= 2 * WORTH_SHARING && rows > TILE_ROWS;
    worth_sharing.then(|| (rows / 2).next_multiple_of(TILE_ROWS))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::aligned_buffer::AlignedBuffer;
    use crate::kernels::packed_weight::{Weight, multiply_by_weight, weight_for};
    use crate::kernels::transpose::transpose;

    /// Integers, so that no order of sums matters.
    fn values(count: usize, seed: usize) -> Vec<f32> {
        let value = |i| ((i * 31 + seed * 7) % 17) as f32 - 8.0;
        (0..count).map(value).collect()
    }

    fn transposed(values: &[f32], rows: usize, columns: usize) -> Vec<f32> {
        let mut transposed = vec![0.0; values.len()];
        transpose(values, rows, columns, &mut transposed);
        transposed
    }

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
            let sum = |i: usize, j: usize| -> f32 {
                (0..inner)
                    .map(|k| left[i * inner + k] * right[k * columns + j])
                    .sum()
            };
            let places = (0..rows * columns).map(|i| (i / columns, i % columns));
            let expected: Vec<f32> = places.map(|(i, j)| sum(i, j)).collect();
            let more: Vec<f32> = expected.iter().map(|value| value + 3.0).collect();
            let left_transposed = transposed(&left, rows, inner);
            let right_transposed = transposed(&right, inner, columns);
            let lefts = [
                Matrix::new(&left, rows, inner),
                Matrix::new(&left_transposed, inner, rows).transposed(),
            ];
            let rights = [
                Matrix::new(&right, inner, columns),
                Matrix::new(&right_transposed, columns, inner).transposed(),
            ];
            for (left, right) in lefts
                .into_iter()
                .flat_map(|left| rights.map(|right| (left, right)))
            {
                let mut found = vec![3.0; rows * columns];
                multiply(&mut found, Accumulation::Add, left, right);
                assert_eq!(found, more);
                multiply_shared(&mut found, Accumulation::Overwrite, left, right);
                assert_eq!(found, expected);
            }
            let mut space = AlignedBuffer::default();
            let packed = weight_for(100, &right_transposed, inner, &mut space);
            for weight in [Weight::Plain(&right_transposed), packed] {
                let mut found = vec![3.0; rows * columns];
                multiply_by_weight(&mut found, columns, Accumulation::Add, &left, weight);
                assert_eq!(found, more);
            }
        }
    }
}
