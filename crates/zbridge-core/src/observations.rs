use crate::{EventKind, Latents, RandomStream, ShapeError};
use ndarray::{Array2, ArrayView1, ArrayView2, Axis};

/// A batch of observations of one modality, `[rows, event]`, with what their values mean.
///
/// Every value is finite. An observation of any shape is one row, in row-major order.
///
/// ```
/// use zbridge_core::{EventKind, Observations};
///
/// let kind = EventKind::Image { channels: 1, height: 1, width: 2 };
/// let images = Observations::new(vec![0.0, 0.5, 1.0, 0.25], kind)?;
/// assert_eq!(images.view(), ndarray::array![[0.0, 0.5], [1.0, 0.25]]);
/// assert_eq!(images.select(&[1]).values(), [1.0, 0.25]);
/// # Ok::<(), zbridge_core::ShapeError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Observations {
    /// Always in standard (row-major) layout, so that it can be seen as one slice.
    values: Array2<f32>,
    kind: EventKind,
}

impl Observations {
    /// Returns the batch `[values.len() / kind.size(), kind.size()]` of row-major values.
    ///
    /// # Errors
    /// [`ShapeError::Empty`] if an observation of this kind has no values, [`ShapeError::Ragged`]
    /// if the length is no multiple of its size, [`ShapeError::NotFinite`] with the place of the
    /// first NaN or infinity.
    pub fn new(values: Vec<f32>, kind: EventKind) -> Result<Self, ShapeError> {
        // The same checks as those of latents: whole rows of finite values.
        let checked = Latents::from_vec(values, size_of(&kind)?)?;
        Ok(Self {
            values: checked.into_array(),
            kind,
        })
    }

    /// Returns the batch with these values, `[rows, kind.size()]`.
    ///
    /// # Errors
    /// [`ShapeError::Mismatch`] if the rows have another size than `kind`, and as
    /// [`new`](Self::new).
    pub fn from_array(values: Array2<f32>, kind: EventKind) -> Result<Self, ShapeError> {
        let checked = Latents::new(values)?;
        checked.expect_shape("observations", checked.rows(), size_of(&kind)?)?;
        Ok(Self {
            values: checked.into_array(),
            kind,
        })
    }

    /// Returns one-hot observations of known classes, `[labels.len(), classes]`.
    ///
    /// # Errors
    /// [`ShapeError::UnknownClass`] with the first row whose class is not below `classes`.
    pub fn one_hot(labels: &[u8], classes: usize) -> Result<Self, ShapeError> {
        let mut values = Array2::zeros((labels.len(), classes));
        for (row, &label) in labels.iter().enumerate() {
            let class = usize::from(label);
            if class >= classes {
                return Err(ShapeError::UnknownClass {
                    row,
                    class,
                    classes,
                });
            }
            values[[row, class]] = 1.0;
        }
        let kind = EventKind::Class { classes };
        Ok(Self { values, kind })
    }

    /// Returns the number of observations.
    pub fn rows(&self) -> usize {
        self.values.nrows()
    }

    /// Returns what the values mean.
    pub fn kind(&self) -> &EventKind {
        &self.kind
    }

    /// Returns a view of the values, `[rows, event]`.
    pub fn view(&self) -> ArrayView2<'_, f32> {
        self.values.view()
    }

    /// Returns all values in row-major order.
    pub fn values(&self) -> &[f32] {
        self.values
            .as_slice()
            .expect("observations are in standard layout")
    }

    /// Returns observation `row` as a slice of `event` values.
    ///
    /// # Panics
    /// If there is no such row.
    pub fn row_values(&self, row: usize) -> &[f32] {
        let size = self.values.ncols();
        &self.values()[row * size..][..size]
    }

    /// Returns the same as [`row_values`](Self::row_values).
    pub fn row(&self, row: usize) -> &[f32] {
        self.row_values(row)
    }

    /// Returns the values as an array, `[rows, event]`.
    pub fn into_array(self) -> Array2<f32> {
        self.values
    }

    /// Returns the observations at `rows`, in that order; a row may occur more than once.
    ///
    /// # Panics
    /// If a row does not exist.
    pub fn select(&self, rows: &[usize]) -> Self {
        Self {
            values: self.values.select(Axis(0), rows),
            kind: self.kind.clone(),
        }
    }

    /// Returns the observations with every value replaced by a draw of 1 or 0, of which it is the
    /// probability of 1.
    ///
    /// Row `i` is drawn from `stream.child(first + i)`: the draw of an observation depends neither
    /// on the other observations nor on the size of the batch.
    pub fn binarised(&self, stream: &RandomStream, first: usize) -> Self {
        let mut binary = self.clone();
        for (row, mut values) in binary.values.outer_iter_mut().enumerate() {
            let values = values.as_slice_mut().expect("rows are contiguous");
            stream.child((first + row) as u64).binarise(values);
        }
        binary
    }

    /// Returns the most probable class of each observation: the column of the largest value, the
    /// last of several equal ones.
    pub fn argmax(&self) -> Vec<usize> {
        let last_largest = |row: ArrayView1<f32>| {
            (0..row.len())
                .max_by(|&a, &b| row[a].total_cmp(&row[b]))
                .unwrap_or(0)
        };
        self.values.outer_iter().map(last_largest).collect()
    }
}

/// Returns the number of values of an observation of this kind.
///
/// # Errors
/// [`ShapeError::Empty`] if that is 0.
fn size_of(kind: &EventKind) -> Result<usize, ShapeError> {
    match kind.size() {
        0 => Err(ShapeError::Empty {
            what: "an observation",
        }),
        size => Ok(size),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    fn pair() -> EventKind {
        EventKind::Array { shape: vec![2] }
    }

    #[test]
    fn an_array_of_the_wrong_width_or_with_nan_is_an_error() {
        let wide = Observations::from_array(array![[0.0, 1.0, 2.0]], pair());
        assert!(matches!(wide, Err(ShapeError::Mismatch { .. })));
        let nan = Observations::from_array(array![[0.0, 1.0], [f32::NAN, 2.0]], pair());
        assert!(matches!(
            nan,
            Err(ShapeError::NotFinite {
                row: 1,
                column: 0,
                ..
            })
        ));
        let nothing = Observations::new(vec![], EventKind::Array { shape: vec![0] });
        assert!(matches!(nothing, Err(ShapeError::Empty { .. })));
    }

    #[test]
    fn one_hot_rows_have_their_class() {
        let labels = Observations::one_hot(&[2, 0], 3).unwrap();
        assert_eq!(labels.view(), array![[0.0, 0.0, 1.0], [1.0, 0.0, 0.0]]);
        assert_eq!(labels.argmax(), [2, 0]);
        assert_eq!(
            Observations::one_hot(&[0, 3], 3),
            Err(ShapeError::UnknownClass {
                row: 1,
                class: 3,
                classes: 3
            })
        );
    }

    #[test]
    fn a_binary_draw_does_not_depend_on_the_batch() {
        let grey = Observations::new(vec![0.5; 40], pair()).unwrap();
        let stream = RandomStream::named(1, "binary");
        let whole = grey.binarised(&stream, 0);
        assert!(
            whole
                .values()
                .iter()
                .all(|&value| value == 0.0 || value == 1.0)
        );
        let tail = grey.select(&[17, 18, 19]).binarised(&stream, 17);
        assert_eq!(tail.view(), whole.select(&[17, 18, 19]).view());
    }
}
