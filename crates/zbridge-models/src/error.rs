use zbridge_core::{LatentModelError, ShapeError};
use zbridge_nn::NnError;

/// What can go wrong with a given model.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ModelError {
    /// Weights, a checkpoint or a training failed.
    #[error(transparent)]
    Network(#[from] NnError),
    /// A given model could not encode, decode or evaluate.
    #[error(transparent)]
    LatentModel(#[from] LatentModelError),
    /// Observations or latents do not fit the model.
    #[error("model `{model}`: {source}")]
    Shape {
        /// The model's name.
        model: String,
        /// What does not fit.
        source: ShapeError,
    },
    /// A network of the model does not fit its latents or its observations.
    #[error("model `{model}`: its {network} has {found} outputs where {expected} are needed")]
    Architecture {
        /// The model's name.
        model: String,
        /// `encoder`, `decoder` or `generator`.
        network: &'static str,
        /// Outputs that the model needs.
        expected: usize,
        /// Outputs that the network has.
        found: usize,
    },
    /// A model is to be of other observations than it can be.
    #[error(
        "model `{model}` is of {expected}, but the data are {found}: choose data or recipe anew"
    )]
    Event {
        /// The model's name.
        model: String,
        /// What it can be of.
        expected: &'static str,
        /// What it was to be of.
        found: String,
    },
    /// A discriminator does not take the pairs that it is to tell apart.
    #[error(
        "model `{model}`: its discriminator is made for {found} {what} where there are \
         {expected}: change its layers"
    )]
    Discriminator {
        /// The model's name.
        model: String,
        /// What it is made for.
        what: &'static str,
        /// How many there are.
        expected: usize,
        /// How many it is made for.
        found: usize,
    },
    /// An adversarial training ended at a generator that draws the same observation everywhere.
    #[error(
        "model `{model}` has collapsed: what it generates differs by {spread:.3} of what \
         the data differ by; train it again with a larger gradient penalty, a lower learning \
         rate or another seed"
    )]
    Collapsed {
        /// The model's name.
        model: String,
        /// Mean squared distance of two generated observations over that of two of the data.
        spread: f64,
    },
    /// A recipe that does not exist was asked for.
    #[error("no recipe `{name}`; there are: {known}")]
    UnknownRecipe {
        /// What was asked for.
        name: String,
        /// What there is.
        known: String,
    },
}
