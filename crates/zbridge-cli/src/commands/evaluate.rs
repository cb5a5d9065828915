//! `zbridge evaluate`: a bridge on held-out pairs.

use crate::context::Context;
use crate::figures::{estimate, number, percent};
use clap::Args;
use std::path::PathBuf;
use zbridge::Error;
use zbridge::tasks::{DirectionFigures, EvaluateReport, EvaluateRequest, evaluate};

/// Arguments of `zbridge evaluate`.
#[derive(Debug, Args)]
pub struct EvaluateArgs {
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
}

/// Evaluates and prints; writes nothing.
///
/// # Errors
/// Those of [`evaluate`].
pub fn run(args: &EvaluateArgs, context: &Context) -> Result<(), Error> {
    let report = evaluate(&EvaluateRequest {
        bridge: args.bridge.clone(),
        x: args.x.clone(),
        y: args.y.clone(),
        pairs: args.pairs.clone(),
        x_model: args.x_model.clone(),
        y_model: args.y_model.clone(),
        seed: context.seed,
        device: context.device,
    })?;
    context.output.print(&report, as_text)
}

fn as_text(report: &EvaluateReport) -> String {
    let mut lines = vec![format!("{} held-out pairs", report.pairs)];
    lines.push(direction("x → y", &report.x_to_y));
    lines.push(direction("y → x", &report.y_to_x));
    let gap = &report.direction_gap;
    lines.push(format!(
        "direction gap   {:.2} nats a pair; x → y says a pair tells {} nats, y → x {}",
        gap.gap_nats.mean,
        number(gap.x_to_y_information_nats.mean, 2),
        number(gap.y_to_x_information_nats.mean, 2),
    ));
    lines.extend(report.image_to_label.as_ref().map(|read| {
        format!(
            "image → label   accuracy {}, log p(y|x) {} ± {:.3} nats, calibration error {:.3}",
            percent(read.accuracy),
            number(read.log_p_nats, 3),
            read.log_p_standard_error_nats,
            read.expected_calibration_error,
        )
    }));
    lines.extend(report.label_to_image.as_ref().map(|made| {
        format!(
            "label → image   coherence {} in {} images, pixel sd {:.3}",
            percent(made.coherence),
            made.images,
            made.pixel_sd
        )
    }));
    lines.join("\n")
}

fn direction(name: &str, figures: &DirectionFigures) -> String {
    let density = format!("{name}   log q(z_target|z_source) {} nats", estimate(&figures.log_density_nats));
    match &figures.reverse_kl_nats {
        Some(divergence) => format!("{density}, KL(q‖p) {} nats", estimate(divergence)),
        None => density,
    }
}
