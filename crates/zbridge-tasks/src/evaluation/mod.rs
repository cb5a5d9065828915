//! A bridge on held-out pairs: each quantity under its own name, with its uncertainty.

mod crossed_error;
mod generated;
mod left_out;
mod likelihoods;
mod pairs;
mod requirement;
mod side_of_pairs;

pub use crossed_error::{CrossedError, CrossedErrors};
pub use generated::Generated;
pub(crate) use generated::GeneratedImages;
pub use left_out::LeftOut;
pub(crate) use likelihoods::LikelihoodPlan;
pub use likelihoods::{Joint, Likelihoods};
pub(crate) use pairs::HeldOutPairs;
pub use pairs::HeldOutSource;
pub use requirement::{Outcome, Requirement};
pub(crate) use side_of_pairs::SideOfPairs;
pub use zbridge::DirectionFigures;
pub use zbridge_eval::LikelihoodSummary;
