//! The forward pass.

use crate::kernels::batch_norm::BatchStatistics;
use crate::kernels::elementwise;
use crate::kernels::packed_weight::{Weight, weight_for};
use crate::kernels::transpose::transpose_each;
use crate::layer::{Convolution, Layer};
use crate::layer_plan::LayerParameters;
use crate::layers::{batch_norm, convolution, dropout, linear, transposed_convolution};
use crate::mode::Mode;
use crate::network::Network;
use crate::packed_weights::PackedWeights;
use crate::tape::{Scratch, Tape, resized};
use zbridge_core::RandomStream;

impl Network {
    /// Returns the outputs `[rows, outputs]` for `input` `[rows, inputs]`. The tape keeps what
    /// [`backward`](Self::backward) needs.
    ///
    /// # Panics
    /// If `input` is not a whole number of rows, or if `parameters` does not have the length
    /// [`parameter_count`](Self::parameter_count).
    pub fn forward<'t>(
        &self,
        parameters: &[f32],
        input: &[f32],
        mode: Mode,
        tape: &'t mut Tape,
    ) -> &'t mut [f32] {
        self.forward_with(parameters, &PackedWeights::default(), input, mode, tape)
    }

    /// Returns the same with `weights` that were packed before from these `parameters`, which is
    /// faster if several passes share them.
    ///
    /// # Panics
    /// As [`forward`](Self::forward).
    pub fn forward_with<'t>(
        &self,
        parameters: &[f32],
        weights: &PackedWeights,
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
        // The tape copies the input: the caller may change it before the backward pass.
        tape.begin_forward(self, input);
        for index in 0..self.layers().len() {
            let parameters = self.plan(index).ranges.of(parameters);
            self.forward_layer(index, parameters, weights.of_layer(index), mode, tape);
        }
        tape.output_mut()
    }

    fn forward_layer(
        &self,
        index: usize,
        parameters: LayerParameters<'_>,
        packed: Option<Weight<'_>>,
        mode: Mode,
        tape: &mut Tape,
    ) {
        let plan = self.plan(index);
        let layer = LayerPass::of(tape, index, self.width_after(index));
        match &self.layers()[index] {
            Layer::Linear { inputs, .. } => layer.linear(*inputs, parameters, packed),
            Layer::Conv(conv) => layer.convolution(conv, parameters),
            Layer::ConvTranspose(conv) => layer.transposed_convolution(conv, parameters),
            Layer::BatchNorm { .. } => layer.batch_norm(parameters, plan.fused_leaky_slope, mode),
            // The batch normalisation below has applied it, in the same pass over memory.
            Layer::LeakyRelu { .. } if plan.done_by_layer_below => {}
            Layer::LeakyRelu { slope } => elementwise::leaky_relu(layer.x, *slope, layer.y),
            Layer::Silu => elementwise::silu(layer.x, layer.y),
            Layer::Dropout { rate } => layer.dropout(*rate, mode),
            Layer::Transpose { rows, columns } => {
                transpose_each(layer.x, *rows, *columns, layer.y);
            }
        }
    }
}

/// What a layer reads and writes.
struct LayerPass<'t> {
    rows: usize,
    x: &'t [f32],
    y: &'t mut [f32],
    /// The outputs of the layers above.
    above: &'t mut [Vec<f32>],
    statistics: &'t mut BatchStatistics,
    scratch: &'t mut Scratch,
    dropout: &'t mut Option<RandomStream>,
}

impl<'t> LayerPass<'t> {
    fn of(tape: &'t mut Tape, index: usize, width: usize) -> Self {
        let (below, from_here) = tape.outputs.split_at_mut(index);
        let (own, above) = from_here.split_at_mut(1);
        Self {
            rows: tape.rows,
            x: below.last().unwrap_or(&tape.input),
            y: resized(&mut own[0], tape.rows * width),
            above,
            statistics: &mut tape.statistics[index],
            scratch: &mut tape.scratch,
            dropout: &mut tape.dropout,
        }
    }

    fn convolution(self, conv: &Convolution, parameters: LayerParameters<'_>) {
        let LayerParameters { weight, bias, .. } = parameters;
        convolution::forward(conv, self.x, weight, bias, self.y, self.scratch);
    }

    fn transposed_convolution(self, conv: &Convolution, parameters: LayerParameters<'_>) {
        let LayerParameters { weight, bias, .. } = parameters;
        transposed_convolution::forward(conv, self.x, weight, bias, self.y, self.scratch);
    }

    fn linear(self, inputs: usize, parameters: LayerParameters<'_>, packed: Option<Weight<'_>>) {
        let space = &mut self.scratch.packed_weight;
        let weight =
            packed.unwrap_or_else(|| weight_for(self.rows, parameters.weight, inputs, space));
        linear::forward(self.x, weight, parameters.bias, self.y);
    }

    fn batch_norm(self, parameters: LayerParameters<'_>, leaky_slope: Option<f32>, mode: Mode) {
        // With the activation, the output is that of the layer above. The own output is not needed
        // in the backward pass, which computes it from `x`.
        let y = match leaky_slope {
            Some(_) => resized(&mut self.above[0], self.x.len()),
            None => self.y,
        };
        batch_norm::forward(self.statistics, mode, self.x, parameters, leaky_slope, y);
    }

    fn dropout(self, rate: f32, mode: Mode) {
        match (mode, self.dropout) {
            (Mode::Training, Some(stream)) => dropout::forward(self.x, rate, stream, self.y),
            // Without a stream, dropout is off: what a fit without regularisation needs.
            _ => self.y.copy_from_slice(self.x),
        }
    }
}
