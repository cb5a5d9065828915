//! Gradients of a batch whose parts were on different cores, a block of parameters at a time.

use crate::kernels::matrix::Matrix;
use crate::kernels::multiply::multiply;
use crate::kernels::product::Accumulation;
use crate::{Layer, Network, Tape};
use std::ops::Range;

/// The parameters of a network cut into blocks whose gradients are worked out one by one.
///
/// The weights of a linear layer take a product for each part of a batch, on top of each other, so
/// that there is one gradient for the batch and not one for each core; of the rest, the parts' own
/// gradients are summed. Either way parts are added in their order.
#[derive(Debug, Clone)]
pub struct GradientBlocks(Vec<Block>);

#[derive(Debug, Clone)]
struct Block {
    range: Range<usize>,
    products: Option<Products>,
}

/// Rows of a linear layer's weights.
#[derive(Debug, Clone)]
struct Products {
    layer: usize,
    outputs: Range<usize>,
    width: usize,
    inputs: usize,
}

/// A part of a batch behind its backward pass with
/// [`Gradients::DeferWeights`](crate::Gradients::DeferWeights).
#[derive(Debug, Clone, Copy)]
pub struct BatchPart<'t> {
    /// What the pass has left.
    pub tape: &'t Tape,
    /// The gradients that were not postponed.
    pub gradients: &'t [f32],
}

/// Parameters of a block: their gradient stays in a core's cache until it is used, and packing a
/// product's other factor is little beside it.
const BLOCK: usize = 1 << 18;
/// A block's rows are a multiple of this, so that no product is cut off within a register.
const ROWS: usize = 32;

impl GradientBlocks {
    /// The blocks of a network's parameters, in their order.
    pub fn of(network: &Network) -> Self {
        let mut blocks: Vec<Block> = vec![];
        for tensor in network.tensors() {
            match network.layers()[tensor.layer] {
                Layer::Linear {
                    inputs,
                    outputs: width,
                } if tensor.shape.len() == 2 => {
                    let most = (BLOCK / inputs / ROWS * ROWS).max(ROWS);
                    // Parts of about the same size.
                    let rows = width.div_ceil(width.div_ceil(most)).next_multiple_of(ROWS);
                    blocks.extend((0..width).step_by(rows).map(|first| {
                        let outputs = first..(first + rows).min(width);
                        let range = tensor.range.start + first * inputs
                            ..tensor.range.start + outputs.end * inputs;
                        Block {
                            range,
                            products: Some(Products {
                                layer: tensor.layer,
                                outputs,
                                width,
                                inputs,
                            }),
                        }
                    }));
                }
                _ => match blocks.last_mut().filter(|block| block.products.is_none()) {
                    Some(block) => block.range.end = tensor.range.end,
                    None => blocks.push(Block {
                        range: tensor.range.clone(),
                        products: None,
                    }),
                },
            }
        }
        Self(blocks)
    }

    /// How many blocks there are.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// Where each block ends among the parameters.
    pub fn ends(&self) -> impl Iterator<Item = usize> {
        self.0.iter().map(|block| block.range.end)
    }

    /// The gradient by the parameters of a block, from all parts of a batch.
    ///
    /// # Panics
    /// When there are no parts, `gradient` has another length than the block, or a part belongs to
    /// another network.
    pub fn fill(&self, block: usize, parts: &[BatchPart], gradient: &mut [f32]) {
        let Block { range, products } = &self.0[block];
        assert_eq!(gradient.len(), range.len(), "the gradient of a block");
        let mut accumulation = Accumulation::Overwrite;
        for part in parts {
            match products {
                Some(products) => products.add(part.tape, accumulation, gradient),
                None if accumulation == Accumulation::Overwrite => {
                    gradient.copy_from_slice(&part.gradients[range.clone()])
                }
                None => gradient
                    .iter_mut()
                    .zip(&part.gradients[range.clone()])
                    .for_each(|(sum, g)| *sum += g),
            }
            accumulation = Accumulation::Add;
        }
    }
}

impl Products {
    fn add(&self, tape: &Tape, accumulation: Accumulation, gradient: &mut [f32]) {
        let x = tape.input_of(self.layer);
        let rows = x.len() / self.inputs;
        let dy = Matrix::new(tape.output_gradient_of(self.layer), rows, self.width).transposed();
        multiply(
            gradient,
            accumulation,
            dy.some_rows(self.outputs.clone()),
            Matrix::new(x, rows, self.inputs),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layer::Convolution;
    use crate::{Gradients, InputGradient, Mode};
    use zbridge_core::RandomStream;

    /// Two parts of a batch, and a block of weights that is not the only one of its layer.
    #[test]
    fn blocks_are_the_sum_of_the_parts_gradients() {
        let conv = Convolution {
            input: [4, 4, 2],
            channels: 3,
            kernel: 3,
            stride: 1,
            padding: 1,
        };
        let network = Network::new(vec![
            Layer::Conv(conv),
            Layer::Silu,
            Layer::Linear {
                inputs: 48,
                outputs: 6000,
            },
            Layer::BatchNorm { width: 6000 },
            Layer::Linear {
                inputs: 6000,
                outputs: 5,
            },
        ])
        .unwrap();
        let mut stream = RandomStream::named(9, "blocks");
        let parameters = network.initial_parameters(&mut stream);
        let mut expected = vec![0.0; parameters.len()];
        let passed: Vec<(Tape, Vec<f32>)> = [3, 2]
            .into_iter()
            .map(|rows| {
                let (mut x, mut dy) = (vec![0.0; rows * 32], vec![0.0; rows * 5]);
                stream.fill_standard_normal(&mut x);
                stream.fill_standard_normal(&mut dy);
                let (mut tape, mut gradients) = (Tape::default(), vec![9.0; parameters.len()]);
                network.forward(&parameters, &x, Mode::Training, &mut tape);
                let unused = InputGradient::Unused;
                network.backward(
                    &parameters,
                    &dy,
                    Gradients::Add(&mut expected),
                    unused,
                    &mut tape,
                );
                network.forward(&parameters, &x, Mode::Training, &mut tape);
                network.backward(
                    &parameters,
                    &dy,
                    Gradients::DeferWeights(&mut gradients),
                    unused,
                    &mut tape,
                );
                (tape, gradients)
            })
            .collect();
        let parts: Vec<BatchPart> = passed
            .iter()
            .map(|(tape, gradients)| BatchPart { tape, gradients })
            .collect();
        let blocks = GradientBlocks::of(&network);
        assert_eq!(
            blocks.count(),
            6,
            "convolution; weights in two; biases and normalisation; weights; biases"
        );
        let mut start = 0;
        for (block, end) in blocks.ends().enumerate() {
            let mut found = vec![7.0; end - start];
            blocks.fill(block, &parts, &mut found);
            for (found, expected) in found.iter().zip(&expected[start..end]) {
                assert!(
                    (found - expected).abs() < 1e-4 * expected.abs().max(1.0),
                    "{found} against {expected}"
                );
            }
            start = end;
        }
        assert_eq!(start, parameters.len());
    }
}
