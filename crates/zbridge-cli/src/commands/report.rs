//! `zbridge report`: a bridge's report, one page.

use crate::commands::evaluate::as_text as figures_as_text;
use crate::context::{Context, command_line};
use crate::figures::files;
use crate::held_out::HeldOutArgs;
use clap::Args;
use zbridge_tasks::Error;
use zbridge_tasks::report::{ReportRequest, Reported, report};

/// Arguments of `zbridge report`.
#[derive(Debug, Args)]
pub struct ReportArgs {
    #[command(flatten)]
    held_out: HeldOutArgs,
}

/// Evaluates, draws and writes the page.
///
/// # Errors
/// Those of [`report`].
pub fn run(args: &ReportArgs, context: &Context) -> Result<(), Error> {
    let display = context.progress();
    let request = ReportRequest {
        evaluate: args.held_out.request(context),
        out: context.out_or("report.html"),
        command: command_line(),
    };
    let reported = report(&request, &display.observer(context.interrupt()))?;
    drop(display);
    context.output.print(&reported, as_text)
}

fn as_text(reported: &Reported) -> String {
    let written = files(&reported.figures.files);
    format!(
        "{}\n{written} in {:.1} s",
        figures_as_text(&reported.figures),
        reported.figures.seconds
    )
}
