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
    /// A list of symbols is no vocabulary of texts.
    #[error("symbol {place} of the vocabulary, {symbol:?}, {reason}")]
    Vocabulary {
        /// Which symbol, from 0.
        place: usize,
        /// The symbol.
        symbol: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A text holds something that is not in its vocabulary.
    #[error("column {column}: {symbol:?} is not in the vocabulary{}", near(nearest.as_deref()))]
    UnknownSymbol {
        /// Column in characters, from 1, as editors count.
        column: usize,
        /// The word or character.
        symbol: String,
        /// The symbol of the vocabulary that is most like it.
        nearest: Option<String>,
    },
    /// A text has more symbols than there is room for.
    #[error(
        "{symbols} symbols, but there is room for {length}: shorten the text, or use a model of longer ones"
    )]
    TextTooLong {
        /// How many it has.
        symbols: usize,
        /// How many there may be.
        length: usize,
    },
    /// A batch needs at least one row and one column here.
    #[error("{what} is empty: at least one row and one column are needed")]
    Empty {
        /// Which quantity.
        what: &'static str,
    },
    /// A model that has no density of observations was asked for one, or one without a part was
    /// asked to use it.
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

fn near(nearest: Option<&str>) -> String {
    let hint = |known: &str| format!("; did you mean {known:?}?");
    nearest.map_or_else(
        || ", and nothing in it is like it: use other words".to_owned(),
        hint,
    )
}
