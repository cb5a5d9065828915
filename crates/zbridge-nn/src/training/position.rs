use serde::{Deserialize, Serialize};

/// How far a training is: what a checkpoint must hold besides weights and moments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Position {
    /// Whole epochs done.
    pub epoch: usize,
    /// Steps done in the current epoch.
    pub step: usize,
}

impl Position {
    /// Returns the steps done since the start of the training.
    pub fn steps_done(self, steps_per_epoch: usize) -> usize {
        self.epoch * steps_per_epoch + self.step
    }

    /// Returns the position one step later.
    pub(super) fn after_step(self, steps_per_epoch: usize) -> Self {
        if self.step + 1 < steps_per_epoch {
            return Self {
                step: self.step + 1,
                ..self
            };
        }
        Self {
            epoch: self.epoch + 1,
            step: 0,
        }
    }
}
