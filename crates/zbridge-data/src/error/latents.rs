/// The arrays of a latents file are not latents.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LatentsError {
    /// An array is missing.
    #[error("holds no {part} {wanted}; found {}", listed(found))]
    MissingArray {
        /// What the arrays of the file are called: tensor, array or column.
        part: &'static str,
        /// The names that were looked for.
        wanted: &'static str,
        /// The arrays that the file holds.
        found: Vec<String>,
    },
    /// The file has the means of posteriors, but not their variances.
    #[error(
        "{mean} without a spread; found {}; add `log_var` (or `logvar`, or a standard deviation \
         `std` or `scale`), or call the means `z` if the encoder is deterministic",
        listed(found)
    )]
    MissingSpread {
        /// The array of means.
        mean: String,
        /// The arrays that the file holds.
        found: Vec<String>,
    },
    /// The file gives its latents in two ways.
    #[error(
        "both `{}` and `{}`: latents are given in one way; leave one of them out",
        names[0], names[1]
    )]
    Ambiguous {
        /// The two arrays.
        names: [String; 2],
    },
}

/// The ids, labels or numbers of rows are wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RowsError {
    /// Two rows have the same id.
    #[error(
        "rows {first} and {second} have the same id {id:?}; ids must differ, or pairs would be \
         ambiguous"
    )]
    DuplicateId {
        /// The id.
        id: String,
        /// The first row with this id, from 0.
        first: usize,
        /// The second row with this id.
        second: usize,
    },
    /// Two parts that belong together have different numbers of rows.
    #[error("{found} {what}, but {expected} rows; both must come from the same export")]
    Count {
        /// What was counted.
        what: &'static str,
        /// The expected number.
        expected: usize,
        /// The number found.
        found: usize,
    },
    /// A line of a table of ids is wrong.
    #[error(
        "line {line}: {reason}; a table of ids starts with the line `id` or `id,label` and has one \
         line for each row of the latents"
    )]
    IdsTable {
        /// Line, from 1.
        line: u64,
        /// What is wrong with it.
        reason: String,
    },
}

impl RowsError {
    /// Returns an error unless there are `expected` rows; `what` names what was counted.
    pub(crate) fn expect_count(
        what: &'static str,
        expected: usize,
        found: usize,
    ) -> Result<(), Self> {
        if found == expected {
            return Ok(());
        }
        Err(Self::Count {
            what,
            expected,
            found,
        })
    }
}

fn listed(names: &[String]) -> String {
    if names.is_empty() {
        "no arrays".to_owned()
    } else {
        names.join(", ")
    }
}
