//! MNIST: handwritten digits, where they are found, and drawn digits in the same form.

mod dataset;
mod digit_image;
mod source;
#[cfg(test)]
mod tests;

pub use dataset::{Mnist, MnistSplit, Split};
pub use digit_image::{read_digit, read_digit_folder};
pub use source::{MnistSource, NamedBy, locate_mnist, locate_or_download_mnist};
