use crate::Error;
use crate::assets::{Asset, digest, hexadecimal};
use sha2::{Digest, Sha256};
use std::fmt;
use std::path::Path;
use std::sync::Arc;
use zbridge_core::{
    DiagonalGaussian, EventKind, LatentModel, Observations, Posterior, RandomStream,
};
use zbridge_foreign::Guess;
use zbridge_models::{Ali, TextVae, Vae};
use zbridge_nn::WeightsFile;

/// A given model as a user named it, with the digest that says which one it really was.
#[derive(Clone)]
pub struct Given {
    /// An embedded name or a path, as typed.
    pub name: String,
    /// The model.
    pub model: Arc<dyn LatentModel>,
    /// SHA-256 of its file, or of its files.
    pub digest: String,
    /// The shape of one latent in the model's own networks; elsewhere it is one row.
    pub latent_shape: Vec<usize>,
    /// What nobody said about a foreign model and was read off its files.
    pub guesses: Vec<Guess>,
}

impl Given {
    /// The embedded model of this name, or the model at this path: a weights file of `train`, an
    /// ONNX file, a `model.toml`, or a folder with one of them
    /// or with diffusers' AutoencoderKL.
    ///
    /// # Errors
    /// [`Error`] when there is neitheror the file is not a model.
    pub fn open(name: &str) -> Result<Self, Error> {
        if let Some(asset) = Asset::model_named(name) {
            return Ok(Self::flat(name, Arc::new(asset.vae()?), asset.digest()));
        }
        let path = Path::new(name);
        if !path.exists() {
            return Err(Error::UnknownModel { name: name.into() });
        }
        if path.is_dir()
            || path
                .extension()
                .is_some_and(|extension| extension == "onnx" || extension == "toml")
        {
            return Self::foreign(name, path);
        }
        let bytes = std::fs::read(path)
            .map_err(|reason| Error::bad_file(path, format!("cannot be read: {reason}")))?;
        let model = in_weights(&WeightsFile::from_bytes(&bytes, path)?, path)?;
        Ok(Self::flat(name, model, digest(&bytes)))
    }

    fn flat(name: &str, model: Arc<dyn LatentModel>, digest: String) -> Self {
        Self {
            name: name.into(),
            latent_shape: vec![model.latent_dim()],
            model,
            digest,
            guesses: vec![],
        }
    }

    fn foreign(name: &str, path: &Path) -> Result<Self, Error> {
        let model = zbridge_foreign::open(path)?;
        let (latent_shape, guesses) = (model.latent_shape().to_vec(), model.guesses().to_vec());
        Ok(Self {
            name: name.into(),
            model: Arc::new(model),
            digest: digest_of_files(path)?,
            latent_shape,
            guesses,
        })
    }

    /// Whether it models images.
    pub fn is_image(&self) -> bool {
        matches!(self.model.event(), EventKind::Image { .. })
    }

    /// How many classes it models, if it models classes.
    pub fn classes(&self) -> Option<usize> {
        match self.model.event() {
            EventKind::Class { classes } => Some(*classes),
            _ => None,
        }
    }
}

/// SHA-256 over the files that a foreign model is made of, by name: those of its folder.
fn digest_of_files(path: &Path) -> Result<String, Error> {
    const PARTS: [&str; 7] = ["onnx", "toml", "json", "safetensors", "bin", "pth", "data"];
    let folder = if path.is_dir() {
        path
    } else {
        path.parent()
            .filter(|p| *p != Path::new(""))
            .unwrap_or(Path::new("."))
    };
    let unreadable = |reason| Error::bad_file(folder, format!("cannot be read: {reason}"));
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .map_err(unreadable)?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .collect();
    // A single network has no other parts than the data beside it.
    let stem = if path
        .extension()
        .is_some_and(|extension| extension == "onnx")
    {
        path.file_name()
    } else {
        None
    };
    let belongs = |file: &Path| {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        stem.is_none_or(|stem| name.starts_with(&*stem.to_string_lossy()))
    };
    files.retain(|file| {
        let extension = file
            .extension()
            .and_then(|extension| extension.to_str())
            .unwrap_or_default();
        file.is_file() && PARTS.contains(&extension) && belongs(file)
    });
    files.sort();
    let mut hash = Sha256::new();
    for file in files {
        hash.update(
            std::fs::read(&file)
                .map_err(|reason| Error::bad_file(&file, format!("cannot be read: {reason}")))?,
        );
    }
    Ok(hexadecimal(&hash.finalize()))
}

/// The model in a weights file that zbridge trained.
fn in_weights(file: &WeightsFile, path: &Path) -> Result<Arc<dyn LatentModel>, Error> {
    if Ali::is_in(file) {
        return Ok(Arc::new(Ali::from_weights(file, path)?));
    }
    if TextVae::is_in(file) {
        return Ok(Arc::new(TextVae::from_weights(file, path)?));
    }
    Ok(Arc::new(Vae::from_weights(file, path)?))
}

impl fmt::Debug for Given {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Given")
            .field("name", &self.name)
            .field("digest", &self.digest)
            .finish_non_exhaustive()
    }
}

/// `count` observations of the model's own making: z ~ N(0, I), its prior, then p(x|z). Of an image
/// the mean, since noise in every pixel is not what images look like; of classes a draw.
pub(crate) fn imagined(given: &Given, count: usize, seed: u64) -> Result<Observations, Error> {
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
    given: &Given,
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
