use crate::onnx::{Graph, LastOperator, Port};
use crate::{ForeignError, file_access};
use std::path::Path;

/// What a model's networks state of themselves, before a shape is known with which they can be
/// opened.
pub(super) struct Graphs {
    pub(super) encoder: Option<Graph>,
    pub(super) decoder: Option<Graph>,
}

impl Graphs {
    pub(super) fn read(
        encoder: Option<&Path>,
        decoder: Option<&Path>,
    ) -> Result<Self, ForeignError> {
        Ok(Self {
            encoder: encoder.map(read).transpose()?,
            decoder: decoder.map(read).transpose()?,
        })
    }

    pub(super) fn encoder_input(&self) -> Option<&Port> {
        self.encoder.as_ref()?.inputs.first()
    }

    pub(super) fn decoder_input(&self) -> Option<&Port> {
        self.decoder.as_ref()?.inputs.first()
    }

    pub(super) fn decoder_output(&self) -> Option<&Port> {
        self.decoder.as_ref()?.outputs.first()
    }

    /// Returns the operator that the first output of the decoder comes from.
    pub(super) fn last_operator(&self) -> Option<&LastOperator> {
        self.decoder.as_ref()?.evidence.last_operators.first()
    }
}

fn read(path: &Path) -> Result<Graph, ForeignError> {
    Graph::read(&file_access::read(path)?, path)
}
