//! `zbridge fit`: two latents files → a bridge.

use crate::context::Context;
use crate::figures::{files, number};
use clap::Args;
use std::path::PathBuf;
use zbridge_bridge::{BridgeConfig, DirectionGap, Divergence, PaperConfig, Recipe, RecipeName};
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
    /// auto, paper, linear-gaussian, kernel-regression, relative, relative-regression,
    /// kernel-gaussian, kernel-flow, gaussian, full-gaussian, tied-mixture, mixture, flow,
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
    /// Returns the configuration of the fit. Settings of the recipe `paper` are refused for others.
    fn config(&self, seed: u64) -> Result<BridgeConfig, Error> {
        let mut config = BridgeConfig::named(self.recipe)
            .with_seed(seed)
            .with_budget(self.budget);
        match &mut config.recipe {
            Recipe::Paper(settings) => self.set_paper(settings),
            Recipe::Auto(settings) => (settings.x_pca, settings.y_pca) = (self.x_pca, self.y_pca),
            Recipe::Family(settings) => (settings.x_pca, settings.y_pca) = (self.x_pca, self.y_pca),
        }
        // A flag without effect would make a user believe that it had one.
        match self.first_paper_flag() {
            Some(flag) if self.recipe != RecipeName::Paper => Err(Error::usage(format!(
                "{flag} belongs to --recipe paper; {} takes --budget",
                self.recipe
            ))),
            _ => Ok(config),
        }
    }

    fn set_paper(&self, settings: &mut PaperConfig) {
        let defaults = PaperConfig::default();
        settings.divergence = self.divergence.unwrap_or(defaults.divergence);
        settings.steps = self.steps.unwrap_or(defaults.steps);
        settings.batch = self.batch.unwrap_or(defaults.batch);
        settings.learning_rate = self.learning_rate.unwrap_or(defaults.learning_rate);
    }

    /// Returns the first flag on the command line that only the recipe `paper` has.
    fn first_paper_flag(&self) -> Option<&'static str> {
        let flags = [
            ("--divergence", self.divergence.is_some()),
            ("--steps", self.steps.is_some()),
            ("--batch", self.batch.is_some()),
            ("--learning-rate", self.learning_rate.is_some()),
        ];
        let given = flags.into_iter().find(|(_, is_given)| *is_given);
        given.map(|(flag, _)| flag)
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
    let display = context.progress();
    let report = fit(&request, &display.observer(context.interrupt()))?;
    drop(display);
    context.output.print(&report, as_text)
}

fn as_text(report: &FitReport) -> String {
    let mut lines = vec![
        headline(report),
        format!("x → y   {}", direction(&report.x_to_y)),
        format!("y → x   {}", direction(&report.y_to_x)),
    ];
    lines.extend(report.direction_gap.as_ref().map(gap));
    for note in &report.notes {
        lines.push(format!("note: {note}"));
    }
    lines.push("for figures on held-out pairs: zbridge evaluate".into());
    let (files, seconds) = (files(&report.files), report.seconds);
    lines.push(format!("{files} in {seconds:.1} s"));
    lines.join("\n")
}

fn headline(report: &FitReport) -> String {
    let FitReport {
        pairs,
        dims: (x, y),
        recipe,
        unpaired: [x_more, y_more],
        ..
    } = report;
    let more = without_partners("x", *x_more) + &without_partners("y", *y_more);
    format!("bridge between {x} and {y} dimensions from {pairs} pairs{more}, recipe {recipe}")
}

fn without_partners(side: &str, unpaired: Unpaired) -> String {
    let rows = unpaired.rows;
    match (rows, unpaired.prior_samples) {
        (0, _) => String::new(),
        (_, true) => format!(" and {rows} draws from the model of {side}"),
        (_, false) => format!(" and {rows} latents of {side} without partners"),
    }
}

fn gap(gap: &DirectionGap) -> String {
    format!(
        "the latents of a pair tell {} nats of each other by x → y, {} by y → x; direction gap \
         {:.2} nats a pair",
        number(gap.x_to_y_information_nats.mean, 2),
        number(gap.y_to_x_information_nats.mean, 2),
        gap.gap_nats.mean,
    )
}

fn direction(report: &DirectionReport) -> String {
    match (&report.choice, report.objective_nats) {
        (Some(choice), _) => choice.clone(),
        (None, Some(nats)) => format!("divergence on these pairs {} nats", number(nats, 2)),
        (None, None) => "no optimiser steps".into(),
    }
}
