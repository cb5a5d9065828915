/// What can be wrong with a batch of numbers at the door.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ShapeError {
    /// The number of values is not a whole number of rows.
    #[error("{values} values cannot be rows of {dim}: the length must be a multiple of {dim}")]
    Ragged {
        /// How many values came.
        values: usize,
        /// How many belong to a row.
        dim: usize,
    },
    /// Two batches that belong together differ in shape.
    #[error("{what}: expected shape [{}, {}], found [{}, {}]", expected.0, expected.1, found.0, found.1)]
    Mismatch {
        /// Which quantity, in the field's words.
        what: &'static str,
        /// `[rows, dim]` that the context asks for.
        expected: (usize, usize),
        /// `[rows, dim]` that came.
        found: (usize, usize),
    },
    /// A value is NaN or infinite.
    #[error("row {row}, column {column} is {value}: every value must be finite")]
    NotFinite {
        /// Row, from 0.
        row: usize,
        /// Column, from 0.
        column: usize,
        /// The offending value.
        value: f32,
    },
    /// A class that does not exist.
    #[error("row {row} is of class {class}, but there are {classes} classes, numbered from 0")]
    UnknownClass {
        /// Row, from 0.
        row: usize,
        /// The class named there.
        class: usize,
        /// How many there are.
        classes: usize,
    },
    /// A batch needs at least one row and one column here.
    #[error("{what} is empty: at least one row and one column are needed")]
    Empty {
        /// Which quantity.
        what: &'static str,
    },
    /// A model that has no density of observations was asked for one, or one without a part was asked to use it.
    #[error("the model `{model}` has no {part}: {reason}")]
    Absent {
        /// The model's name.
        model: String,
        /// `likelihood`, `encoder` or `decoder`.
        part: &'static str,
        /// Why it has none, and what that means.
        reason: String,
    },
    /// A foreign model failed at its work.
    #[error("the model `{model}` failed: {reason}")]
    Failed {
        /// The model's name.
        model: String,
        /// What its engine said.
        reason: String,
    },
}
