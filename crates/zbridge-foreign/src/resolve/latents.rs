use super::resolver::Resolver;
use crate::ForeignError;
use crate::foreign_model::{Decoder, Encoder};
use crate::latent_space::LatentSpace;
use crate::manifest::Numbers;
use crate::shape::{checked_size, same_size};

/// Dimensions of a latent space above which a mistake is likelier than a model.
const MOST_DIMENSIONS: usize = 1 << 24;

impl Resolver<'_> {
    /// Returns the latents that both networks share.
    pub(super) fn latents(
        &mut self,
        encoder: Option<&Encoder>,
        decoder: Option<&Decoder>,
    ) -> Result<LatentSpace, ForeignError> {
        let given = encoder.and_then(Encoder::latent_shape);
        let taken = decoder.map(|decoder| decoder.network.input_shape().to_vec());
        let (found, why) = match (given, taken) {
            (Some(given), Some(taken)) if !same_size(&given, &taken) => {
                let why = format!(
                    "the encoder gives latents of shape {given:?}, but the decoder takes {taken:?}"
                );
                let remedy = "what the encoder's outputs are, in [encoder]";
                return Err(self.unresolved(why, remedy));
            }
            (_, Some(taken)) => (taken, "the decoder takes it"),
            (Some(given), None) => (given, "the encoder gives it"),
            (None, None) => return Err(self.unusable_latents(&[])),
        };
        let shape = match &self.manifest.latent.shape {
            Some(stated) => self.checked_shape(stated, &found)?,
            None => {
                self.guess("latent.shape", format!("{found:?}"), why);
                found
            }
        };
        let is_usable = |size| (1..=MOST_DIMENSIONS).contains(&size);
        if !checked_size(&shape).is_some_and(is_usable) {
            return Err(self.unusable_latents(&shape));
        }
        let channels = shape.first().copied().unwrap_or(1);
        let shift = self.shift(channels)?;
        let scale = self.scale(channels)?;
        Ok(LatentSpace::new(shape, &shift, &scale))
    }

    fn unusable_latents(&self, shape: &[usize]) -> ForeignError {
        self.unresolved(format!("latents of shape {shape:?}"), "`shape` in [latent]")
    }

    /// Returns the shape that the manifest states, if it has the size of the networks' latents.
    fn checked_shape(&self, stated: &[usize], found: &[usize]) -> Result<Vec<usize>, ForeignError> {
        if same_size(stated, found) {
            return Ok(stated.to_vec());
        }
        let size = |shape: &[usize]| match checked_size(shape) {
            Some(size) => size.to_string(),
            None => "too many".into(),
        };
        let (stated_size, found_size) = (size(stated), size(found));
        let why = format!(
            "{stated:?} holds {stated_size} numbers, but the networks' latents {found_size}"
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
        let why =
            format!("one number, or one for each of {channels} channels, finite, and no scale 0");
        Err(self.manifest.wrong("latent", key, why))
    }
}
