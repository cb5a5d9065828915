use crate::foreign_model::ForeignModel;
use crate::manifest::{self, Manifest};
use crate::settle::{NetworkFiles, settle};
use crate::{ForeignError, autoencoder_kl, file_bytes};
use std::path::{Path, PathBuf};

const OPENED: &str = "an .onnx file, a model.toml, or a folder with model.toml, encoder.onnx, decoder.onnx, or \
                      config.json of diffusers' AutoencoderKL";

/// The model at `path`: an `.onnx` file (an encoder, or a decoder if its name says so), a
/// `model.toml`, or a folder that holds `model.toml`, `encoder.onnx` and `decoder.onnx` or one of
/// them, or an `AutoencoderKL` of diffusers.
///
/// # Errors
/// [`ForeignError`] with the file, the place in it, and what to do.
pub fn open(path: &Path) -> Result<ForeignModel, ForeignError> {
    let name = name_of(path);
    match Place::of(path)? {
        Place::Manifest(path) => by_manifest(&path),
        Place::Autoencoder(folder) => autoencoder_kl::open(name, &folder, &Manifest::default()),
        Place::Networks(files) => settle(name, &files, &Manifest::default()),
    }
}

/// What is at a path, by the names of files alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    Manifest(PathBuf),
    Autoencoder(PathBuf),
    Networks(NetworkFiles),
}

impl Place {
    pub(crate) fn of(path: &Path) -> Result<Self, ForeignError> {
        let metadata = path
            .metadata()
            .map_err(|reason| file_bytes::unreadable(path, reason))?;
        if metadata.is_dir() {
            return Self::of_folder(path);
        }
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("onnx") => Ok(Self::Networks(single(path))),
            Some("toml") => Ok(Self::Manifest(path.into())),
            _ => Err(unknown(path, "no model that can be opened".into())),
        }
    }

    fn of_folder(folder: &Path) -> Result<Self, ForeignError> {
        let there = |name: &str| Some(folder.join(name)).filter(|path| path.is_file());
        if let Some(manifest) = there(manifest::FILE_NAME) {
            return Ok(Self::Manifest(manifest));
        }
        let (encoder, decoder) = (there("encoder.onnx"), there("decoder.onnx"));
        if encoder.is_some() || decoder.is_some() {
            return Ok(Self::Networks(NetworkFiles {
                model: folder.into(),
                encoder,
                decoder,
            }));
        }
        match there("config.json") {
            Some(_) => Ok(Self::Autoencoder(folder.into())),
            None => Err(unknown(
                folder,
                "a folder without a model that can be opened".into(),
            )),
        }
    }
}

fn single(path: &Path) -> NetworkFiles {
    let decodes = name_of(path).to_lowercase().contains("decoder");
    let (own, other) = (Some(path.to_path_buf()), None);
    let (encoder, decoder) = if decodes { (other, own) } else { (own, other) };
    NetworkFiles {
        model: path.into(),
        encoder,
        decoder,
    }
}

fn by_manifest(path: &Path) -> Result<ForeignModel, ForeignError> {
    let manifest = Manifest::read(path)?;
    let folder = path.parent().unwrap_or(Path::new("."));
    let name = manifest
        .name
        .clone()
        .unwrap_or_else(|| name_of(if is_usual(path) { folder } else { path }));
    match named_files(path, &manifest)? {
        Place::Autoencoder(folder) => autoencoder_kl::open(name, &folder, &manifest),
        Place::Networks(files) => settle(name, &files, &manifest),
        Place::Manifest(path) => Err(unknown(&path, "a manifest that names another".into())),
    }
}

/// The files that the manifest at `path` names.
pub(crate) fn manifest_place(path: &Path) -> Result<Place, ForeignError> {
    named_files(path, &Manifest::read(path)?)
}

fn named_files(path: &Path, manifest: &Manifest) -> Result<Place, ForeignError> {
    let folder = path.parent().unwrap_or(Path::new("."));
    if let Some(location) = &manifest.autoencoder {
        let inside = file_bytes::inside(folder, location);
        let folder = inside
            .map_err(|why| manifest.wrong("", "autoencoder", format!("{location:?}, {why}")))?;
        return Ok(Place::Autoencoder(folder));
    }
    let files = NetworkFiles {
        model: path.into(),
        encoder: named_file(folder, manifest, "encoder", &manifest.encoder.file)?,
        decoder: named_file(folder, manifest, "decoder", &manifest.decoder.file)?,
    };
    if files.encoder.is_none() && files.decoder.is_none() {
        let why =
            "names no network, and no encoder.onnx or decoder.onnx lies beside it".to_string();
        return Err(manifest.wrong("encoder", "file", why));
    }
    Ok(Place::Networks(files))
}

/// The file that a section names, or the usual one where that is there.
fn named_file(
    folder: &Path,
    manifest: &Manifest,
    section: &str,
    said: &Option<String>,
) -> Result<Option<PathBuf>, ForeignError> {
    match said {
        None => Ok(Some(folder.join(format!("{section}.onnx"))).filter(|path| path.is_file())),
        Some(location) => match file_bytes::inside(folder, location) {
            Ok(_) => Ok(Some(folder.join(location))),
            Err(why) => Err(manifest.wrong(section, "file", format!("{location:?}, {why}"))),
        },
    }
}

fn is_usual(path: &Path) -> bool {
    path.file_name()
        .is_some_and(|name| name == manifest::FILE_NAME)
}

/// The name of a file without its extension, or of a folder.
pub(crate) fn name_of(path: &Path) -> String {
    let real = path.canonicalize().unwrap_or_else(|_| path.into());
    let name = if real.is_dir() {
        real.file_name()
    } else {
        real.file_stem()
    };
    name.map_or_else(
        || "model".into(),
        |name| name.to_string_lossy().into_owned(),
    )
}

fn unknown(path: &Path, found: String) -> ForeignError {
    ForeignError::Unknown {
        path: path.into(),
        found,
        expected: OPENED,
    }
}
