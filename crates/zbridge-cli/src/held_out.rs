//! What `evaluate` and `report` are told of held-out pairs.

use crate::context::Context;
use crate::split::SplitName;
use clap::Args;
use std::path::PathBuf;
use zbridge_tasks::EvaluateRequest;
use zbridge_tasks::evaluation::HeldOutSource;

/// A bridge, and pairs that it has not seen.
#[derive(Debug, Args)]
pub struct HeldOutArgs {
    /// The bridge file
    #[arg(long, value_name = "BRIDGE")]
    bridge: PathBuf,
    /// Held-out latents of x
    #[arg(long, value_name = "LATENTS")]
    x: PathBuf,
    /// Held-out latents of y
    #[arg(long, value_name = "LATENTS")]
    y: PathBuf,
    /// CSV with the header x,y that pairs ids; without it, equal ids are pairs
    #[arg(long, value_name = "CSV")]
    pairs: Option<PathBuf>,
    /// Model of x, where the bridge does not name it
    #[arg(long, value_name = "MODEL")]
    x_model: Option<String>,
    /// Model of y, likewise
    #[arg(long, value_name = "MODEL")]
    y_model: Option<String>,
    /// What the latents of x were encoded from: for likelihoods and comparisons with real
    /// observations
    #[arg(long, value_name = "DATA")]
    x_data: Option<PathBuf>,
    /// What the latents of y were encoded from; classes need none
    #[arg(long, value_name = "DATA")]
    y_data: Option<PathBuf>,
    /// Which part of a dataset these are
    #[arg(long, value_enum, default_value = "test")]
    split: SplitName,
    /// A classifier of your own that reads generated images: .onnx, with a value for each class, or
    /// weights of `train`; without it that of MNIST digits
    #[arg(long, value_name = "FILE")]
    judge: Option<PathBuf>,
    /// Pairs whose likelihoods are estimated, where data is given; 0 leaves them out
    #[arg(long, value_name = "N", default_value_t = 100)]
    likelihood_pairs: usize,
    /// Draws for each of them
    #[arg(long, value_name = "K", default_value_t = 1000)]
    draws: usize,
}

impl HeldOutArgs {
    /// The request to evaluate them.
    pub fn request(&self, context: &Context) -> EvaluateRequest {
        EvaluateRequest {
            held_out: HeldOutSource {
                bridge: self.bridge.clone(),
                x: self.x.clone(),
                y: self.y.clone(),
                pairs: self.pairs.clone(),
                x_model: self.x_model.clone(),
                y_model: self.y_model.clone(),
                x_data: self.x_data.clone(),
                y_data: self.y_data.clone(),
                split: self.split.into(),
            },
            judge: self.judge.clone(),
            likelihood_pairs: self.likelihood_pairs,
            draws: self.draws,
            seed: context.seed,
        }
    }
}
