use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use zbridge_core::Estimate;
use zbridge_eval::EffectiveSampleSize;
use zbridge_tasks::measures::ImageToLabel;
use zbridge_tasks::training::LogMarginal;

/// zbridge beside published figures.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Standing {
    /// The command that made it.
    pub command: String,
    /// Version of zbridge.
    pub version: String,
    /// First seed.
    pub seed: u64,
    /// Budget of a fit in seconds.
    pub budget_seconds: f64,
    /// Training images without labels that took part in each fit.
    pub unpaired: usize,
    /// Likelihoods of grey images.
    pub grey: ImageLikelihoods,
    /// Likelihoods of black and white images, where their VAE was given.
    pub binary: Option<ImageLikelihoods>,
    /// Labels told from images, by the number of pairs.
    pub labels: Vec<LabelPoint>,
    /// Wall-clock seconds of this run.
    pub seconds: f64,
    /// What was written.
    pub files: Vec<PathBuf>,
}

/// Likelihoods of held-out images across one image VAE.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ImageLikelihoods {
    /// log p(x) of the given image VAE.
    pub log_p_x: LogMarginal,
    /// One for each number of pairs.
    pub bridges: Vec<BridgeLikelihood>,
}

/// Likelihood of held-out images given their labels, through one bridge.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BridgeLikelihood {
    /// Pairs that it was fitted on.
    pub pairs: usize,
    /// log p(x|y) in nats: log p(x) over all images, and the gain over those that it was measured
    /// on; the two errors as if they were independent.
    pub log_p_x_given_y_nats: Estimate,
    /// log p(x|y) − log p(x), image by image, over some of them, in nats.
    pub gain_over_prior_nats: Estimate,
    /// How many of the draws carried log p(x|y).
    pub effective_sample_size: EffectiveSampleSize,
}

/// Labels told from held-out images with so many pairs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LabelPoint {
    /// Pairs.
    pub pairs: usize,
    /// Under each seed: pairs, fit and draws all differ.
    pub by_seed: Vec<ImageToLabel>,
}
