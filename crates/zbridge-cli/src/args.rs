//! The arguments as they are typed.

use crate::commands::Command;
use crate::global_args::GlobalArgs;
use clap::Parser;

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
