//! The native engine: forward and backward through a [`Network`] on one CPU core, over buffers that are kept.
//!
//! Each core runs its own [`Tape`] on its own part of a batch. Convolutions gather and multiply a few images
//! at a time, so that their windows stay in the core's cache; the windows are gathered again on the way back,
//! which is cheaper than keeping them.

use crate::kernels::elementwise;
use crate::kernels::matmul::{Into, Matrix, multiply};
use crate::kernels::transpose::transpose;
use crate::kernels::windows::Windows;
use crate::layer::{Convolution, Layer};
use crate::network::Network;
use std::ops::Range;
use zbridge_core::RandomStream;

/// Whether batch normalisation uses the batch's own statistics or the running ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Statistics of the batch; they can then be folded into the running ones.
    Training,
    /// Running statistics.
    Inference,
}

/// What a forward pass leaves for the backward pass: the output of every layer, and working space.
#[derive(Debug, Default, Clone)]
pub struct Tape {
    input: Vec<f32>,
    outputs: Vec<Vec<f32>>,
    statistics: Vec<BatchStatistics>,
    columns: Vec<f32>,
    gradient: Vec<f32>,
    next_gradient: Vec<f32>,
    rows: usize,
    dropout: Option<RandomStream>,
}

#[derive(Debug, Default, Clone)]
struct BatchStatistics {
    mean: Vec<f32>,
    variance: Vec<f32>,
}

pub(crate) const BATCH_NORM_EPSILON: f32 = 1e-5;
const BATCH_NORM_MOMENTUM: f32 = 0.1;

impl Tape {
    /// The outputs of the last forward pass, `[rows, outputs]`, for a likelihood to turn into their gradient.
    pub fn output_mut(&mut self) -> &mut Vec<f32> {
        self.outputs.last_mut().unwrap_or(&mut self.input)
    }

    /// What layer `index` gave in the last forward pass, `[rows, its width]`: for what is read off a network's inside,
    /// such as the derivative of its activations. Empty when there was no such layer.
    pub fn layer_output(&self, index: usize) -> &[f32] {
        self.outputs.get(index).map_or(&[], Vec::as_slice)
    }

    /// What layer `index` saw in the last forward pass, `[rows, width]`.
    pub fn input_of(&self, index: usize) -> &[f32] {
        if index == 0 { &self.input } else { &self.outputs[index - 1] }
    }

    /// Where dropout draws from until it is told otherwise; without it, dropout in training is an identity.
    pub fn draw_dropout_from(&mut self, stream: RandomStream) {
        self.dropout = Some(stream);
    }
}

impl Network {
    /// The outputs `[rows, outputs]` for `input` `[rows, inputs]`; the tape keeps what the way back needs.
    ///
    /// # Panics
    /// When `input` is no whole number of rows or `parameters` has another length than the network's.
    pub fn forward<'t>(&self, parameters: &[f32], input: &[f32], mode: Mode, tape: &'t mut Tape) -> &'t mut [f32] {
        assert_eq!(parameters.len(), self.parameter_count(), "parameters of the network");
        assert!(input.len().is_multiple_of(self.inputs()), "whole rows of {}", self.inputs());
        tape.rows = input.len() / self.inputs();
        tape.input.clear();
        tape.input.extend_from_slice(input);
        tape.outputs.resize(self.layers().len(), Vec::new());
        tape.statistics.resize(self.layers().len(), BatchStatistics::default());
        for (index, layer) in self.layers().iter().enumerate() {
            let (before, after) = tape.outputs.split_at_mut(index);
            let source: &[f32] = before.last().unwrap_or(&tape.input);
            let output = &mut after[0];
            output.resize(tape.rows * self.width_after(index), 0.0);
            let parts: Vec<&[f32]> = self.ranges(index).map(|range| &parameters[range]).collect();
            match layer {
                Layer::Linear { inputs, outputs } => linear(source, *inputs, *outputs, parts[0], parts[1], output),
                Layer::Conv(conv) => convolution(source, conv, parts[0], parts[1], output, &mut tape.columns),
                Layer::ConvTranspose(conv) => {
                    transposed_convolution(source, conv, parts[0], parts[1], output, &mut tape.columns);
                }
                Layer::BatchNorm { width } => {
                    let statistics = &mut tape.statistics[index];
                    match mode {
                        Mode::Training => statistics.measure(source, *width),
                        Mode::Inference => statistics.adopt(parts[2], parts[3]),
                    }
                    statistics.normalise(source, parts[0], parts[1], output);
                }
                Layer::LeakyRelu { slope } => elementwise::leaky_relu(source, *slope, output),
                Layer::Silu => elementwise::silu(source, output),
                Layer::Dropout { rate } => match (mode, &mut tape.dropout) {
                    (Mode::Training, Some(stream)) => drop_out(source, *rate, stream, output),
                    _ => output.copy_from_slice(source),
                },
                Layer::Transpose { rows, columns } => transpose(source, *rows, *columns, output),
            }
        }
        tape.outputs.last_mut().unwrap_or(&mut tape.input)
    }

    /// Adds d objective / d parameters to `gradients`, for `output_gradient` `[rows, outputs]` and the last
    /// forward pass on this tape (in [`Mode::Training`]). Gives the gradient at the input when it is wanted.
    ///
    /// # Panics
    /// When `gradients` or `output_gradient` has another length than the forward pass says.
    pub fn backward<'t>(
        &self,
        parameters: &[f32],
        output_gradient: &[f32],
        gradients: &mut [f32],
        input_gradient: InputGradient,
        tape: &'t mut Tape,
    ) -> &'t [f32] {
        assert_eq!(gradients.len(), self.parameter_count(), "gradients of the network");
        assert_eq!(output_gradient.len(), tape.rows * self.outputs(), "gradient at the output");
        tape.gradient.clear();
        tape.gradient.extend_from_slice(output_gradient);
        for (index, layer) in self.layers().iter().enumerate().rev() {
            let source: &[f32] = if index == 0 { &tape.input } else { &tape.outputs[index - 1] };
            let ranges: Vec<Range<usize>> = self.ranges(index).collect();
            let wanted = index > 0 || input_gradient == InputGradient::Wanted;
            let below = wanted.then(|| {
                tape.next_gradient.resize(source.len(), 0.0);
                &mut tape.next_gradient
            });
            let mut moved = true;
            match layer {
                Layer::Linear { inputs, outputs } => {
                    let (weight, bias) = split_gradients(gradients, &ranges);
                    let weights = &parameters[ranges[0].clone()];
                    linear_backward(source, *inputs, *outputs, weights, &tape.gradient, weight, bias, below);
                }
                Layer::Conv(conv) => {
                    let (weight, bias) = split_gradients(gradients, &ranges);
                    let weights = &parameters[ranges[0].clone()];
                    convolution_backward(source, conv, weights, &tape.gradient, weight, bias, below, &mut tape.columns);
                }
                Layer::ConvTranspose(conv) => {
                    let (weight, bias) = split_gradients(gradients, &ranges);
                    let weights = &parameters[ranges[0].clone()];
                    transposed_backward(source, conv, weights, &tape.gradient, weight, bias, below, &mut tape.columns);
                }
                Layer::BatchNorm { .. } => {
                    let (weight, bias) = split_gradients(gradients, &ranges);
                    let scale = &parameters[ranges[0].clone()];
                    tape.statistics[index].backward(source, scale, &mut tape.gradient, weight, bias);
                    moved = false;
                }
                Layer::LeakyRelu { slope } => {
                    elementwise::leaky_relu_backward(source, *slope, &mut tape.gradient);
                    moved = false;
                }
                Layer::Silu => {
                    elementwise::silu_backward(source, &mut tape.gradient);
                    moved = false;
                }
                Layer::Dropout { .. } => {
                    drop_out_backward(source, &tape.outputs[index], &mut tape.gradient);
                    moved = false;
                }
                Layer::Transpose { rows, columns } => {
                    if let Some(below) = below {
                        transpose(&tape.gradient, *columns, *rows, below);
                    }
                }
            }
            if moved && wanted {
                std::mem::swap(&mut tape.gradient, &mut tape.next_gradient);
            }
        }
        &tape.gradient
    }

    /// Folds the batch statistics of the last training pass into the running ones (momentum 0.1, unbiased variance).
    pub fn update_running_statistics(&self, parameters: &mut [f32], tape: &Tape) {
        let unbiased = tape.rows as f32 / (tape.rows as f32 - 1.0).max(1.0);
        self.blend_running_statistics(parameters, tape, BATCH_NORM_MOMENTUM, unbiased);
    }

    /// Makes the batch statistics of the last training pass the running ones.
    ///
    /// # Source
    /// "Precise" batch normalisation, Wu & Johnson 2021, section 3: after training, statistics of the whole data
    /// under the final weights instead of an average over weights that were still moving.
    pub fn adopt_batch_statistics(&self, parameters: &mut [f32], tape: &Tape) {
        self.blend_running_statistics(parameters, tape, 1.0, 1.0);
    }

    fn blend_running_statistics(&self, parameters: &mut [f32], tape: &Tape, share: f32, unbiased: f32) {
        for (index, layer) in self.layers().iter().enumerate() {
            if let Layer::BatchNorm { .. } = layer {
                let ranges: Vec<Range<usize>> = self.ranges(index).collect();
                let statistics = &tape.statistics[index];
                let mean = parameters[ranges[2].clone()].iter_mut().zip(&statistics.mean);
                mean.for_each(|(running, batch)| *running += share * (batch - *running));
                let variance = parameters[ranges[3].clone()].iter_mut().zip(&statistics.variance);
                variance.for_each(|(running, batch)| *running += share * (batch * unbiased - *running));
            }
        }
    }
}

/// Whether the gradient at a network's input is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InputGradient {
    /// Compute it.
    Wanted,
    /// Leave it out: the input is data.
    Unused,
}

/// The gradients of a layer's first two parameters, which lie side by side.
fn split_gradients<'g>(gradients: &'g mut [f32], ranges: &[Range<usize>]) -> (&'g mut [f32], &'g mut [f32]) {
    gradients[ranges[0].start..ranges[1].end].split_at_mut(ranges[0].len())
}

pub(crate) fn linear(x: &[f32], inputs: usize, outputs: usize, weight: &[f32], bias: &[f32], y: &mut [f32]) {
    let rows = x.len() / inputs;
    y.chunks_exact_mut(outputs).for_each(|row| row.copy_from_slice(bias));
    multiply(y, Into::Accumulate, Matrix::new(x, rows, inputs), Matrix::new(weight, outputs, inputs).transposed());
}

#[allow(clippy::too_many_arguments)] // the operands of one formula
fn linear_backward(
    x: &[f32],
    inputs: usize,
    outputs: usize,
    weight: &[f32],
    dy: &[f32],
    weight_gradient: &mut [f32],
    bias_gradient: &mut [f32],
    dx: Option<&mut Vec<f32>>,
) {
    let rows = x.len() / inputs;
    let dy_matrix = Matrix::new(dy, rows, outputs);
    add_rows(dy, bias_gradient);
    multiply(weight_gradient, Into::Accumulate, dy_matrix.transposed(), Matrix::new(x, rows, inputs));
    if let Some(dx) = dx {
        multiply(dx, Into::Replace, dy_matrix, Matrix::new(weight, outputs, inputs));
    }
}

fn convolution(x: &[f32], conv: &Convolution, weight: &[f32], bias: &[f32], y: &mut [f32], columns: &mut Vec<f32>) {
    let windows = Windows::of_convolution(conv);
    let (many, size, outputs) = (windows.images_at_once(), windows.size(), conv.channels);
    y.chunks_exact_mut(outputs).for_each(|pixel| pixel.copy_from_slice(bias));
    let image_chunks = x.chunks(many * windows.image_size());
    for (images, y) in image_chunks.zip(y.chunks_mut(many * windows.count() * outputs)) {
        let rows = images.len() / windows.image_size() * windows.count();
        columns.resize(rows * size, 0.0);
        windows.gather(images, columns);
        let weight = Matrix::new(weight, outputs, size).transposed();
        multiply(y, Into::Accumulate, Matrix::new(columns, rows, size), weight);
    }
}

#[allow(clippy::too_many_arguments)] // the operands of one formula
fn convolution_backward(
    x: &[f32],
    conv: &Convolution,
    weight: &[f32],
    dy: &[f32],
    weight_gradient: &mut [f32],
    bias_gradient: &mut [f32],
    mut dx: Option<&mut Vec<f32>>,
    columns: &mut Vec<f32>,
) {
    let windows = Windows::of_convolution(conv);
    let (many, size, outputs) = (windows.images_at_once(), windows.size(), conv.channels);
    add_rows(dy, bias_gradient);
    if let Some(dx) = dx.as_deref_mut() {
        dx.fill(0.0);
    }
    let (image_step, dy_step) = (many * windows.image_size(), many * windows.count() * outputs);
    for (chunk, (images, dy)) in x.chunks(image_step).zip(dy.chunks(dy_step)).enumerate() {
        let rows = dy.len() / outputs;
        columns.resize(rows * size, 0.0);
        windows.gather(images, columns);
        let dy = Matrix::new(dy, rows, outputs);
        multiply(weight_gradient, Into::Accumulate, dy.transposed(), Matrix::new(columns, rows, size));
        if let Some(dx) = dx.as_deref_mut() {
            multiply(columns, Into::Replace, dy, Matrix::new(weight, outputs, size));
            windows.scatter_add(columns, &mut dx[chunk * image_step..][..images.len()]);
        }
    }
}

fn transposed_convolution(
    x: &[f32],
    conv: &Convolution,
    weight: &[f32],
    bias: &[f32],
    y: &mut [f32],
    columns: &mut Vec<f32>,
) {
    let windows = Windows::of_transposed(conv);
    let (many, size, inputs) = (windows.images_at_once(), windows.size(), conv.input[2]);
    y.chunks_exact_mut(conv.channels).for_each(|pixel| pixel.copy_from_slice(bias));
    let x_step = many * windows.count() * inputs;
    for (x, y) in x.chunks(x_step).zip(y.chunks_mut(many * windows.image_size())) {
        let rows = x.len() / inputs;
        columns.resize(rows * size, 0.0);
        multiply(columns, Into::Replace, Matrix::new(x, rows, inputs), Matrix::new(weight, inputs, size));
        windows.scatter_add(columns, y);
    }
}

#[allow(clippy::too_many_arguments)] // the operands of one formula
fn transposed_backward(
    x: &[f32],
    conv: &Convolution,
    weight: &[f32],
    dy: &[f32],
    weight_gradient: &mut [f32],
    bias_gradient: &mut [f32],
    mut dx: Option<&mut Vec<f32>>,
    columns: &mut Vec<f32>,
) {
    let windows = Windows::of_transposed(conv);
    let (many, size, inputs) = (windows.images_at_once(), windows.size(), conv.input[2]);
    for pixel in dy.chunks_exact(conv.channels) {
        bias_gradient.iter_mut().zip(pixel).for_each(|(total, value)| *total += value);
    }
    let x_step = many * windows.count() * inputs;
    for (chunk, (x, dy)) in x.chunks(x_step).zip(dy.chunks(many * windows.image_size())).enumerate() {
        let rows = x.len() / inputs;
        columns.resize(rows * size, 0.0);
        windows.gather(dy, columns);
        let columns = Matrix::new(columns, rows, size);
        multiply(weight_gradient, Into::Accumulate, Matrix::new(x, rows, inputs).transposed(), columns);
        if let Some(dx) = dx.as_deref_mut() {
            let dx = &mut dx[chunk * x_step..][..x.len()];
            multiply(dx, Into::Replace, columns, Matrix::new(weight, inputs, size).transposed());
        }
    }
}

/// `y ← x / (1 − rate)`, or 0 with probability `rate`; eight values for each 64 random bits.
fn drop_out(x: &[f32], rate: f32, stream: &mut RandomStream, y: &mut [f32]) {
    let (below, scale) = ((rate * 256.0) as u8, 1.0 / (1.0 - rate));
    for (x, y) in x.chunks(8).zip(y.chunks_mut(8)) {
        for ((y, x), byte) in y.iter_mut().zip(x).zip(stream.bits().to_le_bytes()) {
            *y = if byte < below { 0.0 } else { scale * x };
        }
    }
}

/// The ratio of output to input is the factor that was applied; where the input was 0 it does not matter.
fn drop_out_backward(x: &[f32], y: &[f32], gradient: &mut [f32]) {
    for ((g, x), y) in gradient.iter_mut().zip(x).zip(y) {
        *g = if *y == 0.0 { 0.0 } else { *g * (y / x) };
    }
}

/// `total += Σ rows`: a bias's gradient.
pub(crate) fn add_rows(rows: &[f32], total: &mut [f32]) {
    for row in rows.chunks_exact(total.len()) {
        total.iter_mut().zip(row).for_each(|(total, value)| *total += value);
    }
}

impl BatchStatistics {
    /// Mean and biased variance of every column.
    fn measure(&mut self, x: &[f32], width: usize) {
        let rows = (x.len() / width) as f32;
        let reset = |values: &mut Vec<f32>| {
            values.clear();
            values.resize(width, 0.0);
        };
        reset(&mut self.mean);
        reset(&mut self.variance);
        add_rows(x, &mut self.mean);
        self.mean.iter_mut().for_each(|mean| *mean /= rows);
        for row in x.chunks_exact(width) {
            for ((variance, x), mean) in self.variance.iter_mut().zip(row).zip(&self.mean) {
                *variance += (x - mean) * (x - mean);
            }
        }
        self.variance.iter_mut().for_each(|variance| *variance /= rows);
    }

    /// Takes running statistics over.
    fn adopt(&mut self, mean: &[f32], variance: &[f32]) {
        self.mean = mean.to_vec();
        self.variance = variance.to_vec();
    }

    /// 1/√(variance + ε) of every column.
    fn inverse_deviations(&self) -> Vec<f32> {
        self.variance.iter().map(|variance| 1.0 / (variance + BATCH_NORM_EPSILON).sqrt()).collect()
    }

    fn normalise(&self, x: &[f32], scale: &[f32], shift: &[f32], y: &mut [f32]) {
        let width = scale.len();
        let factor: Vec<f32> = self.inverse_deviations().iter().zip(scale).map(|(inverse, g)| inverse * g).collect();
        let offset: Vec<f32> = self.mean.iter().zip(&factor).zip(shift).map(|((m, f), b)| b - m * f).collect();
        for (x, y) in x.chunks_exact(width).zip(y.chunks_exact_mut(width)) {
            for (((y, x), factor), offset) in y.iter_mut().zip(x).zip(&factor).zip(&offset) {
                *y = x * factor + offset;
            }
        }
    }

    /// The gradient through statistics of the batch itself, in place; Ioffe & Szegedy 2015, section 3.
    fn backward(&self, x: &[f32], scale: &[f32], gradient: &mut [f32], scale_gradient: &mut [f32], shift: &mut [f32]) {
        let width = scale.len();
        let inverse = self.inverse_deviations();
        let (mut along, mut total) = (vec![0.0f32; width], vec![0.0f32; width]);
        for (x, g) in x.chunks_exact(width).zip(gradient.chunks_exact(width)) {
            for column in 0..width {
                along[column] += g[column] * (x[column] - self.mean[column]) * inverse[column];
                total[column] += g[column];
            }
        }
        let per_row = 1.0 / (x.len() / width) as f32;
        for (x, g) in x.chunks_exact(width).zip(gradient.chunks_exact_mut(width)) {
            for column in 0..width {
                let standard = (x[column] - self.mean[column]) * inverse[column];
                let centred = g[column] - per_row * (total[column] + standard * along[column]);
                g[column] = scale[column] * inverse[column] * centred;
            }
        }
        scale_gradient.iter_mut().zip(&along).for_each(|(sum, value)| *sum += value);
        shift.iter_mut().zip(&total).for_each(|(sum, value)| *sum += value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use zbridge_core::RandomStream;

    fn grid(input: [usize; 3], channels: usize, kernel: usize, stride: usize, padding: usize) -> Convolution {
        Convolution { input, channels, kernel, stride, padding }
    }

    fn networks() -> Vec<Network> {
        let conv = grid([6, 6, 2], 3, 4, 2, 1);
        let up = grid([3, 3, 3], 2, 4, 2, 1);
        let layers = [
            vec![Layer::Linear { inputs: 5, outputs: 4 }, Layer::Silu, Layer::Linear { inputs: 4, outputs: 3 }],
            vec![
                Layer::Conv(conv),
                Layer::Silu,
                Layer::ConvTranspose(up),
                Layer::Silu,
                Layer::Conv(grid([6, 6, 2], 1, 3, 1, 1)),
            ],
            vec![
                Layer::Linear { inputs: 5, outputs: 6 },
                Layer::BatchNorm { width: 6 },
                Layer::LeakyRelu { slope: 0.2 },
                Layer::Linear { inputs: 6, outputs: 2 },
            ],
            vec![
                Layer::Transpose { rows: 2, columns: 36 },
                Layer::Conv(conv),
                Layer::Silu,
                Layer::Transpose { rows: 9, columns: 3 },
            ],
        ];
        layers.into_iter().map(|layers| Network::new(layers).unwrap()).collect()
    }

    /// The objective Σ c·y for fixed c, whose output gradient is c.
    fn objective(network: &Network, parameters: &[f32], input: &[f32], c: &[f32], tape: &mut Tape) -> f64 {
        let output = network.forward(parameters, input, Mode::Training, tape);
        output.iter().zip(c).map(|(y, c)| f64::from(y * c)).sum()
    }

    #[test]
    fn gradients_equal_central_differences() {
        for network in networks() {
            let mut stream = RandomStream::named(5, "gradients");
            let mut parameters = network.initial_parameters(&mut stream);
            let rows = 4;
            let mut input = vec![0.0; rows * network.inputs()];
            let mut c = vec![0.0; rows * network.outputs()];
            stream.fill_standard_normal(&mut input);
            stream.fill_standard_normal(&mut c);
            let (mut tape, mut gradients) = (Tape::default(), vec![0.0; parameters.len()]);
            objective(&network, &parameters, &input, &c, &mut tape);
            let input_gradient =
                network.backward(&parameters, &c, &mut gradients, InputGradient::Wanted, &mut tape).to_vec();
            let step = 1e-2;
            for tensor in network.tensors().iter().filter(|tensor| !tensor.name.contains("running")) {
                for i in tensor.range.clone().step_by(7) {
                    let at = |value: f32, parameters: &mut [f32], tape: &mut Tape| {
                        let kept = std::mem::replace(&mut parameters[i], value);
                        let result = objective(&network, parameters, &input, &c, tape);
                        parameters[i] = kept;
                        result
                    };
                    let centre = parameters[i];
                    let up = at(centre + step, &mut parameters, &mut tape);
                    let down = at(centre - step, &mut parameters, &mut tape);
                    let numeric = (up - down) / (2.0 * f64::from(step));
                    let close = (numeric - f64::from(gradients[i])).abs() < 2e-2 * numeric.abs().max(1.0);
                    assert!(close, "{} [{i}]: {} against {numeric}", tensor.name, gradients[i]);
                }
            }
            for i in (0..input.len()).step_by(5) {
                let mut moved = input.clone();
                moved[i] += step;
                let up = objective(&network, &parameters, &moved, &c, &mut tape);
                moved[i] -= 2.0 * step;
                let numeric = (up - objective(&network, &parameters, &moved, &c, &mut tape)) / (2.0 * f64::from(step));
                let close = (numeric - f64::from(input_gradient[i])).abs() < 2e-2 * numeric.abs().max(1.0);
                assert!(close, "input {i}: {} against {numeric}", input_gradient[i]);
            }
        }
    }

    #[test]
    fn dropout_keeps_the_mean_in_training_and_is_an_identity_at_inference() {
        let network = Network::new(vec![
            Layer::Linear { inputs: 1, outputs: 1 },
            Layer::Dropout { rate: 0.25 },
            Layer::Linear { inputs: 1, outputs: 1 },
        ]);
        let (network, parameters, rows) = (network.unwrap(), [1.0, 0.0, 1.0, 0.0], 20_000);
        let mut tape = Tape::default();
        tape.draw_dropout_from(RandomStream::named(1, "dropout"));
        let input = vec![1.0; rows];
        assert!(network.forward(&parameters, &input, Mode::Inference, &mut tape).iter().all(|y| *y == 1.0));
        let output = network.forward(&parameters, &input, Mode::Training, &mut tape).to_vec();
        let zeros = output.iter().filter(|y| **y == 0.0).count() as f64 / rows as f64;
        assert!((zeros - 0.25).abs() < 0.01, "{zeros} dropped");
        assert!(output.iter().all(|y| *y == 0.0 || (y - 4.0 / 3.0).abs() < 1e-6));
        let mut gradients = vec![0.0; 4];
        let below = network.backward(&parameters, &vec![1.0; rows], &mut gradients, InputGradient::Wanted, &mut tape);
        assert!(below.iter().zip(&output).all(|(g, y)| (g - y).abs() < 1e-6), "the mask on the way back");
    }

    #[test]
    fn inference_on_a_batch_equals_row_by_row() {
        for network in networks() {
            let mut stream = RandomStream::named(6, "rows");
            let parameters = network.initial_parameters(&mut stream);
            let mut input = vec![0.0; 3 * network.inputs()];
            stream.fill_standard_normal(&mut input);
            let batch = network.forward(&parameters, &input, Mode::Inference, &mut Tape::default()).to_vec();
            let rows = input.chunks_exact(network.inputs());
            let one_by_one: Vec<f32> = rows
                .flat_map(|row| network.forward(&parameters, row, Mode::Inference, &mut Tape::default()).to_vec())
                .collect();
            for (a, b) in batch.iter().zip(&one_by_one) {
                assert!((a - b).abs() < 1e-5, "{a} against {b}");
            }
        }
    }
}
