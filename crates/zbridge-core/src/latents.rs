use crate::ShapeError;
use ndarray::{Array2, ArrayView1, ArrayView2, Axis};

/// A batch of points in a latent space, `[rows, dim]`; every value is finite.
///
/// ```
/// use ndarray::array;
/// use zbridge_core::Latents;
///
/// let latents = Latents::new(array![[0.0, 1.0], [2.0, 3.0]])?;
/// assert_eq!((latents.rows(), latents.dim()), (2, 2));
/// assert_eq!(latents.select(&[1]).row_values(0), [2.0, 3.0]);
///
/// let error = Latents::new(array![[0.0, f32::NAN]]).unwrap_err();
/// assert_eq!(error.to_string(), "row 0, column 1 is NaN: every value must be finite");
/// # Ok::<(), zbridge_core::ShapeError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Latents {
    /// Always in standard (row-major) layout, so that it can be seen as one slice.
    values: Array2<f32>,
}

impl Latents {
    /// Returns the batch with these values, `[rows, dim]`.
    ///
    /// # Errors
    /// [`ShapeError::Empty`] if there are no columns, [`ShapeError::NotFinite`] with the place of
    /// the first NaN or infinity.
    pub fn new(values: Array2<f32>) -> Result<Self, ShapeError> {
        let (rows, dim) = values.dim();
        // A view with other strides (a transpose, a slice of columns) is copied into row-major
        // order.
        let flat = if values.is_standard_layout() {
            values.into_raw_vec_and_offset().0
        } else {
            values.iter().copied().collect()
        };
        debug_assert_eq!(flat.len(), rows * dim);
        Self::from_vec(flat, dim)
    }

    /// Returns the batch `[values.len() / dim, dim]` of row-major values.
    ///
    /// # Errors
    /// [`ShapeError::Empty`] if `dim` is 0, [`ShapeError::Ragged`] if the length is no multiple of
    /// `dim`, [`ShapeError::NotFinite`] with the place of the first NaN or infinity.
    pub fn from_vec(values: Vec<f32>, dim: usize) -> Result<Self, ShapeError> {
        if dim == 0 {
            let what = "a batch of latents";
            return Err(ShapeError::Empty { what });
        }
        if !values.len().is_multiple_of(dim) {
            let values = values.len();
            return Err(ShapeError::Ragged { values, dim });
        }
        match values.iter().position(|v| !v.is_finite()) {
            None => Ok(Self::from_finite(values, dim)),
            Some(i) => Err(ShapeError::NotFinite {
                row: i / dim,
                column: i % dim,
                value: values[i],
            }),
        }
    }

    /// Returns `rows` points with `value` in every column.
    ///
    /// # Panics
    /// If `dim` is 0 or `value` is not finite: both are mistakes of the calling code.
    pub fn filled(rows: usize, dim: usize, value: f32) -> Self {
        assert!(
            dim > 0 && value.is_finite(),
            "a latent has at least one finite column"
        );
        Self {
            values: Array2::from_elem((rows, dim), value),
        }
    }

    /// Returns the batch `[values.len() / dim, dim]` with every value clamped to the range of
    /// `f32`.
    ///
    /// For draws: a scale can overflow in `exp` although every parameter is finite. An infinite
    /// draw has a direction that is worth keeping; a NaN has none and is an error.
    ///
    /// # Errors
    /// [`ShapeError::NotFinite`] with the place of the first NaN, and as
    /// [`from_vec`](Self::from_vec).
    pub fn clamped(mut values: Vec<f32>, dim: usize) -> Result<Self, ShapeError> {
        for value in &mut values {
            // `clamp` keeps NaN, so that `from_vec` finds it.
            *value = value.clamp(f32::MIN, f32::MAX);
        }
        Self::from_vec(values, dim)
    }

    /// Returns the batch of values that are known to be finite whole rows.
    fn from_finite(values: Vec<f32>, dim: usize) -> Self {
        let rows = values.len() / dim;
        let values = Array2::from_shape_vec((rows, dim), values);
        Self {
            values: values.expect("the number of values is rows × dim"),
        }
    }

    /// Returns the number of points.
    pub fn rows(&self) -> usize {
        self.values.nrows()
    }

    /// Returns the number of dimensions of the latent space.
    pub fn dim(&self) -> usize {
        self.values.ncols()
    }

    /// Returns a view of the values, `[rows, dim]`.
    pub fn view(&self) -> ArrayView2<'_, f32> {
        self.values.view()
    }

    /// Returns point `row`, `[dim]`.
    ///
    /// # Panics
    /// If there is no such row.
    pub fn row(&self, row: usize) -> ArrayView1<'_, f32> {
        self.values.row(row)
    }

    /// Returns all values in row-major order, `rows · dim` of them.
    pub fn values(&self) -> &[f32] {
        self.values
            .as_slice()
            .expect("latents are in standard layout")
    }

    /// Returns point `row` as a slice of `dim` values.
    ///
    /// # Panics
    /// If there is no such row.
    pub fn row_values(&self, row: usize) -> &[f32] {
        let dim = self.dim();
        &self.values()[row * dim..][..dim]
    }

    /// Returns the values as an array, `[rows, dim]`.
    pub fn into_array(self) -> Array2<f32> {
        self.values
    }

    /// Returns all values in row-major order.
    pub fn into_vec(self) -> Vec<f32> {
        self.values.into_raw_vec_and_offset().0
    }

    /// Returns the points at `rows`, in that order; a row may occur more than once.
    ///
    /// # Panics
    /// If a row does not exist.
    pub fn select(&self, rows: &[usize]) -> Self {
        Self {
            values: self.values.select(Axis(0), rows),
        }
    }

    /// Returns every point `times` times: row `i` becomes rows `i·times … (i+1)·times − 1`.
    pub fn repeat_each(&self, times: usize) -> Self {
        let mut values = Vec::with_capacity(self.values.len() * times);
        for row in 0..self.rows() {
            for _ in 0..times {
                values.extend_from_slice(self.row_values(row));
            }
        }
        Self::from_finite(values, self.dim())
    }

    /// Checks that the batch is `[rows, dim]`; `what` names the batch in the error.
    ///
    /// # Errors
    /// [`ShapeError::Mismatch`] otherwise.
    pub fn expect_shape(
        &self,
        what: &'static str,
        rows: usize,
        dim: usize,
    ) -> Result<(), ShapeError> {
        let found = (self.rows(), self.dim());
        if found == (rows, dim) {
            return Ok(());
        }
        Err(ShapeError::Mismatch {
            what,
            expected: (rows, dim),
            found,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn first_value_that_is_not_finite_is_named_by_row_and_column() {
        let error =
            Latents::from_vec(vec![0.0, 1.0, 2.0, f32::NAN, 4.0, f32::INFINITY], 2).unwrap_err();
        assert!(
            matches!(
                error,
                ShapeError::NotFinite {
                    row: 1,
                    column: 1,
                    ..
                }
            ),
            "{error}"
        );
    }

    #[test]
    fn ragged_and_zero_width_batches_are_refused() {
        assert_eq!(
            Latents::from_vec(vec![0.0; 5], 2),
            Err(ShapeError::Ragged { values: 5, dim: 2 })
        );
        assert!(matches!(
            Latents::from_vec(vec![], 0),
            Err(ShapeError::Empty { .. })
        ));
    }

    #[test]
    fn select_and_repeat_keep_rows_whole() {
        let latents = Latents::new(array![[0.0, 1.0], [2.0, 3.0]]).unwrap();
        assert_eq!(
            latents.select(&[1, 0, 1]).values(),
            [2.0, 3.0, 0.0, 1.0, 2.0, 3.0]
        );
        assert_eq!(
            latents.repeat_each(2).values(),
            [0.0, 1.0, 0.0, 1.0, 2.0, 3.0, 2.0, 3.0]
        );
    }

    #[test]
    fn an_array_of_any_layout_becomes_row_major() {
        let columns = array![[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]];
        let latents = Latents::new(columns.reversed_axes()).unwrap();
        assert_eq!(latents.view(), array![[0.0, 3.0], [1.0, 4.0], [2.0, 5.0]]);
        assert_eq!(latents.row(1), array![1.0, 4.0]);
        assert_eq!(latents.row_values(2), [2.0, 5.0]);
        assert_eq!(latents.values(), [0.0, 3.0, 1.0, 4.0, 2.0, 5.0]);
    }

    #[test]
    fn overflow_is_clamped_and_a_nan_is_an_error() {
        let clamped = Latents::clamped(vec![f32::INFINITY, f32::NEG_INFINITY], 1).unwrap();
        assert_eq!(clamped.values(), [f32::MAX, f32::MIN]);
        let error = Latents::clamped(vec![0.0, 1.0, f32::NAN], 1).unwrap_err();
        assert!(
            matches!(error, ShapeError::NotFinite { row: 2, .. }),
            "{error}"
        );
    }
}
