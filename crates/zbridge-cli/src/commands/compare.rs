//! `zbridge compare`: beside published figures.

use crate::commands::fit::seconds;
use crate::context::{Context, command_line};
use clap::Args;
use std::path::PathBuf;
use zbridge::BridgeConfig;
use zbridge_experiments::compare::{CompareRequest, Standing, compare, summary_markdown};
use zbridge_tasks::Error;

/// Arguments of `zbridge compare`.
#[derive(Debug, Args)]
pub struct CompareArgs {
    /// Folder with the MNIST files; without it ZBRIDGE_DATA, then the cache, which is filled when
    /// empty
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Seeds over which accuracies are averaged, from --seed on
    #[arg(long, value_name = "N", default_value_t = 3)]
    seeds: u64,
    /// Weights of the VAE of black and white images (`zbridge train mnist-image-binary`); without
    /// it these are left out
    #[arg(long, value_name = "MODEL")]
    binary_model: Option<PathBuf>,
    /// As in fit: time for each bridge
    #[arg(long, value_name = "SECONDS", default_value = "60s", value_parser = seconds)]
    budget: f64,
    /// Training images to use without their labels
    #[arg(long, value_name = "N", default_value_t = 60_000)]
    unpaired: usize,
    /// Held-out images of log p(x), 1808 at most: those that no bridge was fitted on
    #[arg(long, value_name = "N", default_value_t = 1808)]
    images: usize,
    /// How many of them the gain log p(x|y) − log p(x) is measured on
    #[arg(long, value_name = "N", default_value_t = 250)]
    gain_images: usize,
    /// Draws for each of them
    #[arg(long, value_name = "K", default_value_t = 1000)]
    draws: usize,
}

/// Fits, measures and writes tables and pages.
///
/// # Errors
/// Those of [`compare`].
pub fn run(args: &CompareArgs, context: &Context) -> Result<(), Error> {
    let request = CompareRequest {
        data: args.data.clone(),
        out: context.out_or("zbridge-standing"),
        seeds: args.seeds.max(1),
        config: BridgeConfig::auto()
            .with_budget(args.budget)
            .with_seed(context.seed)
            .check()?,
        unpaired: args.unpaired,
        images: args.images,
        gain_images: args.gain_images,
        draws: args.draws.max(1),
        binary_model: args.binary_model.clone(),
        command: command_line(),
    };
    let (display, interrupt) = (context.progress(), context.interrupt());
    let stages = display.stages();
    let standing = compare(&request, &|what, share| {
        stages.show("compare", share, what);
        !interrupt.requested()
    })?;
    drop(display);
    context.output.print(&standing, as_text)
}

fn as_text(standing: &Standing) -> String {
    let page = standing
        .files
        .first()
        .map(|file| file.display().to_string())
        .unwrap_or_default();
    let others = standing.files.len().saturating_sub(1);
    format!(
        "{}\n{page} and {others} other files in {:.0} s",
        summary_markdown(standing),
        standing.seconds
    )
}
