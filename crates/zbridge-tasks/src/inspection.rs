//! What a file or folder is, and how zbridge would use it.

use crate::{Error, open_model};
use serde::Serialize;
use std::fmt;
use std::path::{Path, PathBuf};
use zbridge::GivenModel;
use zbridge_core::{EventKind, LatentModel};
use zbridge_foreign::Inspection;
use zbridge_nn::WeightsFile;

/// What was found at a path.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Inspected {
    /// A model that zbridge trained.
    Own {
        /// The file.
        path: PathBuf,
        /// What users call it.
        name: String,
        /// What it models.
        event: EventKind,
        /// Dimensions of its latents.
        latent_dim: usize,
        /// Numbers in its weights.
        parameters: usize,
        /// The command that made it, if it says so.
        made_by: Option<String>,
    },
    /// A bridge, or a judge.
    Other {
        /// The file.
        path: PathBuf,
        /// What it is.
        what: String,
        /// Numbers in its weights.
        parameters: usize,
    },
    /// What another program wrote.
    Foreign(Inspection),
}

/// What is at `path`.
///
/// # Errors
/// [`Error`] when it cannot be read, or is nothing that is known.
pub fn inspect(path: &Path) -> Result<Inspected, Error> {
    match WeightsFile::read(path) {
        Ok(file) if !file.metadata.is_empty() => own(path, &file),
        _ => Ok(Inspected::Foreign(zbridge_foreign::inspect(path)?)),
    }
}

fn own(path: &Path, file: &WeightsFile) -> Result<Inspected, Error> {
    let parameters = file
        .tensors
        .values()
        .map(|tensor| tensor.values.len())
        .sum();
    let path = path.to_owned();
    let other = |what: &str| {
        Ok(Inspected::Other {
            path: path.clone(),
            what: what.into(),
            parameters,
        })
    };
    if file.metadata.contains_key("bridge") {
        return other("a bridge: cross it with generate, try it with evaluate");
    }
    if file.metadata.contains_key("classifier") {
        return other("a judge, which reads what bridges make");
    }
    let GivenModel { model, name, .. } = open_model(&path.display().to_string())?;
    let made_by = file.metadata.get("made_by").cloned();
    let (event, latent_dim) = (model.event().clone(), model.latent_dim());
    Ok(Inspected::Own {
        path,
        name: own_name(&*model, &name),
        event,
        latent_dim,
        parameters,
        made_by,
    })
}

fn own_name(model: &dyn LatentModel, typed: &str) -> String {
    if model.name().is_empty() {
        typed.into()
    } else {
        model.name().into()
    }
}

impl fmt::Display for Inspected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Own {
                path,
                name,
                event,
                latent_dim,
                parameters,
                made_by,
            } => {
                writeln!(
                    f,
                    "{}: `{name}`, a model that zbridge trained",
                    path.display()
                )?;
                write!(
                    f,
                    "  of {}; {latent_dim} latents, {parameters} parameters",
                    event.in_words()
                )?;
                made_by
                    .iter()
                    .try_for_each(|command| write!(f, "\n  made by: {command}"))
            }
            Self::Other {
                path,
                what,
                parameters,
            } => {
                write!(f, "{}: {what}; {parameters} parameters", path.display())
            }
            Self::Foreign(found) => found.fmt(f),
        }
    }
}
