//! The objective of flow matching and its gradient.

use super::{FlowMatching, FlowMatchingTape};
use crate::learner::Learner;
use crate::rows::{flat, flat_mut, reshape};
use ndarray::{Array2, ArrayView2, Zip};
use zbridge_core::RandomStream;
use zbridge_nn::{Gradients, InputGradient};

impl Learner for FlowMatching {
    type Tape = FlowMatchingTape;

    fn parameters(&self) -> &[f32] {
        &self.parameters
    }

    fn parameters_mut(&mut self) -> &mut [f32] {
        &mut self.parameters
    }

    /// The objective is Σ_i ½ ‖v(x_t, t; source_i) − (x₁ − x₀)‖² with x₁ = target_i, noise x₀ and a
    /// time t drawn, and x_t = (1 − t) x₀ + t x₁ (Lipman et al. 2023, equation 23). This is no
    /// likelihood and not in nats: it says nothing about how well the density fits, only its
    /// gradient points the right way.
    ///
    /// The times of a batch are spread evenly and shifted by one uniform draw, so that each alone
    /// is uniform and their mean varies little (Kingma et al. 2021, "Variational diffusion models",
    /// appendix I.1).
    fn backward(
        &self,
        source: ArrayView2<'_, f32>,
        target: ArrayView2<'_, f32>,
        scale: f32,
        stream: &mut RandomStream,
        gradients: &mut [f32],
        tape: &mut FlowMatchingTape,
    ) -> f64 {
        let FlowMatchingTape {
            network,
            inputs,
            start: noise,
            stage: between,
            error,
            ..
        } = tape;
        for buffer in [&mut *noise, &mut *between, &mut *error] {
            reshape(buffer, target.dim());
        }
        let times = spread_times(target.nrows(), stream);
        stream.fill_standard_normal(flat_mut(noise));
        interpolate(noise.view(), target, &times, between);
        let times = times.into_iter();
        let velocity = self.velocity(times, source, between.view(), inputs, network);
        Zip::from(&mut *error)
            .and(velocity)
            .and(target)
            .and(&*noise)
            .for_each(|error, v, x1, x0| *error = v - (x1 - x0));
        let objective = error
            .iter()
            .map(|&error| 0.5 * f64::from(error) * f64::from(error))
            .sum();
        *error *= scale;
        self.network.backward(
            &self.parameters,
            flat(error.view()),
            Gradients::Add(gradients),
            InputGradient::Unused,
            network,
        );
        objective
    }
}

/// Returns times spread evenly over [0, 1) and shifted by one draw.
fn spread_times(rows: usize, stream: &mut RandomStream) -> Vec<f32> {
    let shift = stream.uniform();
    let time = |row: usize| (shift + row as f32 / rows as f32).fract();
    (0..rows).map(time).collect()
}

/// Writes (1 − t) x₀ + t x₁ for each row.
fn interpolate(
    noise: ArrayView2<'_, f32>,
    target: ArrayView2<'_, f32>,
    times: &[f32],
    between: &mut Array2<f32>,
) {
    for (row, &time) in times.iter().enumerate() {
        Zip::from(between.row_mut(row))
            .and(noise.row(row))
            .and(target.row(row))
            .for_each(|between, x0, x1| *between = (1.0 - time) * x0 + time * x1);
    }
}
