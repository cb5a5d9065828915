//! `y = x Wᵀ + b`, with the weight `[outputs, inputs]`.

use crate::kernels::elementwise::add_rows;
use crate::kernels::matrix::Matrix;
use crate::kernels::multiply::{WORTH_SHARING, multiply, multiply_shared};
use crate::kernels::packed_weight::{Weight, multiply_by_weight};
use crate::kernels::product::Accumulation;
use crate::tape::resized;

pub(crate) fn forward(x: &[f32], weight: Weight, bias: &[f32], y: &mut [f32]) {
    // The product is added to the bias, which saves a pass over the outputs.
    for row in y.chunks_exact_mut(bias.len()) {
        row.copy_from_slice(bias);
    }
    multiply_by_weight(y, bias.len(), Accumulation::Add, x, weight);
}

/// The backward pass of the parameters.
pub(crate) struct ParameterPass<'s> {
    pub(crate) inputs: usize,
    pub(crate) outputs: usize,
    pub(crate) x: &'s [f32],
    pub(crate) dy: &'s [f32],
    pub(crate) accumulation: Accumulation,
    /// Where the gradient of the weight goes; `None` if it is computed elsewhere.
    pub(crate) weight_gradient: Option<&'s mut [f32]>,
    /// Where the gradient of the bias goes; `None` if it is computed elsewhere.
    pub(crate) bias_gradient: Option<&'s mut [f32]>,
}

/// Computes the gradients of the parameters, and that of the input if `dx` is given.
///
/// The layers below need `dx` only. The gradients of the parameters are therefore left to another
/// core, or to this one when it has nothing else to do.
pub(crate) fn backward<'s>(
    parameters: ParameterPass<'s>,
    weight: &[f32],
    dx: Option<&mut Vec<f32>>,
    scope: &rayon::Scope<'s>,
) {
    let ParameterPass {
        inputs,
        outputs,
        x,
        dy,
        ..
    } = parameters;
    // Handing out a small product takes longer than doing it. Without `dx`, no layer waits.
    if dx.is_some() && parameters.multiplications() >= WORTH_SHARING {
        scope.spawn(move |_| parameters.run());
    } else {
        parameters.run();
    }
    if let Some(dx) = dx {
        let rows = x.len() / inputs;
        multiply_shared(
            resized(dx, x.len()),
            Accumulation::Overwrite,
            Matrix::new(dy, rows, outputs),
            Matrix::new(weight, outputs, inputs),
        );
    }
}

impl ParameterPass<'_> {
    fn multiplications(&self) -> usize {
        match self.weight_gradient {
            Some(_) => self.x.len() * self.outputs,
            None => 0,
        }
    }

    fn run(self) {
        if let Some(bias_gradient) = self.bias_gradient {
            if self.accumulation == Accumulation::Overwrite {
                bias_gradient.fill(0.0);
            }
            add_rows(self.dy, bias_gradient);
        }
        if let Some(weight_gradient) = self.weight_gradient {
            let rows = self.x.len() / self.inputs;
            multiply(
                weight_gradient,
                self.accumulation,
                Matrix::new(self.dy, rows, self.outputs).transposed(),
                Matrix::new(self.x, rows, self.inputs),
            );
        }
    }
}
