//! What a file or folder is, and how zbridge would use it.

mod bridge_facts;
mod display;
mod latents_facts;

pub use bridge_facts::BridgeFacts;
pub use latents_facts::LatentsFacts;

use crate::{Error, open_model};
use serde::Serialize;
use std::path::{Path, PathBuf};
use zbridge::GivenModel;
use zbridge_core::{EventKind, LatentModel};
use zbridge_data::LatentsSummary;
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
        /// The command that made it; `None` if the file does not say.
        made_by: Option<String>,
    },
    /// A bridge.
    Bridge(BridgeFacts),
    /// A latents file.
    Latents(LatentsFacts),
    /// A classifier of generated observations.
    Other {
        /// The file.
        path: PathBuf,
        /// What it is.
        what: String,
        /// Numbers in its weights.
        parameters: usize,
    },
    /// A model or weights of another program.
    Foreign(Inspection),
}

/// Returns what is at `path`.
///
/// # Errors
/// [`Error`] if it cannot be read, or is of no kind that is known.
pub fn inspect(path: &Path) -> Result<Inspected, Error> {
    // Latents name the model that made them, so that they look like that model's weights.
    if let Ok(summary) = LatentsSummary::read(path) {
        return Ok(Inspected::Latents(LatentsFacts::of(path, &summary)));
    }
    match WeightsFile::read(path) {
        Ok(file) if !file.metadata.is_empty() => own(path, &file),
        _ => Ok(Inspected::Foreign(zbridge_foreign::inspect(path)?)),
    }
}

fn own(path: &Path, file: &WeightsFile) -> Result<Inspected, Error> {
    let tensors = file.tensors.values();
    let parameters = tensors.map(|tensor| tensor.values.len()).sum();
    if file.metadata.contains_key("bridge") {
        return Ok(Inspected::Bridge(BridgeFacts::read(path, parameters)?));
    }
    if file.metadata.contains_key("classifier") {
        return Ok(Inspected::Other {
            path: path.to_owned(),
            what: "a judge, which reads what bridges make".into(),
            parameters,
        });
    }
    let GivenModel { model, name, .. } = open_model(&path.display().to_string())?;
    Ok(Inspected::Own {
        path: path.to_owned(),
        name: own_name(&*model, &name),
        event: model.event().clone(),
        latent_dim: model.latent_dim(),
        parameters,
        made_by: file.metadata.get("made_by").cloned(),
    })
}

fn own_name(model: &dyn LatentModel, typed: &str) -> String {
    match model.name() {
        "" => typed.into(),
        name => name.into(),
    }
}

impl Inspected {
    /// Returns `Ok` unless it is a model or weights that cannot be used.
    ///
    /// # Errors
    /// [`Error::Unusable`] with the reason.
    pub fn usable(&self) -> Result<(), Error> {
        let Self::Foreign(inspection) = self else {
            return Ok(());
        };
        match inspection.problem() {
            None => Ok(()),
            Some(problem) => Err(Error::Unusable {
                path: inspection.path.clone(),
                problem: problem.to_owned(),
            }),
        }
    }
}

#[cfg(test)]
mod tests;
