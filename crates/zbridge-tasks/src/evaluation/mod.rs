//! A bridge on held-out pairs: each quantity under its own name, with its uncertainty.

mod generated;
mod latent;
mod likelihoods;
mod pairs;
mod requirement;

pub use generated::Generated;
pub(crate) use generated::GeneratedImages;
pub use latent::DirectionFigures;
pub use likelihoods::{Joint, Likelihoods};
pub use pairs::HeldOutSource;
pub(crate) use pairs::{HeldOutPairs, expect_dim};
pub use requirement::{Outcome, Requirement};
pub use zbridge_eval::LikelihoodSummary;
