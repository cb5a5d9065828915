use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use zbridge_bridge::{Comparison, DirectionGap};
use zbridge_core::Estimate;
use zbridge_tasks::measures::{ImageToLabel, LabelToImage};

/// A learning curve.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Curve {
    /// The command that made it.
    pub command: String,
    /// Version of zbridge.
    pub version: String,
    /// Recipe of the bridges.
    pub recipe: String,
    /// Budget of a fit in seconds.
    pub budget_seconds: f64,
    /// Unpaired image latents that took part in each fit.
    pub unpaired: usize,
    /// Held-out images of the importance sampling.
    pub images: usize,
    /// Draws for each.
    pub draws: usize,
    /// What the given models allow.
    pub limits: Limits,
    /// A point for each number of pairs.
    pub points: Vec<Point>,
    /// Wall-clock seconds.
    pub seconds: f64,
    /// What was written.
    pub files: Vec<PathBuf>,
}

/// What no bridge across the given models can be expected to beat, and what it must not fall
/// behind.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Limits {
    /// The judge's accuracy on real test images.
    pub judge_accuracy: f64,
    /// Coherence, diversity and Fréchet distance of the image VAE's own posterior draws for
    /// held-out images.
    pub posterior_draws: Generated,
    /// Diversity and Fréchet distance of the image VAE's prior draws; without a label there is no
    /// coherence.
    pub prior_draws: Generated,
    /// Pixel standard deviation within a label of real images.
    pub real_pixel_sd: f64,
}

/// Figures of generated images.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Generated {
    /// Coherence, where images have labels.
    pub label_to_image: Option<LabelToImage>,
    /// Fréchet distance to held-out images in the judge's features.
    pub frechet_distance: f64,
}

/// Every seed at one number of pairs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// Pairs that the bridges were fitted on.
    pub pairs: usize,
    /// Whether the pairs were shuffled: the negative control.
    pub shuffled: bool,
    /// Figures under each seed.
    pub by_seed: Vec<SeedPoint>,
}

impl Point {
    /// The mean of a figure over seeds, with its standard error.
    pub fn over_seeds(&self, figure: impl Fn(&SeedPoint) -> f64) -> Estimate {
        Estimate::of(self.by_seed.iter().map(figure))
    }
}

/// One bridge's figures: pairs, fit and draws all depend on the seed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SeedPoint {
    /// The seed.
    pub seed: u64,
    /// Held-out image → label figures.
    pub image_to_label: ImageToLabel,
    /// Label → image figures.
    pub label_to_image: LabelToImage,
    /// Fréchet distance of images made from labels to held-out images, in the judge's features.
    pub frechet_distance: f64,
    /// log p(x|y) − log p(x) of held-out images, importance-sampled with the same draws, in nats.
    pub gain_over_prior_nats: Option<Estimate>,
    /// Direction gap on held-out pairs.
    pub direction_gap: DirectionGap,
    /// How image → label was chosen.
    pub image_to_label_choice: Comparison,
    /// How label → image was chosen.
    pub label_to_image_choice: Comparison,
    /// Wall-clock seconds of the fit: longer where the machine had other work.
    pub fit_seconds: f64,
    /// Processor seconds of the fit, over all cores: what it costs, whatever else the machine did.
    pub fit_core_seconds: f64,
}
