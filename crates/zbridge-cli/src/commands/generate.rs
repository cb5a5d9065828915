//! `zbridge generate`: one modality → the other.

use crate::context::Context;
use crate::figures::files_in;
use clap::Args;
use std::path::PathBuf;
use zbridge_tasks::Error;
use zbridge_tasks::{
    AmongReport, AmongRequest, CalibrationPairs, GenerateReport, GenerateRequest, GenerateSource,
    SetReport, SetRequest, Shard, Side, find_among, generate, generate_sets,
};

/// Arguments of `zbridge generate`.
#[derive(Debug, Args)]
pub struct GenerateArgs {
    /// The bridge file
    #[arg(long, value_name = "BRIDGE")]
    bridge: PathBuf,
    /// A label, a text in quotes, or a file: .png, .wav, .txt, .npy, or a folder of .png or .wav
    #[arg(long, value_name = "INPUT", required_unless_present = "from_latents")]
    from: Option<String>,
    /// Latents of the source in place of observations: from an encoder of your own
    #[arg(long, value_name = "LATENTS", conflicts_with = "from")]
    from_latents: Option<PathBuf>,
    /// Write the target's latents in place of observations: for a decoder of your own
    #[arg(long)]
    latents: bool,
    /// The side to make
    #[arg(long, value_name = "x|y")]
    to: Side,
    /// Outputs for each input, side by side
    #[arg(long, value_name = "K", default_value_t = 1)]
    count: usize,
    /// Write the mean in place of a draw: the mean of the draws' latents, decoded once; for each
    /// input the best guess under squared error
    #[arg(long, conflicts_with = "count")]
    mean: bool,
    /// Draws of which the mean is taken
    #[arg(long, value_name = "K", default_value_t = 32, requires = "mean")]
    mean_draws: usize,
    /// In place of draws, which of these latents of the target's side are most likely the partner of an input:
    /// the first --count of them, as CSV
    #[arg(long, value_name = "LATENTS", conflicts_with_all = ["mean", "latents", "set"])]
    among: Option<PathBuf>,
    /// With --among: latents of the source's side as they occur, without partners say; what is likely for any
    /// of them counts less
    #[arg(long, value_name = "LATENTS", requires = "among")]
    reference: Option<PathBuf>,
    /// In place of a draw, a set that holds the target of an input with this probability, 0.9 say:
    /// classes as CSV, or regions of latents as .safetensors
    #[arg(long, value_name = "SHARE", conflicts_with_all = ["count", "mean"])]
    set: Option<f64>,
    /// Draws by which a set is found
    #[arg(long, value_name = "K", default_value_t = 256, requires = "set")]
    set_draws: usize,
    /// Latents of x of pairs that the bridge has not seen: sets then hold their share whatever the
    /// bridge believes
    #[arg(long, value_name = "LATENTS", requires_all = ["set", "calibrate_y"])]
    calibrate_x: Option<PathBuf>,
    /// Latents of y of these pairs
    #[arg(long, value_name = "LATENTS", requires = "calibrate_x")]
    calibrate_y: Option<PathBuf>,
    /// CSV file of these pairs, where their ids differ
    #[arg(long, value_name = "CSV", requires = "calibrate_x")]
    calibrate_pairs: Option<PathBuf>,
    /// Only one of so many equal parts of the inputs, 1/4 say: what all parts write is what one run
    /// would
    #[arg(long, value_name = "I/N", default_value = "1/1")]
    shard: Shard,
    /// Model of x, where the bridge does not name it: mnist-image, mnist-label or a weights file
    #[arg(long, value_name = "MODEL")]
    x_model: Option<String>,
    /// Model of y, likewise
    #[arg(long, value_name = "MODEL")]
    y_model: Option<String>,
}

/// Generates and writes.
///
/// # Errors
/// Those of [`generate`].
pub fn run(args: &GenerateArgs, context: &Context) -> Result<(), Error> {
    let request = GenerateRequest {
        bridge: args.bridge.clone(),
        from: match (&args.from_latents, &args.from) {
            (Some(path), _) => GenerateSource::Latents(path.clone()),
            (None, from) => GenerateSource::Observations(from.clone().unwrap_or_default()),
        },
        latents: args.latents,
        to: args.to,
        count: args.count,
        mean_draws: args.mean.then_some(args.mean_draws),
        x_model: args.x_model.clone(),
        y_model: args.y_model.clone(),
        seed: context.seed,
        shard: args.shard,
        out: context.out_or(args.default_out()),
    };
    if let Some(share) = args.set {
        return run_sets(args, request, share, context);
    }
    if let Some(candidates) = &args.among {
        let request = AmongRequest {
            of: request,
            candidates: candidates.clone(),
            reference: args.reference.clone(),
        };
        let display = context.progress();
        let report = find_among(&request, &display.observer(context.interrupt()))?;
        drop(display);
        return context.output.print(&report, found_as_text);
    }
    let display = context.progress();
    let report = generate(&request, &display.observer(context.interrupt()))?;
    drop(display);
    context.output.print(&report, as_text)
}

impl GenerateArgs {
    fn default_out(&self) -> &'static str {
        if self.among.is_some() {
            return "found.csv";
        }
        match (self.set.is_some(), self.latents) {
            (true, _) => "sets",
            (false, true) => "generated.safetensors",
            (false, false) => "generated.npy",
        }
    }
}

fn run_sets(
    args: &GenerateArgs,
    of: GenerateRequest,
    share: f64,
    context: &Context,
) -> Result<(), Error> {
    let files = args.calibrate_x.clone().zip(args.calibrate_y.clone());
    let request = SetRequest {
        of,
        share,
        draws: args.set_draws,
        calibration: files.map(|(x, y)| CalibrationPairs {
            x,
            y,
            pairs: args.calibrate_pairs.clone(),
        }),
    };
    let display = context.progress();
    let report = generate_sets(&request, &display.observer(context.interrupt()))?;
    drop(display);
    context.output.print(&report, sets_as_text)
}

fn sets_as_text(report: &SetReport) -> String {
    let percent = 100.0 * report.share;
    let mut first = format!("{percent:.0} % sets for {} inputs", report.inputs);
    if let Some(mean) = report.mean_classes {
        first.push_str(&format!(", {mean:.2} classes in the mean"));
    }
    let mass = 100.0 * report.mass;
    let second = match report.calibration_pairs {
        0 => {
            "as the bridge believes: pairs that it has not seen would make them hold what they say"
                .to_owned()
        }
        pairs => format!(
            "they hold {mass:.1} % of the bridge's own mass, by {pairs} pairs that it has not seen"
        ),
    };
    let mut lines = vec![first, second];
    let sets = report.classes.iter().flatten().take(20);
    lines.extend(sets.map(|set| format!("{}: {:?}", set.id, set.classes)));
    lines.push(files_in(&report.files, report.seconds));
    lines.join("\n")
}

fn found_as_text(report: &AmongReport) -> String {
    let AmongReport {
        inputs,
        candidates,
        reference,
        ..
    } = report;
    let mut lines = vec![format!("{candidates} candidates for {inputs} inputs")];
    lines.push(match reference {
        0 => "those that are likely whatever the input is come first: --reference takes that off"
            .into(),
        sources => format!("less what is likely for {sources} sources in general"),
    });
    let first = report.found.iter().take(20);
    lines.extend(first.map(|found| format!("{}: {}", found.id, found.candidates.join(", "))));
    lines.push(files_in(&report.files, report.seconds));
    lines.join("\n")
}

fn as_text(report: &GenerateReport) -> String {
    let GenerateReport {
        inputs,
        outputs,
        shape,
        ..
    } = report;
    let what = match report.mean_draws {
        Some(draws) => format!("means of {draws} draws"),
        None => "outputs".to_owned(),
    };
    let mut lines = vec![format!(
        "{outputs} {what} for {inputs} inputs, shape {shape:?}"
    )];
    lines.extend(
        report
            .classes
            .as_ref()
            // More would push the other lines off the screen; the file has them all.
            .filter(|classes| classes.len() <= 20)
            .map(|classes| format!("classes {classes:?}")),
    );
    lines.extend(report.texts.iter().flatten().take(20).cloned());
    lines.push(files_in(&report.files, report.seconds));
    lines.join("\n")
}
