use super::Split;
use crate::{DatasetError, Downloader, RemoteFile};
use etcetera::BaseStrategy;
use std::fmt;
use std::path::{Path, PathBuf};
use zbridge_core::Observer;

/// The environment variable that names the data folder.
const VARIABLE: &str = "ZBRIDGE_DATA";

/// Where the files may be below a folder, in the order of the search: in the folder itself, in a
/// folder of data sets, below the `root` of torchvision.
const SUBFOLDERS: [&str; 6] = ["", "mnist", "raw", "MNIST/raw", "MNIST", "mnist/MNIST/raw"];

const MIRRORS: [&str; 2] = [
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
];

/// The four files as LeCun published them and both mirrors have them; many libraries know their
/// digests. A file that was compressed again has other bytes, though the same digits.
const REMOTE_FILES: [RemoteFile; 4] = [
    RemoteFile {
        name: "train-images-idx3-ubyte.gz",
        bytes: 9_912_422,
        sha256: "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
    },
    RemoteFile {
        name: "train-labels-idx1-ubyte.gz",
        bytes: 28_881,
        sha256: "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
    },
    RemoteFile {
        name: "t10k-images-idx3-ubyte.gz",
        bytes: 1_648_877,
        sha256: "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
    },
    RemoteFile {
        name: "t10k-labels-idx1-ubyte.gz",
        bytes: 4_542,
        sha256: "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
    },
];

/// Returns the folder that has MNIST's four files: `folder` if it is given, else that of the
/// environment variable `ZBRIDGE_DATA`, else the user's cache folder.
///
/// # Errors
/// As [`MnistSource::locate`].
pub fn locate_mnist(folder: Option<&Path>) -> Result<PathBuf, DatasetError> {
    MnistSource::new(folder).locate()
}

/// As [`locate_mnist`], but downloads the files (11 MB) to the cache if no folder is named and the
/// cache lacks them.
///
/// # Errors
/// As [`MnistSource::locate_or_download`].
pub fn locate_or_download_mnist(
    folder: Option<&Path>,
    observer: &dyn Observer,
) -> Result<PathBuf, DatasetError> {
    let downloader = Downloader::new(MIRRORS);
    MnistSource::new(folder).locate_or_download(&downloader, observer)
}

/// Who named the folder of a data set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum NamedBy {
    /// The calling code.
    Caller,
    /// The environment variable `ZBRIDGE_DATA`.
    Environment,
    /// The system, as the user's cache folder.
    Cache,
}

impl fmt::Display for NamedBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Caller => "the data folder",
            Self::Environment => "named by ZBRIDGE_DATA",
            Self::Cache => "the cache",
        })
    }
}

/// The places where MNIST may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MnistSource {
    /// A folder, and who named it.
    named: Option<(PathBuf, NamedBy)>,
    /// The user's cache folder for MNIST, if the system has one.
    cache: Option<PathBuf>,
}

impl MnistSource {
    /// Returns the places: `folder` if it is given, else that of the environment variable
    /// `ZBRIDGE_DATA`, else the user's cache folder.
    pub fn new(folder: Option<&Path>) -> Self {
        let given = folder.map(|folder| (folder.to_owned(), NamedBy::Caller));
        Self {
            named: given.or_else(folder_of_environment),
            cache: cache_folder(),
        }
    }

    /// Returns the folder of the four files: the named one, one of its usual subfolders, or the
    /// cache.
    ///
    /// # Errors
    /// [`DatasetError::IncompleteFolder`] if the named folder lacks a file, with the names that
    /// were looked for: no other place is tried then. [`DatasetError::NotInCache`] or
    /// [`DatasetError::NoCacheFolder`] if no folder was named and the cache lacks the files.
    pub fn locate(&self) -> Result<PathBuf, DatasetError> {
        if let Some((folder, named_by)) = &self.named {
            return complete_folder(folder, *named_by);
        }
        let cache = self.cache.as_deref().ok_or(DatasetError::NoCacheFolder)?;
        match complete_folder(cache, NamedBy::Cache) {
            Err(DatasetError::IncompleteFolder { .. }) => Err(DatasetError::NotInCache {
                cache: cache.to_owned(),
            }),
            found => found,
        }
    }

    /// As [`locate`](Self::locate), but downloads the files that the cache lacks.
    ///
    /// # Errors
    /// As [`locate`](Self::locate) for a named folder; as [`Downloader::fetch`].
    pub fn locate_or_download(
        &self,
        downloader: &Downloader,
        observer: &dyn Observer,
    ) -> Result<PathBuf, DatasetError> {
        let cache = match self.locate() {
            Err(DatasetError::NotInCache { cache }) => cache,
            found_or_failed => return found_or_failed,
        };
        for file in &REMOTE_FILES {
            // An uncompressed file will do as well.
            if find_file(&cache, file.name.trim_end_matches(".gz")).is_none() {
                downloader.fetch(file, &cache, observer)?;
            }
        }
        Ok(cache)
    }
}

fn folder_of_environment() -> Option<(PathBuf, NamedBy)> {
    let folder = std::env::var_os(VARIABLE)?;
    // A variable can be unset by making it empty.
    (!folder.is_empty()).then(|| (folder.into(), NamedBy::Environment))
}

fn cache_folder() -> Option<PathBuf> {
    let strategy = etcetera::base_strategy::choose_native_strategy().ok()?;
    Some(strategy.cache_dir().join("zbridge").join("mnist"))
}

/// Returns the folder at or below `folder` that has all four files.
fn complete_folder(folder: &Path, named_by: NamedBy) -> Result<PathBuf, DatasetError> {
    let names = [Split::Train, Split::Test].map(Split::file_names).concat();
    // All files are in one folder: that of the first.
    let mut paths = find_files(folder, &names, named_by)?;
    paths[0].pop();
    Ok(paths.swap_remove(0))
}

/// Returns the paths of files, by their official names without compression: all in `folder`, or all
/// in one of its usual subfolders.
///
/// # Errors
/// [`DatasetError::IncompleteFolder`] with the files that the most complete of these folders lacks.
pub(super) fn find_files(
    folder: &Path,
    names: &[&'static str],
    named_by: NamedBy,
) -> Result<Vec<PathBuf>, DatasetError> {
    let mut fewest_missing = names.to_vec();
    for subfolder in SUBFOLDERS {
        let missing = match find_in(&folder.join(subfolder), names) {
            Ok(found) => return Ok(found),
            Err(missing) => missing,
        };
        if missing.len() < fewest_missing.len() {
            fewest_missing = missing;
        }
    }
    Err(incomplete(folder, named_by, &fewest_missing))
}

/// Returns the paths of files that are all in `folder`.
///
/// # Errors
/// The files that are not.
fn find_in(folder: &Path, names: &[&'static str]) -> Result<Vec<PathBuf>, Vec<&'static str>> {
    let (mut found, mut missing) = (vec![], vec![]);
    for name in names {
        match find_file(folder, name) {
            Some(path) => found.push(path),
            None => missing.push(*name),
        }
    }
    if missing.is_empty() {
        Ok(found)
    } else {
        Err(missing)
    }
}

fn incomplete(folder: &Path, named_by: NamedBy, missing: &[&str]) -> DatasetError {
    let subfolders = SUBFOLDERS.iter().filter(|name| !name.is_empty());
    let names = |name: &&str| format!("{name}[.gz] or {}[.gz]", with_dot(name));
    DatasetError::IncompleteFolder {
        folder: folder.to_owned(),
        named_by,
        subfolders: subfolders.map(|name| format!("{name}/")).collect(),
        missing: missing.iter().map(names).collect(),
    }
}

/// Returns the file in `folder` that has an official name or another usual one.
fn find_file(folder: &Path, name: &str) -> Option<PathBuf> {
    let plain = [name.to_owned(), with_dot(name)];
    let compressed = plain.each_ref().map(|name| format!("{name}.gz"));
    let paths = plain
        .iter()
        .chain(&compressed)
        .map(|name| folder.join(name));
    paths.into_iter().find(|path| path.is_file())
}

/// Returns the name with the dot that some copies have: `train-images.idx3-ubyte`.
fn with_dot(name: &str) -> String {
    name.replacen("-idx", ".idx", 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DownloadError;
    use std::fs;
    use zbridge_core::Unobserved;

    fn source(named: Option<&Path>, cache: &Path) -> MnistSource {
        let named = named.map(|folder| (folder.to_owned(), NamedBy::Environment));
        MnistSource {
            named,
            cache: Some(cache.to_owned()),
        }
    }

    fn fill(folder: &Path, suffix: &str) {
        fs::create_dir_all(folder).unwrap();
        for name in [Split::Train, Split::Test]
            .into_iter()
            .flat_map(Split::file_names)
        {
            fs::write(folder.join(format!("{name}{suffix}")), b"").unwrap();
        }
    }

    #[test]
    fn the_usual_layouts_are_found() {
        for (subfolder, suffix) in [
            ("", ".gz"),
            ("mnist", ""),
            ("raw", ""),
            ("MNIST/raw", ".gz"),
        ] {
            let folder = tempfile::tempdir().unwrap();
            let inner = folder.path().join(subfolder);
            fill(&inner, suffix);
            let found = source(Some(folder.path()), Path::new("none"))
                .locate()
                .unwrap();
            assert_eq!(
                found.components().collect::<PathBuf>(),
                inner.components().collect::<PathBuf>()
            );
        }
    }

    #[test]
    fn names_with_a_dot_are_found() {
        let folder = tempfile::tempdir().unwrap();
        for name in [Split::Train, Split::Test]
            .into_iter()
            .flat_map(Split::file_names)
        {
            fs::write(folder.path().join(with_dot(name)), b"").unwrap();
        }
        assert!(
            source(Some(folder.path()), Path::new("none"))
                .locate()
                .is_ok()
        );
    }

    #[test]
    fn a_named_folder_is_not_replaced_by_the_cache() {
        let (named, cache) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        fill(cache.path(), "");
        fill(named.path(), "");
        fs::remove_file(named.path().join("t10k-labels-idx1-ubyte")).unwrap();
        let error = source(Some(named.path()), cache.path())
            .locate()
            .unwrap_err();
        let text = error.to_string();
        assert!(
            text.contains("t10k-labels-idx1-ubyte[.gz]") && text.contains("t10k-labels.idx1-ubyte"),
            "{text}"
        );
        assert!(
            !text.contains("train-images") && text.contains("named by ZBRIDGE_DATA"),
            "{text}"
        );
    }

    #[test]
    fn an_empty_cache_tells_the_three_ways() {
        let cache = tempfile::tempdir().unwrap();
        let error = source(None, cache.path()).locate().unwrap_err();
        assert!(error.to_string().contains("ZBRIDGE_DATA"), "{error}");
        fill(cache.path(), ".gz");
        assert_eq!(source(None, cache.path()).locate().unwrap(), cache.path());
    }

    #[test]
    fn a_complete_cache_needs_no_network() {
        let cache = tempfile::tempdir().unwrap();
        fill(cache.path(), ".gz");
        let nowhere = Downloader::new::<&str>([]);
        let located = source(None, cache.path()).locate_or_download(&nowhere, &Unobserved);
        assert!(located.is_ok());
        fs::remove_file(cache.path().join("train-labels-idx1-ubyte.gz")).unwrap();
        let error = source(None, cache.path())
            .locate_or_download(&nowhere, &Unobserved)
            .unwrap_err();
        assert!(
            matches!(&error, DatasetError::Download { file, fault: DownloadError::NoMirror { .. }, .. }
                if file.contains("train-labels")),
            "{error}"
        );
    }
}
