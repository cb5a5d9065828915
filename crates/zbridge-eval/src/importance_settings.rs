use crate::EvalError;
use crate::checks::expect_setting;
use crate::parallel_rows::chunks;
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// How many draws to take for each observation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportanceSettings {
    /// K, draws for each observation.
    pub draws: usize,
    /// Draws that go through the decoder at once. It affects memory and speed, but not the result
    /// of a model that treats its rows one by one.
    pub chunk: usize,
    /// Seed of the draws.
    pub seed: u64,
}

impl ImportanceSettings {
    /// Checks that there is at least one draw, and one in a chunk.
    ///
    /// # Errors
    /// [`EvalError::Setting`] otherwise.
    pub(crate) fn check(&self) -> Result<(), EvalError> {
        expect_setting("draws", 1, self.draws)?;
        expect_setting("chunk", 1, self.chunk)
    }

    /// Returns the numbers of the draws, chunk by chunk.
    pub(crate) fn chunks(&self) -> impl Iterator<Item = Range<usize>> {
        chunks(self.draws, self.chunk)
    }
}
