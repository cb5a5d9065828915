use super::FlowMatching;
use crate::rows::{dot, flat, flat_mut, rows_of, values_of};
use ndarray::{Array2, Axis};
use zbridge_nn::{Mode, Network, Tape, silu_backward};

/// The exact trace of ∂v/∂x, for the price of a layer.
///
/// v = W₃ σ(W₂ σ(W₁ₓ x + …) + b₂) + b₃ has the Jacobian W₃ diag(s₂) W₂ diag(s₁) W₁ₓ, where s₁ and
/// s₂ are the slopes of both activations. So its trace is s₁ᵀ P s₂ with P = (W₁ₓ W₃) ∘ W₂ᵀ, which
/// no point enters.
pub(super) struct Trace {
    /// P `[first hidden, second hidden]`, then a zero for each unit of the first hidden layer: the
    /// parameters of a linear layer.
    parameters: Vec<f32>,
}

/// Working space of a [`Trace`].
#[derive(Debug, Default)]
pub(super) struct TraceTape {
    between: Tape,
}

impl Trace {
    pub(super) fn of(flow: &FlowMatching) -> Self {
        let from_points = flow.weights(0);
        let from_points = from_points.slice_axis(Axis(1), (0..flow.shape.target).into());
        // P = (W₁ₓ W₃) ∘ W₂ᵀ; time and source have columns of W₁ too, but no derivative by x.
        let products = from_points.dot(&flow.weights(2)) * flow.weights(1).t();
        let zeros = vec![0.0; products.nrows()];
        let parameters = [flat(products.view()), &zeros].concat();
        Self { parameters }
    }

    /// Adds `factor` times the trace at each point of the last forward pass on `network` to
    /// `totals` `[rows]`; `between` is the layer of [`FlowMatching::between`].
    pub(super) fn add_to(
        &self,
        totals: &mut [f64],
        factor: f64,
        between: &Network,
        network: &Tape,
        tape: &mut TraceTape,
    ) {
        // The inputs of the two activations.
        let first = activation_slopes(network.layer_output(0), between.outputs());
        let second = activation_slopes(network.layer_output(2), between.inputs());
        let second = flat(second.view());
        let products =
            between.forward(&self.parameters, second, Mode::Inference, &mut tape.between);
        let products = rows_of(products, between.outputs());
        for (row, total) in totals.iter_mut().enumerate() {
            // s₁ᵀ (P s₂).
            let trace = dot(values_of(first.row(row)), values_of(products.row(row)));
            *total += factor * f64::from(trace);
        }
    }
}

/// Returns the slopes of Silu at its inputs, `[rows, width]`.
fn activation_slopes(inputs: &[f32], width: usize) -> Array2<f32> {
    let mut slopes = Array2::ones((inputs.len() / width, width));
    silu_backward(inputs, flat_mut(&mut slopes));
    slopes
}
