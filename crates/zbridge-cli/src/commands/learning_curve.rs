//! `zbridge learning-curve`: figures over the number of pairs.

use crate::commands::fit::seconds;
use crate::context::{Context, command_line};
use clap::Args;
use std::path::PathBuf;
use zbridge_bridge::{BridgeConfig, RecipeName};
use zbridge_experiments::learning_curve::{
    Curve, LearningCurveRequest, learning_curve, summary_markdown,
};
use zbridge_tasks::Error;

/// Numbers of pairs that are measured by default: each twice the one before.
const PAIRS: [usize; 10] = [16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192];

/// Arguments of `zbridge learning-curve`.
#[derive(Debug, Args)]
pub struct LearningCurveArgs {
    /// Folder with the MNIST files; without it ZBRIDGE_DATA, then the cache, which is filled when
    /// empty
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Numbers of pairs
    #[arg(long, value_name = "N,N,…", value_delimiter = ',', default_values_t = PAIRS)]
    pairs: Vec<usize>,
    /// Seeds for each, from --seed on
    #[arg(long, value_name = "N", default_value_t = 5)]
    seeds: u64,
    /// As in fit: auto, paper or a family
    #[arg(long, default_value_t = RecipeName::Auto)]
    recipe: RecipeName,
    /// As in fit: time for each bridge
    #[arg(long, value_name = "SECONDS", default_value = "60s", value_parser = seconds)]
    budget: f64,
    /// Training images to use without their labels
    #[arg(long, value_name = "N", default_value_t = 60_000)]
    unpaired: usize,
    /// Numbers of pairs that are also fitted shuffled, as the negative control [default: those of
    /// --pairs]
    #[arg(
        long,
        value_name = "N,N,…",
        value_delimiter = ',',
        conflicts_with = "no_shuffled"
    )]
    shuffled_pairs: Option<Vec<usize>>,
    /// Leave the negative control out
    #[arg(long)]
    no_shuffled: bool,
    /// Held-out images of the importance sampling; 0 leaves it out
    #[arg(long, value_name = "N", default_value_t = 200)]
    images: usize,
    /// Draws for each of them
    #[arg(long, value_name = "K", default_value_t = 1000)]
    draws: usize,
}

impl LearningCurveArgs {
    fn shuffled(&self) -> Vec<usize> {
        match (&self.shuffled_pairs, self.no_shuffled) {
            (_, true) => vec![],
            (Some(numbers), false) => numbers.clone(),
            (None, false) => self.pairs.clone(),
        }
    }
}

/// Measures the curve and writes tables, figures and pages.
///
/// # Errors
/// Those of [`learning_curve`].
pub fn run(args: &LearningCurveArgs, context: &Context) -> Result<(), Error> {
    let request = LearningCurveRequest {
        data: args.data.clone(),
        out: context.out_or("zbridge-learning-curve"),
        pairs: args.pairs.clone(),
        seeds: args.seeds,
        seed: context.seed,
        config: BridgeConfig::named(args.recipe).with_budget(args.budget),
        unpaired: args.unpaired,
        shuffled: args.shuffled(),
        images: args.images,
        draws: args.draws.max(1),
        command: command_line(),
    };
    let display = context.progress();
    let curve = learning_curve(&request, &display.observer(context.interrupt()))?;
    drop(display);
    context.output.print(&curve, as_text)
}

fn as_text(curve: &Curve) -> String {
    let page = curve
        .files
        .first()
        .map(|file| file.display().to_string())
        .unwrap_or_default();
    format!(
        "{}\n{page} and {} other files in {:.0} s",
        summary_markdown(curve),
        curve.files.len() - 1,
        curve.seconds
    )
}
