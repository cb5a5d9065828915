use zbridge_core::{DensityError, EventKind, LatentModelError, ShapeError};

/// Why an evaluation stopped; nothing is written by this crate, so nothing is left half done.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum EvalError {
    /// A batch has the wrong shape or a value that is not finite.
    #[error(transparent)]
    Shape(#[from] ShapeError),
    /// A density could not be evaluated or drawn from.
    #[error(transparent)]
    Density(#[from] DensityError),
    /// A given model could not encode, decode or evaluate.
    #[error(transparent)]
    Model(#[from] LatentModelError),
    /// The same, found while working on one observation.
    #[error("observation {row}: {source}")]
    Row {
        /// Observation, from 0.
        row: usize,
        /// What is wrong with it.
        source: Box<EvalError>,
    },
    /// The model or a target returned a log density that is NaN or +∞.
    #[error(
        "{quantity} of observation {row} is {value} at draw {draw}: a log density is a number below infinity; check the model's weights and the observation"
    )]
    NotALogDensity {
        /// Which density, by its name.
        quantity: String,
        /// Observation, from 0.
        row: usize,
        /// Which of the observation's draws, from 0.
        draw: usize,
        /// What came.
        value: f64,
    },
    /// Two quantities that belong together differ in number.
    #[error("{what}: expected {expected}, found {found}")]
    Mismatch {
        /// Which quantity, in the field's words.
        what: &'static str,
        /// How many the context asks for.
        expected: usize,
        /// How many came.
        found: usize,
    },
    /// There is nothing to evaluate.
    #[error("{what}: at least one is needed")]
    Empty {
        /// Which quantity.
        what: &'static str,
    },
    /// A setting is out of its range.
    #[error("setting `{name}` is {value}: {range}")]
    Setting {
        /// Name of the setting.
        name: &'static str,
        /// What it was set to.
        value: f64,
        /// What is allowed.
        range: &'static str,
    },
    /// A row names a context, class or condition that does not exist.
    #[error(
        "observation {row} names {what} {index}, but there are only {available}, counted from 0"
    )]
    UnknownIndex {
        /// What is named: a context, a class, a condition.
        what: &'static str,
        /// Observation, from 0.
        row: usize,
        /// What it names.
        index: usize,
        /// How many there are.
        available: usize,
    },
    /// A target or sampler was built for fewer observations than it is asked about.
    #[error(
        "{what} has no row {row}: it was built for {available} observations; build it for all that are evaluated"
    )]
    UnknownRow {
        /// What was asked.
        what: &'static str,
        /// The row, from 0.
        row: usize,
        /// For how many observations it was built.
        available: usize,
    },
    /// Class probabilities are needed, but the observations are something else.
    #[error("class probabilities are needed, but these observations are {found:?}")]
    NotClasses {
        /// What the observations are.
        found: EventKind,
    },
    /// A row of probabilities has a negative value or does not sum to one.
    #[error(
        "observation {row}: its class probabilities sum to {sum} with the smallest {smallest}; they must be ≥ 0 and sum to 1 (apply the softmax first)"
    )]
    NotProbabilities {
        /// Observation, from 0.
        row: usize,
        /// Their sum.
        sum: f64,
        /// The smallest of them.
        smallest: f64,
    },
    /// A spread between observations needs two of them.
    #[error(
        "condition {condition} has one observation: a standard deviation within a condition needs at least 2"
    )]
    SingleObservation {
        /// The condition, from 0.
        condition: usize,
    },
    /// Two columns of a linear-Gaussian model's weight are not orthogonal.
    #[error(
        "columns {first} and {second} of the weight have cosine {cosine:.3e}: the exact posterior is diagonal only for orthogonal columns"
    )]
    NotOrthogonal {
        /// One column, from 0.
        first: usize,
        /// The other.
        second: usize,
        /// The cosine of the angle between them.
        cosine: f64,
    },
}

impl EvalError {
    /// A converter that says on which observation a shape error arose.
    pub(crate) fn at_row<E: Into<Self>>(row: usize) -> impl Fn(E) -> Self {
        move |error| Self::Row {
            row,
            source: Box::new(error.into()),
        }
    }

    /// Errors unless `found` is `expected`.
    pub(crate) fn expect_count(
        what: &'static str,
        expected: usize,
        found: usize,
    ) -> Result<(), Self> {
        if expected == found {
            Ok(())
        } else {
            Err(Self::Mismatch {
                what,
                expected,
                found,
            })
        }
    }

    /// The entry of observation `row` in a list with one entry for each.
    pub(crate) fn entry_of_row<'a, T>(
        what: &'static str,
        entries: &'a [T],
        row: usize,
    ) -> Result<&'a T, Self> {
        entries.get(row).ok_or(Self::UnknownRow {
            what,
            row,
            available: entries.len(),
        })
    }

    /// Errors unless each of `indices`, one per observation, is below `available`.
    pub(crate) fn expect_indices(
        what: &'static str,
        indices: impl IntoIterator<Item = usize>,
        available: usize,
    ) -> Result<(), Self> {
        match indices
            .into_iter()
            .enumerate()
            .find(|&(_, index)| index >= available)
        {
            None => Ok(()),
            Some((row, index)) => Err(Self::UnknownIndex {
                what,
                row,
                index,
                available,
            }),
        }
    }
}
