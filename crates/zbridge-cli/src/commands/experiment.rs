//! `zbridge experiment`: real pairs of real modalities, each with one command.

use crate::commands::fit::seconds;
use crate::context::{Context, command_line};
use clap::Args;
use std::path::PathBuf;
use zbridge_bridge::{BridgeConfig, RecipeName};
use zbridge_experiments::experiments::{
    Experiment, ExperimentReport, ExperimentRequest, experiment, summary_markdown,
};
use zbridge_tasks::Error;

/// Arguments of `zbridge experiment`.
#[derive(Debug, Args)]
pub struct ExperimentArgs {
    /// image-speech, image-text, label-speech or ali-label
    #[arg(value_name = "NAME")]
    experiment: Experiment,
    /// Folder with the MNIST files; without it ZBRIDGE_DATA, then the cache, which is filled when
    /// empty
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Folder with recordings of spoken digits, DIGIT_SPEAKER_NUMBER.wav
    #[arg(long, value_name = "DIR")]
    speech: Option<PathBuf>,
    /// Folder with the given models that are not embedded
    #[arg(long, value_name = "DIR", default_value = "models")]
    models: PathBuf,
    /// Levels of the captions of image-text
    #[arg(long, value_name = "N,N,…", value_delimiter = ',', default_values_t = [1, 2, 3, 4, 5])]
    levels: Vec<u8>,
    /// Numbers of pairs
    #[arg(long, value_name = "N,N,…", value_delimiter = ',', default_values_t = [256, 1024])]
    pairs: Vec<usize>,
    /// Numbers of pairs that are also fitted shuffled, as the negative control
    #[arg(
        long,
        value_name = "N,N,…",
        value_delimiter = ',',
        default_values_t = [1024],
        conflicts_with = "no_shuffled"
    )]
    shuffled_pairs: Vec<usize>,
    /// Leave the negative control out
    #[arg(long)]
    no_shuffled: bool,
    /// Seeds for each, from --seed on
    #[arg(long, value_name = "N", default_value_t = 3)]
    seeds: u64,
    /// As in fit: auto, paper or a family
    #[arg(long, default_value_t = RecipeName::Auto)]
    recipe: RecipeName,
    /// As in fit: time for each bridge
    #[arg(long, value_name = "SECONDS", default_value = "60s", value_parser = seconds)]
    budget: f64,
}

/// Measures and writes tables, samples and pages.
///
/// # Errors
/// Those of [`experiment`].
pub fn run(args: &ExperimentArgs, context: &Context) -> Result<(), Error> {
    let request = ExperimentRequest {
        experiment: args.experiment,
        data: args.data.clone(),
        speech: args.speech.clone(),
        models: args.models.clone(),
        levels: args.levels.clone(),
        pairs: args.pairs.clone(),
        shuffled: if args.no_shuffled {
            vec![]
        } else {
            args.shuffled_pairs.clone()
        },
        seeds: args.seeds,
        seed: context.seed,
        config: BridgeConfig::named(args.recipe).with_budget(args.budget),
        out: context.out_or(format!("zbridge-{}", args.experiment.name())),
        command: command_line(),
    };
    let display = context.progress();
    let report = experiment(&request, &display.observer(context.interrupt()))?;
    drop(display);
    context.output.print(&report, as_text)
}

fn as_text(report: &ExperimentReport) -> String {
    let page = report
        .files
        .first()
        .map(|file| file.display().to_string())
        .unwrap_or_default();
    let others = report.files.len().saturating_sub(1);
    format!(
        "{}\n{page} and {others} other files in {:.0} s",
        summary_markdown(report),
        report.seconds
    )
}
