use crate::foreign_model::ForeignModel;
use crate::manifest::{self, Manifest};
use crate::resolve::{NetworkFiles, resolve};
use crate::{ForeignError, autoencoder_kl, file_access};
use std::path::{Path, PathBuf};

/// What can be opened, for errors.
const MODELS: &str = "an .onnx file, a model.toml, or a folder with model.toml, encoder.onnx, \
                      decoder.onnx, or config.json of diffusers' AutoencoderKL";

const ENCODER_FILE: &str = "encoder.onnx";
const DECODER_FILE: &str = "decoder.onnx";

/// Returns the model at `path`: an `.onnx` file (an encoder, or a decoder if its name says so), a
/// `model.toml`, or a folder that holds `model.toml`, `encoder.onnx`, `decoder.onnx`, or an
/// `AutoencoderKL` of diffusers.
///
/// ```
/// use zbridge_core::{LatentModel, Observations};
///
/// let model = zbridge_foreign::open("tests/fixtures/onnx/mlp-encoder.torchscript.onnx")?;
/// for guess in model.guesses() {
///     println!("{guess}");
/// }
/// let event = model.event().clone();
/// let grey = Observations::new(vec![0.5; 2 * event.size()], event)?;
/// let posterior = model.posterior(&grey)?;
/// assert_eq!((posterior.rows(), posterior.dim()), (2, model.latent_dim()));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`ForeignError`] with the file, the place in it, and what to do.
pub fn open(path: impl AsRef<Path>) -> Result<ForeignModel, ForeignError> {
    let path = path.as_ref();
    match ModelFiles::at(path)? {
        ModelFiles::Manifest(path) => open_manifest(&path),
        ModelFiles::Autoencoder(folder) => {
            autoencoder_kl::open(name_of(path)?, &folder, &Manifest::default())
        }
        ModelFiles::Networks(files) => resolve(name_of(path)?, &files, &Manifest::default()),
    }
}

/// The files of a model, by their names alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ModelFiles {
    Manifest(PathBuf),
    Autoencoder(PathBuf),
    Networks(NetworkFiles),
}

/// The files that a manifest names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum NamedFiles {
    Autoencoder(PathBuf),
    Networks(NetworkFiles),
}

impl ModelFiles {
    /// Returns the files of the model at a path.
    pub(crate) fn at(path: &Path) -> Result<Self, ForeignError> {
        let metadata = path.metadata();
        let metadata = metadata.map_err(|reason| file_access::unreadable(path, reason))?;
        if metadata.is_dir() {
            return Self::in_folder(path);
        }
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("onnx") => Ok(Self::Networks(single_network(path)?)),
            Some("toml") => Ok(Self::Manifest(path.into())),
            _ => Err(unknown(path, "no model that can be opened")),
        }
    }

    fn in_folder(folder: &Path) -> Result<Self, ForeignError> {
        let file = |name: &str| Some(folder.join(name)).filter(|path| path.is_file());
        // A manifest states more than the files of any other kind.
        if let Some(manifest) = file(manifest::FILE_NAME) {
            return Ok(Self::Manifest(manifest));
        }
        let files = NetworkFiles {
            model: folder.into(),
            encoder: file(ENCODER_FILE),
            decoder: file(DECODER_FILE),
        };
        if files.encoder.is_some() || files.decoder.is_some() {
            return Ok(Self::Networks(files));
        }
        match file(autoencoder_kl::FILE_NAME) {
            Some(_) => Ok(Self::Autoencoder(folder.into())),
            None => Err(unknown(
                folder,
                "a folder without a model that can be opened",
            )),
        }
    }
}

fn single_network(path: &Path) -> Result<NetworkFiles, ForeignError> {
    let file = Some(path.to_path_buf());
    let is_decoder = name_of(path)?.to_lowercase().contains("decoder");
    let (encoder, decoder) = if is_decoder {
        (None, file)
    } else {
        (file, None)
    };
    Ok(NetworkFiles {
        model: path.into(),
        encoder,
        decoder,
    })
}

fn open_manifest(path: &Path) -> Result<ForeignModel, ForeignError> {
    let manifest = Manifest::read(path)?;
    // `model.toml` says nothing about a model, unlike its folder.
    let has_usual_name = path.ends_with(manifest::FILE_NAME);
    let name = match &manifest.name {
        Some(name) => name.clone(),
        None if has_usual_name => name_of(file_access::folder_of(path))?,
        None => name_of(path)?,
    };
    match named_files(path, &manifest)? {
        NamedFiles::Autoencoder(folder) => autoencoder_kl::open(name, &folder, &manifest),
        NamedFiles::Networks(files) => resolve(name, &files, &manifest),
    }
}

/// Returns the files that the manifest at `path` names.
pub(crate) fn named_files(path: &Path, manifest: &Manifest) -> Result<NamedFiles, ForeignError> {
    if let Some(location) = &manifest.autoencoder {
        return autoencoder_folder(path, manifest, location).map(NamedFiles::Autoencoder);
    }
    let (encoder, decoder) = (&manifest.encoder.file, &manifest.decoder.file);
    let files = NetworkFiles {
        model: path.into(),
        encoder: network_file(path, manifest, "encoder", encoder.as_deref())?,
        decoder: network_file(path, manifest, "decoder", decoder.as_deref())?,
    };
    if files.encoder.is_none() && files.decoder.is_none() {
        let why = "names no network, and no encoder.onnx or decoder.onnx lies beside it";
        return Err(manifest.wrong("encoder", "file", why));
    }
    Ok(NamedFiles::Networks(files))
}

fn autoencoder_folder(
    path: &Path,
    manifest: &Manifest,
    location: &str,
) -> Result<PathBuf, ForeignError> {
    let folder = file_access::inside(file_access::folder_of(path), location);
    folder.map_err(|why| manifest.wrong("", "autoencoder", format!("{location:?}, {why}")))
}

/// Returns the file that a section names, or else the one of the usual name if it exists.
fn network_file(
    path: &Path,
    manifest: &Manifest,
    section: &str,
    stated: Option<&str>,
) -> Result<Option<PathBuf>, ForeignError> {
    let folder = file_access::folder_of(path);
    let Some(location) = stated else {
        let usual = folder.join(format!("{section}.onnx"));
        return Ok(usual.is_file().then_some(usual));
    };
    match file_access::inside(folder, location) {
        // Not the real path: errors have the name that the user knows.
        Ok(_) => Ok(Some(folder.join(location))),
        Err(why) => Err(manifest.wrong(section, "file", format!("{location:?}, {why}"))),
    }
}

/// Returns the name of a file without its extension, or of a folder.
fn name_of(path: &Path) -> Result<String, ForeignError> {
    // A path such as `.` has no name.
    let real = path.canonicalize();
    let real = real.map_err(|reason| file_access::unreadable(path, reason))?;
    let name = if real.is_dir() {
        real.file_name()
    } else {
        real.file_stem()
    };
    Ok(match name {
        Some(name) => name.to_string_lossy().into_owned(),
        // The root folder.
        None => "model".into(),
    })
}

fn unknown(path: &Path, found: &str) -> ForeignError {
    ForeignError::Unknown {
        path: path.into(),
        found: found.into(),
        expected: MODELS,
    }
}
