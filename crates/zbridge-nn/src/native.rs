//! The native engine: forward and backward through a [`Network`] on one CPU core, over buffers that
//! are kept.
//!
//! Each core runs its own [`Tape`] on its own part of a batch; on the way back an idle core lends a
//! hand. Convolutions gather and multiply a few images at a time, so that their windows stay in the
//! core's cache; the windows are gathered again on the way back, which is cheaper than keeping
//! them.

use crate::forward_weights::ForwardWeights;
use crate::kernels::batch_norm::BatchStatistics;
use crate::kernels::elementwise::{self, add_rows};
use crate::kernels::matmul::{
    Into, Matrix, WORTH_SHARING, Weight, multiply, multiply_by_weight, multiply_shared, weight_for,
};
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
    /// Where a layer's weights are turned over.
    turned: Vec<f32>,
    /// Gradients at the input of each layer, and at the output of the last.
    gradients: Vec<Vec<f32>>,
    rows: usize,
    dropout: Option<RandomStream>,
}

const BATCH_NORM_MOMENTUM: f32 = 0.1;

impl Tape {
    /// The outputs of the last forward pass, `[rows, outputs]`, for a likelihood to turn into their
    /// gradient.
    pub fn output_mut(&mut self) -> &mut Vec<f32> {
        self.outputs.last_mut().unwrap_or(&mut self.input)
    }

    /// What layer `index` gave in the last forward pass, `[rows, its width]`: for what is read off
    /// a network's inside, such as the derivative of its activations. Empty when there was no such
    /// layer.
    pub fn layer_output(&self, index: usize) -> &[f32] {
        self.outputs.get(index).map_or(&[], Vec::as_slice)
    }

    /// What layer `index` saw in the last forward pass, `[rows, width]`.
    pub fn input_of(&self, index: usize) -> &[f32] {
        if index == 0 {
            &self.input
        } else {
            &self.outputs[index - 1]
        }
    }

    /// The gradient at the output of layer `index` after the last backward pass, `[rows, width]`,
    /// of a layer with weights.
    pub(crate) fn gradient_behind(&self, index: usize) -> &[f32] {
        &self.gradients[index + 1]
    }

    /// Where dropout draws from until it is told otherwise; without it, dropout in training is an
    /// identity.
    pub fn draw_dropout_from(&mut self, stream: RandomStream) {
        self.dropout = Some(stream);
    }
}

impl Network {
    /// The outputs `[rows, outputs]` for `input` `[rows, inputs]`; the tape keeps what the way back
    /// needs.
    ///
    /// # Panics
    /// When `input` is no whole number of rows or `parameters` has another length than the
    /// network's.
    pub fn forward<'t>(
        &self,
        parameters: &[f32],
        input: &[f32],
        mode: Mode,
        tape: &'t mut Tape,
    ) -> &'t mut [f32] {
        self.forward_with(parameters, &ForwardWeights::default(), input, mode, tape)
    }

    /// The same with `weights` that were laid out before for these `parameters`, which pays where
    /// many passes share them.
    ///
    /// # Panics
    /// As [`forward`](Self::forward).
    pub fn forward_with<'t>(
        &self,
        parameters: &[f32],
        weights: &ForwardWeights,
        input: &[f32],
        mode: Mode,
        tape: &'t mut Tape,
    ) -> &'t mut [f32] {
        assert_eq!(
            parameters.len(),
            self.parameter_count(),
            "parameters of the network"
        );
        assert!(
            input.len().is_multiple_of(self.inputs()),
            "whole rows of {}",
            self.inputs()
        );
        tape.rows = input.len() / self.inputs();
        tape.input.clear();
        tape.input.extend_from_slice(input);
        tape.outputs.resize(self.layers().len(), Vec::new());
        tape.statistics
            .resize(self.layers().len(), BatchStatistics::default());
        for (index, layer) in self.layers().iter().enumerate() {
            let (before, after) = tape.outputs.split_at_mut(index);
            let source: &[f32] = before.last().unwrap_or(&tape.input);
            let (output, behind) = after.split_at_mut(1);
            let output = &mut output[0];
            output.resize(tape.rows * self.width_after(index), 0.0);
            let parts: Vec<&[f32]> = self.ranges(index).map(|range| &parameters[range]).collect();
            let turned = &mut tape.turned;
            match layer {
                Layer::Linear { inputs, .. } => {
                    let weight = weights.of_layer(index);
                    let weight =
                        weight.unwrap_or_else(|| weight_for(tape.rows, parts[0], *inputs, turned));
                    linear(source, weight, parts[1], output);
                }
                Layer::Conv(conv) => {
                    let windows = Windows::of_convolution(conv);
                    let weight = weight_for(
                        tape.rows * windows.count(),
                        parts[0],
                        windows.size(),
                        turned,
                    );
                    convolution(source, conv, weight, parts[1], output, &mut tape.columns);
                }
                Layer::ConvTranspose(conv) => {
                    transposed_convolution(
                        source,
                        conv,
                        parts[0],
                        parts[1],
                        output,
                        &mut tape.columns,
                    );
                }
                Layer::BatchNorm { width } => {
                    let statistics = &mut tape.statistics[index];
                    match mode {
                        Mode::Training => statistics.measure(source, *width),
                        Mode::Inference => statistics.adopt(parts[2], parts[3]),
                    }
                    // The activation behind it is part of the same pass.
                    match self.leak_behind(index) {
                        Some(slope) => {
                            let output = resized(&mut behind[0], source.len());
                            statistics.normalise(source, parts[0], parts[1], slope, output);
                        }
                        None => statistics.normalise(source, parts[0], parts[1], 1.0, output),
                    }
                }
                Layer::LeakyRelu { .. } if self.leaks_with_the_layer_below(index) => {}
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

    /// d objective / d parameters in `gradients`, for `output_gradient` `[rows, outputs]` and the
    /// last forward pass on this tape (in [`Mode::Training`]). Gives the gradient at the input when
    /// it is wanted.
    ///
    /// # Panics
    /// When `gradients` or `output_gradient` has another length than the forward pass says.
    pub fn backward<'t>(
        &self,
        parameters: &[f32],
        output_gradient: &[f32],
        gradients: Gradients<'_>,
        input_gradient: InputGradient,
        tape: &'t mut Tape,
    ) -> &'t [f32] {
        let postponed = matches!(gradients, Gradients::Postpone(_));
        let (mode, gradients) = match gradients {
            Gradients::Add(gradients) => (Into::Accumulate, gradients),
            Gradients::Overwrite(gradients) | Gradients::Postpone(gradients) => {
                (Into::Replace, gradients)
            }
        };
        assert_eq!(
            gradients.len(),
            self.parameter_count(),
            "gradients of the network"
        );
        assert_eq!(
            output_gradient.len(),
            tape.rows * self.outputs(),
            "gradient at the output"
        );
        let Tape {
            input,
            outputs,
            statistics,
            columns,
            turned,
            gradients: at_inputs,
            ..
        } = tape;
        at_inputs.resize(self.layers().len() + 1, Vec::new());
        if let Some(last) = at_inputs.last_mut() {
            last.clear();
            last.extend_from_slice(output_gradient);
        }
        let (outputs, mut slots, mut gradients) = (&*outputs, at_inputs.as_mut_slice(), gradients);
        rayon::in_place_scope(|scope| {
            for (index, layer) in self.layers().iter().enumerate().rev() {
                let source: &[f32] = if index == 0 {
                    input
                } else {
                    &outputs[index - 1]
                };
                let ranges: Vec<Range<usize>> = self.ranges(index).collect();
                // What belongs to this layer, and is not looked at again by those below.
                let (below, above) = std::mem::take(&mut slots).split_at_mut(index + 1);
                let (dy, dx) = (&mut above[0], &mut below[index]);
                let start = ranges.first().map_or(gradients.len(), |range| range.start);
                let (rest, own) = std::mem::take(&mut gradients).split_at_mut(start);
                // A linear layer overwrites its weights' gradients in one product; others add to
                // zeros.
                if mode == Into::Replace && !matches!(layer, Layer::Linear { .. }) {
                    own.fill(0.0);
                }
                let (weight, bias) = own.split_at_mut(ranges.first().map_or(0, Range::len));
                let bias = &mut bias[..ranges.get(1).map_or(0, Range::len)];
                let parts = |part: usize| &parameters[ranges[part].clone()];
                let wanted = index > 0 || input_gradient == InputGradient::Wanted;
                match layer {
                    Layer::Linear { inputs, outputs } => {
                        let (dy, sizes): (&[f32], _) = (dy, [*inputs, *outputs]);
                        let by_weights = (!postponed).then_some(weight);
                        let mut by_biases = Some(bias);
                        // A normalisation above has already summed them.
                        if mode == Into::Replace
                            && let Some(Layer::BatchNorm { .. }) = self.layers().get(index + 1)
                            && let Some(bias) = by_biases.take()
                        {
                            bias.copy_from_slice(&statistics[index + 1].gradient_sums);
                        }
                        linear_gradients(
                            scope,
                            mode,
                            source,
                            sizes,
                            dy,
                            [by_weights, by_biases],
                            wanted,
                        );
                        if wanted {
                            let (rows, weight) = (
                                source.len() / inputs,
                                Matrix::new(parts(0), *outputs, *inputs),
                            );
                            let dx = resized(dx, source.len());
                            multiply_shared(
                                dx,
                                Into::Replace,
                                Matrix::new(dy, rows, *outputs),
                                weight,
                            );
                        }
                    }
                    Layer::Conv(conv) => {
                        let dx = wanted.then(|| resized(dx, source.len()));
                        convolution_backward(source, conv, parts(0), dy, weight, bias, dx, columns);
                    }
                    Layer::ConvTranspose(conv) => {
                        let dx = wanted.then(|| resized(dx, source.len()));
                        let (size, rows) = (
                            Windows::of_transposed(conv).size(),
                            source.len() / conv.input[2],
                        );
                        let weights = weight_for(rows, parts(0), size, turned);
                        transposed_backward(source, conv, weights, dy, weight, bias, dx, columns);
                    }
                    Layer::Transpose { rows, columns } => {
                        transpose(dy, *columns, *rows, resized(dx, source.len()))
                    }
                    in_place => {
                        match in_place {
                            Layer::BatchNorm { .. } => {
                                let leak = self
                                    .leak_behind(index)
                                    .map(|slope| (&*outputs[index + 1], slope));
                                statistics[index].backward(
                                    source,
                                    leak,
                                    parts(0),
                                    dy,
                                    weight,
                                    bias,
                                );
                            }
                            Layer::LeakyRelu { .. } if self.leaks_with_the_layer_below(index) => {}
                            Layer::LeakyRelu { slope } => {
                                elementwise::leaky_relu_backward(source, *slope, dy)
                            }
                            Layer::Silu => elementwise::silu_backward(source, dy),
                            _ => drop_out_backward(source, &outputs[index], dy),
                        }
                        std::mem::swap(dy, dx);
                    }
                }
                (slots, gradients) = (below, rest);
            }
        });
        &at_inputs[0]
    }

    /// The slope of the leaky activation that follows a batch normalisation, whose passes do its
    /// work.
    fn leak_behind(&self, index: usize) -> Option<f32> {
        match self.layers()[index..] {
            [Layer::BatchNorm { .. }, Layer::LeakyRelu { slope }, ..] => Some(slope),
            _ => None,
        }
    }

    /// Whether layer `index` is such an activation.
    fn leaks_with_the_layer_below(&self, index: usize) -> bool {
        index
            .checked_sub(1)
            .is_some_and(|below| self.leak_behind(below).is_some())
    }

    /// Folds the batch statistics of the last training pass into the running ones (momentum 0.1,
    /// unbiased variance).
    pub fn update_running_statistics(&self, parameters: &mut [f32], tape: &Tape) {
        let unbiased = tape.rows as f32 / (tape.rows as f32 - 1.0).max(1.0);
        self.blend_running_statistics(parameters, tape, BATCH_NORM_MOMENTUM, unbiased);
    }

    /// Makes the batch statistics of the last training pass the running ones.
    ///
    /// # Source
    /// "Precise" batch normalisation, Wu & Johnson 2021, section 3: after training, statistics of
    /// the whole data under the final weights instead of an average over weights that were still
    /// moving.
    pub fn adopt_batch_statistics(&self, parameters: &mut [f32], tape: &Tape) {
        self.blend_running_statistics(parameters, tape, 1.0, 1.0);
    }

    fn blend_running_statistics(
        &self,
        parameters: &mut [f32],
        tape: &Tape,
        share: f32,
        unbiased: f32,
    ) {
        for (index, layer) in self.layers().iter().enumerate() {
            if let Layer::BatchNorm { .. } = layer {
                let ranges: Vec<Range<usize>> = self.ranges(index).collect();
                let statistics = &tape.statistics[index];
                let mean = parameters[ranges[2].clone()]
                    .iter_mut()
                    .zip(&statistics.mean);
                mean.for_each(|(running, batch)| *running += share * (batch - *running));
                let variance = parameters[ranges[3].clone()]
                    .iter_mut()
                    .zip(&statistics.variance);
                variance
                    .for_each(|(running, batch)| *running += share * (batch * unbiased - *running));
            }
        }
    }
}

/// Where gradients by a network's parameters go.
#[derive(Debug)]
pub enum Gradients<'g> {
    /// On top of what is there.
    Add(&'g mut [f32]),
    /// In place of what is there: large ones need not be set to zero first.
    Overwrite(&'g mut [f32]),
    /// The same, without those by the weights of linear layers, which
    /// [`GradientBlocks`](crate::GradientBlocks) works out for all parts of a batch together.
    Postpone(&'g mut [f32]),
}

/// Whether the gradient at a network's input is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InputGradient {
    /// Compute it.
    Wanted,
    /// Leave it out: the input is data.
    Unused,
}

fn resized(values: &mut Vec<f32>, length: usize) -> &mut Vec<f32> {
    values.resize(length, 0.0);
    values
}

/// `y ← x · weightᵀ + bias`.
pub(crate) fn linear(x: &[f32], weight: Weight, bias: &[f32], y: &mut [f32]) {
    y.chunks_exact_mut(bias.len())
        .for_each(|row| row.copy_from_slice(bias));
    multiply_by_weight(y, bias.len(), Into::Accumulate, x, weight);
}

/// The gradients by weights and biases, which nobody waits for: where the gradient by the input is
/// wanted, they are left to whichever core is idle, or to this one when it has nothing else to do.
/// Either may be left out.
fn linear_gradients<'s>(
    scope: &rayon::Scope<'s>,
    mode: Into,
    x: &'s [f32],
    [inputs, outputs]: [usize; 2],
    dy: &'s [f32],
    [by_weights, by_biases]: [Option<&'s mut [f32]>; 2],
    others_wait: bool,
) {
    let rows = x.len() / inputs;
    let work = rows * inputs * outputs * usize::from(by_weights.is_some());
    let all = move || {
        if let Some(by_biases) = by_biases {
            if mode == Into::Replace {
                by_biases.fill(0.0);
            }
            add_rows(dy, by_biases);
        }
        if let Some(by_weights) = by_weights {
            multiply(
                by_weights,
                mode,
                Matrix::new(dy, rows, outputs).transposed(),
                Matrix::new(x, rows, inputs),
            );
        }
    };
    if others_wait && work >= WORTH_SHARING {
        scope.spawn(move |_| all());
    } else {
        all();
    }
}

fn convolution(
    x: &[f32],
    conv: &Convolution,
    weight: Weight,
    bias: &[f32],
    y: &mut [f32],
    columns: &mut Vec<f32>,
) {
    let windows = Windows::of_convolution(conv);
    let (many, size, outputs) = (windows.images_at_once(), windows.size(), conv.channels);
    y.chunks_exact_mut(outputs)
        .for_each(|pixel| pixel.copy_from_slice(bias));
    let image_chunks = x.chunks(many * windows.image_size());
    for (images, y) in image_chunks.zip(y.chunks_mut(many * windows.count() * outputs)) {
        let rows = images.len() / windows.image_size() * windows.count();
        columns.resize(rows * size, 0.0);
        windows.gather(images, columns);
        multiply_by_weight(y, outputs, Into::Accumulate, columns, weight);
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
    let (image_step, dy_step) = (
        many * windows.image_size(),
        many * windows.count() * outputs,
    );
    for (chunk, (images, dy)) in x.chunks(image_step).zip(dy.chunks(dy_step)).enumerate() {
        let rows = dy.len() / outputs;
        columns.resize(rows * size, 0.0);
        windows.gather(images, columns);
        let dy = Matrix::new(dy, rows, outputs);
        multiply(
            weight_gradient,
            Into::Accumulate,
            dy.transposed(),
            Matrix::new(columns, rows, size),
        );
        if let Some(dx) = dx.as_deref_mut() {
            multiply(
                columns,
                Into::Replace,
                dy,
                Matrix::new(weight, outputs, size),
            );
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
    y.chunks_exact_mut(conv.channels)
        .for_each(|pixel| pixel.copy_from_slice(bias));
    let x_step = many * windows.count() * inputs;
    for (x, y) in x
        .chunks(x_step)
        .zip(y.chunks_mut(many * windows.image_size()))
    {
        let rows = x.len() / inputs;
        columns.resize(rows * size, 0.0);
        multiply(
            columns,
            Into::Replace,
            Matrix::new(x, rows, inputs),
            Matrix::new(weight, inputs, size),
        );
        windows.scatter_add(columns, y);
    }
}

#[allow(clippy::too_many_arguments)] // the operands of one formula
fn transposed_backward(
    x: &[f32],
    conv: &Convolution,
    weight: Weight,
    dy: &[f32],
    weight_gradient: &mut [f32],
    bias_gradient: &mut [f32],
    mut dx: Option<&mut Vec<f32>>,
    columns: &mut Vec<f32>,
) {
    let windows = Windows::of_transposed(conv);
    let (many, size, inputs) = (windows.images_at_once(), windows.size(), conv.input[2]);
    add_rows(dy, bias_gradient);
    let x_step = many * windows.count() * inputs;
    for (chunk, (x, dy)) in x
        .chunks(x_step)
        .zip(dy.chunks(many * windows.image_size()))
        .enumerate()
    {
        let rows = x.len() / inputs;
        columns.resize(rows * size, 0.0);
        windows.gather(dy, columns);
        let x_across = Matrix::new(x, rows, inputs).transposed();
        multiply(
            weight_gradient,
            Into::Accumulate,
            x_across,
            Matrix::new(columns, rows, size),
        );
        if let Some(dx) = dx.as_deref_mut() {
            let dx = &mut dx[chunk * x_step..][..x.len()];
            multiply_by_weight(dx, inputs, Into::Replace, columns, weight);
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

/// The ratio of output to input is the factor that was applied; where the input was 0 it does not
/// matter.
fn drop_out_backward(x: &[f32], y: &[f32], gradient: &mut [f32]) {
    for ((g, x), y) in gradient.iter_mut().zip(x).zip(y) {
        *g = if *y == 0.0 { 0.0 } else { *g * (y / x) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use zbridge_core::RandomStream;

    fn grid(
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

    fn networks() -> Vec<Network> {
        let conv = grid([6, 6, 2], 3, 4, 2, 1);
        let up = grid([3, 3, 3], 2, 4, 2, 1);
        let layers = [
            vec![
                Layer::Linear {
                    inputs: 5,
                    outputs: 4,
                },
                Layer::Silu,
                Layer::Linear {
                    inputs: 4,
                    outputs: 3,
                },
            ],
            vec![
                Layer::Conv(conv),
                Layer::Silu,
                Layer::ConvTranspose(up),
                Layer::Silu,
                Layer::Conv(grid([6, 6, 2], 1, 3, 1, 1)),
            ],
            vec![
                Layer::Linear {
                    inputs: 5,
                    outputs: 6,
                },
                Layer::BatchNorm { width: 6 },
                Layer::LeakyRelu { slope: 0.2 },
                Layer::Linear {
                    inputs: 6,
                    outputs: 2,
                },
            ],
            vec![
                Layer::Transpose {
                    rows: 2,
                    columns: 36,
                },
                Layer::Conv(conv),
                Layer::Silu,
                Layer::Transpose {
                    rows: 9,
                    columns: 3,
                },
            ],
        ];
        layers
            .into_iter()
            .map(|layers| Network::new(layers).unwrap())
            .collect()
    }

    /// The objective Σ c·y for fixed c, whose output gradient is c.
    fn objective(
        network: &Network,
        parameters: &[f32],
        input: &[f32],
        c: &[f32],
        tape: &mut Tape,
    ) -> f64 {
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
            let input_gradient = network
                .backward(
                    &parameters,
                    &c,
                    Gradients::Add(&mut gradients),
                    InputGradient::Wanted,
                    &mut tape,
                )
                .to_vec();
            let step = 1e-2;
            for tensor in network
                .tensors()
                .iter()
                .filter(|tensor| !tensor.name.contains("running"))
            {
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
                    let close =
                        (numeric - f64::from(gradients[i])).abs() < 2e-2 * numeric.abs().max(1.0);
                    assert!(
                        close,
                        "{} [{i}]: {} against {numeric}",
                        tensor.name, gradients[i]
                    );
                }
            }
            for i in (0..input.len()).step_by(5) {
                let mut moved = input.clone();
                moved[i] += step;
                let up = objective(&network, &parameters, &moved, &c, &mut tape);
                moved[i] -= 2.0 * step;
                let numeric = (up - objective(&network, &parameters, &moved, &c, &mut tape))
                    / (2.0 * f64::from(step));
                let close =
                    (numeric - f64::from(input_gradient[i])).abs() < 2e-2 * numeric.abs().max(1.0);
                assert!(close, "input {i}: {} against {numeric}", input_gradient[i]);
            }
        }
    }

    #[test]
    fn gradients_anew_are_those_added_to_zeros() {
        for network in networks() {
            let mut stream = RandomStream::named(7, "anew");
            let parameters = network.initial_parameters(&mut stream);
            let (mut input, mut c) = (
                vec![0.0; 4 * network.inputs()],
                vec![0.0; 4 * network.outputs()],
            );
            stream.fill_standard_normal(&mut input);
            stream.fill_standard_normal(&mut c);
            let (mut tape, unused) = (Tape::default(), InputGradient::Unused);
            network.forward(&parameters, &input, Mode::Training, &mut tape);
            let (mut added, mut anew) = (vec![0.0; parameters.len()], vec![9.0; parameters.len()]);
            network.backward(
                &parameters,
                &c,
                Gradients::Add(&mut added),
                unused,
                &mut tape,
            );
            network.backward(
                &parameters,
                &c,
                Gradients::Overwrite(&mut anew),
                unused,
                &mut tape,
            );
            assert_eq!(added, anew);
        }
    }

    #[test]
    fn dropout_keeps_the_mean_in_training_and_is_an_identity_at_inference() {
        let network = Network::new(vec![
            Layer::Linear {
                inputs: 1,
                outputs: 1,
            },
            Layer::Dropout { rate: 0.25 },
            Layer::Linear {
                inputs: 1,
                outputs: 1,
            },
        ]);
        let (network, parameters, rows) = (network.unwrap(), [1.0, 0.0, 1.0, 0.0], 20_000);
        let mut tape = Tape::default();
        tape.draw_dropout_from(RandomStream::named(1, "dropout"));
        let input = vec![1.0; rows];
        assert!(
            network
                .forward(&parameters, &input, Mode::Inference, &mut tape)
                .iter()
                .all(|y| *y == 1.0)
        );
        let output = network
            .forward(&parameters, &input, Mode::Training, &mut tape)
            .to_vec();
        let zeros = output.iter().filter(|y| **y == 0.0).count() as f64 / rows as f64;
        assert!((zeros - 0.25).abs() < 0.01, "{zeros} dropped");
        assert!(
            output
                .iter()
                .all(|y| *y == 0.0 || (y - 4.0 / 3.0).abs() < 1e-6)
        );
        let mut gradients = vec![0.0; 4];
        let below = network.backward(
            &parameters,
            &vec![1.0; rows],
            Gradients::Add(&mut gradients),
            InputGradient::Wanted,
            &mut tape,
        );
        assert!(
            below.iter().zip(&output).all(|(g, y)| (g - y).abs() < 1e-6),
            "the mask on the way back"
        );
    }

    #[test]
    fn inference_on_a_batch_equals_row_by_row() {
        for network in networks() {
            let mut stream = RandomStream::named(6, "rows");
            let parameters = network.initial_parameters(&mut stream);
            let mut input = vec![0.0; 3 * network.inputs()];
            stream.fill_standard_normal(&mut input);
            let batch = network
                .forward(&parameters, &input, Mode::Inference, &mut Tape::default())
                .to_vec();
            let rows = input.chunks_exact(network.inputs());
            let one_by_one: Vec<f32> = rows
                .flat_map(|row| {
                    network
                        .forward(&parameters, row, Mode::Inference, &mut Tape::default())
                        .to_vec()
                })
                .collect();
            for (a, b) in batch.iter().zip(&one_by_one) {
                assert!((a - b).abs() < 1e-5, "{a} against {b}");
            }
        }
    }
}
