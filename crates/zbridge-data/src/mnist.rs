use crate::mnist_source::folder_with;
use crate::{DataError, Idx};
use sha2::{Digest, Sha256};
use std::path::Path;
use zbridge_core::{EventKind, Observations};

/// Which half of MNIST: the 60 000 digits to train on or the 10 000 to test on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Split {
    /// 60 000 digits.
    Train,
    /// 10 000 digits by other writers.
    Test,
}

impl Split {
    /// The official names of its image and its label file, uncompressed.
    pub fn file_names(self) -> [&'static str; 2] {
        match self {
            Self::Train => ["train-images-idx3-ubyte", "train-labels-idx1-ubyte"],
            Self::Test => ["t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"],
        }
    }
}

/// Both halves of MNIST.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mnist {
    /// The half to train on.
    pub train: MnistSplit,
    /// The half to test on.
    pub test: MnistSplit,
}

impl Mnist {
    /// One half, from the files in `folder` or in one of the sub-folders where they usually lie
    /// (`mnist/`, `raw/`, torchvision's `MNIST/raw/`); the other half is not touched.
    ///
    /// # Errors
    /// [`DataError::DatasetNotFound`] with the names that were looked for; the errors of
    /// [`Idx::read`]; [`DataError::Shape`], [`DataError::CountMismatch`] or
    /// [`DataError::NotInRange`] when the files are no MNIST.
    pub fn load(folder: &Path, split: Split) -> Result<MnistSplit, DataError> {
        let [images_path, labels_path] =
            folder_with(folder, split.file_names(), "the data folder")?;
        let images = read_images(&images_path)?;
        let labels = read_labels(&labels_path)?;
        if labels.len() * MnistSplit::PIXELS != images.len() {
            let (expected, found) = (images.len() / MnistSplit::PIXELS, labels.len());
            return Err(DataError::CountMismatch {
                path: labels_path,
                what: "labels",
                expected,
                found,
            });
        }
        Ok(MnistSplit { images, labels })
    }

    /// Both halves, each as [`load`](Self::load) gives it.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub fn load_both(folder: &Path) -> Result<Self, DataError> {
        Ok(Self {
            train: Self::load(folder, Split::Train)?,
            test: Self::load(folder, Split::Test)?,
        })
    }
}

/// Digits and what they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MnistSplit {
    /// Brightness 0…255, `[n, 784]`, ink bright on a dark ground.
    pub images: Vec<u8>,
    /// The digit, 0…9, `[n]`.
    pub labels: Vec<u8>,
}

impl MnistSplit {
    /// Pixels of an image: 28×28.
    pub const PIXELS: usize = 784;

    /// The images as grey values in 0..1, `[n, 1·28·28]`; pixels of an unfinished last row are left
    /// out.
    pub fn images_observations(&self) -> Observations {
        let whole = self.images.len() / Self::PIXELS * Self::PIXELS;
        let values = self.images[..whole]
            .iter()
            .map(|&byte| f32::from(byte) / 255.0)
            .collect();
        let kind = EventKind::Image {
            channels: 1,
            height: 28,
            width: 28,
        };
        Observations::new(values, kind).expect("whole rows of finite values")
    }

    /// The digit of each image, `[n]`.
    pub fn labels(&self) -> &[u8] {
        &self.labels
    }

    /// How many digits.
    pub fn rows(&self) -> usize {
        self.labels.len()
    }

    /// SHA-256 of the images followed by the labels, in hexadecimal: the same for every way the
    /// files were packed.
    pub fn digest(&self) -> String {
        let digest = Sha256::new()
            .chain_update(&self.images)
            .chain_update(&self.labels)
            .finalize();
        hexadecimal(&digest)
    }
}

/// `bytes` in lower-case hexadecimal.
pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn read_images(path: &Path) -> Result<Vec<u8>, DataError> {
    let Idx { shape, bytes } = Idx::read(path)?;
    match shape[..] {
        [_, 28, 28] => Ok(bytes),
        _ => Err(wrong_shape(path, "the images", "[n, 28, 28]", shape)),
    }
}

fn read_labels(path: &Path) -> Result<Vec<u8>, DataError> {
    let Idx { shape, bytes } = Idx::read(path)?;
    if shape.len() != 1 {
        return Err(wrong_shape(path, "the labels", "[n]", shape));
    }
    match bytes.iter().position(|&label| label > 9) {
        None => Ok(bytes),
        Some(row) => {
            let value = f64::from(bytes[row]);
            Err(DataError::NotInRange {
                path: path.to_owned(),
                row,
                value,
                lowest: 0,
                highest: 9,
            })
        }
    }
}

fn wrong_shape(path: &Path, tensor: &str, expected: &str, found: Vec<usize>) -> DataError {
    DataError::Shape {
        path: path.to_owned(),
        tensor: tensor.to_owned(),
        expected: expected.to_owned(),
        found,
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use std::fs;
    use std::path::PathBuf;

    fn write(folder: &Path, images: &Idx, labels: &Idx) {
        let [images_name, labels_name] = Split::Test.file_names();
        fs::write(folder.join(images_name), images.to_bytes()).unwrap();
        fs::write(folder.join(labels_name), labels.to_bytes()).unwrap();
    }

    fn images(n: usize) -> Idx {
        Idx {
            shape: vec![n, 28, 28],
            bytes: (0..n * 784).map(|i| i as u8).collect(),
        }
    }

    fn labels(labels: &[u8]) -> Idx {
        Idx {
            shape: vec![labels.len()],
            bytes: labels.to_vec(),
        }
    }

    fn load(images: &Idx, labels: &Idx) -> Result<MnistSplit, DataError> {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), images, labels);
        Mnist::load(folder.path(), Split::Test)
    }

    #[test]
    fn one_half_loads_without_the_other() {
        let split = load(&images(2), &labels(&[7, 2])).unwrap();
        assert_eq!((split.rows(), split.labels()), (2, &[7, 2][..]));
        let observations = split.images_observations();
        assert_eq!(observations.kind().shape(), [1, 28, 28]);
        assert_eq!(observations.row(0)[255], 1.0);
    }

    #[test]
    fn files_that_are_no_mnist_are_refused() {
        let error = load(&images(2), &labels(&[7, 2, 1])).unwrap_err();
        assert!(
            matches!(
                error,
                DataError::CountMismatch {
                    expected: 2,
                    found: 3,
                    ..
                }
            ),
            "{error}"
        );
        let error = load(&images(3), &labels(&[7, 10, 1])).unwrap_err();
        assert!(
            matches!(error, DataError::NotInRange { row: 1, .. }),
            "{error}"
        );
        let error = load(&labels(&[7]), &labels(&[7])).unwrap_err();
        assert!(error.to_string().contains("[n, 28, 28]"), "{error}");
        let error = load(&images(1), &images(1)).unwrap_err();
        assert!(error.to_string().contains("[n]"), "{error}");
    }

    #[test]
    fn the_digest_notices_one_label() {
        let split = load(&images(2), &labels(&[7, 2])).unwrap();
        let other = MnistSplit {
            labels: vec![7, 3],
            ..split.clone()
        };
        assert_eq!(split.digest().len(), 64);
        assert_ne!(split.digest(), other.digest());
    }

    /// The folder of the real digits, named by `ZBRIDGE_DATA` or beside the workspace; says so when
    /// there is none.
    pub(crate) fn real_folder() -> Option<PathBuf> {
        let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/mnist");
        let folder = std::env::var_os("ZBRIDGE_DATA").map_or_else(beside, PathBuf::from);
        if folder.is_dir() {
            return Some(folder);
        }
        eprintln!("skipped: no MNIST at {}", folder.display());
        None
    }

    #[test]
    fn the_real_digits_are_the_published_ones() {
        let Some(folder) = real_folder() else { return };
        let mnist = Mnist::load_both(&folder).unwrap();
        assert_eq!((mnist.train.rows(), mnist.test.rows()), (60_000, 10_000));
        assert_eq!(mnist.train.labels()[..5], [5, 0, 4, 1, 9]);
        assert_eq!(mnist.test.labels()[..5], [7, 2, 1, 0, 4]);
        // Pixel mean and deviation of the training images, as published with countless models:
        // 0.1307 and 0.3081.
        let pixels = mnist
            .train
            .images
            .iter()
            .map(|&byte| f64::from(byte) / 255.0);
        let mean = pixels.clone().sum::<f64>() / mnist.train.images.len() as f64;
        let variance =
            pixels.map(|p| (p - mean).powi(2)).sum::<f64>() / mnist.train.images.len() as f64;
        assert!(
            (mean - 0.1307).abs() < 1e-4 && (variance.sqrt() - 0.3081).abs() < 1e-4,
            "{mean} {variance}"
        );
    }
}
