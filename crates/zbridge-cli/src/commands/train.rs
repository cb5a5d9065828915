//! `zbridge train`: a given model by its recipe.

mod training_curves;
mod training_display;

use crate::commands::recipes;
use crate::context::{Context, command_line};
use crate::figures;
use clap::Args;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use training_curves::TrainingCurves;
use training_display::TrainingDisplay;
use zbridge_tasks::Error;
use zbridge_tasks::training::{Recipe, TrainReport, TrainRequest, train_model};

/// Arguments of `zbridge train`.
#[derive(Debug, Args)]
pub struct TrainArgs {
    /// Name of the recipe
    #[arg(required_unless_present = "list")]
    recipe: Option<String>,
    /// List the recipes and leave
    #[arg(long)]
    list: bool,
    /// Folder with the four MNIST files; without it ZBRIDGE_DATA, then the cache, which is filled
    /// when empty
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Go on from the checkpoint of a training that was stopped
    #[arg(long)]
    resume: bool,
    /// File that keeps the training until it ends [default: beside --out]
    #[arg(long, value_name = "PATH")]
    checkpoint: Option<PathBuf>,
    /// Epochs of the whole schedule, in place of the recipe's
    #[arg(long, value_name = "N")]
    epochs: Option<NonZeroUsize>,
    /// Epochs after which to end although the schedule goes on
    #[arg(long, value_name = "N")]
    stop_after: Option<NonZeroUsize>,
    /// Test images whose log p(x) is estimated in the end; 0 leaves it out
    #[arg(long, value_name = "N", default_value_t = 1000)]
    likelihood_images: usize,
    /// Draws for each of them
    #[arg(long, value_name = "K", default_value = "1000")]
    likelihood_draws: NonZeroUsize,
    /// Folder for curves that TensorBoard shows while the training runs
    #[arg(long, value_name = "DIR")]
    tensorboard: Option<PathBuf>,
}

impl TrainArgs {
    fn request(&self, recipe: &str, context: &Context) -> Result<TrainRequest, Error> {
        let recipe = Recipe::named(recipe)?;
        let out = context.out_or(format!("{}.safetensors", recipe.name));
        let defaults = TrainRequest::new(recipe, out);
        Ok(TrainRequest {
            data: self.data.clone(),
            seed: context.seed,
            checkpoint: self.checkpoint.clone().unwrap_or(defaults.checkpoint),
            resume: self.resume,
            epochs: self.epochs.map(NonZeroUsize::get),
            stop_after: self.stop_after.map(NonZeroUsize::get),
            made_by: command_line(),
            likelihood_images: self.likelihood_images,
            likelihood_draws: self.likelihood_draws.get(),
            ..defaults
        })
    }
}

/// Trains the model, or lists the recipes.
///
/// # Errors
/// Those of [`train_model`]; that of curves that cannot be written, when the model is there or its
/// checkpoint is kept.
pub fn run(args: &TrainArgs, context: &Context) -> Result<(), Error> {
    let Some(recipe) = args.recipe.as_deref().filter(|_| !args.list) else {
        return recipes::run(context);
    };
    let request = args.request(recipe, context)?;
    let curves = match &args.tensorboard {
        Some(folder) => Some(TrainingCurves::create(folder, &request)?),
        None => None,
    };
    let display = context.progress();
    let observer = TrainingDisplay::new(&display, context.interrupt(), &request, curves);
    let outcome = train_model(&request, &observer);
    let written = observer.end(outcome.as_ref().ok());
    if let (Err(stopped), Err(_)) = (&outcome, &written) {
        // The curves could not be written, which stopped the training: that is the error to report.
        display.line(stopped.to_string());
        return Ok(written?);
    }
    drop(display);
    context.output.print(&outcome?, as_text)?;
    Ok(written?)
}

fn as_text(report: &TrainReport) -> String {
    let TrainReport {
        out,
        recipe,
        epochs,
        rows,
        seed,
        sha256,
        bytes,
        held_out,
        ..
    } = report;
    let mut lines = vec![format!(
        "{}: {recipe} after epoch {epochs}, {rows} rows, seed {seed}",
        out.display()
    )];
    lines.extend(figures::held_out(held_out));
    lines.push(format!("{bytes} bytes, SHA-256 {sha256}"));
    lines.join("\n")
}
