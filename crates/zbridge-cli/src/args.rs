//! The arguments as they are typed.

use crate::commands::compare::CompareArgs;
use crate::commands::demo::DemoArgs;
use crate::commands::doctor::DoctorArgs;
use crate::commands::encode::EncodeArgs;
use crate::commands::evaluate::EvaluateArgs;
use crate::commands::experiment::ExperimentArgs;
use crate::commands::fit::FitArgs;
use crate::commands::generate::GenerateArgs;
use crate::commands::inspect::InspectArgs;
use crate::commands::learning_curve::LearningCurveArgs;
use crate::commands::report::ReportArgs;
use crate::commands::reproduce::ReproduceArgs;
use crate::commands::train::TrainArgs;
use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;

/// Join two pretrained generative models through their latents.
#[derive(Debug, Parser)]
#[command(
    name = "zbridge",
    version,
    propagate_version = true,
    arg_required_else_help = true
)]
pub struct Cli {
    /// What every command understands.
    #[command(flatten)]
    pub global: GlobalArgs,
    /// The command.
    #[command(subcommand)]
    pub command: Command,
}

/// What every command understands.
#[derive(Debug, Args)]
#[command(next_help_heading = "Global options")]
pub struct GlobalArgs {
    /// Print one JSON object on standard output in place of text
    #[arg(long, global = true)]
    pub json: bool,
    /// Seed of everything random
    #[arg(long, global = true, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// Show no progress
    #[arg(long, short, global = true)]
    pub quiet: bool,
    /// File or folder to write
    #[arg(long, short, global = true, value_name = "PATH")]
    pub out: Option<PathBuf>,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// See it work: labels → images and images → labels, no files needed
    Demo(DemoArgs),
    /// Observations → latents file, by a given model
    Encode(EncodeArgs),
    /// What a model's file or folder is, and how zbridge would use it
    Inspect(InspectArgs),
    /// Whether latents files and pairs are fit to be fitted on, and what a fit would do with them
    Doctor(DoctorArgs),
    /// Two latents files → a bridge, both directions
    Fit(FitArgs),
    /// One modality → the other, across a bridge
    Generate(GenerateArgs),
    /// A bridge's figures on held-out pairs
    Evaluate(EvaluateArgs),
    /// The same with pictures, as one page that opens offline
    Report(ReportArgs),
    /// How a bridge gets better with pairs: every figure over N and seeds
    LearningCurve(LearningCurveArgs),
    /// Images, texts and sounds across given models: image-speech, image-text, label-speech,
    /// ali-label
    Experiment(ExperimentArgs),
    /// Beside published figures: likelihoods of images given labels, labels told from images
    Compare(CompareArgs),
    /// The paper's experiments: every figure and table, as a report
    Reproduce(ReproduceArgs),
    /// Train a given model by its recipe
    Train(TrainArgs),
}
