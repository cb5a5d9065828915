use super::crossing::Crossing;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use zbridge_core::Estimate;
use zbridge_eval::Accuracy;

/// What an experiment found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ExperimentReport {
    /// Its name.
    pub experiment: String,
    /// What it is, in a sentence.
    pub about: String,
    /// The command that made it.
    pub command: String,
    /// Version of zbridge.
    pub version: String,
    /// Recipe of the bridges.
    pub recipe: String,
    /// Budget of a fit in seconds.
    pub budget_seconds: f64,
    /// One, or one for each level of the captions.
    pub settings: Vec<Setting>,
    /// Wall-clock seconds.
    pub seconds: f64,
    /// What was written.
    pub files: Vec<PathBuf>,
}

/// Two modalities, and the bridges between them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Setting {
    /// "level 3"; empty where there is but one.
    pub name: String,
    /// x and y.
    pub sides: [SideReport; 2],
    /// A point for each number of pairs, those with shuffled pairs last.
    pub points: Vec<Point>,
}

/// One modality.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SideReport {
    /// What it is in a word.
    pub name: String,
    /// What its model models.
    pub observations: String,
    /// SHA-256 of the model's file.
    pub model_digest: String,
    /// Dimensions of its latents.
    pub dim: usize,
    /// Observations that pairs are made of.
    pub pool: usize,
    /// Held-out observations.
    pub held_out: usize,
    /// Different things shown: digits, captions.
    pub keys: usize,
    /// Who reads what is generated.
    pub reader: String,
    /// Share of the model's own draws for held-out observations that show what these show.
    pub own_draws_right: Accuracy,
}

/// Every seed at one number of pairs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// Pairs that the bridges were fitted on.
    pub pairs: usize,
    /// Whether partners were permuted: the negative control.
    pub shuffled: bool,
    /// A bridge for each seed.
    pub by_seed: Vec<Crossing>,
}

impl Point {
    /// The mean of a figure over seeds, with its standard error.
    pub fn over_seeds(&self, figure: impl Fn(&Crossing) -> f64) -> Estimate {
        Estimate::of(self.by_seed.iter().map(figure))
    }
}
