use crate::foreign_model::ROUTE_WITHOUT_ENCODER;
use crate::{Engine, ForeignModel, Guess};
use serde::Serialize;
use zbridge_core::{EventKind, LatentModel};

/// How a model would be used.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Usage {
    /// What users call it.
    pub name: String,
    /// What it models.
    pub event: EventKind,
    /// The shape of one latent.
    pub latent_shape: Vec<usize>,
    /// Whether it returns posteriors.
    pub encodes: bool,
    /// Whether it returns observations.
    pub decodes: bool,
    /// What runs its encoder.
    pub encoder_engine: Option<Engine>,
    /// What runs its decoder.
    pub decoder_engine: Option<Engine>,
    /// Whether the likelihood p(x|z) is known.
    pub has_likelihood: bool,
    /// What to do with a generator that has no encoder.
    pub route: Option<&'static str>,
    /// The properties that were inferred.
    pub guesses: Vec<Guess>,
}

impl Usage {
    pub(super) fn of(model: &ForeignModel) -> Self {
        Self {
            name: model.name().into(),
            event: model.event().clone(),
            latent_shape: model.latent_shape().to_vec(),
            encodes: model.encodes(),
            decodes: model.decodes(),
            encoder_engine: model.encoder_engine(),
            decoder_engine: model.decoder_engine(),
            has_likelihood: model.has_likelihood(),
            route: (!model.encodes()).then_some(ROUTE_WITHOUT_ENCODER),
            guesses: model.guesses().to_vec(),
        }
    }
}
