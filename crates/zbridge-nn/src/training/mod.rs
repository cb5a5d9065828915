//! Training: one loop for everything that learns by steps.
//!
//! A [`Trainer`] takes the steps of a [`Trainee`]. The [`BatchSampler`] says which rows a step
//! sees, [`LearningRate`] how fast it moves, and every [`Hook`] is called after each step: to stop
//! early ([`EarlyStopping`]), to write [`Checkpoints`], to record a curve. A trainee moves its
//! parameters itself, by an [`Optimiser`] (Adam with clipped gradients and weight decay), and may
//! follow them with a [`MovingAverage`].

mod batch_sampler;
mod checkpoints;
mod early_stopping;
mod hook;
mod learning_rate;
mod moving_average;
mod optimiser;
mod plan;
mod position;
mod trainee;
mod trainer;

pub use batch_sampler::BatchSampler;
pub use checkpoints::Checkpoints;
pub use early_stopping::EarlyStopping;
pub use hook::{Hook, StepReport};
pub use learning_rate::{LearningRate, Schedule};
pub use moving_average::MovingAverage;
pub use optimiser::{Optimiser, clip_grad_norm};
pub use plan::{OptimiserPlan, TrainingPlan};
pub use position::Position;
pub use trainee::{FlatParameters, StepContext, Trainee};
pub use trainer::{Ending, Outcome, Trainer};
