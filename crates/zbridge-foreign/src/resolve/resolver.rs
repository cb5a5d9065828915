use crate::manifest::{Manifest, OutputName};
use crate::onnx::Network;
use crate::{ForeignError, Guess};
use std::path::Path;

/// What a manifest states of a model, and what was inferred so far.
pub(crate) struct Resolver<'a> {
    /// The model's file or folder.
    model: &'a Path,
    pub(super) manifest: &'a Manifest,
    guesses: Vec<Guess>,
}

impl<'a> Resolver<'a> {
    pub(crate) fn new(model: &'a Path, manifest: &'a Manifest) -> Self {
        Self {
            model,
            manifest,
            guesses: Vec::new(),
        }
    }

    pub(crate) fn into_guesses(self) -> Vec<Guess> {
        self.guesses
    }

    /// Records a guess: the key of the manifest, its value, and the evidence.
    pub(crate) fn guess(&mut self, what: &str, value: impl Into<String>, why: impl Into<String>) {
        self.guesses.push(Guess::new(what, value, why));
    }

    /// Returns the error that the manifest must state more.
    pub(super) fn unresolved(&self, why: String, remedy: &str) -> ForeignError {
        ForeignError::unresolved(self.model, why, remedy)
    }

    /// Returns the place of an output that the manifest names under `key` of `section`.
    pub(super) fn output_place(
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
        place.ok_or_else(|| {
            let file = network.path().display();
            let found = network.graph().outputs_in_words();
            let why = format!("{file} has no output {name}; it has {found}");
            self.manifest.wrong(section, key, why)
        })
    }

    pub(super) fn note_fixed_batch(&mut self, part: &str, network: &Network) {
        if let Some(rows) = network.fixed_batch() {
            let why = "the network takes no other number; the last batch is filled up";
            self.guess(&format!("batch of the {part}"), rows.to_string(), why);
        }
    }
}
