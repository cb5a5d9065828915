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
pub mod train;

use crate::args::Command;
use crate::context::Context;
use zbridge_tasks::Error;

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
        Command::Train(args) => train::run(args, context),
    }
}
