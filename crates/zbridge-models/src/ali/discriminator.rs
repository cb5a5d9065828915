use super::model::AliArchitecture;
use crate::ModelError;
use serde::{Deserialize, Serialize};
use zbridge_nn::{Gradients, InputGradient, Mode, Network, NnError, Tape, WeightsFile};

/// The networks that tell whether a pair of observation and latent was encoded or generated: D(x,
/// z).
///
/// Without batch normalisation: a pair's logit must not depend on the others, for the gradient of a
/// pair is read off one backward pass over all of them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Discriminator {
    /// Observation → features.
    pub observation: Network,
    /// Features, then the latent → one logit, high for encoded pairs.
    pub joint: Network,
}

/// What a forward pass of the discriminator leaves for the way back.
#[derive(Debug, Default)]
pub(super) struct DiscriminatorTape {
    observation: Tape,
    joint: Tape,
    inputs: Vec<f32>,
    features_gradient: Vec<f32>,
    latents_gradient: Vec<f32>,
}

impl Discriminator {
    /// How many numbers its parameters are: those of `observation`, then those of `joint`.
    pub fn parameter_count(&self) -> usize {
        self.observation.parameter_count() + self.joint.parameter_count()
    }

    /// Adds its parameters to a checkpoint.
    pub(super) fn put(&self, parameters: &[f32], file: &mut WeightsFile) {
        let (observation, joint) = parameters.split_at(self.observation.parameter_count());
        file.put_network("discriminator.observation", &self.observation, observation);
        file.put_network("discriminator.joint", &self.joint, joint);
    }

    /// The parameters that [`put`](Self::put) added.
    pub(super) fn parameters(
        &self,
        file: &WeightsFile,
        path: &std::path::Path,
    ) -> Result<Vec<f32>, NnError> {
        let observation =
            file.network_parameters("discriminator.observation", &self.observation, path)?;
        Ok([
            observation,
            file.network_parameters("discriminator.joint", &self.joint, path)?,
        ]
        .concat())
    }

    /// A logit for each pair, `[rows]`.
    ///
    /// # Panics
    /// When the networks do not fit each other or the latents.
    pub(super) fn forward<'t>(
        &self,
        parameters: &[f32],
        [observations, latents]: [&[f32]; 2],
        tape: &'t mut DiscriminatorTape,
    ) -> &'t mut [f32] {
        let (first, second) = parameters.split_at(self.observation.parameter_count());
        let features =
            self.observation
                .forward(first, observations, Mode::Training, &mut tape.observation);
        let (width, dim) = (self.observation.outputs(), self.latent_dim());
        tape.inputs.clear();
        for (features, latent) in features.chunks_exact(width).zip(latents.chunks_exact(dim)) {
            tape.inputs.extend_from_slice(features);
            tape.inputs.extend_from_slice(latent);
        }
        self.joint
            .forward(second, &tape.inputs, Mode::Training, &mut tape.joint)
    }

    /// Adds the parameters' gradients for `logit_gradient` `[rows]`; gives those of observations
    /// and of latents.
    pub(super) fn backward<'t>(
        &self,
        parameters: &[f32],
        logit_gradient: &[f32],
        gradients: &mut [f32],
        wanted: InputGradient,
        tape: &'t mut DiscriminatorTape,
    ) -> [&'t [f32]; 2] {
        let (first, second) = parameters.split_at(self.observation.parameter_count());
        let (first_gradients, second_gradients) = gradients.split_at_mut(first.len());
        // The features need it, whatever the caller wants.
        let always = InputGradient::Wanted;
        let inputs = self.joint.backward(
            second,
            logit_gradient,
            Gradients::Add(second_gradients),
            always,
            &mut tape.joint,
        );
        tape.features_gradient.clear();
        tape.latents_gradient.clear();
        for row in inputs.chunks_exact(self.joint.inputs()) {
            let (features, latent) = row.split_at(self.observation.outputs());
            tape.features_gradient.extend_from_slice(features);
            tape.latents_gradient.extend_from_slice(latent);
        }
        let features = &tape.features_gradient;
        let observations = self.observation.backward(
            first,
            features,
            Gradients::Add(first_gradients),
            wanted,
            &mut tape.observation,
        );
        [observations, &tape.latents_gradient]
    }

    fn latent_dim(&self) -> usize {
        self.joint.inputs() - self.observation.outputs()
    }

    /// Whether it takes a model's observations and latents.
    ///
    /// # Errors
    /// [`ModelError::Discriminator`] with the part that does not fit.
    pub(super) fn expect(&self, architecture: &AliArchitecture) -> Result<(), ModelError> {
        let (size, joint) = (
            architecture.event.size(),
            self.observation.outputs() + architecture.latent_dim,
        );
        let fits = [
            ("numbers of an observation", size, self.observation.inputs()),
            ("features and latents", joint, self.joint.inputs()),
            ("logits", 1, self.joint.outputs()),
        ];
        match fits
            .into_iter()
            .find(|(_, expected, found)| expected != found)
        {
            None => Ok(()),
            Some((what, expected, found)) => Err(ModelError::Discriminator {
                model: architecture.name.clone(),
                what,
                expected,
                found,
            }),
        }
    }
}
