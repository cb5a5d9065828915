//! Row-major values seen as batches `[rows, dim]`, and batches seen as row-major values: what
//! stands between the kernels of `zbridge-nn`, which take slices, and everything else.

use ndarray::{
    Array2, ArrayView1, ArrayView2, ArrayViewMut1, ArrayViewMut2, Axis, aview1, concatenate,
};
use std::collections::HashMap;
use std::ops::Range;
use zbridge_core::{Latents, RandomStream, ShapeError};

/// Returns row-major values as a batch `[values.len() / dim, dim]`.
///
/// # Panics
/// If the values are no whole number of rows, or `dim` is 0.
pub(crate) fn rows_of<T>(values: &[T], dim: usize) -> ArrayView2<'_, T> {
    ArrayView2::from_shape((values.len() / dim, dim), values).expect("whole rows")
}

/// Returns row-major values as a batch `[values.len() / dim, dim]` that can be changed.
///
/// # Panics
/// If the values are no whole number of rows, or `dim` is 0.
pub(crate) fn rows_of_mut<T>(values: &mut [T], dim: usize) -> ArrayViewMut2<'_, T> {
    ArrayViewMut2::from_shape((values.len() / dim, dim), values).expect("whole rows")
}

/// Returns the values of a batch in row-major order.
///
/// # Panics
/// If the batch is not in row-major layout: a transpose, or some of the columns of another.
pub(crate) fn flat<'v, T>(batch: ArrayView2<'v, T>) -> &'v [T] {
    batch.to_slice().expect("a batch in row-major layout")
}

/// Returns the values of a batch in row-major order, to be changed.
///
/// # Panics
/// If the batch is not in row-major layout.
pub(crate) fn flat_mut<T>(batch: &mut Array2<T>) -> &mut [T] {
    batch.as_slice_mut().expect("a batch in row-major layout")
}

/// Gives a buffer this shape. Its values are those that it held, or zeros if it had another shape.
pub(crate) fn reshape(buffer: &mut Array2<f32>, shape: (usize, usize)) {
    if buffer.dim() != shape {
        *buffer = Array2::zeros(shape);
    }
}

/// Returns the block of these rows and columns.
pub(crate) fn block<T>(
    matrix: &Array2<T>,
    rows: Range<usize>,
    columns: Range<usize>,
) -> ArrayView2<'_, T> {
    let rows = matrix.slice_axis(Axis(0), rows.into());
    rows.slice_axis_move(Axis(1), columns.into())
}

/// Returns the block of these rows and columns, to be changed.
pub(crate) fn block_mut<T>(
    matrix: &mut Array2<T>,
    rows: Range<usize>,
    columns: Range<usize>,
) -> ArrayViewMut2<'_, T> {
    let rows = matrix.slice_axis_mut(Axis(0), rows.into());
    rows.slice_axis_move(Axis(1), columns.into())
}

/// Returns the same array in row-major layout: products with a single column or row come out in the
/// other one.
pub(crate) fn row_major<T: Clone>(array: Array2<T>) -> Array2<T> {
    match array.is_standard_layout() {
        true => array,
        false => array.as_standard_layout().into_owned(),
    }
}

/// Returns the columns of `left` followed by those of `right`.
pub(crate) fn side_by_side(left: ArrayView2<'_, f32>, right: ArrayView2<'_, f32>) -> Array2<f32> {
    let split = left.ncols();
    let mut both = Array2::zeros((left.nrows(), split + right.ncols()));
    let (mut first, mut second) = both.view_mut().split_at(Axis(1), split);
    first.assign(&left);
    second.assign(&right);
    both
}

/// Returns the first `count` columns of a batch.
pub(crate) fn leading_columns(batch: ArrayView2<'_, f32>, count: usize) -> Array2<f32> {
    Array2::from_shape_fn((batch.nrows(), count), |place| batch[place])
}

/// Returns the rows of all batches, one batch after the other.
pub(crate) fn stacked<'b>(batches: impl IntoIterator<Item = &'b Array2<f32>>) -> Array2<f32> {
    let views: Vec<_> = batches.into_iter().map(|batch| batch.view()).collect();
    concatenate(Axis(0), &views).expect("batches of one width")
}

/// Returns a batch with every value clamped to the range of f32.
///
/// # Errors
/// [`ShapeError::NotFinite`] with the place of the first NaN.
pub(crate) fn clamped(batch: Array2<f32>) -> Result<Latents, ShapeError> {
    let dim = batch.ncols();
    Latents::clamped(batch.into_raw_vec_and_offset().0, dim)
}

/// Returns standard normal draws of this shape, row after row.
pub(crate) fn standard_normal(shape: (usize, usize), stream: &mut RandomStream) -> Array2<f32> {
    let mut draws = Array2::zeros(shape);
    stream.fill_standard_normal(flat_mut(&mut draws));
    draws
}

/// Returns the values of a row of a batch in row-major layout.
///
/// # Panics
/// If the values are not side by side: the row of a transpose.
pub(crate) fn values_of<'v, T>(row: ArrayView1<'v, T>) -> &'v [T] {
    row.to_slice()
        .expect("a row of a batch in row-major layout")
}

/// Returns the values of a row of a batch in row-major layout, to be changed.
///
/// # Panics
/// If the values are not side by side.
pub(crate) fn values_of_mut<'v, T>(row: ArrayViewMut1<'v, T>) -> &'v mut [T] {
    row.into_slice()
        .expect("a row of a batch in row-major layout")
}

/// Returns Σ a·b over two vectors of one length.
pub(crate) fn dot<T: ndarray::LinalgScalar>(a: &[T], b: &[T]) -> T {
    aview1(a).dot(&aview1(b))
}

/// Adds `factor · others` to `values`, which are as many.
pub(crate) fn add_scaled(values: &mut [f32], factor: f32, others: &[f32]) {
    debug_assert_eq!(values.len(), others.len());
    for (value, other) in values.iter_mut().zip(others) {
        *value += factor * other;
    }
}

/// The distinct rows of a batch; rows are the same if all their bits are.
pub(crate) struct DistinctRows {
    /// The place of every row among the distinct ones, `[rows]`.
    pub(crate) places: Vec<usize>,
    /// The first of the rows at each place, `[distinct]`.
    pub(crate) firsts: Vec<usize>,
}

impl DistinctRows {
    /// Returns the distinct rows of `batch`, in the order in which they occur.
    pub(crate) fn of(batch: ArrayView2<'_, f32>) -> Self {
        let mut known: HashMap<Vec<u32>, usize> = HashMap::new();
        let mut firsts = Vec::new();
        let mut places = Vec::with_capacity(batch.nrows());
        for (row, values) in batch.rows().into_iter().enumerate() {
            let bits = values.iter().map(|value| value.to_bits()).collect();
            let place = *known.entry(bits).or_insert(firsts.len());
            if place == firsts.len() {
                firsts.push(row);
            }
            places.push(place);
        }
        Self { places, firsts }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn distinct_rows_are_in_the_order_in_which_they_occur() {
        let batch = array![[1.0, 2.0], [0.0, 1.0], [1.0, 2.0], [-0.0, 1.0], [0.0, 1.0]];
        let distinct = DistinctRows::of(batch.view());
        assert_eq!(distinct.places, [0, 1, 0, 2, 1]);
        assert_eq!(distinct.firsts, [0, 1, 3]);
    }

    #[test]
    fn blocks_and_joined_columns_keep_their_places() {
        let left = array![[1.0, 2.0], [3.0, 4.0]];
        let mut both = side_by_side(left.view(), array![[5.0], [6.0]].view());
        assert_eq!(both, array![[1.0, 2.0, 5.0], [3.0, 4.0, 6.0]]);
        assert_eq!(flat(both.view()), [1.0, 2.0, 5.0, 3.0, 4.0, 6.0]);
        block_mut(&mut both, 1..2, 1..3).fill(0.0);
        assert_eq!(block(&both, 0..2, 1..3), array![[2.0, 5.0], [0.0, 0.0]]);
    }
}
