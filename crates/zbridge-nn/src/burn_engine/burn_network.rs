use super::BurnDevice;
use crate::layer::{Convolution, Layer};
use crate::{Mode, Network, NnError};
use burn::tensor::activation::{leaky_relu, silu};
use burn::tensor::module::{batch_norm, batch_norm_train, conv_transpose2d, conv2d, linear};
use burn::tensor::ops::{ConvOptions, ConvTransposeOptions};
use burn::tensor::{Distribution, Gradients, Tensor};

/// A [`Network`] with its parameters on a device.
#[derive(Debug, Clone)]
pub struct BurnNetwork {
    network: Network,
    device: BurnDevice,
    /// One flat tensor for each of the network's parameters, in storage order.
    parts: Vec<Tensor<1>>,
}

/// What batch normalisations measured on a training batch.
#[derive(Debug, Default)]
pub struct BatchStatistics {
    rows: usize,
    /// (layer, mean, biased variance).
    measured: Vec<(usize, Tensor<1>, Tensor<1>)>,
}

const BATCH_NORM_EPSILON: f64 = 1e-5;
const BATCH_NORM_MOMENTUM: f64 = 0.1;

impl BurnNetwork {
    /// The network with these parameters, for inference.
    ///
    /// # Panics
    /// When `parameters` has another length than the network's.
    pub fn new(network: &Network, parameters: &[f32], device: &BurnDevice) -> Self {
        assert_eq!(
            parameters.len(),
            network.parameter_count(),
            "parameters of the network"
        );
        let ranges = network.tensors().iter().map(|tensor| tensor.range.clone());
        let parts = ranges
            .map(|range| device.tensor(parameters[range.clone()].to_vec(), [range.len()]))
            .collect();
        Self {
            network: network.clone(),
            device: device.clone(),
            parts,
        }
    }

    /// The same network, with every parameter but running statistics a leaf that gradients are kept
    /// for.
    pub fn trainable(mut self) -> Self {
        for (part, tensor) in self.parts.iter_mut().zip(self.network.tensors()) {
            if !tensor.name.contains("running") {
                *part = part.extract().autodiff().require_grad();
            }
        }
        self
    }

    /// The parameters as one flat vector, in storage order.
    ///
    /// # Errors
    /// [`NnError::Device`] when the device fails.
    pub fn parameters(&self) -> Result<Vec<f32>, NnError> {
        self.device.read(Tensor::cat(
            self.parts.iter().map(|part| part.clone().inner()).collect(),
            0,
        ))
    }

    /// The outputs for `input`.
    ///
    /// # Shapes
    /// `input`: `[rows, inputs]`; result: `[rows, outputs]`. Grids inside a row are `[height,
    /// width, channels]`.
    pub fn forward(&self, input: Tensor<2>, mode: Mode) -> Tensor<2> {
        self.run(input, mode, &mut BatchStatistics::default())
    }

    /// The outputs for a training batch, and what batch normalisations measured on it.
    pub fn forward_measured(&self, input: Tensor<2>) -> (Tensor<2>, BatchStatistics) {
        let mut statistics = BatchStatistics {
            rows: input.dims()[0],
            measured: vec![],
        };
        (self.run(input, Mode::Training, &mut statistics), statistics)
    }

    /// Takes the gradients of all parameters out of a backward pass, flat in storage order; zero
    /// where none arrived.
    pub fn gradients(&self, gradients: &mut Gradients) -> Tensor<1> {
        let parts = self.parts.iter().map(|part| {
            let gradient = part.grad_remove(gradients);
            gradient.unwrap_or_else(|| part.clone().inner().zeros_like())
        });
        Tensor::cat(parts.collect(), 0)
    }

    /// Subtracts `movement`, flat in storage order, from the parameters.
    pub fn move_by(&mut self, movement: &Tensor<1>) {
        for (part, tensor) in self.parts.iter_mut().zip(self.network.tensors()) {
            let trainable = part.is_require_grad();
            let moved = part.extract().inner() - movement.clone().slice([tensor.range.clone()]);
            *part = if trainable {
                moved.autodiff().require_grad()
            } else {
                moved
            };
        }
    }

    /// Folds batch statistics into the running ones (momentum 0.1, unbiased variance).
    pub fn update_running_statistics(&mut self, statistics: BatchStatistics) {
        let unbiased = statistics.rows as f64 / (statistics.rows as f64 - 1.0).max(1.0);
        for (layer, mean, variance) in statistics.measured {
            let first = self.first_part(layer);
            self.blend(first + 2, mean);
            self.blend(first + 3, variance * unbiased);
        }
    }

    fn blend(&mut self, index: usize, batch: Tensor<1>) {
        let running = self.parts[index].extract().inner();
        self.parts[index] =
            running * (1.0 - BATCH_NORM_MOMENTUM) + batch.inner() * BATCH_NORM_MOMENTUM;
    }

    /// The index of a layer's first parameter.
    fn first_part(&self, layer: usize) -> usize {
        self.network
            .tensors()
            .iter()
            .take_while(|tensor| tensor.layer < layer)
            .count()
    }

    fn run(&self, input: Tensor<2>, mode: Mode, statistics: &mut BatchStatistics) -> Tensor<2> {
        let mut batch = Batch::Rows(input);
        for (index, layer) in self.network.layers().iter().enumerate() {
            let parts = &self.parts[self.first_part(index)..];
            batch = match layer {
                Layer::Linear { inputs, outputs } => {
                    Batch::Rows(affine(batch.rows(), parts, *inputs, *outputs))
                }
                Layer::Conv(conv) => Batch::Grid(convolution(batch.grid(conv.input), parts, conv)),
                Layer::ConvTranspose(conv) => {
                    Batch::Grid(transposed_convolution(batch.grid(conv.input), parts, conv))
                }
                Layer::BatchNorm { .. } => Batch::Rows(match mode {
                    Mode::Training => normalise_by_batch(batch.rows(), parts, index, statistics),
                    Mode::Inference => normalise_by_running_statistics(batch.rows(), parts),
                }),
                Layer::LeakyRelu { slope } => batch.map(Leaky(f64::from(*slope))),
                Layer::Silu => batch.map(Silu),
                Layer::Dropout { rate } if mode == Mode::Training => {
                    batch.map(Drop(f64::from(*rate)))
                }
                Layer::Dropout { .. } => batch,
                Layer::Transpose { rows, columns } => {
                    Batch::Rows(transposed(batch.rows(), *rows, *columns))
                }
            };
        }
        batch.rows()
    }
}

/// What flows between layers. burn's convolutions want channels before height and width; between
/// two of them the grid stays that way.
enum Batch {
    /// `[rows, width]`.
    Rows(Tensor<2>),
    /// `[rows, channels, height, width]`.
    Grid(Tensor<4>),
}

impl Batch {
    fn rows(self) -> Tensor<2> {
        match self {
            Self::Rows(rows) => rows,
            Self::Grid(grid) => grid.permute([0, 2, 3, 1]).flatten(1, 3),
        }
    }

    fn grid(self, [height, width, channels]: [usize; 3]) -> Tensor<4> {
        match self {
            Self::Grid(grid) if grid.dims()[1..] == [channels, height, width] => grid,
            other => {
                let rows = other.rows();
                let count = rows.dims()[0];
                rows.reshape([count, height, width, channels])
                    .permute([0, 3, 1, 2])
            }
        }
    }

    fn map(self, activation: impl Activation) -> Self {
        match self {
            Self::Rows(rows) => Self::Rows(activation.of(rows)),
            Self::Grid(grid) => Self::Grid(activation.of(grid)),
        }
    }
}

/// A function of each number by itself, so that the order of a grid's axes does not matter.
trait Activation {
    fn of<const D: usize>(&self, input: Tensor<D>) -> Tensor<D>;
}

struct Leaky(f64);

impl Activation for Leaky {
    fn of<const D: usize>(&self, input: Tensor<D>) -> Tensor<D> {
        leaky_relu(input, self.0)
    }
}

struct Silu;

impl Activation for Silu {
    fn of<const D: usize>(&self, input: Tensor<D>) -> Tensor<D> {
        silu(input)
    }
}

struct Drop(f64);

impl Activation for Drop {
    fn of<const D: usize>(&self, input: Tensor<D>) -> Tensor<D> {
        let kept = input.random_like(Distribution::Bernoulli(1.0 - self.0));
        input * kept / (1.0 - self.0)
    }
}

/// Each row, read as a matrix `[rows, columns]`, transposed.
fn transposed(input: Tensor<2>, rows: usize, columns: usize) -> Tensor<2> {
    let count = input.dims()[0];
    input
        .reshape([count, rows, columns])
        .swap_dims(1, 2)
        .flatten(1, 2)
}

fn affine(input: Tensor<2>, parts: &[Tensor<1>], inputs: usize, outputs: usize) -> Tensor<2> {
    linear(
        input,
        parts[0].clone().reshape([outputs, inputs]).transpose(),
        Some(parts[1].clone()),
    )
}

fn convolution(input: Tensor<4>, parts: &[Tensor<1>], conv: &Convolution) -> Tensor<4> {
    let weight = kernels(&parts[0], conv.channels, conv.kernel, conv.input[2]);
    let options = ConvOptions::new([conv.stride; 2], [conv.padding; 2], [1, 1], 1);
    conv2d(input, weight, Some(parts[1].clone()), options)
}

fn transposed_convolution(input: Tensor<4>, parts: &[Tensor<1>], conv: &Convolution) -> Tensor<4> {
    let weight = kernels(&parts[0], conv.input[2], conv.kernel, conv.channels);
    let options = ConvTransposeOptions::new([conv.stride; 2], [conv.padding; 2], [0, 0], [1, 1], 1);
    conv_transpose2d(input, weight, Some(parts[1].clone()), options)
}

/// `[first, kernel, kernel, second]` as stored → `[first, second, kernel, kernel]`.
fn kernels(weight: &Tensor<1>, first: usize, kernel: usize, second: usize) -> Tensor<4> {
    weight
        .clone()
        .reshape([first, kernel, kernel, second])
        .permute([0, 3, 1, 2])
}

fn normalise_by_batch(
    input: Tensor<2>,
    parts: &[Tensor<1>],
    layer: usize,
    statistics: &mut BatchStatistics,
) -> Tensor<2> {
    let normalised = batch_norm_train(
        input,
        parts[0].clone(),
        parts[1].clone(),
        BATCH_NORM_EPSILON,
    );
    statistics
        .measured
        .push((layer, normalised.mean, normalised.variance));
    normalised.output
}

fn normalise_by_running_statistics(input: Tensor<2>, parts: &[Tensor<1>]) -> Tensor<2> {
    let [scale, shift, mean, variance] = [0, 1, 2, 3].map(|part: usize| parts[part].clone());
    batch_norm(input, scale, shift, mean, variance, BATCH_NORM_EPSILON)
}
