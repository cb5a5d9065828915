//! From networks and a manifest to a model. What the manifest states is used; what it leaves out is
//! inferred from the networks' shapes and the names of their outputs. Every guess is recorded with
//! the evidence for it.

mod decoder;
mod encoder;
mod event;
mod graphs;
mod latents;
mod likelihood;
mod output_names;
mod preprocessing;
mod resolver;

pub(crate) use likelihood::ResolvedLikelihood;
pub(crate) use resolver::Resolver;

use crate::ForeignError;
use crate::foreign_model::{Encoder, ForeignModel};
use crate::manifest::Manifest;
use graphs::Graphs;
use std::path::PathBuf;

/// The files of a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NetworkFiles {
    /// The model's file or folder.
    pub(crate) model: PathBuf,
    pub(crate) encoder: Option<PathBuf>,
    pub(crate) decoder: Option<PathBuf>,
}

/// Returns the model in these files.
///
/// # Errors
/// Every [`ForeignError`] of networks; [`ForeignError::Manifest`] if the manifest does not fit
/// them; [`ForeignError::Unresolved`] if it must state more.
pub(crate) fn resolve(
    name: String,
    files: &NetworkFiles,
    manifest: &Manifest,
) -> Result<ForeignModel, ForeignError> {
    let mut resolver = Resolver::new(&files.model, manifest);
    let graphs = Graphs::read(files.encoder.as_deref(), files.decoder.as_deref())?;
    let event = resolver.event(&graphs)?;
    let preprocessing = resolver.preprocessing(&graphs, &event)?;
    let encoder = files.encoder.as_deref();
    let encoder =
        encoder.map(|path| resolver.encoder(path, &graphs, &event, preprocessing.encoder));
    let encoder = encoder.transpose()?;
    // The decoder may need the encoder's latents to know the shape of its input.
    let latent_shape = encoder.as_ref().and_then(Encoder::latent_shape);
    let decoder = files.decoder.as_deref();
    let decoder =
        decoder.map(|path| resolver.decoder(path, latent_shape, &event, preprocessing.decoder));
    let decoder = decoder.transpose()?;
    let latents = resolver.latents(encoder.as_ref(), decoder.as_ref())?;
    Ok(ForeignModel {
        name,
        event,
        latents,
        encoder,
        decoder,
        guesses: resolver.into_guesses(),
    })
}
