//! Gradients of a batch whose parts were on different cores, a block of parameters at a time.

use crate::kernels::matrix::Matrix;
use crate::kernels::multiply::multiply;
use crate::kernels::product::Accumulation;
use crate::layer::Layer;
use crate::network::Network;
use crate::parameter::{ParameterRole, ParameterTensor};
use crate::tape::Tape;
use std::ops::Range;

/// The parameters of a network in blocks whose gradients are computed one by one, as
/// [`Adam::step_by_blocks`](crate::Adam::step_by_blocks) needs them.
///
/// The gradient of a linear layer's weight is a product for each part of a batch. The products are
/// added where they are computed, so that there is one gradient for the batch and not one for each
/// core. The gradients of all other parameters come from the backward passes of the parts. Parts
/// are added in their order, so that the sum does not depend on the cores.
#[derive(Debug, Clone)]
pub struct GradientBlocks(Vec<Block>);

#[derive(Debug, Clone)]
struct Block {
    range: Range<usize>,
    source: Source,
}

/// Where the gradient of a block comes from.
#[derive(Debug, Clone)]
enum Source {
    /// The backward passes have computed it.
    Computed,
    /// It is a product of gradients and inputs of a layer.
    Product(WeightRows),
}

/// Rows of the weight of a linear layer.
#[derive(Debug, Clone)]
struct WeightRows {
    layer: usize,
    inputs: usize,
    outputs: usize,
    rows: Range<usize>,
}

/// A part of a batch after its backward pass with
/// [`Gradients::DeferWeights`](crate::Gradients::DeferWeights).
#[derive(Debug, Clone, Copy)]
pub struct BatchPart<'t> {
    /// The tape of the pass.
    pub tape: &'t Tape,
    /// The gradients that were not deferred.
    pub gradients: &'t [f32],
}

/// Parameters of a block: so few that their gradient stays in a core's cache until it is used, and
/// so many that packing the other factor of the product costs little beside it.
const BLOCK: usize = 1 << 18;
/// The rows of a block are a multiple of this, so that no product ends within a register.
const ROWS: usize = 32;

impl GradientBlocks {
    /// Returns the blocks of a network's parameters, in their order.
    pub fn of(network: &Network) -> Self {
        let mut blocks = Self(vec![]);
        for tensor in network.tensors() {
            match network.layers()[tensor.layer] {
                Layer::Linear { inputs, outputs } if tensor.role == ParameterRole::Weight => {
                    blocks.push_weight(tensor, inputs, outputs);
                }
                _ => blocks.push_computed(tensor.range.clone()),
            }
        }
        blocks
    }

    fn push_weight(&mut self, tensor: &ParameterTensor, inputs: usize, outputs: usize) {
        let most = (BLOCK / inputs / ROWS * ROWS).max(ROWS);
        // Blocks of about the same size.
        let rows = outputs
            .div_ceil(outputs.div_ceil(most))
            .next_multiple_of(ROWS);
        // Rows of the weight are rows of the product: blocks are independent of each other.
        for first in (0..outputs).step_by(rows) {
            let rows = first..(first + rows).min(outputs);
            let start = tensor.range.start;
            self.0.push(Block {
                range: start + rows.start * inputs..start + rows.end * inputs,
                source: Source::Product(WeightRows {
                    layer: tensor.layer,
                    inputs,
                    outputs,
                    rows,
                }),
            });
        }
    }

    /// Adds parameters to the last block if it is of the same kind.
    fn push_computed(&mut self, range: Range<usize>) {
        match self.0.last_mut() {
            Some(Block {
                range: last,
                source: Source::Computed,
            }) => last.end = range.end,
            _ => self.0.push(Block {
                range,
                source: Source::Computed,
            }),
        }
    }

    /// Returns the number of blocks.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// Returns the end of each block among the parameters.
    pub fn ends(&self) -> impl Iterator<Item = usize> {
        self.0.iter().map(|block| block.range.end)
    }

    /// Computes the gradient of the parameters of a block from all parts of a batch.
    ///
    /// # Panics
    /// If there are no parts, if `gradient` does not have the length of the block, or if a part is
    /// of another network.
    pub fn fill(&self, block: usize, parts: &[BatchPart], gradient: &mut [f32]) {
        let Block { range, source } = &self.0[block];
        assert_eq!(gradient.len(), range.len(), "the gradient of a block");
        match source {
            Source::Product(rows) => {
                // The first product overwrites what the buffer held before.
                let mut accumulation = Accumulation::Overwrite;
                for part in parts {
                    rows.add_product(part.tape, accumulation, gradient);
                    accumulation = Accumulation::Add;
                }
            }
            Source::Computed => {
                gradient.copy_from_slice(&parts[0].gradients[range.clone()]);
                for part in &parts[1..] {
                    for (sum, value) in gradient.iter_mut().zip(&part.gradients[range.clone()]) {
                        *sum += value;
                    }
                }
            }
        }
    }
}

impl WeightRows {
    fn add_product(&self, tape: &Tape, accumulation: Accumulation, gradient: &mut [f32]) {
        let x = tape.input_of(self.layer);
        let batch = x.len() / self.inputs;
        let dy = Matrix::new(tape.output_gradient_of(self.layer), batch, self.outputs);
        multiply(
            gradient,
            accumulation,
            dy.transposed().some_rows(self.rows.clone()),
            Matrix::new(x, batch, self.inputs),
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
