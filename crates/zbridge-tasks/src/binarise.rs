use zbridge_core::{Observations, RandomStream};

/// The metadata key of latents of black and white images: the seed of their draw.
pub(crate) const BINARISED: &str = "binarised";

/// Returns black and white images, drawn with the grey values as probabilities of white; `first` is
/// the number of the first image among the data.
pub(crate) fn binarised(images: &Observations, seed: u64, first: usize) -> Observations {
    images.binarised(&RandomStream::named(seed, "encode/binarise"), first)
}
