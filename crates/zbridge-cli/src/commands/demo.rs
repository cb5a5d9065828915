//! `zbridge demo`: both directions from what is embedded, without a file or a network.

use crate::commands::fit::seconds;
use crate::context::Context;
use crate::figures::{files, number, percent};
use clap::Args;
use std::path::PathBuf;
use zbridge_bridge::RecipeName;
use zbridge_experiments::demo::{DemoReport, DemoRequest, ImageAnswer, run as run_demo};
use zbridge_tasks::Error;
use zbridge_tasks::measures::{ImageToLabel, LabelToImage};

/// Arguments of `zbridge demo`.
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// Pairs to fit on, 4 to 1024
    #[arg(long, value_name = "N", default_value_t = 256)]
    pairs: usize,
    /// As in fit: auto, paper or a family
    #[arg(long, default_value_t = RecipeName::Auto)]
    recipe: RecipeName,
    /// As in fit: time for the bridge
    #[arg(long, value_name = "SECONDS", default_value = "20s", value_parser = seconds)]
    budget: f64,
    /// Also write 60 images of this label
    #[arg(long, value_name = "0-9")]
    label: Option<u8>,
    /// Also tell the label of this image: PNG, 28×28 or larger, dark on light or light on dark
    #[arg(long, value_name = "FILE.png")]
    image: Option<PathBuf>,
}

/// Runs the demo and prints what it found.
///
/// # Errors
/// Those of [`zbridge_experiments::demo::run`].
pub fn run(args: &DemoArgs, context: &Context) -> Result<(), Error> {
    let request = DemoRequest {
        pairs: args.pairs,
        seed: context.seed,
        recipe: args.recipe,
        budget_seconds: args.budget,
        out: context.out_or("zbridge-demo"),
        label: args.label,
        image: args.image.clone(),
    };
    let display = context.progress();
    let report = run_demo(&request, &display.observer(context.interrupt()))?;
    drop(display);
    context.output.print(&report, as_text)
}

fn as_text(report: &DemoReport) -> String {
    let mut lines = vec![
        format!(
            "two given models, {} pairs and {} images without labels, both directions (recipe {}, \
             seed {})",
            report.pairs, report.unpaired, report.recipe, report.seed
        ),
        String::new(),
        image_to_label(&report.image_to_label),
        label_to_image(&report.label_to_image, report.judge_accuracy),
    ];
    lines.extend(report.image.iter().map(answer));
    lines.push(String::new());
    let (files, seconds) = (files(&report.files), report.seconds);
    lines.push(format!("{files} in {seconds:.1} s"));
    lines.join("\n")
}

fn image_to_label(read: &ImageToLabel) -> String {
    format!(
        "image → label   accuracy {} [{} to {}], log p(y|x) {} ± {:.3} nats, on {} held-out \
         images",
        percent(read.accuracy),
        percent(read.accuracy_interval[0]),
        percent(read.accuracy_interval[1]),
        number(read.log_p_nats, 3),
        read.log_p_standard_error_nats,
        read.images,
    )
}

fn label_to_image(made: &LabelToImage, judge_accuracy: f64) -> String {
    format!(
        "label → image   coherence {} [{} to {}] in {} images (judge right on {} of real ones), \
         pixel sd {:.3}",
        percent(made.coherence),
        percent(made.coherence_interval[0]),
        percent(made.coherence_interval[1]),
        made.images,
        percent(judge_accuracy),
        made.pixel_sd,
    )
}

fn answer(answer: &ImageAnswer) -> String {
    let mut ranked: Vec<(usize, f32)> = answer.probabilities.iter().copied().enumerate().collect();
    // The most probable label first.
    ranked.sort_by(|a, b| b.1.total_cmp(&a.1));
    let likely: Vec<String> = ranked
        .iter()
        .take(3)
        .map(|(label, p)| format!("{label}: {}", percent(f64::from(*p))))
        .collect();
    format!(
        "{}   is a {} ({})",
        answer.file.display(),
        answer.label,
        likely.join(", ")
    )
}
