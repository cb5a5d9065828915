//! The forward pass.

use crate::kernels::elementwise;
use crate::kernels::packed_weight::{Weight, weight_for};
use crate::kernels::transpose::transpose_each;
use crate::layer::Layer;
use crate::layer_plan::LayerParameters;
use crate::layers::{batch_norm, convolution, dropout, linear, transposed_convolution};
use crate::network::Network;
use crate::packed_weights::PackedWeights;
use crate::tape::{Tape, resized};

/// Whether a pass is part of a training.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Batch normalisation uses the statistics of the batch, and dropout draws.
    Training,
    /// Batch normalisation uses the running statistics, and dropout does nothing.
    Inference,
}

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
        let (below, from_here) = tape.outputs.split_at_mut(index);
        let x: &[f32] = below.last().unwrap_or(&tape.input);
        let (own, above) = from_here.split_at_mut(1);
        let y = resized(&mut own[0], tape.rows * self.width_after(index));
        let LayerParameters { weight, bias, .. } = parameters;
        match &self.layers()[index] {
            Layer::Linear { inputs, .. } => {
                let space = &mut tape.scratch.packed_weight;
                let weight =
                    packed.unwrap_or_else(|| weight_for(tape.rows, weight, *inputs, space));
                linear::forward(x, weight, bias, y);
            }
            Layer::Conv(conv) => {
                convolution::forward(conv, x, weight, bias, y, &mut tape.scratch);
            }
            Layer::ConvTranspose(conv) => {
                transposed_convolution::forward(conv, x, weight, bias, y, &mut tape.scratch);
            }
            Layer::BatchNorm { .. } => {
                let slope = self.plan(index).fused_leaky_slope;
                let y = match slope {
                    Some(_) => resized(&mut above[0], x.len()),
                    None => y,
                };
                let statistics = &mut tape.statistics[index];
                batch_norm::forward(statistics, mode, x, parameters, slope, y);
            }
            Layer::LeakyRelu { .. } if self.plan(index).done_by_layer_below => {}
            Layer::LeakyRelu { slope } => elementwise::leaky_relu(x, *slope, y),
            Layer::Silu => elementwise::silu(x, y),
            Layer::Dropout { rate } => match (mode, &mut tape.dropout) {
                (Mode::Training, Some(stream)) => dropout::forward(x, *rate, stream, y),
                _ => y.copy_from_slice(x),
            },
            Layer::Transpose { rows, columns } => transpose_each(x, *rows, *columns, y),
        }
    }
}
