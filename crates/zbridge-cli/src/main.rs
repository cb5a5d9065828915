//! The binary `zbridge`: arguments → checked request → run → output.
//!
//! Data goes to standard output, everything else to standard error. The exit code is 0, or says
//! what kind of failure it was: 1 in general, 2 wrong usage, 3 bad data, 4 a required figure
//! missed, 130 interrupted.
#![forbid(unsafe_code)]

mod args;
mod commands;
mod context;
mod figures;
mod global_args;
mod held_out;
mod interrupt;
mod output;
mod progress;
mod split;

use args::Cli;
use clap::Parser;
use context::Context;
use std::io::Write;
use std::process::ExitCode;
use zbridge_nn::InstructionSet;
use zbridge_tasks::Error;

/// Training allocates and frees large buffers at every step.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let Cli { global, command } = Cli::parse();
    match expect_instruction_set().and_then(|()| commands::run(&command, &Context::new(global))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // If standard error cannot be written there is no way left to report it.
            let _ = writeln!(std::io::stderr(), "error: {}", message(&error));
            ExitCode::from(error.failure().exit_code())
        }
    }
}

/// Checks the environment variable that caps the instruction set, before the first kernel runs.
fn expect_instruction_set() -> Result<(), Error> {
    match InstructionSet::from_environment() {
        Ok(_) => Ok(()),
        Err(unknown) => Err(Error::usage(unknown.to_string())),
    }
}

/// Returns the message of an error, with the flags that help.
fn message(error: &Error) -> String {
    match error {
        Error::TrainingInterrupted { command, .. } => {
            format!("{error}\nhint: go on with `{command} --resume`")
        }
        _ => error.to_string(),
    }
}
