//! The likelihood of a mixture and its gradient, for training.

use super::motion::{MAX_CHANGE, Motions};
use super::{Mixture, Outputs};
use crate::families::categorical::softmax_rows;
use crate::families::components::Components;
use crate::learner::Learner;
use crate::rows::{
    flat, flat_mut, leading_columns, reshape, rows_of_mut, values_of, values_of_mut,
};
use ndarray::{Array2, ArrayView2, ArrayViewMut2, Axis};
use zbridge_core::{RandomStream, softmax_in_place};
use zbridge_nn::{Tape, exponentials, vectorise};

/// In training no point is further from a component than this many deviations, so that sums of
/// squares are finite.
const MAX_DISTANCE: f32 = 1e15;

/// What training keeps from step to step.
#[derive(Debug, Default)]
pub(crate) struct MixtureTape {
    network: Tape,
    /// d objective / d outputs, `[rows, outputs]`.
    gradient: Array2<f32>,
    likelihood: RowLikelihood,
}

/// What the likelihood of a row leaves for its gradient.
#[derive(Debug, Default)]
struct RowLikelihood {
    /// Logits, then π, `[K]`.
    weights: Vec<f32>,
    /// Log densities under the components, then the share of each in the density, `[K]`.
    shares: Vec<f32>,
    moved: MovedDensities,
}

/// Working space of moving components, each `[K, dim]`.
#[derive(Debug, Default)]
struct MovedDensities {
    /// What goes into `exponentials`.
    exponents: Array2<f32>,
    exponentials: Array2<f32>,
    /// Change of log-variance, then the same plus the squared distance.
    terms: Array2<f32>,
}

impl Mixture {
    /// Returns π(s) for sources `[rows, source dim]` at temperature 1 and without dropout:
    /// `[rows, K]`.
    pub(crate) fn weights(
        &self,
        source: ArrayView2<'_, f32>,
        tape: &mut MixtureTape,
    ) -> Array2<f32> {
        self.softmax_of_logits(self.conditioner.infer(source, &mut tape.network))
    }

    /// Returns the same with the dropout of training, drawn from `stream`.
    pub(crate) fn weights_in_training(
        &self,
        source: ArrayView2<'_, f32>,
        stream: &mut RandomStream,
        tape: &mut MixtureTape,
    ) -> Array2<f32> {
        self.softmax_of_logits(self.conditioner.forward(source, stream, &mut tape.network))
    }

    fn softmax_of_logits(&self, outputs: ArrayView2<'_, f32>) -> Array2<f32> {
        let mut weights = leading_columns(outputs, self.components.count());
        softmax_rows(&mut weights);
        weights
    }

    /// Adds d objective / d parameters to `gradients`, for d objective / d logits `[rows, K]` of
    /// the last call of [`weights`](Self::weights) or
    /// [`weights_in_training`](Self::weights_in_training) on this tape.
    pub(crate) fn backward_weights(
        &self,
        logit_gradient: ArrayView2<'_, f32>,
        gradients: &mut [f32],
        tape: &mut MixtureTape,
    ) {
        let (rows, count) = logit_gradient.dim();
        tape.gradient = Array2::zeros((rows, self.conditioner.outputs()));
        let mut logits = tape.gradient.slice_axis_mut(Axis(1), (0..count).into());
        logits.assign(&logit_gradient);
        self.conditioner
            .backward(tape.gradient.view(), gradients, &mut tape.network);
    }
}

impl Learner for Mixture {
    type Tape = MixtureTape;

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
        tape: &mut MixtureTape,
    ) -> f64 {
        let outputs = self.conditioner.forward(source, stream, &mut tape.network);
        reshape(&mut tape.gradient, outputs.dim());
        let mut nats = 0.0;
        for (row, gradient) in tape.gradient.rows_mut().into_iter().enumerate() {
            let outputs = self.outputs(values_of(outputs.row(row)));
            let gradient = self.gradient(values_of_mut(gradient));
            let target = values_of(target.row(row));
            nats += tape
                .likelihood
                .backward(&self.components, outputs, target, scale, gradient);
        }
        self.conditioner
            .backward(tape.gradient.view(), gradients, &mut tape.network);
        nats
    }
}

impl Mixture {
    /// Returns a row of the gradient by the network's outputs, by what these mean.
    fn gradient<'g>(&self, gradient: &'g mut [f32]) -> OutputsMut<'g> {
        let (logits, moves) = gradient.split_at_mut(self.components.count());
        let (shifts, changes) = moves.split_at_mut(moves.len() / 2);
        let dim = self.components.dim();
        OutputsMut {
            logits,
            shifts: rows_of_mut(shifts, dim),
            changes: rows_of_mut(changes, dim),
        }
    }
}

/// A row of the gradient by [`Outputs`]; of a tied mixture there are no shifts and changes.
struct OutputsMut<'g> {
    /// `[K]`.
    logits: &'g mut [f32],
    /// `[K, dim]` or `[0, dim]`.
    shifts: ArrayViewMut2<'g, f32>,
    changes: ArrayViewMut2<'g, f32>,
}

impl RowLikelihood {
    /// Returns −log q(target) in nats for a row of the network's outputs, and writes `scale` times
    /// its gradient by them into `gradient`.
    ///
    /// With shares r_k = π_k N_k / Σ_j π_j N_j of the components: d/d logit_k = π_k − r_k, and
    /// d/d anything of component k is −r_k d log N_k.
    fn backward(
        &mut self,
        components: &Components,
        outputs: Outputs<'_>,
        target: &[f32],
        scale: f32,
        mut gradient: OutputsMut<'_>,
    ) -> f64 {
        self.weights.clear();
        self.weights.extend_from_slice(outputs.logits);
        self.shares.resize(components.count(), 0.0);
        match outputs.motions {
            Some(motions) => self.moved.log_densities(
                components,
                motions,
                target,
                &mut self.shares,
                &mut gradient,
            ),
            None => components.log_densities(target, &mut self.shares),
        }
        for (share, logit) in self.shares.iter_mut().zip(outputs.logits) {
            *share += logit;
        }
        let log_normaliser = softmax_in_place(&mut self.weights);
        let log_density = softmax_in_place(&mut self.shares);
        for (k, logit) in gradient.logits.iter_mut().enumerate() {
            *logit = scale * (self.weights[k] - self.shares[k]);
        }
        for moves in [&mut gradient.shifts, &mut gradient.changes] {
            for (mut moves, share) in moves.rows_mut().into_iter().zip(&self.shares) {
                moves *= -scale * share;
            }
        }
        f64::from(log_normaliser) - f64::from(log_density)
    }
}

impl MovedDensities {
    /// Writes log N_k(target), in f32, for every moved component into `log_densities` `[K]`, and
    /// its gradients by shifts and changes into `gradient`.
    fn log_densities(
        &mut self,
        components: &Components,
        motions: Motions<'_>,
        target: &[f32],
        log_densities: &mut [f32],
        gradient: &mut OutputsMut<'_>,
    ) {
        for buffer in [&mut self.exponents, &mut self.exponentials, &mut self.terms] {
            reshape(buffer, motions.changes.dim());
        }
        self.exponents.assign(&motions.changes);
        self.exponents *= 2.0 / MAX_CHANGE;
        exponentials(
            flat(self.exponents.view()),
            flat_mut(&mut self.exponentials),
        );
        clamp_changes(
            flat(self.exponentials.view()),
            flat_mut(&mut self.terms),
            gradient
                .changes
                .as_slice_mut()
                .expect("rows of a row-major array"),
            flat_mut(&mut self.exponents),
        );
        exponentials(
            flat(self.exponents.view()),
            flat_mut(&mut self.exponentials),
        );
        let moved = MovedComponents {
            means: components.gaussians().mean().view(),
            inverse_deviations: components.inverse_deviations(),
            shifts: motions.shifts,
            inverse_scales: self.exponentials.view(),
        };
        add_distances(moved, target, &mut self.terms, gradient);
        for (k, log_density) in log_densities.iter_mut().enumerate() {
            let log_normaliser = components.component(k).log_normaliser as f32;
            let terms = values_of(self.terms.row(k));
            *log_density = log_normaliser - 0.5 * terms.iter().sum::<f32>();
        }
    }
}

/// From e^(2x/b): the changes x clamped to ±b as [`smooth_clamp`](crate::families::smooth_clamp)
/// does, the slopes of the clamp, and −½ of each change.
fn clamp_changes(
    exponentials: &[f32],
    changes: &mut [f32],
    slopes: &mut [f32],
    halves: &mut [f32],
) {
    vectorise(
        #[inline(always)]
        move || {
            let results = changes.iter_mut().zip(slopes).zip(halves);
            for (((change, slope), half), exponential) in results.zip(exponentials) {
                let tanh = 1.0 - 2.0 / (1.0 + exponential);
                *change = MAX_CHANGE * tanh;
                *slope = 1.0 - tanh * tanh;
                *half = -0.5 * *change;
            }
        },
    );
}

/// Components and how they are moved, each `[K, dim]`.
struct MovedComponents<'m> {
    means: ArrayView2<'m, f32>,
    inverse_deviations: ArrayView2<'m, f32>,
    shifts: ArrayView2<'m, f32>,
    /// e^(−½ change).
    inverse_scales: ArrayView2<'m, f32>,
}

/// Adds the squared distance of `point` `[dim]` from each component, dimension by dimension, to
/// `terms` `[K, dim]`, which holds the changes; and writes the gradients of −½ terms by the shifts,
/// and by the changes before they are clamped, into `gradient`, which holds the slopes of the
/// clamp.
fn add_distances(
    moved: MovedComponents<'_>,
    point: &[f32],
    terms: &mut Array2<f32>,
    gradient: &mut OutputsMut<'_>,
) {
    vectorise(
        #[inline(always)]
        move || {
            let dim = point.len();
            for k in 0..terms.nrows() {
                let means = &values_of(moved.means.row(k))[..dim];
                let inverse_deviations = &values_of(moved.inverse_deviations.row(k))[..dim];
                let shifts = &values_of(moved.shifts.row(k))[..dim];
                let inverse_scales = &values_of(moved.inverse_scales.row(k))[..dim];
                let terms = &mut values_of_mut(terms.row_mut(k))[..dim];
                let by_shift = &mut values_of_mut(gradient.shifts.row_mut(k))[..dim];
                let by_change = &mut values_of_mut(gradient.changes.row_mut(k))[..dim];
                for d in 0..dim {
                    let at_rest = (point[d] - means[d]) * inverse_deviations[d];
                    let standard = (at_rest - shifts[d]) * inverse_scales[d];
                    let standard = standard.clamp(-MAX_DISTANCE, MAX_DISTANCE);
                    let square = standard * standard;
                    terms[d] += square;
                    by_shift[d] = standard * inverse_scales[d];
                    by_change[d] *= 0.5 * (square - 1.0);
                }
            }
        },
    );
}
