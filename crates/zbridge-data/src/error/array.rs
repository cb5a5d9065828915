use zbridge_core::ShapeError;

/// An array of a file has the wrong type, shape or values.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ArrayError {
    /// The elements are of a type that cannot be used here.
    #[error("{array} has type {found}; expected {expected}: convert it before saving")]
    ElementType {
        /// The array.
        array: String,
        /// The types that can be used.
        expected: &'static str,
        /// The type in the file.
        found: String,
    },
    /// The shape is wrong.
    #[error("{array} has shape {found:?}; expected {expected}")]
    Shape {
        /// The array.
        array: String,
        /// The shapes that can be used.
        expected: String,
        /// The shape in the file.
        found: Vec<usize>,
    },
    /// A value is NaN or infinite, or the values are not a whole number of rows.
    #[error("{array}: {reason}")]
    Value {
        /// The array.
        array: String,
        /// What is wrong, with row and column.
        reason: ShapeError,
    },
    /// A standard deviation is zero or negative.
    #[error(
        "{array}, row {row}, column {column} is {value}: a standard deviation must be positive"
    )]
    ScaleNotPositive {
        /// The array.
        array: String,
        /// Row, from 0.
        row: usize,
        /// Column, from 0.
        column: usize,
        /// The value.
        value: f64,
    },
    /// A value is not a whole number in the allowed range.
    #[error("{array}: row {row} is {value}; expected a whole number from {lowest} to {highest}")]
    NotInRange {
        /// The array.
        array: String,
        /// Row, from 0.
        row: usize,
        /// The value.
        value: f64,
        /// The lowest number that is allowed.
        lowest: i64,
        /// The highest number that is allowed.
        highest: i64,
    },
    /// A column of a table has no value in some row.
    #[error("{array}, row {row}: null; every row needs a value: fill it or leave the row out")]
    Null {
        /// The column.
        array: String,
        /// Row, from 0.
        row: usize,
    },
    /// The lists of a column of a table are not equally long.
    #[error(
        "{array}, row {row}: its list is not as long as that of row 0, {expected:?}; all latents \
         have one shape"
    )]
    Ragged {
        /// The column.
        array: String,
        /// Row, from 0.
        row: usize,
        /// The lengths of the lists of the first row.
        expected: Vec<usize>,
    },
}

impl ArrayError {
    /// Returns an error for the first value of `array` that is not finite.
    ///
    /// `first_row` is the number in the file of the first row; `row_size` is the number of values
    /// in a row.
    pub(crate) fn expect_finite(
        array: &str,
        values: &[f32],
        first_row: usize,
        row_size: usize,
    ) -> Result<(), Self> {
        let Some(place) = values.iter().position(|value| !value.is_finite()) else {
            return Ok(());
        };
        Err(Self::Value {
            array: array.to_owned(),
            reason: ShapeError::NotFinite {
                row: first_row + place / row_size,
                column: place % row_size,
                value: values[place],
            },
        })
    }
}
