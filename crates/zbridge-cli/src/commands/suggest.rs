//! `zbridge suggest`: which observations to pair next.

use crate::context::Context;
use crate::figures::files_in;
use clap::Args;
use std::path::PathBuf;
use zbridge_tasks::Error;
use zbridge_tasks::{SuggestReport, SuggestRequest, suggest};

/// Arguments of `zbridge suggest`.
#[derive(Debug, Args)]
pub struct SuggestArgs {
    /// Latents of x without partners, among which is chosen
    #[arg(long, value_name = "LATENTS")]
    x: PathBuf,
    /// Latents of x that have a partner already: what is chosen lies where these are not
    #[arg(long, value_name = "LATENTS")]
    pairs_x: Option<PathBuf>,
    /// A bridge from x to y: what it is unsure of is chosen more readily
    #[arg(long, value_name = "BRIDGE")]
    bridge: Option<PathBuf>,
    /// How many to choose
    #[arg(long, value_name = "N", default_value_t = 16)]
    count: usize,
}

/// Chooses, and prints the ids as CSV, or writes them to the file that `--out` names.
///
/// # Errors
/// Those of [`suggest`].
pub fn run(args: &SuggestArgs, context: &Context) -> Result<(), Error> {
    let request = SuggestRequest {
        x: args.x.clone(),
        paired: args.pairs_x.clone(),
        bridge: args.bridge.clone(),
        count: args.count,
        seed: context.seed,
        out: context.out(),
    };
    let display = context.progress();
    let report = suggest(&request, &display.observer(context.interrupt()))?;
    drop(display);
    context.output.print(&report, as_text)
}

/// The ids themselves, unless they are in a file: then what they are worth.
fn as_text(report: &SuggestReport) -> String {
    if report.files.is_empty() {
        return report.ids_csv();
    }
    let mut lines = vec![format!(
        "{} of {} items, in {} active dimensions; mean distance to the nearest one {:.2}, of as many at random {:.2}",
        report.chosen.len(),
        report.items,
        report.dimensions,
        report.mean_distance,
        report.mean_distance_at_random
    )];
    lines.push(files_in(&report.files, report.seconds));
    lines.join("\n")
}
