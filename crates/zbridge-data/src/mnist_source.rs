use crate::{DataError, Downloader, Progress, RemoteFile, Split};
use etcetera::BaseStrategy;
use std::path::{Path, PathBuf};

/// The environment variable that names the data folder.
const VARIABLE: &str = "ZBRIDGE_DATA";

/// Where the files lie below a folder that was named, first match first: the folder itself, a
/// folder of datasets, torchvision's `root`.
const SUBFOLDERS: [&str; 6] = ["", "mnist", "raw", "MNIST/raw", "MNIST", "mnist/MNIST/raw"];

const MIRRORS: [&str; 2] = [
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
];

/// The four files as LeCun published them and both mirrors serve them; their digests are in the
/// loaders of many libraries. A copy that somebody compressed again has other bytes here, though
/// the same digits.
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

/// The folder that holds MNIST's four files: `data_flag`, else `ZBRIDGE_DATA`, else the user's
/// cache folder.
///
/// # Errors
/// As [`MnistSource::locate`].
pub fn locate(data_flag: Option<&Path>) -> Result<PathBuf, DataError> {
    MnistSource::new(data_flag).locate()
}

/// As [`locate`], but when nobody named a folder and the cache is empty, downloads the files (11
/// MB) to the cache.
///
/// # Errors
/// As [`MnistSource::locate_or_download`].
pub fn locate_or_download(
    data_flag: Option<&Path>,
    progress: &mut dyn FnMut(Progress<'_>),
) -> Result<PathBuf, DataError> {
    MnistSource::new(data_flag).locate_or_download(&Downloader::new(MIRRORS), progress)
}

/// The places where MNIST may lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MnistSource {
    /// A folder that somebody named, and how.
    named: Option<(PathBuf, &'static str)>,
    /// The user's cache folder for MNIST, if the system knows one.
    cache: Option<PathBuf>,
    files: [RemoteFile; 4],
}

impl MnistSource {
    /// The places by `--data` (`data_flag`), `ZBRIDGE_DATA` and the system's cache folder, in that
    /// order.
    pub fn new(data_flag: Option<&Path>) -> Self {
        let variable = std::env::var_os(VARIABLE).filter(|folder| !folder.is_empty());
        let by_flag = data_flag.map(|folder| (folder.to_owned(), "named by --data"));
        let by_variable =
            || variable.map(|folder| (PathBuf::from(folder), "named by ZBRIDGE_DATA"));
        Self {
            named: by_flag.or_else(by_variable),
            cache: cache_folder(),
            files: REMOTE_FILES,
        }
    }

    /// The folder that the four files lie in: the one that was named or one of its usual
    /// sub-folders, or the cache.
    ///
    /// # Errors
    /// [`DataError::DatasetNotFound`] when the named folder lacks a file, with the names that were
    /// looked for: no other place is tried then. [`DataError::NoDataset`] or
    /// [`DataError::NoCacheFolder`] when no folder was named and the cache does not hold the files.
    pub fn locate(&self) -> Result<PathBuf, DataError> {
        if let Some((folder, named_by)) = &self.named {
            return complete_folder(folder, named_by);
        }
        let cache = self.cache()?;
        complete_folder(cache, "the cache").map_err(|_| DataError::NoDataset {
            cache: cache.to_owned(),
        })
    }

    /// As [`locate`](Self::locate), but fills an incomplete cache through `downloader`.
    ///
    /// # Errors
    /// As [`locate`](Self::locate) for a folder that was named; [`DataError::Download`] without a
    /// network, with the ways to do without; [`DataError::Write`] when the cache cannot be written.
    pub fn locate_or_download(
        &self,
        downloader: &Downloader,
        progress: &mut dyn FnMut(Progress<'_>),
    ) -> Result<PathBuf, DataError> {
        match self.locate() {
            Err(DataError::NoDataset { cache }) => {
                for file in self
                    .files
                    .iter()
                    .filter(|file| find_file(&cache, file.name.trim_end_matches(".gz")).is_none())
                {
                    downloader.fetch(file, &cache, progress)?;
                }
                Ok(cache)
            }
            found_or_failed => found_or_failed,
        }
    }

    fn cache(&self) -> Result<&Path, DataError> {
        self.cache.as_deref().ok_or(DataError::NoCacheFolder)
    }
}

fn cache_folder() -> Option<PathBuf> {
    let strategy = etcetera::base_strategy::choose_native_strategy().ok()?;
    Some(strategy.cache_dir().join("zbridge").join("mnist"))
}

/// The folder at or below `folder` that holds both halves.
fn complete_folder(folder: &Path, named_by: &'static str) -> Result<PathBuf, DataError> {
    let [train_images, train_labels] = Split::Train.file_names();
    let [test_images, test_labels] = Split::Test.file_names();
    let [first, ..] = folder_with(
        folder,
        [train_images, train_labels, test_images, test_labels],
        named_by,
    )?;
    Ok(first
        .parent()
        .map_or_else(|| folder.to_owned(), Path::to_owned))
}

/// The paths of the files `names` (official, uncompressed), all in `folder` or all in one of its
/// usual sub-folders.
///
/// # Errors
/// [`DataError::DatasetNotFound`] with the files that the best of these folders lacks.
pub(crate) fn folder_with<const N: usize>(
    folder: &Path,
    names: [&str; N],
    named_by: &'static str,
) -> Result<[PathBuf; N], DataError> {
    let mut missing: Vec<&str> = names.to_vec();
    for candidate in SUBFOLDERS.map(|subfolder| folder.join(subfolder)) {
        let found = names.map(|name| find_file(&candidate, name));
        let lacking: Vec<&str> = names
            .iter()
            .zip(&found)
            .filter(|(_, path)| path.is_none())
            .map(|(&name, _)| name)
            .collect();
        if lacking.is_empty() {
            return Ok(found.map(Option::unwrap_or_default));
        }
        if lacking.len() < missing.len() {
            missing = lacking;
        }
    }
    Err(not_found(folder, named_by, &missing))
}

fn not_found(folder: &Path, named_by: &'static str, missing: &[&str]) -> DataError {
    let subfolders = SUBFOLDERS.iter().filter(|name| !name.is_empty());
    DataError::DatasetNotFound {
        folder: folder.to_owned(),
        named_by,
        folders: subfolders.map(|name| format!("{name}/")).collect(),
        missing: missing
            .iter()
            .map(|name| format!("{name}[.gz] or {}[.gz]", dotted(name)))
            .collect(),
    }
}

/// The file with the official name `name` in `folder`, under any of the names it goes by.
fn find_file(folder: &Path, name: &str) -> Option<PathBuf> {
    let plain = [name.to_owned(), dotted(name)];
    let compressed = plain.each_ref().map(|name| format!("{name}.gz"));
    plain
        .iter()
        .chain(&compressed)
        .map(|name| folder.join(name))
        .find(|path| path.is_file())
}

/// The name with the dot that some copies have: `train-images.idx3-ubyte`.
fn dotted(name: &str) -> String {
    name.replacen("-idx", ".idx", 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn source(named: Option<&Path>, cache: &Path) -> MnistSource {
        let named = named.map(|folder| (folder.to_owned(), "named by --data"));
        MnistSource {
            named,
            cache: Some(cache.to_owned()),
            files: REMOTE_FILES,
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
            fs::write(folder.path().join(dotted(name)), b"").unwrap();
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
            !text.contains("train-images") && text.contains("--data"),
            "{text}"
        );
    }

    #[test]
    fn an_empty_cache_tells_the_three_ways() {
        let cache = tempfile::tempdir().unwrap();
        let error = source(None, cache.path()).locate().unwrap_err();
        assert!(error.to_string().contains("--data DIR"), "{error}");
        fill(cache.path(), ".gz");
        assert_eq!(source(None, cache.path()).locate().unwrap(), cache.path());
    }

    #[test]
    fn a_complete_cache_needs_no_network() {
        let cache = tempfile::tempdir().unwrap();
        fill(cache.path(), ".gz");
        let nowhere = Downloader::new::<&str>([]);
        assert!(
            source(None, cache.path())
                .locate_or_download(&nowhere, &mut |_| ())
                .is_ok()
        );
        fs::remove_file(cache.path().join("train-labels-idx1-ubyte.gz")).unwrap();
        let error = source(None, cache.path())
            .locate_or_download(&nowhere, &mut |_| ())
            .unwrap_err();
        assert!(
            matches!(&error, DataError::Download { file, .. } if file.contains("train-labels")),
            "{error}"
        );
    }
}
