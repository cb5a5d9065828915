//! `zbridge fit`: two latents files → a bridge.

use crate::context::Context;
use crate::figures::{files, number};
use clap::Args;
use std::path::PathBuf;
use zbridge::{BridgeConfig, Divergence, Recipe, RecipeName};
use zbridge_tasks::Error;
use zbridge_tasks::{DirectionReport, FitReport, FitRequest, Unpaired, fit};

/// Arguments of `zbridge fit`.
#[derive(Debug, Args)]
pub struct FitArgs {
    /// Latents of modality x
    #[arg(long, value_name = "LATENTS")]
    x: PathBuf,
    /// Latents of modality y
    #[arg(long, value_name = "LATENTS")]
    y: PathBuf,
    /// CSV with the header x,y that pairs ids; without it, equal ids are pairs
    #[arg(long, value_name = "CSV")]
    pairs: Option<PathBuf>,
    /// Latents of x whose partners nobody knows: the given model's data without pairs
    #[arg(long, value_name = "LATENTS")]
    x_unpaired: Option<PathBuf>,
    /// Latents of y whose partners nobody knows
    #[arg(long, value_name = "LATENTS")]
    y_unpaired: Option<PathBuf>,
    /// Where a side of images has no latents without partners: so many draws from its model, if
    /// zbridge can open it
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    prior_draws: usize,
    /// auto, paper, linear-gaussian, gaussian, full-gaussian, tied-mixture, mixture, flow,
    /// flow-matching or shared-code
    #[arg(long, default_value_t = RecipeName::Auto)]
    recipe: RecipeName,
    /// Time for the fit on two cores of a current machine; turned into steps, so that it means the
    /// same everywhere
    #[arg(long, value_name = "SECONDS", default_value = "60s", value_parser = seconds)]
    budget: f64,
    /// Principal directions of x's latents to keep, where there are many more dimensions than pairs
    #[arg(long, value_name = "K")]
    x_pca: Option<usize>,
    /// The same for y
    #[arg(long, value_name = "K")]
    y_pca: Option<usize>,
    /// Recipe paper: reverse-kl (the paper's), forward-kl or jeffreys
    #[arg(long)]
    divergence: Option<Divergence>,
    /// Recipe paper: optimiser steps of each direction
    #[arg(long, value_name = "N")]
    steps: Option<usize>,
    /// Recipe paper: pairs of a mini-batch
    #[arg(long, value_name = "M")]
    batch: Option<usize>,
    /// Recipe paper: learning rate
    #[arg(long, value_name = "RATE")]
    learning_rate: Option<f32>,
}

/// `60`, `60s` or `2min` in seconds.
pub fn seconds(text: &str) -> Result<f64, String> {
    let (number, unit) = match text.strip_suffix("min") {
        Some(minutes) => (minutes, 60.0),
        None => (text.strip_suffix('s').unwrap_or(text), 1.0),
    };
    let value: f64 = number
        .trim()
        .parse()
        .map_err(|_| "give seconds, as in 60s, or minutes, as in 2min".to_owned())?;
    Ok(unit * value)
}

impl FitArgs {
    fn config(&self, seed: u64) -> Result<BridgeConfig, Error> {
        let config = BridgeConfig::named(self.recipe)
            .with_budget(self.budget)
            .with_seed(seed);
        Ok(BridgeConfig {
            recipe: self.settings(config.recipe)?,
            ..config
        })
    }

    /// Returns the recipe with the settings that were asked for.
    fn settings(&self, mut recipe: Recipe) -> Result<Recipe, Error> {
        match &mut recipe {
            Recipe::Paper(settings) => {
                self.refuse_pca()?;
                set(&mut settings.divergence, self.divergence);
                set(&mut settings.steps, self.steps);
                set(&mut settings.batch, self.batch);
                set(&mut settings.learning_rate, self.learning_rate);
            }
            Recipe::Auto(settings) => {
                self.refuse_settings_of_paper()?;
                (settings.x_pca, settings.y_pca) = (self.x_pca, self.y_pca);
            }
            Recipe::Family(settings) => {
                self.refuse_settings_of_paper()?;
                (settings.x_pca, settings.y_pca) = (self.x_pca, self.y_pca);
            }
        }
        Ok(recipe)
    }

    fn refuse_pca(&self) -> Result<(), Error> {
        let given = [("--x-pca", self.x_pca), ("--y-pca", self.y_pca)];
        match given.into_iter().find(|(_, count)| count.is_some()) {
            None => Ok(()),
            Some((name, _)) => Err(Error::usage(format!(
                "{name} does not go with --recipe paper, which takes latents as they are"
            ))),
        }
    }

    fn refuse_settings_of_paper(&self) -> Result<(), Error> {
        let given = [
            ("--divergence", self.divergence.is_some()),
            ("--steps", self.steps.is_some()),
            ("--batch", self.batch.is_some()),
            ("--learning-rate", self.learning_rate.is_some()),
        ];
        match given.into_iter().find(|(_, is_given)| *is_given) {
            None => Ok(()),
            Some((name, _)) => Err(Error::usage(format!(
                "{name} belongs to --recipe paper; {} takes --budget",
                self.recipe
            ))),
        }
    }
}

/// Replaces a setting by the value that was asked for, if one was.
fn set<T>(setting: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *setting = value;
    }
}

/// Fits and writes the bridge.
///
/// # Errors
/// Those of [`fit`].
pub fn run(args: &FitArgs, context: &Context) -> Result<(), Error> {
    let request = FitRequest {
        x: args.x.clone(),
        y: args.y.clone(),
        pairs: args.pairs.clone(),
        x_unpaired: args.x_unpaired.clone(),
        y_unpaired: args.y_unpaired.clone(),
        prior_draws: args.prior_draws,
        config: args.config(context.seed)?.check()?,
        out: context.out_or("my.bridge"),
    };
    let (display, interrupt) = (context.progress(), context.interrupt());
    let report = fit(&request, &display.observer(interrupt))?;
    drop(display);
    context.output.print(&report, as_text)
}

fn as_text(report: &FitReport) -> String {
    let FitReport {
        pairs,
        dims: (x, y),
        recipe,
        seconds,
        unpaired: [x_more, y_more],
        ..
    } = report;
    let of_side = |side: &str,
                   Unpaired {
                       rows,
                       prior_samples,
                   }: Unpaired| match (rows, prior_samples) {
        (0, _) => String::new(),
        (_, true) => format!(" and {rows} draws from the model of {side}"),
        (_, false) => format!(" and {rows} latents of {side} without partners"),
    };
    let more = of_side("x", *x_more) + &of_side("y", *y_more);
    let mut lines = vec![format!(
        "bridge between {x} and {y} dimensions from {pairs} pairs{more}, recipe {recipe}"
    )];
    lines.push(format!("x → y   {}", direction(&report.x_to_y)));
    lines.push(format!("y → x   {}", direction(&report.y_to_x)));
    lines.extend(report.direction_gap.as_ref().map(|gap| {
        format!(
            "the latents of a pair tell {} nats of each other by x → y, {} by y → x; direction gap {:.2} nats a pair",
            number(gap.x_to_y_information_nats.mean, 2),
            number(gap.y_to_x_information_nats.mean, 2),
            gap.gap_nats.mean,
        )
    }));
    lines.extend(report.notes.iter().map(|note| format!("note: {note}")));
    lines.push("for figures on held-out pairs: zbridge evaluate".into());
    lines.push(format!("{} in {seconds:.1} s", files(&report.files)));
    lines.join("\n")
}

fn direction(report: &DirectionReport) -> String {
    match (&report.choice, report.objective_nats) {
        (Some(choice), _) => choice.clone(),
        (None, Some(nats)) => format!("divergence on these pairs {} nats", number(nats, 2)),
        (None, None) => "no optimiser steps".into(),
    }
}
