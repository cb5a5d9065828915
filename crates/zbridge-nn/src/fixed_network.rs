use crate::kernels::activation::{Activation, activate};
use crate::kernels::batch_norm::BATCH_NORM_EPSILON;
use crate::kernels::lane_steps::{Tap, bend, blend, scale, standardise};
use crate::kernels::lanes::{Lanes, ROWS};
use crate::kernels::transpose::transpose;
use crate::layer::Layer;
use crate::network::Network;
use crate::stencil::Stencil;
use std::ops::Range;

/// A network whose parameters no longer change, laid out for inference on many rows at once.
///
/// It gives what [`Network::forward`] gives in [`Mode::Inference`](crate::Mode), up to rounding,
/// several times as fast: each row has a lane of a vector register through all layers, weights lie
/// in the order in which they are read, and activations happen before a sum leaves its register. A
/// row's numbers do not depend on the other rows.
///
/// ```
/// use zbridge_nn::{FixedNetwork, Layer, Network, Workspace};
/// let network = Network::new(vec![Layer::Linear { inputs: 2, outputs: 1 }])?;
/// let fixed = FixedNetwork::new(&network, &[10.0, 1.0, 0.5]);
/// assert_eq!(fixed.forward(&[1.0, 2.0, 3.0, 4.0], &mut Workspace::default()), [12.5, 34.5]);
/// # Ok::<(), zbridge_nn::NnError>(())
/// ```
#[derive(Debug, Clone)]
pub struct FixedNetwork {
    pub(crate) inputs: usize,
    pub(crate) outputs: usize,
    pub(crate) steps: Vec<Step>,
}

/// Buffers of [`FixedNetwork::forward`], for one thread at a time; they are kept from call to call.
#[derive(Debug, Default, Clone)]
pub struct Workspace {
    now: Vec<Lanes>,
    next: Vec<Lanes>,
    means: Vec<Lanes>,
    outputs: Vec<f32>,
}

#[derive(Debug, Clone)]
pub(crate) enum Step {
    Stencil(Stencil),
    /// Of the columns in this range.
    Activation(Activation, Range<usize>),
    /// `x · factor + offset`: a batch normalisation by its running statistics.
    Affine(Vec<(f32, f32)>),
    /// `slope · x` on the negative side.
    Bend(Vec<f32>),
    /// Each row a matrix `[rows, columns]`, which is turned over.
    Transpose(usize, usize),
    /// The columns of the input that the output's are.
    Gather(Vec<u32>),
    /// The weighted sums of a few columns that the output's are.
    Blend(Vec<[Tap; 4]>),
    /// Each set of columns with mean 0 and variance 1.
    Standardise {
        /// The set of each column.
        sets: Vec<u32>,
        /// Columns in each set.
        sizes: Vec<f32>,
        /// What is added to a variance.
        epsilon: f32,
    },
}

impl FixedNetwork {
    /// Rows that pass through the layers together; a block of fewer costs almost as much as a whole
    /// one.
    pub const ROWS_AT_ONCE: usize = ROWS;

    /// `network` with these parameters.
    ///
    /// # Panics
    /// When `parameters` has another length than the network's.
    pub fn new(network: &Network, parameters: &[f32]) -> Self {
        assert_eq!(
            parameters.len(),
            network.parameter_count(),
            "parameters of the network"
        );
        let mut steps = vec![];
        for (index, layer) in network.layers().iter().enumerate() {
            let parts: Vec<&[f32]> = network
                .ranges(index)
                .map(|range| &parameters[range])
                .collect();
            push(&mut steps, layer, &parts);
        }
        Self {
            inputs: network.inputs(),
            outputs: network.outputs(),
            steps,
        }
    }

    /// The outputs `[rows, outputs]` for `input` `[rows, inputs]`.
    ///
    /// # Panics
    /// When `input` is no whole number of rows.
    pub fn forward<'w>(&self, input: &[f32], workspace: &'w mut Workspace) -> &'w mut [f32] {
        assert!(
            input.len().is_multiple_of(self.inputs),
            "whole rows of {}",
            self.inputs
        );
        workspace
            .outputs
            .resize(input.len() / self.inputs * self.outputs, 0.0);
        let blocks = input.chunks(ROWS * self.inputs);
        for (block, input) in blocks.enumerate() {
            let rows = input.len() / self.inputs;
            enter(input, self.inputs, &mut workspace.now);
            self.steps
                .iter()
                .for_each(|step| step.apply(rows, workspace));
            let outputs =
                &mut workspace.outputs[block * ROWS * self.outputs..][..rows * self.outputs];
            leave(&workspace.now, outputs);
        }
        &mut workspace.outputs
    }
}

/// Adds what `layer` does to `steps`; an activation joins the sums before it.
fn push(steps: &mut Vec<Step>, layer: &Layer, parts: &[&[f32]]) {
    let activation = match layer {
        Layer::Linear { inputs, outputs } => {
            return steps.push(Step::Stencil(Stencil::linear(
                *inputs, *outputs, parts[0], parts[1],
            )));
        }
        Layer::Conv(conv) => {
            return steps.push(Step::Stencil(Stencil::convolution(
                conv, parts[0], parts[1],
            )));
        }
        Layer::ConvTranspose(conv) => {
            return steps.push(Step::Stencil(Stencil::transposed(conv, parts[0], parts[1])));
        }
        Layer::BatchNorm { .. } => return steps.push(Step::Affine(affine(parts))),
        Layer::Dropout { .. } => return,
        Layer::Transpose { rows, columns } => return steps.push(Step::Transpose(*rows, *columns)),
        Layer::Silu => Activation::Silu,
        Layer::LeakyRelu { slope } => Activation::LeakyRelu(*slope),
    };
    activate_all(steps, activation);
}

/// Adds an activation of all columns.
pub(crate) fn activate_all(steps: &mut Vec<Step>, activation: Activation) {
    match steps.last_mut() {
        Some(Step::Stencil(stencil)) if stencil.activation == Activation::Identity => {
            stencil.activation = activation
        }
        _ => steps.push(Step::Activation(activation, 0..usize::MAX)),
    }
}

/// Factor and offset of each column, from a normalisation's scale, shift, running mean and
/// variance.
fn affine(parts: &[&[f32]]) -> Vec<(f32, f32)> {
    let factors = parts[0]
        .iter()
        .zip(parts[3])
        .map(|(scale, variance)| scale / (variance + BATCH_NORM_EPSILON).sqrt());
    let columns = factors.zip(parts[1]).zip(parts[2]);
    columns
        .map(|((factor, shift), mean)| (factor, shift - mean * factor))
        .collect()
}

impl Step {
    /// Takes the rows one step further.
    fn apply(&self, rows: usize, workspace: &mut Workspace) {
        let Workspace {
            now, next, means, ..
        } = workspace;
        match self {
            Self::Activation(activation, columns) => {
                let end = columns.end.min(now.len());
                return activate(*activation, &mut now[columns.start..end]);
            }
            Self::Affine(columns) => return scale(now, columns),
            Self::Bend(slopes) => return bend(now, slopes),
            Self::Standardise {
                sets,
                sizes,
                epsilon,
            } => return standardise(now, sets, sizes, *epsilon, means),
            Self::Stencil(stencil) => stencil.apply(now, rows, next),
            Self::Transpose(rows, columns) => {
                next.resize(now.len(), Lanes::ZERO);
                transpose(now, *rows, *columns, next);
            }
            Self::Gather(places) => {
                next.clear();
                next.extend(places.iter().map(|&place| now[place as usize]));
            }
            Self::Blend(taps) => {
                next.resize(taps.len(), Lanes::ZERO);
                blend(now, taps, next);
            }
        }
        std::mem::swap(now, next);
    }
}

/// Columns that are turned into lanes, or back, together, so that they are in the nearest cache for
/// all rows.
const COLUMNS: usize = 16;

/// Rows become lanes; lanes without a row are zero.
fn enter(rows: &[f32], width: usize, lanes: &mut Vec<Lanes>) {
    lanes.clear();
    lanes.resize(width, Lanes::ZERO);
    for (part, lanes) in lanes.chunks_mut(COLUMNS).enumerate() {
        for (lane, row) in rows.chunks_exact(width).enumerate() {
            lanes
                .iter_mut()
                .zip(&row[part * COLUMNS..])
                .for_each(|(lanes, value)| lanes.0[lane] = *value);
        }
    }
}

/// Lanes become rows again.
fn leave(lanes: &[Lanes], rows: &mut [f32]) {
    for (part, columns) in lanes.chunks(COLUMNS).enumerate() {
        for (lane, row) in rows.chunks_exact_mut(lanes.len()).enumerate() {
            row[part * COLUMNS..]
                .iter_mut()
                .zip(columns)
                .for_each(|(value, lanes)| *value = lanes.0[lane]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Convolution, Mode, Tape};
    use zbridge_core::RandomStream;

    fn conv(
        input: [usize; 3],
        channels: usize,
        kernel: usize,
        stride: usize,
        padding: usize,
    ) -> Convolution {
        Convolution {
            input,
            channels,
            kernel,
            stride,
            padding,
        }
    }

    /// Every kind of layer, in sizes that fill no vector and no tile, and that do.
    fn networks() -> Vec<Network> {
        let convolutions = [
            (conv([7, 5, 3], 2, 3, 1, 1), conv([7, 5, 3], 2, 3, 2, 1)),
            (conv([6, 6, 2], 9, 4, 2, 1), conv([6, 6, 2], 16, 4, 2, 1)),
            (conv([9, 4, 1], 1, 5, 3, 2), conv([9, 4, 1], 1, 6, 2, 2)),
            (conv([3, 3, 5], 8, 1, 1, 0), conv([3, 3, 5], 3, 2, 3, 0)),
            (conv([8, 8, 2], 3, 2, 3, 0), conv([4, 3, 2], 10, 5, 3, 1)),
            // A window in the corner that sees nothing, and outputs that no input reaches.
            (conv([3, 2, 4], 9, 1, 1, 1), conv([3, 2, 4], 9, 1, 2, 0)),
            (conv([1, 1, 4], 4, 3, 1, 1), conv([1, 2, 4], 1, 4, 1, 1)),
        ];
        let alone = convolutions
            .iter()
            .flat_map(|(c, t)| [vec![Layer::Conv(*c)], vec![Layer::ConvTranspose(*t)]]);
        let dense = vec![
            Layer::Linear {
                inputs: 5,
                outputs: 13,
            },
            Layer::BatchNorm { width: 13 },
            Layer::LeakyRelu { slope: 0.2 },
            Layer::Dropout { rate: 0.5 },
            Layer::Linear {
                inputs: 13,
                outputs: 3,
            },
            Layer::Silu,
            Layer::LeakyRelu { slope: 0.1 },
        ];
        let decoder = vec![
            Layer::Linear {
                inputs: 6,
                outputs: 3 * 3 * 8,
            },
            Layer::Silu,
            Layer::ConvTranspose(conv([3, 3, 8], 8, 4, 2, 1)),
            Layer::Silu,
            Layer::ConvTranspose(conv([6, 6, 8], 1, 6, 2, 2)),
        ];
        let colours = vec![
            Layer::Transpose {
                rows: 3,
                columns: 35,
            },
            Layer::Conv(conv([7, 5, 3], 2, 3, 1, 1)),
            Layer::Transpose {
                rows: 35,
                columns: 2,
            },
            Layer::Silu,
        ];
        alone
            .chain([dense, decoder, colours])
            .map(|layers| Network::new(layers).unwrap())
            .collect()
    }

    /// A network, parameters of which no running statistic is trivial, and `rows` rows.
    fn cases(rows: usize) -> impl Iterator<Item = (Network, Vec<f32>, Vec<f32>)> {
        networks()
            .into_iter()
            .enumerate()
            .map(move |(index, network)| {
                let mut stream = RandomStream::named(index as u64, "fixed");
                let mut parameters = network.initial_parameters(&mut stream);
                for tensor in network
                    .tensors()
                    .iter()
                    .filter(|tensor| tensor.name.contains("running"))
                {
                    parameters[tensor.range.clone()]
                        .iter_mut()
                        .for_each(|value| *value = 0.5 + stream.uniform());
                }
                let mut input = vec![0.0; rows * network.inputs()];
                stream.fill_standard_normal(&mut input);
                (network, parameters, input)
            })
    }

    #[test]
    fn outputs_are_those_of_the_layers() {
        let (mut tape, mut workspace) = (Tape::default(), Workspace::default());
        for rows in [0, 1, 7, 16, 17, 31, 32, 33, 70] {
            for (network, parameters, input) in cases(rows) {
                let plain = network.forward(&parameters, &input, Mode::Inference, &mut tape);
                let fixed = FixedNetwork::new(&network, &parameters);
                let fixed = fixed.forward(&input, &mut workspace);
                assert_eq!(fixed.len(), plain.len());
                for (i, (fixed, plain)) in fixed.iter().zip(plain).enumerate() {
                    let layers = network.layers();
                    assert!(
                        (*fixed - *plain).abs() < 2e-6,
                        "{fixed} for {plain} at {i}, {rows} rows, {layers:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn a_row_has_the_same_bits_in_every_batch() {
        for (network, parameters, input) in cases(45) {
            let (fixed, mut workspace) = (
                FixedNetwork::new(&network, &parameters),
                Workspace::default(),
            );
            let batch = fixed.forward(&input, &mut workspace).to_vec();
            for rows in [1, 5, 20] {
                let parts = input.chunks(rows * network.inputs());
                let parts: Vec<f32> = parts
                    .flat_map(|part| fixed.forward(part, &mut workspace).to_vec())
                    .collect();
                assert!(
                    batch == parts,
                    "{rows} rows at a time, {:?}",
                    network.layers()
                );
            }
        }
    }
}
