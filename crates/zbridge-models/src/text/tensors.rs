//! The parameters of a text VAE by name, and where they are.

use super::architecture::TextVaeArchitecture;
use super::decoder::TextDecoder;
use super::encoder::TextEncoder;
use std::ops::Range;

/// A parameter of the model and its place in the flat vector, the encoder's first.
pub(super) struct TextTensor {
    pub(super) name: String,
    pub(super) shape: Vec<usize>,
    pub(super) range: Range<usize>,
}

/// Every parameter in storage order.
pub(super) fn tensors(architecture: &TextVaeArchitecture) -> Vec<TextTensor> {
    let encoder = TextEncoder::new(architecture);
    let decoder = TextDecoder::new(architecture);
    let encoder = encoder
        .network()
        .parameters()
        .into_iter()
        .map(|(name, shape)| (format!("encoder.{name}"), shape));
    let decoder = decoder
        .network()
        .parameters()
        .into_iter()
        .map(|(name, shape)| (format!("decoder.{name}"), shape));
    let mut start = 0;
    let tensors = encoder.chain(decoder).map(|(name, shape)| {
        let range = start..start + shape.iter().product::<usize>();
        start = range.end;
        TextTensor { name, shape, range }
    });
    tensors.collect()
}
