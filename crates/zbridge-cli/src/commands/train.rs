//! `zbridge train`: a given model by its recipe.

mod training_curves;

use crate::commands::recipes;
use crate::context::{Context, command_line};
use crate::figures;
use crate::interrupt::Interrupt;
use crate::progress::{ProgressDisplay, in_words};
use clap::Args;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use training_curves::TrainingCurves;
use zbridge_tasks::Error;
use zbridge_tasks::training::{
    DownloadProgress, Progress, Recipe, TrainEvent, TrainReport, TrainRequest, Verdict, train_model,
};

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
    let mut curves = args
        .tensorboard
        .as_deref()
        .map(|folder| TrainingCurves::create(folder, &request))
        .transpose()?;
    let display = context.progress();
    let outcome = train(&request, curves.as_mut(), &display, context.interrupt());
    let written = curves.map_or(Ok(()), |curves| curves.end(outcome.as_ref().ok()));
    if let (Err(stopped), Err(_)) = (&outcome, &written) {
        display.line(stopped.to_string());
        return Ok(written?);
    }
    drop(display);
    context.output.print(&outcome?, as_text)?;
    Ok(written?)
}

fn train(
    request: &TrainRequest,
    mut curves: Option<&mut TrainingCurves>,
    display: &ProgressDisplay,
    interrupt: &Interrupt,
) -> Result<TrainReport, Error> {
    if let Some(curves) = &curves {
        display.line(format!(
            "curves for TensorBoard go to {}",
            curves.path().display()
        ));
    }
    train_model(request, &mut |event| {
        show(display, &event);
        match curves.as_mut().map(|curves| curves.observe(&event)) {
            Some(Verdict::Stop) => Verdict::Stop,
            _ => interrupt.verdict(),
        }
    })
}

fn show(display: &ProgressDisplay, event: &TrainEvent<'_>) {
    match event {
        TrainEvent::Download(progress) => show_download(display, progress),
        TrainEvent::Started { rows, position } if position.epoch + position.step > 0 => {
            display.line(format!(
                "{rows} rows; going on at step {} of epoch {}",
                position.step + 1,
                position.epoch + 1
            ));
        }
        TrainEvent::Started { rows, .. } => display.line(format!("{rows} rows")),
        TrainEvent::Step(progress) => show_step(display, progress),
        TrainEvent::Epoch { progress, held_out } => display.line(format!(
            "epoch {}/{}  objective {} nats  {}  {:.0} rows/s  {} left",
            progress.position.epoch,
            progress.epochs,
            figures::number(progress.objective_nats, 2),
            figures::headline(held_out),
            progress.rows_per_second,
            in_words(progress.time_left),
        )),
        TrainEvent::Likelihood { done, images } => {
            display.show(
                "log p(x)",
                *done as f64 / *images as f64,
                format!("{done} of {images} images"),
            );
        }
        _ => {}
    }
}

fn show_download(
    display: &ProgressDisplay,
    DownloadProgress {
        file,
        received,
        total,
    }: &DownloadProgress<'_>,
) {
    let megabytes = |bytes: u64| bytes as f64 / 1e6;
    let detail = format!("{:.1} of {:.1} MB", megabytes(*received), megabytes(*total));
    display.show(*file, *received as f64 / *total as f64, detail);
    if received == total {
        display.line(format!("downloaded {file}"));
    }
}

fn show_step(display: &ProgressDisplay, progress: &Progress) {
    let done = if progress.epoch_ended {
        progress.steps_per_epoch
    } else {
        progress.position.step
    };
    let epoch = progress.position.epoch + usize::from(!progress.epoch_ended);
    let detail = format!(
        "objective {} nats  {:.0} rows/s  {} left",
        figures::number(progress.objective_nats, 1),
        progress.rows_per_second,
        in_words(progress.time_left),
    );
    display.show(
        format!("epoch {epoch}/{}", progress.epochs),
        done as f64 / progress.steps_per_epoch as f64,
        detail,
    );
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
