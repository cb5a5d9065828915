//! `zbridge reproduce`: the paper's sections 4 and 5.

use crate::context::{Context, command_line};
use clap::Args;
use std::path::PathBuf;
use zbridge_experiments::reproduce::{
    Effort, ReproduceRequest, Results, reproduce, summary_markdown,
};
use zbridge_tasks::Error;

/// Arguments of `zbridge reproduce`.
#[derive(Debug, Args)]
pub struct ReproduceArgs {
    /// Folder with the MNIST files; without it ZBRIDGE_DATA, then the cache, which is filled when
    /// empty
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// 200 images × 200 draws and one seed, for a first look
    #[arg(long, conflicts_with = "full")]
    quick: bool,
    /// Likelihoods of every held-out image in place of 2,000
    #[arg(long)]
    full: bool,
}

/// Reproduces and writes the report.
///
/// # Errors
/// Those of [`reproduce`].
pub fn run(args: &ReproduceArgs, context: &Context) -> Result<(), Error> {
    let effort = match (args.quick, args.full) {
        (true, _) => Effort::Quick,
        (_, true) => Effort::Full,
        _ => Effort::Default,
    };
    let request = ReproduceRequest {
        data: args.data.clone(),
        out: context.out_or("zbridge-reproduction"),
        effort,
        seed: context.seed,
        command: command_line(),
    };
    let display = context.progress();
    let results = reproduce(&request, &display.observer(context.interrupt()))?;
    drop(display);
    context.output.print(&results, as_text)
}

fn as_text(results: &Results) -> String {
    let page = results
        .files
        .first()
        .map(|file| file.display().to_string())
        .unwrap_or_default();
    format!(
        "{}\n{page} and {} other files in {:.0} s",
        summary_markdown(results),
        results.files.len() - 1,
        results.seconds
    )
}
