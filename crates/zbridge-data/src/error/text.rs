use zbridge_core::VocabularyError;

/// A file of texts cannot be used.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum TextError {
    /// The file is not UTF-8.
    #[error("line {line}, byte {byte} of the file: not UTF-8; save the file as UTF-8 text")]
    NotUtf8 {
        /// Line, from 1.
        line: usize,
        /// The first byte that is not UTF-8, from 0.
        byte: usize,
    },
    /// The file has no text.
    #[error("holds no text: a text is a line that is not blank")]
    Empty,
    /// A line is not a text of the vocabulary, or is too long.
    #[error("line {line}, {reason}")]
    Line {
        /// Line, from 1.
        line: usize,
        /// What is wrong with it.
        reason: VocabularyError,
    },
    /// Words that cannot be distinguished from characters.
    #[error("no word is longer than one character; take the texts by characters instead of words")]
    SingleCharacters,
    /// The symbols of the texts are not a vocabulary.
    #[error("{0}")]
    Vocabulary(VocabularyError),
    /// The limit of a vocabulary is lower than its smallest size.
    #[error(
        "a vocabulary of at most {limit} symbols was asked for; it needs 3 or more: the empty one, \
         another, and the one for unknown ones"
    )]
    VocabularyLimit {
        /// The limit.
        limit: usize,
    },
}

/// A line of a file of pairs is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "line {line}: {reason}; a pairs file starts with the line `x,y` and has one id of each on \
     every further line; row numbers from 0 belong below `x_index` and `y_index`"
)]
pub struct PairsError {
    /// Line, from 1.
    pub line: u64,
    /// What is wrong with it.
    pub reason: String,
}
