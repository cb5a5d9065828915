//! From networks and a manifest to a model: what the manifest says holds, and what it leaves out is
//! guessed from the networks' shapes and the names of their outputs. Every guess is noted with what
//! speaks for it.

mod decoder;
mod encoder;
mod event;
mod latents;
mod likelihood;
mod values;

pub(crate) use likelihood::density;

use crate::foreign_model::{Decoder, Encoder, ForeignModel};
use crate::manifest::{Manifest, OutputName};
use crate::onnx::{Graph, Network};
use crate::{ForeignError, Guess, file_bytes};
use std::path::{Path, PathBuf};
use zbridge_core::EventKind;

/// The files of a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NetworkFiles {
    /// The model's file or folder.
    pub(crate) model: PathBuf,
    pub(crate) encoder: Option<PathBuf>,
    pub(crate) decoder: Option<PathBuf>,
}

/// What is known so far, and what of it was guessed.
struct Settling<'a> {
    model: &'a Path,
    manifest: &'a Manifest,
    guesses: Vec<Guess>,
}

/// The model of these files.
///
/// # Errors
/// Every [`ForeignError`] of networks; [`ForeignError::Manifest`] where the manifest does not fit
/// them; [`ForeignError::Unsettled`] where it would have to say more.
pub(crate) fn settle(
    name: String,
    files: &NetworkFiles,
    manifest: &Manifest,
) -> Result<ForeignModel, ForeignError> {
    let mut settling = Settling {
        model: &files.model,
        manifest,
        guesses: Vec::new(),
    };
    let graphs = Graphs::read(files)?;
    let event = settling.event(&graphs)?;
    let values = settling.values(&graphs, &event)?;
    let encoder = match (&files.encoder, &graphs.encoder) {
        (Some(path), Some(graph)) => {
            Some(settling.encoder(path, graph, graphs.decoder.as_ref(), &event, &values)?)
        }
        _ => None,
    };
    let decoder = match (&files.decoder, &graphs.decoder) {
        (Some(path), Some(_)) => Some(settling.decoder(path, encoder.as_ref(), &event, &values)?),
        _ => None,
    };
    let latents = settling.latents(encoder.as_ref(), decoder.as_ref())?;
    Ok(ForeignModel {
        name,
        event,
        latents,
        encoder,
        decoder,
        guesses: settling.guesses,
    })
}

/// What the files say of themselves, before a shape is known with which they could be opened.
struct Graphs {
    encoder: Option<Graph>,
    decoder: Option<Graph>,
}

impl Graphs {
    fn read(files: &NetworkFiles) -> Result<Self, ForeignError> {
        let graph = |path: &Option<PathBuf>| match path {
            Some(path) => Graph::read(&file_bytes::read(path)?, path).map(Some),
            None => Ok(None),
        };
        Ok(Self {
            encoder: graph(&files.encoder)?,
            decoder: graph(&files.decoder)?,
        })
    }
}

impl Settling<'_> {
    fn guess(&mut self, what: &str, value: impl Into<String>, why: impl Into<String>) {
        self.guesses.push(Guess::new(what, value, why));
    }

    fn unsettled(&self, why: String, remedy: impl Into<String>) -> ForeignError {
        ForeignError::Unsettled {
            path: self.model.into(),
            why,
            remedy: remedy.into(),
        }
    }

    /// The place of an output that the manifest names under `key` of `section`.
    fn place(
        &self,
        section: &str,
        key: &str,
        name: &OutputName,
        network: &Network,
    ) -> Result<usize, ForeignError> {
        let outputs = &network.graph().outputs;
        let place = match name {
            OutputName::Name(name) => outputs.iter().position(|port| &port.name == name),
            OutputName::Place(place) => Some(*place).filter(|place| *place < outputs.len()),
        };
        let missing = || {
            let found = network.graph().outputs_in_words();
            self.manifest.wrong(
                section,
                key,
                format!(
                    "{} has no output {name}; it has {found}",
                    network.path().display()
                ),
            )
        };
        place.ok_or_else(missing)
    }

    fn note_fixed_batch(&mut self, part: &str, network: &Network) {
        if let Some(rows) = network.fixed_batch() {
            let why = "the network takes no other number; the last batch is filled up".to_string();
            self.guess(&format!("batch of the {part}"), rows.to_string(), why);
        }
    }
}

/// An event in the words of a manifest.
pub(crate) fn event_in_words(event: &EventKind) -> String {
    match event {
        EventKind::Image {
            channels,
            height,
            width,
        } => {
            format!(
                "{{ kind = \"image\", channels = {channels}, height = {height}, width = {width} }}"
            )
        }
        EventKind::Class { classes } => format!("{{ kind = \"class\", classes = {classes} }}"),
        other => format!("{{ kind = \"array\", shape = {:?} }}", other.shape()),
    }
}
