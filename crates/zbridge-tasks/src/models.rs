use crate::Error;
use std::path::Path;
use std::sync::Arc;
use zbridge::{Bridge, GivenModel};
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
pub(crate) fn prior_samples(
    given: &GivenModel,
    count: usize,
    seed: u64,
) -> Result<Observations, Error> {
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

/// Posteriors of [`prior_samples`] observations: latents without partners where there is no data without
/// partners.
pub(crate) fn prior_sample_posteriors(
    given: &GivenModel,
    count: usize,
    seed: u64,
) -> Result<Posterior, Error> {
    Ok(given.model.posterior(&prior_samples(given, count, seed)?)?)
}

fn drawn_class(probabilities: &[f32], stream: &mut RandomStream) -> u8 {
    let mut left = stream.uniform() * probabilities.iter().sum::<f32>();
    let found = probabilities.iter().position(|p| {
        left -= p;
        left < 0.0
    });
    found.unwrap_or(probabilities.len().saturating_sub(1)) as u8
}

/// The model of a side: as asked for, else the one whose latents the bridge was fitted on, digest
/// checked; none when nobody names one.
pub(crate) fn known_model_of(
    bridge: &Bridge,
    side: &str,
    asked: Option<&str>,
    dim: usize,
) -> Result<Option<GivenModel>, Error> {
    let remembered = bridge
        .provenance()
        .get(&format!("{side}.model"))
        .map(String::as_str);
    let Some(name) = asked.or(remembered) else {
        return Ok(None);
    };
    let model = open_model(name)?;
    let found = model.model.latent_dim();
    if found != dim {
        return Err(Error::usage(format!(
            "model `{name}` has {found} latents, the bridge's {side} has {dim}"
        )));
    }
    match bridge.provenance().get(&format!("{side}.model_digest")) {
        Some(digest) if asked.is_none() && *digest != model.digest => Err(Error::usage(format!(
            "model `{name}` is not the one this bridge was fitted with (its digest differs); say --{side}-model {name} to use it all the same"
        ))),
        _ => Ok(Some(model)),
    }
}

/// Errors when latents of a file do not have the dimensions that the bridge has on this side.
pub(crate) fn expect_dim(
    path: &Path,
    side: &str,
    found: usize,
    expected: usize,
) -> Result<(), Error> {
    if found == expected {
        return Ok(());
    }
    let reason = format!(
        "holds latents of {found} dimensions, where the bridge's {side} has {expected}: are x and y mixed up, or is it another model's?"
    );
    Err(Error::bad_file(path, reason))
}
