//! A bridge on held-out pairs: each quantity under its own name, with its uncertainty.

mod generated;
mod likelihoods;
mod pairs;
mod requirement;

pub use generated::Generated;
pub(crate) use generated::GeneratedImages;
pub use likelihoods::{Joint, Likelihoods};
pub(crate) use pairs::HeldOutPairs;
pub use pairs::HeldOutSource;
pub use requirement::{Outcome, Requirement};
pub use zbridge::DirectionFigures;
pub use zbridge_eval::LikelihoodSummary;
