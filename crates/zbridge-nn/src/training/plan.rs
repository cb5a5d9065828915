use super::{BatchSampler, LearningRate, Schedule};
use serde::{Deserialize, Serialize};
use zbridge_core::RandomStream;

/// How long and in which batches a model is trained on its data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrainingPlan {
    /// Rows of the data.
    pub rows: usize,
    /// Rows of a batch; the last batch of an epoch may be smaller, but never a single row.
    pub batch: usize,
    /// Epochs of the whole schedule.
    pub epochs: usize,
    /// Epochs to run before stopping, at most `epochs`.
    pub stop_after: usize,
    /// Learning rate over the steps of all `epochs`.
    pub schedule: Schedule,
    /// Seed of the order of batches and of every step's stream.
    pub seed: u64,
}

impl TrainingPlan {
    /// Returns the sampler of the plan's batches.
    pub fn sampler(&self) -> BatchSampler {
        let orders = RandomStream::named(self.seed, "train/order");
        BatchSampler::whole_epochs(self.rows, self.batch, orders)
    }
}

/// How many steps the optimiser takes, on how many rows each, and how far.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OptimiserPlan {
    /// Steps of the whole fit.
    pub steps: usize,
    /// Rows of a batch, or all rows if there are fewer.
    pub batch: usize,
    /// Highest learning rate, see [`LearningRate::Cosine`].
    pub learning_rate: f32,
    /// Decoupled weight decay (Loshchilov & Hutter 2019), relative to the learning rate.
    pub weight_decay: f32,
}

impl OptimiserPlan {
    /// Returns the learning rate of the plan's steps.
    pub fn learning_rate(&self) -> LearningRate {
        LearningRate::Cosine {
            peak: self.learning_rate,
        }
    }
}
