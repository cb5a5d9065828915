//! The backward pass.

use crate::kernels::batch_norm::BatchStatistics;
use crate::kernels::elementwise;
use crate::kernels::product::Accumulation;
use crate::kernels::transpose::transpose_each;
use crate::layer::{Convolution, Layer};
use crate::layer_plan::{BiasGradient, LayerPlan};
use crate::layers::linear::ParameterPass;
use crate::layers::{convolution, dropout, linear, transposed_convolution};
use crate::network::Network;
use crate::tape::{Scratch, Tape, layer_input, resized};
use rayon::Scope;

/// Where the gradients of a network's parameters go.
#[derive(Debug)]
pub enum Gradients<'g> {
    /// They are added to what is there.
    Add(&'g mut [f32]),
    /// They replace what is there, which need not be set to zero before.
    Overwrite(&'g mut [f32]),
    /// As [`Overwrite`](Self::Overwrite), without the weights of linear layers:
    /// [`GradientBlocks`](crate::GradientBlocks) computes their gradients for all parts of a batch
    /// together.
    DeferWeights(&'g mut [f32]),
}

impl<'g> Gradients<'g> {
    fn accumulation(&self) -> Accumulation {
        match self {
            Self::Add(_) => Accumulation::Add,
            Self::Overwrite(_) | Self::DeferWeights(_) => Accumulation::Overwrite,
        }
    }

    fn values(self) -> &'g mut [f32] {
        match self {
            Self::Add(values) | Self::Overwrite(values) | Self::DeferWeights(values) => values,
        }
    }
}

/// Whether the gradient at a network's input is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InputGradient {
    /// It is computed.
    Wanted,
    /// It is left out, because the input is data.
    Unused,
}

impl Network {
    /// Computes the gradients of the parameters, for the gradient `output_gradient`
    /// `[rows, outputs]` at the output, and the last forward pass on this tape (in
    /// [`Mode::Training`](crate::Mode::Training)). Returns the gradient at the input,
    /// `[rows, inputs]`, if it is wanted.
    ///
    /// # Panics
    /// If `gradients` or `output_gradient` does not have the length of the forward pass.
    pub fn backward<'t>(
        &self,
        parameters: &[f32],
        output_gradient: &[f32],
        gradients: Gradients<'_>,
        input_gradient: InputGradient,
        tape: &'t mut Tape,
    ) -> &'t [f32] {
        let accumulation = gradients.accumulation();
        let defer_weights = matches!(gradients, Gradients::DeferWeights(_));
        let gradients = gradients.values();
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
        tape.begin_backward(output_gradient);
        let pass = BackwardPass {
            network: self,
            parameters,
            accumulation,
            defer_weights,
            input_gradient,
            statistics: &mut tape.statistics,
            scratch: &mut tape.scratch,
            input: &tape.input,
            outputs: &tape.outputs,
            at_inputs: &mut tape.gradients,
            gradients,
        };
        // The scope ends when the gradients that were left to other cores are there.
        rayon::in_place_scope(|scope| pass.run(scope));
        &tape.gradients[0]
    }
}

/// A backward pass on its way from the last layer to the first.
///
/// What belongs to a layer is split off when the pass comes to it, and lives for `'s`: another core
/// may still compute the gradients of its parameters when the pass is at the layers below.
struct BackwardPass<'s, 'p> {
    network: &'p Network,
    parameters: &'p [f32],
    accumulation: Accumulation,
    defer_weights: bool,
    input_gradient: InputGradient,
    statistics: &'p mut [BatchStatistics],
    scratch: &'p mut Scratch,
    input: &'s [f32],
    outputs: &'s [Vec<f32>],
    /// The gradients at the inputs of the layers that are left, and at the output of the last.
    at_inputs: &'s mut [Vec<f32>],
    /// The gradients of the parameters of the layers that are left.
    gradients: &'s mut [f32],
}

/// What belongs to one layer.
struct LayerPass<'s> {
    x: &'s [f32],
    y: &'s [f32],
    dy: &'s mut Vec<f32>,
    weight_gradient: &'s mut [f32],
    bias_gradient: &'s mut [f32],
}

impl<'s, 'p> BackwardPass<'s, 'p> {
    fn run(mut self, scope: &Scope<'s>) {
        for index in (0..self.network.layers().len()).rev() {
            let layer = self.split_off(index);
            self.pass_layer(index, layer, scope);
        }
    }

    /// Splits the last layer that is left off.
    fn split_off(&mut self, index: usize) -> LayerPass<'s> {
        let ranges = &self.network.plan(index).ranges;
        let (below, above) = std::mem::take(&mut self.at_inputs).split_at_mut(index + 1);
        let (rest, own) = std::mem::take(&mut self.gradients).split_at_mut(ranges.start);
        (self.at_inputs, self.gradients) = (below, rest);
        // A linear layer overwrites its gradients in one product; all others add to zeros. Nothing
        // is written to large gradients twice.
        let overwrites = matches!(self.network.layers()[index], Layer::Linear { .. });
        if self.accumulation == Accumulation::Overwrite && !overwrites {
            own.fill(0.0);
        }
        let (weight_gradient, behind_weight) = own.split_at_mut(ranges.weight.len());
        LayerPass {
            x: layer_input(self.input, self.outputs, index),
            y: &self.outputs[index],
            dy: &mut above[0],
            weight_gradient,
            bias_gradient: &mut behind_weight[..ranges.bias.len()],
        }
    }

    fn pass_layer(&mut self, index: usize, layer: LayerPass<'s>, scope: &Scope<'s>) {
        match self.network.layers()[index] {
            Layer::Linear { inputs, outputs } => {
                self.pass_linear(index, [inputs, outputs], layer, scope);
            }
            Layer::Conv(conv) => self.pass_convolution(index, &conv, layer, convolution::backward),
            Layer::ConvTranspose(conv) => {
                self.pass_convolution(index, &conv, layer, transposed_convolution::backward);
            }
            Layer::Transpose { rows, columns } => {
                let dx = resized(&mut self.at_inputs[index], layer.x.len());
                // The transpose of a transpose.
                transpose_each(layer.dy, columns, rows, dx);
            }
            Layer::BatchNorm { .. }
            | Layer::LeakyRelu { .. }
            | Layer::Silu
            | Layer::Dropout { .. } => self.pass_in_place(index, layer),
        }
    }

    fn pass_linear(
        &mut self,
        index: usize,
        [inputs, outputs]: [usize; 2],
        layer: LayerPass<'s>,
        scope: &Scope<'s>,
    ) {
        let plan = self.plan(index);
        let bias_gradient = match (plan.bias_gradient, self.accumulation) {
            (BiasGradient::InNormalisationAbove, Accumulation::Overwrite) => {
                let column_sums = &self.statistics[index + 1].gradient_sums;
                layer.bias_gradient.copy_from_slice(column_sums);
                None
            }
            // Sums that are added to others have to begin with those, to be rounded the same.
            _ => Some(layer.bias_gradient),
        };
        let parameters = ParameterPass {
            inputs,
            outputs,
            x: layer.x,
            dy: layer.dy,
            accumulation: self.accumulation,
            weight_gradient: (!self.defer_weights).then_some(layer.weight_gradient),
            bias_gradient,
        };
        let weight = plan.ranges.of(self.parameters).weight;
        let dx = self
            .wants_input_gradient(index)
            .then(|| &mut self.at_inputs[index]);
        linear::backward(parameters, weight, dx, scope);
    }

    fn pass_convolution(
        &mut self,
        index: usize,
        conv: &Convolution,
        layer: LayerPass<'s>,
        backward: fn(&Convolution, convolution::Backward<'_>, &mut Scratch),
    ) {
        let weight = self.plan(index).ranges.of(self.parameters).weight;
        let dx = self
            .wants_input_gradient(index)
            .then(|| resized(&mut self.at_inputs[index], layer.x.len()));
        let pass = convolution::Backward {
            x: layer.x,
            dy: layer.dy,
            weight,
            weight_gradient: layer.weight_gradient,
            bias_gradient: layer.bias_gradient,
            dx,
        };
        backward(conv, pass, self.scratch);
    }

    /// Passes a layer that turns the gradient at its output into that at its input in place.
    fn pass_in_place(&mut self, index: usize, layer: LayerPass<'s>) {
        let LayerPass { x, y, dy, .. } = layer;
        let plan = self.plan(index);
        match self.network.layers()[index] {
            Layer::BatchNorm { .. } => {
                // The sign of the output tells on which side of the kink a value is.
                let leaky = plan
                    .fused_leaky_slope
                    .map(|slope| (&*self.outputs[index + 1], slope));
                self.statistics[index].backward(
                    x,
                    leaky,
                    plan.ranges.of(self.parameters).weight,
                    dy,
                    layer.weight_gradient,
                    layer.bias_gradient,
                );
            }
            Layer::LeakyRelu { .. } if plan.done_by_layer_below => {}
            Layer::LeakyRelu { slope } => elementwise::leaky_relu_backward(x, slope, dy),
            Layer::Silu => elementwise::silu_backward(x, dy),
            _ => dropout::backward(x, y, dy),
        }
        // The buffers change places, so that nothing is copied.
        std::mem::swap(dy, &mut self.at_inputs[index]);
    }

    fn plan(&self, index: usize) -> &'p LayerPlan {
        self.network.plan(index)
    }

    fn wants_input_gradient(&self, index: usize) -> bool {
        index > 0 || self.input_gradient == InputGradient::Wanted
    }
}
