use std::path::PathBuf;

/// The rows of x and y could not be joined.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JoinError {
    /// A pair names an id that is not among the latents.
    #[error(
        "pair {pair} (counted below the header): {side} id {id:?} is not among the {count} ids of \
         {side}; remove the pair or add its latents"
    )]
    UnknownId {
        /// The number of the pair, from 1.
        pair: usize,
        /// `x` or `y`.
        side: &'static str,
        /// The id that is missing.
        id: String,
        /// The number of ids of that side.
        count: usize,
    },
    /// A pair names a row that does not exist.
    #[error(
        "{}, line {line}: {side}_index is {row}, but {side} has {rows} rows, numbered from 0; \
         correct the number", path.display()
    )]
    UnknownRow {
        /// The file of pairs.
        path: PathBuf,
        /// Line, from 1.
        line: u64,
        /// `x` or `y`.
        side: &'static str,
        /// The number of the row in the file of pairs.
        row: usize,
        /// The number of rows of that side.
        rows: usize,
    },
    /// Two sets of ids have nothing in common.
    #[error(
        "no id is in both x and y (x has {x_count}, such as {x_example:?}; y has {y_count}, such \
         as {y_example:?}); give a pairs file"
    )]
    NoCommonIds {
        /// The number of ids of x.
        x_count: usize,
        /// The first id of x; empty if there is none.
        x_example: String,
        /// The number of ids of y.
        y_count: usize,
        /// The first id of y; empty if there is none.
        y_example: String,
    },
}
