//! Matrix products on the `gemm` crate: the one place of this workspace that holds `unsafe`.

/// A matrix over a slice: element (row, column) lies at `row · row_stride + column · column_stride`.
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
        assert!(values.len() >= rows * columns, "a matrix of {rows} × {columns} over {} values", values.len());
        Self { values, rows, columns, row_stride: columns, column_stride: 1 }
    }

    /// How many rows it has.
    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    /// Some of its columns, without moving a value.
    pub(crate) fn columns(self, range: std::ops::Range<usize>) -> Self {
        assert!(range.end <= self.columns, "columns {range:?} of {}", self.columns);
        let start = (range.start * self.column_stride).min(self.values.len());
        Self { values: &self.values[start..], columns: range.len(), ..self }
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

/// `destination ← left · right` (or `+=`), destination row-major. One thread: batches are split over cores above.
pub(crate) fn multiply(destination: &mut [f32], mode: Into, left: Matrix, right: Matrix) {
    let (rows, columns, inner) = (left.rows, right.columns, left.columns);
    assert_eq!(inner, right.rows, "inner dimensions of a product");
    assert!(destination.len() >= rows * columns, "a destination of {rows} × {columns}");
    if rows == 0 || columns == 0 {
        return;
    }
    // SAFETY: each pointer stays inside its slice: `Matrix::new` and the assertion above checked that
    // rows × columns values are there, and strides only permute them; `destination` is borrowed
    // exclusively, so it does not overlap with the operands.
    #[allow(unsafe_code)]
    unsafe {
        gemm::gemm(
            rows,
            columns,
            inner,
            destination.as_mut_ptr(),
            1,
            columns as isize,
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
