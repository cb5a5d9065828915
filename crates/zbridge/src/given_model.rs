use crate::Error;
use sha2::{Digest, Sha256};
use std::ffi::OsStr;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use zbridge_core::{EventKind, LatentModel, hexadecimal};
use zbridge_foreign::Guess;
use zbridge_models::{Ali, TextVae, Vae};
use zbridge_nn::WeightsFile;

/// A given model, with the digest that identifies it.
///
/// ```no_run
/// use zbridge::GivenModel;
///
/// let given = GivenModel::open("my-vae.onnx")?;
/// println!("{} latent dimensions, SHA-256 {}", given.model.latent_dim(), given.digest);
/// # Ok::<(), zbridge::Error>(())
/// ```
#[derive(Clone)]
pub struct GivenModel {
    /// The path or name under which it was opened.
    pub name: String,
    /// The model.
    pub model: Arc<dyn LatentModel>,
    /// SHA-256 of its file or files, in hexadecimal digits.
    pub digest: String,
    /// The shape of one latent in the model's own networks, `[4, 32, 32]` say. For zbridge a latent
    /// is always one row of numbers.
    pub latent_shape: Vec<usize>,
    /// What was inferred from the files of a foreign model, because no manifest states it.
    pub guesses: Vec<Guess>,
}

impl GivenModel {
    /// Returns the model at `path`: a weights file of `zbridge train`, an ONNX file, a
    /// `model.toml`, or a folder with one of them or with an AutoencoderKL of diffusers.
    ///
    /// # Errors
    /// [`Error`] if there is no file, or if it is not a model.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        if !path.exists() {
            return Err(Error::NoSuchModel {
                path: path.to_owned(),
            });
        }
        let extension = path.extension();
        let is_foreign = [Some(OsStr::new("onnx")), Some(OsStr::new("toml"))].contains(&extension);
        if path.is_dir() || is_foreign {
            Self::foreign(path)
        } else {
            Self::weights(path)
        }
    }

    /// Returns `model` under a name, with the digest of whatever it was made of.
    pub fn new(
        name: impl Into<String>,
        model: Arc<dyn LatentModel>,
        digest: impl Into<String>,
    ) -> Self {
        Self {
            name: name.into(),
            latent_shape: vec![model.latent_dim()],
            model,
            digest: digest.into(),
            guesses: vec![],
        }
    }

    /// Returns the model in a weights file that zbridge trained.
    fn weights(path: &Path) -> Result<Self, Error> {
        let bytes = read(path)?;
        let file = WeightsFile::from_bytes(&bytes, path)?;
        let model: Arc<dyn LatentModel> = if Ali::is_in(&file) {
            Arc::new(Ali::from_weights(&file, path)?)
        } else if TextVae::is_in(&file) {
            Arc::new(TextVae::from_weights(&file, path)?)
        } else {
            Arc::new(Vae::from_weights(&file, path)?)
        };
        let digest = hexadecimal(&Sha256::digest(&bytes));
        Ok(Self::new(path.display().to_string(), model, digest))
    }

    /// Returns the model of another program.
    fn foreign(path: &Path) -> Result<Self, Error> {
        let model = zbridge_foreign::open(path)?;
        Ok(Self {
            name: path.display().to_string(),
            latent_shape: model.latent_shape().to_vec(),
            guesses: model.guesses().to_vec(),
            model: Arc::new(model),
            digest: digest_of_parts(path)?,
        })
    }

    /// Returns whether it models images.
    pub fn is_image(&self) -> bool {
        matches!(self.model.event(), EventKind::Image { .. })
    }

    /// Returns the number of classes; `None` if it does not model classes.
    pub fn classes(&self) -> Option<usize> {
        match self.model.event() {
            EventKind::Class { classes } => Some(*classes),
            _ => None,
        }
    }
}

impl fmt::Debug for GivenModel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GivenModel")
            .field("name", &self.name)
            .field("digest", &self.digest)
            .finish_non_exhaustive()
    }
}

/// Returns the SHA-256 over all files of a foreign model, in the order of their names.
fn digest_of_parts(path: &Path) -> Result<String, Error> {
    let mut hash = Sha256::new();
    for part in parts(path)? {
        hash.update(read(&part)?);
    }
    Ok(hexadecimal(&hash.finalize()))
}

/// Returns the files of a foreign model: those of its folder, or an ONNX file and the external data
/// beside it, whose names begin with the file's own.
fn parts(path: &Path) -> Result<Vec<PathBuf>, Error> {
    const EXTENSIONS: [&str; 7] = ["onnx", "toml", "json", "safetensors", "bin", "pth", "data"];
    let is_onnx_file = !path.is_dir() && path.extension() == Some(OsStr::new("onnx"));
    let stem = path.file_name().unwrap_or_default().to_string_lossy();
    let folder = folder_of(path);
    let unreadable = |reason| Error::Read {
        path: folder.to_owned(),
        reason,
    };
    let mut parts = vec![];
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        let file = entry.map_err(unreadable)?.path();
        let extension = file.extension().unwrap_or_default().to_string_lossy();
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        let belongs = !is_onnx_file || name.starts_with(&*stem);
        if belongs && EXTENSIONS.contains(&&*extension) && file.is_file() {
            parts.push(file);
        }
    }
    parts.sort();
    Ok(parts)
}

/// Returns `path` if it is a folder, otherwise the folder that it is in.
fn folder_of(path: &Path) -> &Path {
    if path.is_dir() {
        return path;
    }
    match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    }
}

fn read(path: &Path) -> Result<Vec<u8>, Error> {
    std::fs::read(path).map_err(|reason| Error::Read {
        path: path.to_owned(),
        reason,
    })
}
