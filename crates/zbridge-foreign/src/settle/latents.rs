use super::{Decoder, Encoder, Settling};
use crate::ForeignError;
use crate::latent_space::LatentSpace;
use crate::manifest::Numbers;

/// Dimensions of a latent space above which a mistake is likelier than a model.
const MOST_DIMENSIONS: usize = 1 << 24;

impl Settling<'_> {
    /// The latents that both networks share.
    pub(super) fn latents(
        &mut self,
        encoder: Option<&Encoder>,
        decoder: Option<&Decoder>,
    ) -> Result<LatentSpace, ForeignError> {
        let given = encoder.and_then(|encoder| {
            encoder
                .encoding
                .latent_shape(encoder.network.output_shapes())
        });
        let taken = decoder.map(|decoder| decoder.network.input_shape().to_vec());
        let size = |shape: &[usize]| {
            shape
                .iter()
                .fold(1usize, |size, &dim| size.saturating_mul(dim))
        };
        if let (Some(given), Some(taken)) = (&given, &taken)
            && size(given) != size(taken)
        {
            let why = format!(
                "the encoder gives latents of shape {given:?}, but the decoder takes {taken:?}"
            );
            return Err(self.unsettled(why, "what the encoder's outputs are, in [encoder]"));
        }
        let found = taken.or(given).unwrap_or_default();
        let shape = match &self.manifest.latent.shape {
            Some(said) if size(said) == size(&found) => said.clone(),
            Some(said) => {
                let why = format!(
                    "{said:?} holds {} numbers, but the networks' latents {}",
                    size(said),
                    size(&found)
                );
                return Err(self.manifest.wrong("latent", "shape", why));
            }
            None => {
                let part = if decoder.is_some() {
                    "the decoder takes it"
                } else {
                    "the encoder gives it"
                };
                self.guess("latent.shape", format!("{found:?}"), part);
                found
            }
        };
        if size(&shape) == 0 || size(&shape) > MOST_DIMENSIONS {
            return Err(
                self.unsettled(format!("latents of shape {shape:?}"), "`shape` in [latent]")
            );
        }
        let section = &self.manifest.latent;
        let (shift, scale) = (
            self.numbers("shift", &section.shift, 0.0, &shape)?,
            self.numbers("scale", &section.scale, 1.0, &shape)?,
        );
        Ok(LatentSpace::scaled(shape, shift, scale))
    }

    fn numbers(
        &self,
        key: &str,
        said: &Option<Numbers>,
        usual: f32,
        shape: &[usize],
    ) -> Result<Vec<f32>, ForeignError> {
        let Some(Numbers(numbers)) = said else {
            return Ok(vec![usual]);
        };
        let channels = shape.first().copied().unwrap_or(1);
        let usable = |number: &f32| number.is_finite() && (key == "shift" || *number != 0.0);
        if (numbers.len() == 1 || numbers.len() == channels) && numbers.iter().all(usable) {
            return Ok(numbers.clone());
        }
        let why =
            format!("one number, or one for each of {channels} channels, finite, and no scale 0");
        Err(self.manifest.wrong("latent", key, why))
    }
}
