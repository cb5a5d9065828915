/// What can be wrong with the shape or the values of a batch.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ShapeError {
    /// The number of values is not a whole number of rows.
    #[error("{values} values cannot be rows of {dim}: the length must be a multiple of {dim}")]
    Ragged {
        /// The number of values.
        values: usize,
        /// The number of values in a row.
        dim: usize,
    },
    /// Two batches that belong together differ in shape.
    #[error(
        "{what}: expected shape [{}, {}], found [{}, {}]",
        expected.0, expected.1, found.0, found.1
    )]
    Mismatch {
        /// The quantity.
        what: &'static str,
        /// The expected `[rows, dim]`.
        expected: (usize, usize),
        /// The `[rows, dim]` of the batch.
        found: (usize, usize),
    },
    /// A value is NaN or infinite.
    #[error("row {row}, column {column} is {value}: every value must be finite")]
    NotFinite {
        /// Row, from 0.
        row: usize,
        /// Column, from 0.
        column: usize,
        /// The value.
        value: f32,
    },
    /// A row has a class that does not exist.
    #[error("row {row} is of class {class}, but there are {classes} classes, numbered from 0")]
    UnknownClass {
        /// Row, from 0.
        row: usize,
        /// The class of that row.
        class: usize,
        /// The number of classes.
        classes: usize,
    },
    /// A batch needs at least one row and one column here.
    #[error("{what} is empty: at least one row and one column are needed")]
    Empty {
        /// The quantity.
        what: &'static str,
    },
}

/// Why a density could not be evaluated or drawn from.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum DensityError {
    /// The points or contexts do not have the shape that the density takes, or a draw is NaN.
    #[error(transparent)]
    Shape(#[from] ShapeError),
    /// The log density of a point is NaN or +∞: the parameters of the density are out of range.
    #[error(
        "the log density of row {row} is {value}: the point or the density is out of the range \
         that numbers can express; look for extreme values in row {row} of the data"
    )]
    NotANumber {
        /// Row of the point, from 0.
        row: usize,
        /// The value, in nats.
        value: f64,
    },
}

impl DensityError {
    /// Returns the log densities, in nats, unless one of them is NaN or +∞. −∞ is the log density
    /// of a point outside of the support.
    ///
    /// # Errors
    /// [`DensityError::NotANumber`] with the first such row.
    pub fn check(log_densities: Vec<f64>) -> Result<Vec<f64>, Self> {
        // A density of +∞ is a point mass, whose weight would outvote all others: an error as well.
        let wrong = |nats: &f64| nats.is_nan() || *nats == f64::INFINITY;
        match log_densities.iter().position(wrong) {
            None => Ok(log_densities),
            Some(row) => Err(Self::NotANumber {
                row,
                value: log_densities[row],
            }),
        }
    }
}

/// Why a given model could not encode, decode or evaluate.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum LatentModelError {
    /// The observations or latents do not have the shape that the model takes.
    #[error(transparent)]
    Shape(#[from] ShapeError),
    /// The model lacks the part that is needed: an encoder, a decoder or a likelihood.
    #[error("the model `{model}` has no {part}: {reason}")]
    Absent {
        /// The model's name.
        model: String,
        /// `likelihood`, `encoder` or `decoder`.
        part: &'static str,
        /// Why it has none, and what that means.
        reason: String,
    },
    /// The engine of a foreign model failed.
    #[error("the model `{model}` failed: {reason}")]
    Failed {
        /// The model's name.
        model: String,
        /// The engine's message.
        reason: String,
    },
}

/// What can be wrong with a vocabulary, or with a text that should be in it.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum VocabularyError {
    /// A list of symbols is not a vocabulary.
    #[error("symbol {place} of the vocabulary, {symbol:?}, {reason}")]
    Symbol {
        /// Number of the symbol, from 0.
        place: usize,
        /// The symbol.
        symbol: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A text has a symbol that is not in its vocabulary.
    #[error("column {column}: {symbol:?} is not in the vocabulary{}", hint(nearest.as_deref()))]
    UnknownSymbol {
        /// Column in characters, from 1, as editors count.
        column: usize,
        /// The word or character.
        symbol: String,
        /// The most similar symbol of the vocabulary.
        nearest: Option<String>,
    },
    /// A text has more symbols than the observations have places.
    #[error(
        "the text has {symbols} symbols, but at most {length} fit: shorten the text, or use a \
         model of longer ones"
    )]
    TextTooLong {
        /// The number of symbols of the text.
        symbols: usize,
        /// The largest number of symbols.
        length: usize,
    },
    /// The numbers of the symbols do not form a batch of texts.
    #[error(transparent)]
    Shape(#[from] ShapeError),
}

fn hint(nearest: Option<&str>) -> String {
    match nearest {
        Some(known) => format!("; did you mean {known:?}?"),
        None => ", and no symbol is similar to it: use other words".to_owned(),
    }
}
