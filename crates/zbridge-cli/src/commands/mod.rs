//! The commands, a file each: its arguments, and `run(args, context)`.

pub mod compare;
pub mod demo;
pub mod doctor;
pub mod encode;
pub mod evaluate;
pub mod experiment;
pub mod fit;
pub mod generate;
pub mod inspect;
pub mod learning_curve;
pub mod recipes;
pub mod report;
pub mod reproduce;
pub mod suggest;
pub mod train;

use crate::context::Context;
use clap::Subcommand;
use zbridge_tasks::Error;

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// See it work: labels → images and images → labels, no files needed
    Demo(demo::DemoArgs),
    /// Observations → latents file, by a given model
    Encode(encode::EncodeArgs),
    /// What a model's file or folder is, and how zbridge would use it
    Inspect(inspect::InspectArgs),
    /// Whether latents files and pairs are fit to be fitted on, and what a fit would do with them
    Doctor(doctor::DoctorArgs),
    /// Which observations to pair next: a few that stand for all the others
    Suggest(suggest::SuggestArgs),
    /// Two latents files → a bridge, both directions
    Fit(fit::FitArgs),
    /// One modality → the other, across a bridge
    Generate(generate::GenerateArgs),
    /// A bridge's figures on held-out pairs
    Evaluate(evaluate::EvaluateArgs),
    /// The same with pictures, as one page that opens offline
    Report(report::ReportArgs),
    /// How a bridge gets better with pairs: every figure over N and seeds
    LearningCurve(learning_curve::LearningCurveArgs),
    /// Images, texts and sounds across given models: image-speech, image-text, label-speech,
    /// ali-label
    Experiment(experiment::ExperimentArgs),
    /// Beside published figures: likelihoods of images given labels, labels told from images
    Compare(compare::CompareArgs),
    /// The paper's experiments: every figure and table, as a report
    Reproduce(reproduce::ReproduceArgs),
    /// Train a given model by its recipe
    Train(train::TrainArgs),
}

/// Runs `command`.
///
/// # Errors
/// Whatever stopped it.
pub fn run(command: &Command, context: &Context) -> Result<(), Error> {
    match command {
        Command::Compare(args) => compare::run(args, context),
        Command::Demo(args) => demo::run(args, context),
        Command::Doctor(args) => doctor::run(args, context),
        Command::Encode(args) => encode::run(args, context),
        Command::Fit(args) => fit::run(args, context),
        Command::Generate(args) => generate::run(args, context),
        Command::Evaluate(args) => evaluate::run(args, context),
        Command::Experiment(args) => experiment::run(args, context),
        Command::Inspect(args) => inspect::run(args, context),
        Command::LearningCurve(args) => learning_curve::run(args, context),
        Command::Report(args) => report::run(args, context),
        Command::Reproduce(args) => reproduce::run(args, context),
        Command::Suggest(args) => suggest::run(args, context),
        Command::Train(args) => train::run(args, context),
    }
}
