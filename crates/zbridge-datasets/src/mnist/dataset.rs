use super::source::{NamedBy, find_files};
use crate::DatasetError;
use ndarray::{Array1, Array3};
use sha2::{Digest, Sha256};
use std::path::Path;
use zbridge_core::{EventKind, Observations, hexadecimal};
use zbridge_data::{ArrayError, DataError, Idx, RowsError};

/// Pixels of a side.
pub(super) const SIDE: usize = 28;
const DIGITS: u8 = 10;

/// A part of MNIST: the 60 000 digits to train on or the 10 000 to test on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Split {
    /// 60 000 digits.
    Train,
    /// 10 000 digits by other writers.
    Test,
}

impl Split {
    /// Returns the official names of its image file and its label file, uncompressed.
    pub fn file_names(self) -> [&'static str; 2] {
        match self {
            Self::Train => ["train-images-idx3-ubyte", "train-labels-idx1-ubyte"],
            Self::Test => ["t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"],
        }
    }
}

/// Both parts of MNIST.
///
/// # Source
/// LeCun, Cortes and Burges, *The MNIST database*.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mnist {
    /// The digits to train on.
    pub train: MnistSplit,
    /// The digits to test on.
    pub test: MnistSplit,
}

impl Mnist {
    /// Returns one part, from the files in `folder` or in one of the subfolders where they usually
    /// are (`mnist/`, `raw/`, torchvision's `MNIST/raw/`); the other part is not read.
    ///
    /// # Errors
    /// [`DatasetError::IncompleteFolder`] with the names that were looked for; [`DataError`] if
    /// the files cannot be read or are not those of MNIST.
    pub fn load(folder: &Path, split: Split) -> Result<MnistSplit, DatasetError> {
        let paths = find_files(folder, &split.file_names(), NamedBy::Caller)?;
        let images = read_images(&paths[0])?;
        let labels = read_labels(&paths[1])?;
        if labels.len() != images.dim().0 {
            let count = RowsError::Count {
                what: "labels",
                expected: images.dim().0,
                found: labels.len(),
            };
            return Err(DataError::of_file(&paths[1], count).into());
        }
        Ok(MnistSplit { images, labels })
    }

    /// Returns both parts.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub fn load_both(folder: &Path) -> Result<Self, DatasetError> {
        Ok(Self {
            train: Self::load(folder, Split::Train)?,
            test: Self::load(folder, Split::Test)?,
        })
    }
}

/// Digits and their classes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MnistSplit {
    /// Brightness 0…255, `[n, 28, 28]`: bright ink on a dark background.
    pub images: Array3<u8>,
    /// The digit, 0…9, `[n]`.
    pub labels: Array1<u8>,
}

impl MnistSplit {
    /// Returns the images as grey values in 0..1, `[n, 1 · 28 · 28]`.
    pub fn images_observations(&self) -> Observations {
        let pixels = self.images.iter();
        let values = pixels.map(|&byte| f32::from(byte) / 255.0).collect();
        let kind = EventKind::Image {
            channels: 1,
            height: SIDE,
            width: SIDE,
        };
        Observations::new(values, kind).expect("whole images of finite values")
    }

    /// Returns the digit of each image, `[n]`.
    pub fn labels(&self) -> &[u8] {
        self.labels.as_slice().expect("labels are contiguous")
    }

    /// Returns the number of digits.
    pub fn rows(&self) -> usize {
        self.labels.len()
    }

    /// Returns the SHA-256 of the images followed by the labels, in hexadecimal: the same however
    /// the files were compressed.
    pub fn digest(&self) -> String {
        let images = self.images.as_slice().expect("images are contiguous");
        let mut hash = Sha256::new();
        hash.update(images);
        hash.update(self.labels());
        hexadecimal(&hash.finalize())
    }
}

fn read_images(path: &Path) -> Result<Array3<u8>, DataError> {
    let Idx { shape, bytes } = Idx::read(path)?;
    match shape[..] {
        [rows, SIDE, SIDE] => {
            let images = Array3::from_shape_vec((rows, SIDE, SIDE), bytes);
            Ok(images.expect("an IDX file has as many values as its shape says"))
        }
        _ => Err(wrong_shape(path, "the images", "[n, 28, 28]", shape)),
    }
}

fn read_labels(path: &Path) -> Result<Array1<u8>, DataError> {
    let Idx { shape, bytes } = Idx::read(path)?;
    if shape.len() != 1 {
        return Err(wrong_shape(path, "the labels", "[n]", shape));
    }
    match bytes.iter().position(|&label| label >= DIGITS) {
        None => Ok(bytes.into()),
        Some(row) => Err(out_of_range(path, row, bytes[row])),
    }
}

fn out_of_range(path: &Path, row: usize, label: u8) -> DataError {
    let out_of_range = ArrayError::NotInRange {
        array: "the labels".to_owned(),
        row,
        value: f64::from(label),
        lowest: 0,
        highest: i64::from(DIGITS) - 1,
    };
    DataError::of_file(path, out_of_range)
}

fn wrong_shape(path: &Path, array: &str, expected: &str, found: Vec<usize>) -> DataError {
    let shape = ArrayError::Shape {
        array: array.to_owned(),
        expected: expected.to_owned(),
        found,
    };
    DataError::of_file(path, shape)
}
