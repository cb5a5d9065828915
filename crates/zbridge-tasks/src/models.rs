use crate::Error;
use crate::side::Side;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use zbridge::{Bridge, GivenModel};
use zbridge_assets::Asset;
use zbridge_core::{
    DiagonalGaussian, EventKind, Latents, Observations, Observer, Posterior, PosteriorSamples,
    RandomStream, Stage,
};

/// Returns the embedded model of this name, or the model at this path.
///
/// # Errors
/// [`Error::UnknownModel`] if there is neither; [`Error`] if the file is not a model.
pub fn open_model(name: &str) -> Result<GivenModel, Error> {
    if let Some(asset) = Asset::model_named(name) {
        let model = Arc::new(asset.vae()?);
        return Ok(GivenModel::new(name, model, asset.digest()));
    }
    if !Path::new(name).exists() {
        return Err(Error::UnknownModel { name: name.into() });
    }
    Ok(GivenModel::open(name)?)
}

/// Returns the model whose name is recorded in the file at `file`: an embedded one, or the one at
/// that path, or the one beside the file, for files that were moved together.
///
/// # Errors
/// [`Error::RecordedModel`] if it is in none of these places; [`Error`] if it is not a model.
pub(crate) fn open_recorded_model(
    name: &str,
    side: &str,
    file: &Path,
) -> Result<GivenModel, Error> {
    if Asset::model_named(name).is_some() || Path::new(name).exists() {
        return open_model(name);
    }
    let folder = file.parent().unwrap_or(Path::new(""));
    let file_name = Path::new(name).file_name().unwrap_or_default();
    // Files that travel together: the model may be beside the file that names it.
    let beside: [PathBuf; 2] = [folder.join(name), folder.join(file_name)];
    match beside.iter().find(|path| path.exists()) {
        Some(path) => Ok(GivenModel::open(path)?),
        None => Err(Error::RecordedModel {
            side: side.to_owned(),
            name: name.to_owned(),
            file: file.to_owned(),
        }),
    }
}

/// Rows that a model decodes or encodes between two calls of the observer.
const BLOCK: usize = 512;

/// Returns `count` observations drawn by the model itself: z ~ N(0, I), its prior, then p(x|z). Of
/// images the means, since noise in every pixel is not what images look like; of classes draws.
pub(crate) fn prior_samples(
    given: &GivenModel,
    count: usize,
    seed: u64,
    observer: &dyn Observer,
) -> Result<Observations, Error> {
    let stage = Stage::new(observer, "drawing from the prior", count as u64);
    let mut stream = RandomStream::named(seed, "encode/prior");
    // All latents are drawn before any class, so that blocks do not change the numbers.
    let latents = DiagonalGaussian::standard(count, given.model.latent_dim()).sample(&mut stream);
    let event = given.model.event();
    let mut means = Vec::with_capacity(count * event.size());
    for rows in blocks(count) {
        means.extend_from_slice(given.model.decode(&latents.select(&rows))?.values());
        stage.advance(rows.len() as u64)?;
    }
    let means = Observations::new(means, event.clone())?;
    match *event {
        EventKind::Class { classes } => drawn_classes(&means, classes, &mut stream),
        _ => Ok(means),
    }
}

/// Returns the posteriors of [`prior_samples`]: latents without partners where there are no data
/// without partners.
pub(crate) fn prior_sample_posteriors(
    given: &GivenModel,
    count: usize,
    seed: u64,
    observer: &dyn Observer,
) -> Result<Posterior, Error> {
    let observations = prior_samples(given, count, seed, observer)?;
    posterior_in_blocks(given, &observations, observer)
}

/// Returns the posteriors of all observations, encoded block by block.
pub(crate) fn posterior_in_blocks(
    given: &GivenModel,
    observations: &Observations,
    observer: &dyn Observer,
) -> Result<Posterior, Error> {
    let count = observations.rows();
    if count <= BLOCK {
        return Ok(given.model.posterior(observations)?);
    }
    let stage = Stage::new(observer, "encoding", count as u64);
    let mut parts = vec![];
    for rows in blocks(count) {
        parts.push(given.model.posterior(&observations.select(&rows))?);
        stage.advance(rows.len() as u64)?;
    }
    joined(&parts, given.model.latent_dim())
}

/// Returns the posteriors of all parts. All are Gaussians, or all are samples, as those of one
/// model are.
fn joined(parts: &[Posterior], dim: usize) -> Result<Posterior, Error> {
    let gaussians: Option<Vec<&DiagonalGaussian>> =
        parts.iter().map(Posterior::as_diagonal).collect();
    if let Some(gaussians) = gaussians {
        return Ok(DiagonalGaussian::joined(gaussians, dim)?.into());
    }
    let (mut points, mut draws) = (vec![], 1);
    for part in parts {
        if let Posterior::Samples(samples) = part {
            points.extend_from_slice(samples.points().values());
            // The same for all parts: they come from one model.
            draws = samples.draws();
        }
    }
    let samples = PosteriorSamples::new(Latents::from_vec(points, dim)?, draws)?;
    Ok(Posterior::Samples(samples))
}

fn blocks(count: usize) -> impl Iterator<Item = Vec<usize>> {
    let firsts = (0..count).step_by(BLOCK);
    firsts.map(move |first| (first..count.min(first + BLOCK)).collect())
}

fn drawn_classes(
    probabilities: &Observations,
    classes: usize,
    stream: &mut RandomStream,
) -> Result<Observations, Error> {
    let mut drawn = Vec::with_capacity(probabilities.rows());
    for row in 0..probabilities.rows() {
        drawn.push(drawn_class(probabilities.row_values(row), stream));
    }
    Ok(Observations::one_hot(&drawn, classes)?)
}

fn drawn_class(probabilities: &[f32], stream: &mut RandomStream) -> u8 {
    // Rounded probabilities may sum to a little more or less than 1.
    let mut left = stream.uniform() * probabilities.iter().sum::<f32>();
    let found = probabilities.iter().position(|p| {
        left -= p;
        left < 0.0
    });
    // Rounding may leave a little after the last class.
    found.unwrap_or(probabilities.len().saturating_sub(1)) as u8
}

/// A bridge with the file that it was read from.
#[derive(Clone, Copy)]
pub(crate) struct BridgeOfFile<'b> {
    pub(crate) bridge: &'b Bridge,
    pub(crate) path: &'b Path,
}

impl BridgeOfFile<'_> {
    /// Returns what the bridge records of a side under `key`.
    fn recorded(&self, side: Side, key: &str) -> Option<&str> {
        let value = self.bridge.provenance().get(&format!("{side}.{key}"))?;
        Some(value)
    }

    /// Returns the model of a side: the one that `asked` names, else the one whose latents the
    /// bridge was fitted on; `None` if neither is named.
    ///
    /// # Errors
    /// [`Error`] if it cannot be opened, has other dimensions than the bridge, or is recorded and
    /// has another digest by now.
    pub(crate) fn model_of(
        &self,
        side: Side,
        asked: Option<&str>,
    ) -> Result<Option<GivenModel>, Error> {
        let model = match (asked, self.recorded(side, "model")) {
            (Some(name), _) => open_model(name)?,
            (None, Some(name)) => open_recorded_model(name, &side.to_string(), self.path)?,
            (None, None) => return Ok(None),
        };
        self.expect_dim(side, &model)?;
        // A model that the user names may differ from the one that was fitted.
        if asked.is_none() {
            self.expect_digest(side, &model)?;
        }
        Ok(Some(model))
    }

    fn expect_dim(&self, side: Side, model: &GivenModel) -> Result<(), Error> {
        let (found, expected) = (model.model.latent_dim(), side.dim(self.bridge));
        if found == expected {
            return Ok(());
        }
        Err(Error::usage(format!(
            "model `{}` has {found} latents, the bridge's {side} has {expected}",
            model.name
        )))
    }

    fn expect_digest(&self, side: Side, model: &GivenModel) -> Result<(), Error> {
        match self.recorded(side, "model_digest") {
            Some(digest) if digest != model.digest => Err(Error::usage(format!(
                "model `{}` is not the one this bridge was fitted with (its digest differs); to \
                 use it all the same, name it as the model of {side}",
                model.name
            ))),
            _ => Ok(()),
        }
    }
}

/// Checks that latents of a file have the dimensions that the bridge has on this side.
pub(crate) fn expect_dim(
    path: &Path,
    side: Side,
    found: usize,
    bridge: &Bridge,
) -> Result<(), Error> {
    let expected = side.dim(bridge);
    if found == expected {
        return Ok(());
    }
    let reason = format!(
        "holds latents of {found} dimensions, where the bridge's {side} has {expected}: are x and \
         y mixed up, or is it another model's?"
    );
    Err(Error::bad_file(path, reason))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ops::ControlFlow;
    use zbridge_core::{Progress, Unobserved};

    fn label_model() -> GivenModel {
        open_model("mnist-label").unwrap()
    }

    #[test]
    fn drawing_from_the_prior_in_blocks_gives_the_same_numbers() {
        let given = label_model();
        let found = prior_sample_posteriors(&given, 1100, 3, &Unobserved).unwrap();
        let mut stream = RandomStream::named(3, "encode/prior");
        let latents = DiagonalGaussian::standard(1100, 2).sample(&mut stream);
        let means = given.model.decode(&latents).unwrap();
        let classes = drawn_classes(&means, 10, &mut stream).unwrap();
        assert_eq!(found, given.model.posterior(&classes).unwrap());
    }

    #[test]
    fn drawing_from_the_prior_can_be_stopped() {
        let stop = |progress: &Progress<'_>| match progress.done {
            0..1024 => ControlFlow::Continue(()),
            _ => ControlFlow::Break(()),
        };
        let stopped = prior_samples(&label_model(), 5000, 3, &stop).unwrap_err();
        assert!(matches!(stopped, Error::Interrupted(_)), "{stopped}");
    }

    #[test]
    fn a_recorded_model_is_found_beside_the_file_that_names_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("pairs.bridge");
        let missing = open_recorded_model("elsewhere/label.safetensors", "y", &file);
        let message = missing.unwrap_err().to_string();
        assert!(message.contains("name the model of y"), "{message}");
        let bytes = zbridge_assets::MNIST_LABEL.bytes;
        std::fs::write(folder.path().join("label.safetensors"), bytes).unwrap();
        let found = open_recorded_model("elsewhere/label.safetensors", "y", &file).unwrap();
        assert_eq!(found.model.latent_dim(), 2);
    }
}
