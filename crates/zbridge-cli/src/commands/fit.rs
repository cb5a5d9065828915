//! `zbridge fit`: two latents files → a bridge.

use crate::context::Context;
use crate::figures::files;
use crate::fitting::show_fit;
use clap::Args;
use std::path::PathBuf;
use zbridge::tasks::{FitReport, FitRequest, fit};
use zbridge::{BridgeConfig, Divergence, Error};

/// Arguments of `zbridge fit`.
#[derive(Debug, Args)]
pub struct FitArgs {
    /// Latents of modality x
    #[arg(long, value_name = "LATENTS")]
    x: PathBuf,
    /// Latents of modality y
    #[arg(long, value_name = "LATENTS")]
    y: PathBuf,
    /// CSV with the header x,y that pairs ids; without it, equal ids are pairs
    #[arg(long, value_name = "CSV")]
    pairs: Option<PathBuf>,
    /// How to build and fit: paper
    #[arg(long, default_value = "paper")]
    recipe: String,
    /// reverse-kl (the paper's), forward-kl or jeffreys, in place of the recipe's
    #[arg(long)]
    divergence: Option<Divergence>,
    /// Optimiser steps of each direction, in place of the recipe's
    #[arg(long, value_name = "N")]
    steps: Option<usize>,
    /// Pairs of a mini-batch, in place of the recipe's
    #[arg(long, value_name = "M")]
    batch: Option<usize>,
    /// Learning rate, in place of the recipe's
    #[arg(long, value_name = "RATE")]
    learning_rate: Option<f32>,
}

impl FitArgs {
    fn config(&self, seed: u64) -> Result<BridgeConfig, Error> {
        let recipe = BridgeConfig::recipe(&self.recipe)?;
        Ok(BridgeConfig {
            divergence: self.divergence.unwrap_or(recipe.divergence),
            steps: self.steps.unwrap_or(recipe.steps),
            batch: self.batch.unwrap_or(recipe.batch),
            learning_rate: self.learning_rate.unwrap_or(recipe.learning_rate),
            seed,
            ..recipe
        })
    }
}

/// Fits and writes the bridge.
///
/// # Errors
/// Those of [`fit`].
pub fn run(args: &FitArgs, context: &Context) -> Result<(), Error> {
    let request = FitRequest {
        x: args.x.clone(),
        y: args.y.clone(),
        pairs: args.pairs.clone(),
        config: args.config(context.seed)?.check()?,
        device: context.device,
        out: context.out_or("my.bridge"),
    };
    let (display, interrupt) = (context.progress(), context.interrupt());
    let report = fit(&request, &mut |direction, progress| {
        show_fit(&display, direction, progress);
        !interrupt.requested()
    })?;
    drop(display);
    context.output.print(&report, as_text)
}

fn as_text(report: &FitReport) -> String {
    let FitReport { pairs, dims: (x, y), recipe, divergence, seconds, .. } = report;
    format!(
        "bridge between {x} and {y} dimensions from {pairs} pairs (recipe {recipe}, {divergence})\n\
         divergence on these pairs: x → y {:.2} nats, y → x {:.2} nats; for held-out figures: zbridge evaluate\n\
         {} in {seconds:.1} s",
        report.x_to_y_divergence_nats,
        report.y_to_x_divergence_nats,
        files(&report.files)
    )
}
