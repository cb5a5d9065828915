//! Adversarially learned inference: a generator and an encoder that a discriminator of pairs brings
//! together.
//!
//! There are two ways to come by a pair of an observation and a latent: encode an observation of
//! the data, or generate one from the prior. The discriminator learns to tell which way a pair
//! came, the other two to leave it in doubt. Where it cannot know, both ways draw from one joint
//! distribution, so that the encoder inverts the generator.
//!
//! # Source
//! Dumoulin et al. 2016, "Adversarially learned inference"; Donahue et al. 2016, "Adversarial
//! feature learning"; the reconstruction term is that of Li et al. 2017, "ALICE".

mod discriminator;
mod game;
mod model;
mod objective;
mod penalty;
mod shard;
#[cfg(test)]
mod tests;
mod training;

pub use discriminator::Discriminator;
pub use game::Game;
pub use model::{Ali, AliArchitecture};
pub use objective::AliObjective;
pub use training::AliTrainer;
