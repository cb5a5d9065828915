//! The likelihood of a coupling flow and its gradient, for training.

use super::couplings::{gather, scatter};
use super::{CouplingFlow, CouplingTape, Work};
use crate::families::transport::standard_normal_nats;
use crate::learner::Learner;
use crate::rows::{flat, flat_mut, reshape, rows_of, rows_of_mut};
use ndarray::{Array2, ArrayView2};
use zbridge_core::RandomStream;
use zbridge_nn::{Gradients, InputGradient};

/// Working space of a [`CouplingFlow`], and what its forward pass leaves for the backward pass.
#[derive(Debug, Default)]
pub(crate) struct FlowTape {
    couplings: Vec<CouplingTape>,
    work: Work,
    /// Points on their way to noise, then the gradient on its way back, `[rows, target]`.
    points: Array2<f32>,
    log_determinants: Vec<f64>,
}

impl FlowTape {
    /// Returns the working space of a single coupling, for passes without a way back.
    pub(super) fn single(&mut self) -> (&mut CouplingTape, &mut Work) {
        self.couplings.resize_with(1, CouplingTape::default);
        (&mut self.couplings[0], &mut self.work)
    }
}

impl Learner for CouplingFlow {
    type Tape = FlowTape;

    fn parameters(&self) -> &[f32] {
        &self.parameters
    }

    fn parameters_mut(&mut self) -> &mut [f32] {
        &mut self.parameters
    }

    /// The objective is the exact negative log-likelihood; nothing is drawn.
    fn backward(
        &self,
        source: ArrayView2<'_, f32>,
        target: ArrayView2<'_, f32>,
        scale: f32,
        _: &mut RandomStream,
        gradients: &mut [f32],
        tape: &mut FlowTape,
    ) -> f64 {
        let FlowTape {
            couplings,
            work,
            points,
            log_determinants,
        } = tape;
        couplings.resize_with(self.couplings.count(), CouplingTape::default);
        log_determinants.clear();
        log_determinants.resize(target.nrows(), 0.0);
        reshape(points, target.dim());
        points.assign(&target);
        for (index, coupling) in couplings.iter_mut().enumerate() {
            let points = points.view_mut();
            self.towards_noise(index, source, points, log_determinants, coupling, work);
        }
        let nats = standard_normal_nats(&*points) + log_determinants.iter().sum::<f64>();
        // d −log N(z; 0, I) / d z = z.
        *points *= scale;
        for (index, coupling) in couplings.iter_mut().enumerate().rev() {
            let by_parameters = &mut gradients[self.range(index)];
            self.backward_through(index, -scale, points, by_parameters, coupling, work);
        }
        -nats
    }
}

impl CouplingFlow {
    /// The chain rule through coupling `index`: `gradient` `[rows, target]` at its output becomes
    /// that at its input, that by its parameters is added to `parameter_gradient`.
    fn backward_through(
        &self,
        index: usize,
        log_slope_gradient: f32,
        gradient: &mut Array2<f32>,
        parameter_gradient: &mut [f32],
        tape: &mut CouplingTape,
        work: &mut Work,
    ) {
        self.backward_through_splines(index, log_slope_gradient, gradient, tape, work);
        // Before the first coupling there is only data, which needs no gradient.
        let wanted = match index {
            0 => InputGradient::Unused,
            _ => InputGradient::Wanted,
        };
        let by_inputs = self.network.backward(
            &self.parameters[self.range(index)],
            flat(work.raw_gradient.view()),
            Gradients::Add(parameter_gradient),
            wanted,
            &mut tape.network,
        );
        if wanted == InputGradient::Wanted {
            let by_inputs = rows_of(by_inputs, self.network.inputs());
            self.add_through_kept(index, by_inputs, gradient);
        }
    }

    /// The same for the moved dimensions alone; what the network gave has its gradient in
    /// `work.raw_gradient`.
    fn backward_through_splines(
        &self,
        index: usize,
        log_slope_gradient: f32,
        gradient: &mut Array2<f32>,
        tape: &mut CouplingTape,
        work: &mut Work,
    ) {
        let (rows, moved) = (gradient.nrows(), self.couplings.moved_by(index));
        let splines = self.couplings.splines();
        reshape(&mut work.before, (rows, moved.len()));
        reshape(&mut work.raw_gradient, (rows, self.couplings.outputs()));
        gather(gradient.view(), moved, &mut work.before);
        splines.backward(
            log_slope_gradient,
            flat_mut(&mut work.before),
            rows_of_mut(flat_mut(&mut work.raw_gradient), splines.raw_count()),
            &mut tape.splines,
        );
        scatter(work.before.view(), moved, gradient.view_mut());
    }

    /// Adds the gradient by the network's inputs `[rows, inputs]`, of which the first are the kept
    /// dimensions, to the gradient by the points `[rows, target]`.
    fn add_through_kept(
        &self,
        index: usize,
        by_inputs: ArrayView2<'_, f32>,
        gradient: &mut Array2<f32>,
    ) {
        let kept = self.couplings.kept_by(index);
        for (mut gradient, by_inputs) in gradient.rows_mut().into_iter().zip(by_inputs.rows()) {
            for (&column, by_input) in kept.iter().zip(by_inputs) {
                gradient[column] += by_input;
            }
        }
    }
}
