use std::ops::Range;
use zbridge_core::{DensityError, EventKind, Interrupted, LatentModelError, ShapeError};

/// Why an evaluation failed or was stopped.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum EvalError {
    /// The observer stopped the evaluation.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
    /// A batch has the wrong shape or a value that is not finite.
    #[error(transparent)]
    Shape(#[from] ShapeError),
    /// A density could not be evaluated or drawn from.
    #[error(transparent)]
    Density(#[from] DensityError),
    /// A given model could not encode, decode or evaluate.
    #[error(transparent)]
    Model(#[from] LatentModelError),
    /// An error that belongs to one observation.
    #[error("observation {row}: {source}")]
    Row {
        /// The observation, from 0.
        row: usize,
        /// What is wrong with it.
        source: Box<EvalError>,
    },
    /// The model or a density returned a log density that is NaN or +∞.
    #[error(
        "{quantity} of observation {row} is {value} at draw {draw}: a log density is a number \
         below infinity; check the model's weights and the observation"
    )]
    NotALogDensity {
        /// The name of the density.
        quantity: String,
        /// The observation, from 0.
        row: usize,
        /// The number of the draw among those of the observation, from 0.
        draw: usize,
        /// The log density.
        value: f64,
    },
    /// Two quantities that belong together differ in number.
    #[error("{what}: expected {expected}, found {found}")]
    Mismatch {
        /// The quantity.
        what: &'static str,
        /// The expected number.
        expected: usize,
        /// The number that was found.
        found: usize,
    },
    /// There are too few items to evaluate.
    #[error("{what}: at least {least} needed, found {found}")]
    TooFew {
        /// The items.
        what: &'static str,
        /// The least number of them.
        least: usize,
        /// The number that was found.
        found: usize,
    },
    /// A setting is out of its range.
    #[error("setting `{name}` is {value}: {range}")]
    Setting {
        /// The name of the setting.
        name: &'static str,
        /// Its value.
        value: f64,
        /// The allowed values.
        range: &'static str,
    },
    /// A row refers to a context, class or condition that does not exist.
    #[error(
        "observation {row} has {what} {index}, but there are only {available}, numbered from 0"
    )]
    UnknownIndex {
        /// A context, a class or a condition.
        what: &'static str,
        /// The observation, from 0.
        row: usize,
        /// The number of the context, class or condition.
        index: usize,
        /// How many exist.
        available: usize,
    },
    /// A target or sampler has no row for an observation.
    #[error(
        "{what} has no row {row}: it has {available}; build it for all observations that are \
         evaluated"
    )]
    UnknownRow {
        /// The target or sampler.
        what: &'static str,
        /// The row, from 0.
        row: usize,
        /// The number of its rows.
        available: usize,
    },
    /// Class probabilities are needed, but the observations are something else.
    #[error("class probabilities are needed, but these observations are {}", found.in_words())]
    NotClasses {
        /// The kind of the observations.
        found: EventKind,
    },
    /// A row of probabilities has a negative value or does not sum to one.
    #[error(
        "observation {row}: its class probabilities sum to {sum} with the smallest {smallest}; \
         they must be ≥ 0 and sum to 1 (apply the softmax first)"
    )]
    NotProbabilities {
        /// The observation, from 0.
        row: usize,
        /// The sum of its probabilities.
        sum: f64,
        /// The smallest of them.
        smallest: f64,
    },
    /// A spread between observations needs at least two of them.
    #[error(
        "condition {condition} has fewer than two observations: the spread within a condition \
         needs at least 2"
    )]
    SingleObservation {
        /// The condition, from 0.
        condition: usize,
    },
    /// Two columns of a linear-Gaussian model's weight are not orthogonal.
    #[error(
        "columns {first} and {second} of the weight have cosine {cosine:.3e}: the exact posterior \
         is diagonal only for orthogonal columns"
    )]
    NotOrthogonal {
        /// One column, from 0.
        first: usize,
        /// The other column.
        second: usize,
        /// The cosine of the angle between them.
        cosine: f64,
    },
}

impl EvalError {
    /// Returns a function that adds the number of an observation to an error.
    pub(crate) fn at_row<E: Into<Self>>(row: usize) -> impl Fn(E) -> Self {
        move |error| Self::Row {
            row,
            source: Box::new(error.into()),
        }
    }

    /// Checks that `found` is `expected`.
    ///
    /// # Errors
    /// [`EvalError::Mismatch`] otherwise.
    pub(crate) fn expect_count(
        what: &'static str,
        expected: usize,
        found: usize,
    ) -> Result<(), Self> {
        if expected == found {
            return Ok(());
        }
        Err(Self::Mismatch {
            what,
            expected,
            found,
        })
    }

    /// Checks that there are at least `least` items.
    ///
    /// # Errors
    /// [`EvalError::TooFew`] otherwise.
    pub(crate) fn expect_items(what: &'static str, least: usize, found: usize) -> Result<(), Self> {
        if found >= least {
            return Ok(());
        }
        Err(Self::TooFew { what, least, found })
    }

    /// Checks that a setting is at least `least`, which is 1 or 2.
    ///
    /// # Errors
    /// [`EvalError::Setting`] otherwise.
    pub(crate) fn expect_setting(
        name: &'static str,
        least: usize,
        value: usize,
    ) -> Result<(), Self> {
        if value >= least {
            return Ok(());
        }
        Err(Self::Setting {
            name,
            value: value as f64,
            range: match least {
                1 => "at least 1 is needed",
                _ => "at least 2 are needed",
            },
        })
    }

    /// Returns the entry of observation `row` in a list with one entry per observation.
    ///
    /// # Errors
    /// [`EvalError::UnknownRow`] if the list is too short; `what` names its owner.
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

    /// Checks that each of `indices`, one per observation, is below `available`.
    ///
    /// # Errors
    /// [`EvalError::UnknownIndex`] with the first that is not.
    pub(crate) fn expect_indices(
        what: &'static str,
        indices: impl IntoIterator<Item = usize>,
        available: usize,
    ) -> Result<(), Self> {
        for (row, index) in indices.into_iter().enumerate() {
            if index >= available {
                return Err(Self::UnknownIndex {
                    what,
                    row,
                    index,
                    available,
                });
            }
        }
        Ok(())
    }

    /// Returns the log densities of the draws with these numbers, if there is one for each and none
    /// is NaN or +∞.
    ///
    /// # Errors
    /// [`EvalError::Mismatch`] or [`EvalError::NotALogDensity`].
    pub(crate) fn expect_log_densities(
        quantity: &str,
        row: usize,
        draws: Range<usize>,
        values: Vec<f64>,
    ) -> Result<Vec<f64>, Self> {
        Self::expect_count("log densities, one per draw", draws.len(), values.len())?;
        DensityError::check(values).map_err(Self::at_draw(quantity, row, draws.start))
    }

    /// Returns a function that names the density, observation and draw of an error; `first` is the
    /// number of the first draw.
    pub(crate) fn at_draw(
        quantity: &str,
        row: usize,
        first: usize,
    ) -> impl Fn(DensityError) -> Self {
        move |error| match error {
            DensityError::NotANumber { row: place, value } => Self::NotALogDensity {
                quantity: quantity.to_owned(),
                row,
                draw: first + place,
                value,
            },
            other => Self::at_row(row)(other),
        }
    }
}
