use crate::Error;
use std::path::Path;
use std::sync::Arc;
use zbridge::GivenModel;
use zbridge_assets::Asset;
use zbridge_core::{DiagonalGaussian, EventKind, Observations, Posterior, RandomStream};

/// Returns the embedded model of this name, or the model at this path.
///
/// # Errors
/// [`Error::UnknownModel`] if there is neither; [`Error`] if the file is not a model.
pub fn open_model(name: &str) -> Result<GivenModel, Error> {
    if let Some(asset) = Asset::model_named(name) {
        return Ok(GivenModel::new(
            name,
            Arc::new(asset.vae()?),
            asset.digest(),
        ));
    }
    if !Path::new(name).exists() {
        return Err(Error::UnknownModel { name: name.into() });
    }
    Ok(GivenModel::open(name)?)
}

/// `count` observations of the model's own making: z ~ N(0, I), its prior, then p(x|z). Of an image
/// the mean, since noise in every pixel is not what images look like; of classes a draw.
pub(crate) fn imagined(given: &GivenModel, count: usize, seed: u64) -> Result<Observations, Error> {
    let mut stream = RandomStream::named(seed, "encode/prior");
    let latents = DiagonalGaussian::standard(count, given.model.latent_dim()).sample(&mut stream);
    let means = given.model.decode(&latents)?;
    match *given.model.event() {
        EventKind::Class { classes } => {
            let drawn: Vec<u8> = (0..means.rows())
                .map(|row| drawn_class(means.row(row), &mut stream))
                .collect();
            Ok(Observations::one_hot(&drawn, classes)?)
        }
        _ => Ok(means),
    }
}

/// Posteriors of [`imagined`] observations: latents without partners where there is no data without
/// partners.
pub(crate) fn imagined_posteriors(
    given: &GivenModel,
    count: usize,
    seed: u64,
) -> Result<Posterior, Error> {
    Ok(given.model.posterior(&imagined(given, count, seed)?)?)
}

fn drawn_class(probabilities: &[f32], stream: &mut RandomStream) -> u8 {
    let mut left = stream.uniform() * probabilities.iter().sum::<f32>();
    let found = probabilities.iter().position(|p| {
        left -= p;
        left < 0.0
    });
    found.unwrap_or(probabilities.len().saturating_sub(1)) as u8
}
