use crate::ModelError;
use serde::{Deserialize, Serialize};
use zbridge_core::EventKind;

/// The sizes of a text VAE, before it is known which texts it is for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TextVaeConfig {
    /// What users call the model.
    pub name: String,
    /// Dimensions of its latent space.
    pub latent_dim: usize,
    /// Dimensions of a symbol's embedding, on both sides.
    pub embedding: usize,
    /// Units of the recurrent state, on both sides.
    pub units: usize,
}

impl TextVaeConfig {
    /// The text VAE of these sizes for observations of kind `event`.
    ///
    /// # Errors
    /// [`ModelError::Event`] when they are no texts.
    pub fn reading(&self, event: &EventKind) -> Result<TextVaeArchitecture, ModelError> {
        let Self {
            name,
            latent_dim,
            embedding,
            units,
        } = self.clone();
        TextVaeArchitecture {
            name,
            event: event.clone(),
            latent_dim,
            embedding,
            units,
        }
        .checked()
    }
}

/// What a text VAE is made of, without its numbers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TextVaeArchitecture {
    /// What users call the model.
    pub name: String,
    /// The texts that it models.
    pub event: EventKind,
    /// Dimensions of its latent space.
    pub latent_dim: usize,
    /// Dimensions of a symbol's embedding, on both sides.
    pub embedding: usize,
    /// Units of the recurrent state, on both sides.
    pub units: usize,
}

impl TextVaeArchitecture {
    /// The architecture, once it is of texts and no part of it is empty.
    ///
    /// # Errors
    /// [`ModelError::Event`] when it is of other observations; [`ModelError::Architecture`] when a
    /// width is 0.
    pub fn checked(self) -> Result<Self, ModelError> {
        let model = self.name.clone();
        if !matches!(self.event, EventKind::Text { .. }) {
            return Err(ModelError::Event {
                model,
                expected: "texts",
                found: self.event.in_words(),
            });
        }
        let least = self
            .latent_dim
            .min(self.embedding)
            .min(self.units)
            .min(self.event.size());
        if least == 0 {
            return Err(ModelError::Architecture {
                model,
                network: "encoder or decoder",
                expected: 1,
                found: 0,
            });
        }
        Ok(self)
    }

    /// Symbols of a text.
    pub(super) fn length(&self) -> usize {
        self.event.shape()[0]
    }

    /// Symbols of the vocabulary.
    pub(super) fn symbols(&self) -> usize {
        self.event.size() / self.length()
    }
}
