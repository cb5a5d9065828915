//! Data sets of zbridge: MNIST and its download, drawn digits in the form of MNIST, spoken digits,
//! [scenes] with captions, and augmented views of images and sounds.
//!
//! ```
//! use zbridge_core::RandomStream;
//! use zbridge_datasets::augmented_views;
//! use zbridge_datasets::scenes::{Level, pictures, scenes};
//!
//! let stream = RandomStream::named(1, "example");
//! let images = pictures(&scenes(Level::L1, 3, &stream))?;
//! let views = augmented_views(&images, 4, &stream)?;
//! assert_eq!(views.rows(), 12);
//! # Ok::<(), zbridge_core::ShapeError>(())
//! ```
#![forbid(unsafe_code)]

mod augment;
mod download;
mod error;
mod mnist;
pub mod scenes;
mod spoken_digits;

pub use augment::augmented_views;
pub use download::{Downloader, RemoteFile};
pub use error::{DatasetError, DigitImageError, DownloadError};
pub use mnist::{
    Mnist, MnistSource, MnistSplit, NamedBy, Split, locate_mnist, locate_or_download_mnist,
    read_digit, read_digit_folder,
};
pub use spoken_digits::SpokenDigits;
