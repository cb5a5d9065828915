use crate::ShapeError;

/// A batch of points in a latent space: `[rows, dim]`, row-major, every value finite.
#[derive(Debug, Clone, PartialEq)]
pub struct Latents {
    values: Vec<f32>,
    dim: usize,
}

impl Latents {
    /// The batch `[values.len() / dim, dim]`.
    ///
    /// # Errors
    /// [`ShapeError::Ragged`] when the length is no multiple of `dim`, [`ShapeError::NotFinite`]
    /// with the place of the first NaN or infinity, [`ShapeError::Empty`] when `dim` is 0.
    pub fn new(values: Vec<f32>, dim: usize) -> Result<Self, ShapeError> {
        if dim == 0 {
            return Err(ShapeError::Empty {
                what: "a batch of latents",
            });
        }
        if !values.len().is_multiple_of(dim) {
            return Err(ShapeError::Ragged {
                values: values.len(),
                dim,
            });
        }
        match values.iter().position(|v| !v.is_finite()) {
            None => Ok(Self { values, dim }),
            Some(i) => Err(ShapeError::NotFinite {
                row: i / dim,
                column: i % dim,
                value: values[i],
            }),
        }
    }

    /// `rows` copies of `value` in every column.
    ///
    /// # Panics
    /// When `dim` is 0 or `value` is not finite: both are mistakes of the calling code.
    pub fn filled(rows: usize, dim: usize, value: f32) -> Self {
        assert!(
            dim > 0 && value.is_finite(),
            "a latent has at least one finite column"
        );
        Self {
            values: vec![value; rows * dim],
            dim,
        }
    }

    /// The batch with overflow pulled back to the largest finite value: for draws, whose scale can
    /// overflow in `exp` although every parameter is finite.
    ///
    /// # Panics
    /// When `dim` is 0.
    pub fn saturating(mut values: Vec<f32>, dim: usize) -> Self {
        assert!(dim > 0, "a latent has at least one column");
        for value in &mut values {
            *value = if value.is_nan() {
                0.0
            } else {
                value.clamp(f32::MIN, f32::MAX)
            };
        }
        Self { values, dim }
    }

    /// How many points.
    pub fn rows(&self) -> usize {
        self.values.len() / self.dim
    }

    /// Dimensions of the latent space.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// All values, `[rows, dim]` row-major.
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// The values, to be filled in within the crate by what keeps them finite.
    pub(crate) fn values_mut(&mut self) -> &mut [f32] {
        &mut self.values
    }

    /// The values, given away.
    pub fn into_values(self) -> Vec<f32> {
        self.values
    }

    /// Point `row`.
    pub fn row(&self, row: usize) -> &[f32] {
        &self.values[row * self.dim..(row + 1) * self.dim]
    }

    /// The points named by `rows`, in that order; a row may be named more than once.
    pub fn select(&self, rows: &[usize]) -> Self {
        let mut values = Vec::with_capacity(rows.len() * self.dim);
        for &row in rows {
            values.extend_from_slice(self.row(row));
        }
        Self {
            values,
            dim: self.dim,
        }
    }

    /// Each point `times` over, copies side by side: row `i` becomes rows `i·times … (i+1)·times −
    /// 1`.
    pub fn repeat_each(&self, times: usize) -> Self {
        let mut values = Vec::with_capacity(self.values.len() * times);
        for row in self.values.chunks_exact(self.dim) {
            for _ in 0..times {
                values.extend_from_slice(row);
            }
        }
        Self {
            values,
            dim: self.dim,
        }
    }

    /// Errors unless the batch is `[rows, dim]`.
    pub(crate) fn expect_shape(
        &self,
        what: &'static str,
        rows: usize,
        dim: usize,
    ) -> Result<(), ShapeError> {
        let found = (self.rows(), self.dim);
        if found == (rows, dim) {
            Ok(())
        } else {
            Err(ShapeError::Mismatch {
                what,
                expected: (rows, dim),
                found,
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_value_that_is_not_finite_is_named_by_row_and_column() {
        let error = Latents::new(vec![0.0, 1.0, 2.0, f32::NAN, 4.0, f32::INFINITY], 2).unwrap_err();
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
            Latents::new(vec![0.0; 5], 2),
            Err(ShapeError::Ragged { values: 5, dim: 2 })
        );
        assert!(matches!(
            Latents::new(vec![], 0),
            Err(ShapeError::Empty { .. })
        ));
    }

    #[test]
    fn select_and_repeat_keep_rows_whole() {
        let latents = Latents::new(vec![0.0, 1.0, 2.0, 3.0], 2).unwrap();
        assert_eq!(
            latents.select(&[1, 0, 1]).values(),
            [2.0, 3.0, 0.0, 1.0, 2.0, 3.0]
        );
        assert_eq!(
            latents.repeat_each(2).values(),
            [0.0, 1.0, 0.0, 1.0, 2.0, 3.0, 2.0, 3.0]
        );
    }
}
