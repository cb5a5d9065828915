//! The flags that every command understands.

use clap::Args;
use std::path::PathBuf;

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
