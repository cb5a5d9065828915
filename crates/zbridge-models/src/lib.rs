//! Given generative models: VAEs of images, labels, sounds and texts, ALI models of images, and the
//! judges of what is generated.
//!
//! A given model is trained once, by one of the [`recipes`], and never changed afterwards: bridges
//! and estimators see it through [`LatentModel`](zbridge_core::LatentModel).
#![forbid(unsafe_code)]

mod ali;
mod classifier;
mod error;
pub mod recipes;
mod text;
mod vae;
mod vae_training;

pub use ali::{Ali, AliArchitecture, AliObjective, AliTrainer, Discriminator, Game};
pub use classifier::{Classifier, ClassifierTrainer};
pub use error::ModelError;
pub use text::{
    TextFigures, TextObjective, TextVae, TextVaeArchitecture, TextVaeConfig, TextVaeTrainer,
};
pub use vae::{Vae, VaeArchitecture};
pub use vae_training::{Objective, VaeTrainer};
