//! `zbridge inspect`: what a file or folder is, and how zbridge would use it.

use crate::context::Context;
use clap::Args;
use std::path::PathBuf;
use zbridge_tasks::Error;
use zbridge_tasks::inspection::{Inspected, inspect};

/// Arguments of `zbridge inspect`.
#[derive(Debug, Args)]
pub struct InspectArgs {
    /// A weights file, an .onnx, a model.toml, a folder, a state dict of PyTorch, a latents file or
    /// a bridge
    #[arg(value_name = "MODEL")]
    path: PathBuf,
}

/// Says what it is.
///
/// # Errors
/// Those of [`inspect`]; [`Error::Unusable`] if it cannot be used, after what it is is printed.
pub fn run(args: &InspectArgs, context: &Context) -> Result<(), Error> {
    let inspected = inspect(&args.path)?;
    context.output.print(&inspected, Inspected::to_string)?;
    inspected.usable()
}
