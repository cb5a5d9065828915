use super::resolver::Resolver;
use crate::ForeignError;
use crate::foreign_model::{Decoder, Encoder};
use crate::latent_space::LatentSpace;
use crate::manifest::Numbers;
use crate::shape::{checked_size, same_size};

/// Dimensions of a latent space above which a mistake is likelier than a model.
const MOST_DIMENSIONS: usize = 1 << 24;

/// The shape of a latent in the networks, and which network tells it.
struct FoundShape {
    shape: Vec<usize>,
    why: &'static str,
}

impl Resolver<'_> {
    /// Returns the latents that both networks share.
    pub(super) fn latents(
        &mut self,
        encoder: Option<&Encoder>,
        decoder: Option<&Decoder>,
    ) -> Result<LatentSpace, ForeignError> {
        let given = encoder.and_then(Encoder::latent_shape);
        let taken = decoder.map(|decoder| decoder.network.input_shape().to_vec());
        let found = self.found_shape(given, taken)?;
        let shape = self.stated_or_found(found)?;
        self.check_size(&shape)?;
        // Latents without dimensions are one channel.
        let channels = shape.first().copied().unwrap_or(1);
        let shift = self.shift(channels)?;
        let scale = self.scale(channels)?;
        Ok(LatentSpace::new(shape, &shift, &scale))
    }

    /// Returns the shape that the decoder takes, or the encoder gives.
    fn found_shape(
        &self,
        given: Option<Vec<usize>>,
        taken: Option<Vec<usize>>,
    ) -> Result<FoundShape, ForeignError> {
        match (given, taken) {
            (Some(given), Some(taken)) if !same_size(&given, &taken) => {
                Err(self.different_sizes(&given, &taken))
            }
            // Shapes may differ if sizes do not: users see latents as rows.
            (_, Some(shape)) => Ok(FoundShape {
                shape,
                why: "the decoder takes it",
            }),
            (Some(shape), None) => Ok(FoundShape {
                shape,
                why: "the encoder gives it",
            }),
            (None, None) => Err(self.unusable_latents(&[])),
        }
    }

    fn different_sizes(&self, given: &[usize], taken: &[usize]) -> ForeignError {
        let why = format!(
            "the encoder gives latents of shape {given:?}, but the decoder takes {taken:?}"
        );
        self.unresolved(why, "what the encoder's outputs are, in [encoder]")
    }

    fn stated_or_found(&mut self, found: FoundShape) -> Result<Vec<usize>, ForeignError> {
        let FoundShape { shape, why } = found;
        match &self.manifest.latent.shape {
            Some(stated) => self.checked_shape(stated, &shape),
            None => {
                self.guess("latent.shape", format!("{shape:?}"), why);
                Ok(shape)
            }
        }
    }

    fn check_size(&self, shape: &[usize]) -> Result<(), ForeignError> {
        match checked_size(shape) {
            Some(1..=MOST_DIMENSIONS) => Ok(()),
            _ => Err(self.unusable_latents(shape)),
        }
    }

    fn unusable_latents(&self, shape: &[usize]) -> ForeignError {
        self.unresolved(format!("latents of shape {shape:?}"), "`shape` in [latent]")
    }

    /// Returns the shape that the manifest states, if it has the size of the networks' latents.
    fn checked_shape(&self, stated: &[usize], found: &[usize]) -> Result<Vec<usize>, ForeignError> {
        if same_size(stated, found) {
            return Ok(stated.to_vec());
        }
        let why = format!(
            "{stated:?} holds {} numbers, but the networks' latents {}",
            size_in_words(stated),
            size_in_words(found)
        );
        Err(self.manifest.wrong("latent", "shape", why))
    }

    fn shift(&self, channels: usize) -> Result<Vec<f32>, ForeignError> {
        match &self.manifest.latent.shift {
            Some(numbers) => self.checked_numbers("shift", numbers, channels, f32::is_finite),
            None => Ok(vec![0.0]),
        }
    }

    fn scale(&self, channels: usize) -> Result<Vec<f32>, ForeignError> {
        let is_usable = |scale: f32| scale.is_finite() && scale != 0.0;
        match &self.manifest.latent.scale {
            Some(numbers) => self.checked_numbers("scale", numbers, channels, is_usable),
            None => Ok(vec![1.0]),
        }
    }

    fn checked_numbers(
        &self,
        key: &str,
        Numbers(numbers): &Numbers,
        channels: usize,
        is_usable: impl Fn(f32) -> bool,
    ) -> Result<Vec<f32>, ForeignError> {
        let has_count = numbers.len() == 1 || numbers.len() == channels;
        if has_count && numbers.iter().all(|&number| is_usable(number)) {
            return Ok(numbers.clone());
        }
        // A scale of 0 could not be undone for the decoder.
        let why =
            format!("one number, or one for each of {channels} channels, finite, and no scale 0");
        Err(self.manifest.wrong("latent", key, why))
    }
}

fn size_in_words(shape: &[usize]) -> String {
    match checked_size(shape) {
        Some(size) => size.to_string(),
        None => "too many".into(),
    }
}
