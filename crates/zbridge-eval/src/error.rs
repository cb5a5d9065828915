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
