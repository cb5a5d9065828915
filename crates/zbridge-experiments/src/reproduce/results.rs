//! What a reproduction found, as `results.json` holds it.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;
use zbridge_core::{Elbo, Estimate};
use zbridge_tasks::measures::{ImageToLabel, LabelToImage};
use zbridge_tasks::training::LogMarginal;

/// Every figure of a reproduction, with what is needed to make it again.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Results {
    /// The command that made it.
    pub command: String,
    /// Version of zbridge.
    pub version: String,
    /// First seed.
    pub seed: u64,
    /// SHA-256 of data and given models.
    pub digests: BTreeMap<String, String>,
    /// The given image VAE on held-out images: ELBO and its terms, and importance-sampled log p(x).
    pub image_vae: GivenResult,
    /// The same model after 3 epochs.
    pub image_vae_3_epochs: GivenResult,
    /// The given label VAE: its reconstruction term is what table 2 of the paper seems to show.
    pub label_vae: GivenResult,
    /// Bridges of section 5.1 to 5.3, one for each N.
    pub bridges: Vec<BridgeResult>,
    /// The bridge of section 5.4, to the image VAE of 3 epochs.
    pub bridge_3_epochs: BridgeResult,
    /// Negative control: pairs shuffled before the fit.
    pub shuffled: BridgeResult,
    /// The judge's accuracy on real test images.
    pub judge_accuracy: f64,
    /// Pixel standard deviation within a label, of real held-out images.
    pub real_pixel_sd: f64,
    /// Coherence and pixel sd of the image VAE's own posterior draws: the ceiling for label →
    /// image.
    pub ceiling: LabelToImage,
    /// Images of the importance sampling × draws.
    pub importance_images: usize,
    /// Draws for each.
    pub importance_draws: usize,
    /// Decoder evaluations a second in the importance sampling.
    pub decoder_evaluations_per_second: f64,
    /// Wall-clock seconds.
    pub seconds: f64,
    /// What was written.
    pub files: Vec<PathBuf>,
}

/// A given model on held-out data.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct GivenResult {
    /// Reconstruction term, KL to the prior, and the bound.
    pub elbo: Elbo,
    /// log p of held-out data by importance sampling.
    pub log_marginal: LogMarginal,
}

/// A bridge on held-out data.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct BridgeResult {
    /// Pairs it was fitted on.
    pub pairs: usize,
    /// Figures of each seed: pairs, fit and draws all differ.
    pub by_seed: Vec<SeedFigures>,
    /// Likelihoods of the first seed's bridge; absent for controls.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub likelihoods: Option<Likelihoods>,
    /// Seconds of the first seed's fit, both directions; absent for controls.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fit_seconds: Option<f64>,
}

/// A bridge's figures under one seed.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SeedFigures {
    /// The seed.
    pub seed: u64,
    /// Image → label, on held-out images.
    pub image_to_label: ImageToLabel,
    /// Label → image.
    pub label_to_image: LabelToImage,
}

/// Likelihoods of held-out data across a bridge, each under its own name.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Likelihoods {
    /// E log p(x|z), z ~ q(z_x|z_y): naive Monte Carlo. What table 1 of the paper seems to show;
    /// not a likelihood of x.
    pub naive_log_likelihood_nats: Estimate,
    /// log E p(x|z) by the same draws.
    pub naive_log_mean_nats: Estimate,
    /// log p(x|y) by importance sampling from p(z_x|x).
    pub log_p_x_given_y: LogMarginal,
    /// log p(x|y) − log p(x), image by image.
    pub gain_over_prior_nats: Estimate,
    /// E log p(y|z_y), z_y ~ q(z_y|z_x).
    pub label_log_likelihood_nats: Estimate,
}

impl Results {
    /// The first seed's bridge of the smallest number of pairs.
    pub(super) fn fewest_pairs(&self) -> &BridgeResult {
        &self.bridges[0]
    }
}

impl BridgeResult {
    /// A negative control, of which only the figures under each seed are measured.
    pub(super) fn control(pairs: usize, by_seed: Vec<SeedFigures>) -> Self {
        Self {
            pairs,
            by_seed,
            likelihoods: None,
            fit_seconds: None,
        }
    }

    /// Mean and standard error over seeds of a figure.
    pub fn over_seeds(&self, figure: impl Fn(&SeedFigures) -> f64) -> Estimate {
        Estimate::of(self.by_seed.iter().map(figure))
    }
}
