use zbridge_core::{DensityError, Interrupted, ShapeError};
use zbridge_nn::NnError;

/// What can go wrong with a bridge.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BridgeError {
    /// The two sides do not hold the same number of posteriors.
    #[error("{x} posteriors of x and {y} of y: pairs need one of each; join them by id first")]
    Unpaired {
        /// Posteriors of x.
        x: usize,
        /// Posteriors of y.
        y: usize,
    },
    /// Posteriors without partners come from another latent space than the pairs.
    #[error(
        "unpaired latents of {side} have {unpaired} dimensions, those of the pairs {pairs}: encode both with one model"
    )]
    UnpairedOfAnotherSpace {
        /// `x` or `y`.
        side: &'static str,
        /// Dimensions of the pairs' latents.
        pairs: usize,
        /// Dimensions of the others.
        unpaired: usize,
    },
    /// Posteriors of augmented observations do not go with those of the observations.
    #[error(
        "views of {side} are [{}, {}], the latents that they are views of [{}, {}]: give the same number of views of each row",
        views.0, views.1, owners.0, owners.1
    )]
    ViewsOfOthers {
        /// `x` or `y`.
        side: &'static str,
        /// Their shape.
        views: (usize, usize),
        /// The shape of the latents that they are views of.
        owners: (usize, usize),
    },
    /// A closed-form divergence was asked for between posteriors that are known by samples only.
    #[error(
        "recipe `paper` needs Gaussian posteriors (means and log-variances); these are samples only: use `auto`"
    )]
    SamplesOnly,
    /// Fewer pairs than any fit can work on.
    #[error("{pairs} pairs: at least 2 are needed, since a single one shows no spread")]
    TooFewPairs {
        /// Pairs that came.
        pairs: usize,
    },
    /// A setting is outside its range.
    #[error("bridge setting `{setting}` is {value}: {expected}")]
    Setting {
        /// Its name.
        setting: &'static str,
        /// Its value.
        value: String,
        /// What is allowed.
        expected: &'static str,
    },
    /// A name of a recipe, family or divergence that does not exist.
    #[error("no {what} `{name}`; there are: {known}")]
    Unknown {
        /// `recipe`, `family` or `divergence`.
        what: &'static str,
        /// What was asked for.
        name: String,
        /// The names that exist.
        known: String,
    },
    /// Shapes do not belong together.
    #[error(transparent)]
    Shape(#[from] ShapeError),
    /// A density could not be evaluated or drawn from.
    #[error(transparent)]
    Density(DensityError),
    /// A covariance has no Cholesky factorisation.
    #[error(
        "a covariance of {dim} dimensions is not positive definite: its values are too extreme for \
         f64; look for latents of very large or very small scale"
    )]
    NotPositiveDefinite {
        /// Rows and columns of the covariance.
        dim: usize,
    },
    /// The network, its file or its training failed.
    #[error(transparent)]
    Network(NnError),
    /// The observer interrupted the fit.
    #[error("the fit was interrupted; nothing was written")]
    Interrupted(#[from] Interrupted),
}

impl BridgeError {
    /// Returns the error for a name that is none of the `known` ones.
    pub(crate) fn unknown<'n>(
        what: &'static str,
        name: &str,
        known: impl Iterator<Item = &'n str>,
    ) -> Self {
        Self::Unknown {
            what,
            name: name.into(),
            known: known.collect::<Vec<_>>().join(", "),
        }
    }
}

impl From<DensityError> for BridgeError {
    fn from(error: DensityError) -> Self {
        match error {
            DensityError::Shape(error) => Self::Shape(error),
            other => Self::Density(other),
        }
    }
}

impl From<NnError> for BridgeError {
    fn from(error: NnError) -> Self {
        match error {
            NnError::Interrupted(interrupted) => Self::Interrupted(interrupted),
            other => Self::Network(other),
        }
    }
}
