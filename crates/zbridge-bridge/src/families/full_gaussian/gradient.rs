//! The likelihood of a full Gaussian and its gradient, for training.

use super::outputs::{Outputs, OutputsMut};
use super::{FullGaussian, MAX_LOG_SCALE};
use crate::families::smooth_clamp::smooth_clamp;
use crate::learner::Learner;
use crate::rows::{add_scaled, dot, reshape, values_of, values_of_mut};
use ndarray::{Array2, ArrayView2};
use zbridge_core::{LN_TWO_PI, RandomStream};
use zbridge_nn::Tape;

/// What training keeps from step to step.
#[derive(Debug, Default)]
pub(crate) struct FullGaussianTape {
    network: Tape,
    /// d objective / d outputs, `[rows, outputs]`.
    gradient: Array2<f32>,
    likelihood: RowLikelihood,
}

/// What the likelihood of a row leaves for its gradient, each `[dim]`.
#[derive(Debug, Default)]
struct RowLikelihood {
    /// r = t − μ.
    residual: Vec<f32>,
    /// u = Lᵀ r.
    whitened: Vec<f32>,
    /// L_ii.
    scales: Vec<f32>,
    /// Slopes of the clamp of log L_ii.
    slopes: Vec<f32>,
}

impl Learner for FullGaussian {
    type Tape = FullGaussianTape;

    fn parameters(&self) -> &[f32] {
        self.conditioner.parameters()
    }

    fn parameters_mut(&mut self) -> &mut [f32] {
        self.conditioner.parameters_mut()
    }

    fn backward(
        &self,
        source: ArrayView2<'_, f32>,
        target: ArrayView2<'_, f32>,
        scale: f32,
        stream: &mut RandomStream,
        gradients: &mut [f32],
        tape: &mut FullGaussianTape,
    ) -> f64 {
        let outputs = self.conditioner.forward(source, stream, &mut tape.network);
        reshape(&mut tape.gradient, outputs.dim());
        let mut nats = 0.0;
        for (row, gradient) in tape.gradient.rows_mut().into_iter().enumerate() {
            let outputs = Outputs::of(values_of(outputs.row(row)), self.dim);
            nats += tape.likelihood.forward(outputs, values_of(target.row(row)));
            let gradient = OutputsMut::of(values_of_mut(gradient), self.dim);
            tape.likelihood.backward(outputs, scale, gradient);
        }
        self.conditioner
            .backward(tape.gradient.view(), gradients, &mut tape.network);
        nats
    }
}

impl RowLikelihood {
    /// Returns −log q(target) in nats for a row of outputs.
    fn forward(&mut self, outputs: Outputs<'_>, target: &[f32]) -> f64 {
        let dim = target.len();
        self.reset(dim);
        let mut nats = 0.5 * dim as f64 * LN_TWO_PI;
        for i in 0..dim {
            let log_scale = smooth_clamp(outputs.log_scales[i], MAX_LOG_SCALE);
            self.scales[i] = log_scale.value.exp();
            self.slopes[i] = log_scale.slope;
            self.residual[i] = target[i] - outputs.mean[i];
            // Row i of L takes part in u_0 … u_i.
            self.whitened[i] += self.scales[i] * self.residual[i];
            let left = outputs.left_of_diagonal(i);
            add_scaled(&mut self.whitened[..i], self.residual[i], left);
            nats -= f64::from(log_scale.value);
        }
        let square = |&u: &f32| f64::from(u) * f64::from(u);
        nats + 0.5 * self.whitened.iter().map(square).sum::<f64>()
    }

    /// Writes `scale` times the gradient of −log q by the outputs into `gradient`.
    ///
    /// With u = Lᵀ r: d/dμ = −L u, d/dL_ij = r_i u_j, and log L_ii also stands by itself.
    fn backward(&self, outputs: Outputs<'_>, scale: f32, mut gradient: OutputsMut<'_>) {
        for i in 0..self.residual.len() {
            let (residual, whitened) = (self.residual[i], &self.whitened[..i]);
            let diagonal = self.scales[i] * self.whitened[i];
            let product = diagonal + dot(outputs.left_of_diagonal(i), whitened);
            gradient.mean[i] = -scale * product;
            gradient.log_scales[i] = scale * (diagonal * residual - 1.0) * self.slopes[i];
            let factor = scale * residual;
            for (entry, whitened) in gradient.left_of_diagonal(i).iter_mut().zip(whitened) {
                *entry = factor * whitened;
            }
        }
    }

    fn reset(&mut self, dim: usize) {
        let Self {
            residual,
            whitened,
            scales,
            slopes,
        } = self;
        for values in [residual, whitened, scales, slopes] {
            values.clear();
            values.resize(dim, 0.0);
        }
    }
}
