use super::components::{Component, Components, log_sum_exp, normalise};
use super::conditioner::{Conditioner, stored};
use super::given::{Given, Parametric, check_source, for_each_row};
use super::soft_bound::soft_bound;
use crate::BridgeError;
use crate::learner::Learner;
use multiversion::multiversion;
use serde::{Deserialize, Serialize};
use std::path::Path;
use zbridge_core::{
    ConditionalDensity, DensityError, DiagonalGaussian, LatentDistribution, Latents, RandomStream,
    ShapeError,
};
use zbridge_nn::{NnError, StoredTensor, Tape, WeightsFile, exponentials};

/// q(t|s) = Σ_k π_k(s) N_k(t|s): a mixture of Gaussians with diagonal covariance whose weights a
/// network gives.
///
/// The components begin as those of the target's own distribution. In a *tied* mixture they stay
/// so, and the source decides on their weights only; in a *moving* one it also shifts their means,
/// in units of their deviations, and changes their log-variances by up to ±3.
///
/// The network's outputs are the logits of π `[K]` and, for moving components, the shifts `[K,
/// dim]` and the changes of log-variance before their bound `[K, dim]`.
///
/// # Source
/// Mixture density networks (Bishop 1994).
#[derive(Debug, Clone, PartialEq)]
pub struct Mixture {
    conditioner: Conditioner,
    components: Components,
    moving: bool,
    sharpness: f32,
}

/// Log-variances of moving components change by no more than this.
const MOST_CHANGE: f32 = 3.0;
/// Log weights below this begin at this, so that a gradient still reaches them.
const LEAST_LOG_WEIGHT: f32 = -30.0;

impl Mixture {
    /// The untrained density, next to the mixture of `components` with these log weights for every
    /// source.
    ///
    /// # Errors
    /// [`ShapeError::Empty`] when a width is 0, [`ShapeError::Mismatch`] and
    /// [`ShapeError::NotFinite`] when there is not a finite log weight for each component,
    /// [`BridgeError::Setting`] when `dropout` is not in [0, 1).
    pub(crate) fn initial(
        source: usize,
        components: DiagonalGaussian,
        log_weights: &[f32],
        hidden: &[usize],
        dropout: f32,
        moving: bool,
        stream: &mut RandomStream,
    ) -> Result<Self, BridgeError> {
        let logits = initial_logits(&components, log_weights)?;
        let outputs = outputs_of(components.rows(), components.dim(), moving);
        let mut conditioner = Conditioner::initial(source, hidden, outputs, dropout, stream)?;
        conditioner.last_layer_mut().1[..logits.len()].copy_from_slice(&logits);
        Ok(Self {
            conditioner,
            components: Components::new(components),
            moving,
            sharpness: 1.0,
        })
    }

    /// The tied mixture of `components` with these weights whatever the source is: the target's own
    /// distribution.
    ///
    /// # Errors
    /// As [`initial`](Self::initial).
    pub(crate) fn independent(
        source: usize,
        components: DiagonalGaussian,
        log_weights: &[f32],
    ) -> Result<Self, BridgeError> {
        let conditioner =
            Conditioner::constant(source, &initial_logits(&components, log_weights)?)?;
        Ok(Self {
            conditioner,
            components: Components::new(components),
            moving: false,
            sharpness: 1.0,
        })
    }

    /// The same with logits multiplied by `sharpness` when it is asked for densities, draws and log
    /// weights: the inverse of a temperature (Guo et al. 2017). Training does not know of it.
    pub(crate) fn with_sharpness(self, sharpness: f32) -> Self {
        Self { sharpness, ..self }
    }

    /// The components before any source moves them.
    pub(crate) fn components(&self) -> &DiagonalGaussian {
        self.components.gaussians()
    }

    /// Whether the source moves the components.
    pub(crate) fn is_moving(&self) -> bool {
        self.moving
    }

    /// π(s) for sources `[rows, source dim]`, without sharpness and dropout: `[rows, K]`.
    pub(crate) fn weights<'t>(&self, source: &[f32], tape: &'t mut MixtureTape) -> &'t [f32] {
        let outputs = self.conditioner.infer(source, &mut tape.network);
        tape.weights.clear();
        self.push_weights(outputs, &mut tape.weights);
        &tape.weights
    }

    /// The same with the dropout of training, drawn from `stream`.
    pub(crate) fn weights_in_training<'t>(
        &self,
        source: &[f32],
        stream: &mut RandomStream,
        tape: &'t mut MixtureTape,
    ) -> &'t [f32] {
        let outputs = self.conditioner.forward(source, stream, &mut tape.network);
        tape.weights.clear();
        self.push_weights(outputs, &mut tape.weights);
        &tape.weights
    }

    /// Adds d objective / d parameters to `gradients`, for its gradient by the logits `[rows, K]`
    /// of the last call of [`weights`](Self::weights) or
    /// [`weights_in_training`](Self::weights_in_training) on this tape.
    pub(crate) fn backward_weights(
        &self,
        logit_gradient: &[f32],
        gradients: &mut [f32],
        tape: &mut MixtureTape,
    ) {
        let count = self.components.count();
        tape.gradient.clear();
        tape.gradient.resize(
            logit_gradient.len() / count * self.conditioner.outputs(),
            0.0,
        );
        let rows = tape.gradient.chunks_exact_mut(self.conditioner.outputs());
        for (row, logits) in rows.zip(logit_gradient.chunks_exact(count)) {
            row[..count].copy_from_slice(logits);
        }
        self.conditioner
            .backward(&tape.gradient, gradients, &mut tape.network);
    }

    /// log π(s) with sharpness, in nats: `[rows, K]`.
    ///
    /// # Errors
    /// [`ShapeError::Mismatch`] when the source has another dimension.
    pub fn log_weights_given(&self, source: &Latents) -> Result<Latents, ShapeError> {
        let count = self.components.count();
        check_source(source, self.conditioner.inputs())?;
        let mut nats = vec![0.0; source.rows() * count];
        for_each_row(self, source, &mut nats, count, |_, outputs, nats, _| {
            let total = log_sum_exp(self.log_odds(outputs));
            nats.iter_mut()
                .zip(self.log_odds(outputs))
                .for_each(|(nats, odds)| *nats = (odds - total) as f32);
        });
        Latents::clamped(nats, count)
    }

    pub(crate) fn put_into(&self, file: &mut WeightsFile, prefix: &str) {
        self.conditioner.put_into(file, prefix);
        let (components, dim) = (self.components.count(), self.components.dim());
        let shape = Shape {
            components,
            dim,
            moving: self.moving,
            sharpness: self.sharpness,
        };
        file.metadata.insert(
            format!("{prefix}.mixture"),
            serde_json::to_string(&shape).unwrap_or_default(),
        );
        for (name, part) in [
            ("mean", self.components().mean()),
            ("log_var", self.components().log_var()),
        ] {
            let tensor = StoredTensor {
                shape: vec![components, dim],
                values: part.values().to_vec(),
            };
            file.tensors
                .insert(format!("{prefix}.components.{name}"), tensor);
        }
    }

    /// The density stored under `prefix`; `path` names the file in errors.
    ///
    /// # Errors
    /// [`NnError::Weights`] when a part is missing, or parts contradict each other.
    pub(crate) fn from_file(
        file: &WeightsFile,
        prefix: &str,
        path: &Path,
    ) -> Result<Self, BridgeError> {
        let fault = |reason: &str| NnError::Weights {
            path: path.to_owned(),
            reason: format!("the mixture `{prefix}` {reason}; get the file anew"),
        };
        let Shape {
            components,
            dim,
            moving,
            sharpness,
        } = file.parsed_metadata(&format!("{prefix}.mixture"), path)?;
        if components == 0 || dim == 0 || !(sharpness.is_finite() && sharpness > 0.0) {
            return Err(fault("needs components, dimensions and a sharpness, all above 0").into());
        }
        let part = |name: &str| -> Result<Latents, BridgeError> {
            let values = stored(
                file,
                &format!("{prefix}.components.{name}"),
                &[components, dim],
                path,
            )?;
            Ok(Latents::from_vec(values.to_vec(), dim)?)
        };
        let gaussians = DiagonalGaussian::new(part("mean")?, part("log_var")?)?;
        let conditioner = Conditioner::from_file(file, prefix, path)?;
        if conditioner.outputs() != outputs_of(components, dim, moving) {
            return Err(fault(
                "has a network that gives another number of outputs than its components need",
            )
            .into());
        }
        Ok(Self {
            conditioner,
            components: Components::new(gaussians),
            moving,
            sharpness,
        })
    }

    /// Logits with sharpness.
    fn log_odds<'o>(&self, outputs: &'o [f32]) -> impl Iterator<Item = f64> + Clone + use<'o> {
        let sharpness = f64::from(self.sharpness);
        outputs[..self.components.count()]
            .iter()
            .map(move |&logit| sharpness * f64::from(logit))
    }

    /// The softmax of each row's logits, appended to `weights`.
    fn push_weights(&self, outputs: &[f32], weights: &mut Vec<f32>) {
        let count = self.components.count();
        for row in outputs.chunks_exact(self.conditioner.outputs()) {
            let start = weights.len();
            weights.extend_from_slice(&row[..count]);
            normalise(&mut weights[start..]);
        }
    }

    /// How component `k` is moved by a row of outputs; none in a tied mixture.
    fn motion<'o>(&self, outputs: &'o [f32], k: usize) -> Option<Motion<'o>> {
        let (count, dim) = (self.components.count(), self.components.dim());
        let (shifts, changes) = self
            .moving
            .then(|| outputs[count..].split_at(count * dim))?;
        Some(Motion {
            shifts: &shifts[k * dim..][..dim],
            changes: &changes[k * dim..][..dim],
        })
    }

    /// log density of `target` under every moved component, in f32, in `row.joint`; in `shifts` and
    /// `changes`, `[K, dim]`, its gradients by the network's outputs `moves`, which are shifts and
    /// changes as well.
    fn moved_backward(
        &self,
        moves: &[f32],
        target: &[f32],
        shifts: &mut [f32],
        changes: &mut [f32],
        row: &mut Row,
    ) {
        let (at_shifts, at_changes) = moves.split_at(moves.len() / 2);
        let Row {
            exponents,
            exponentials: values,
            terms,
            joint,
            ..
        } = row;
        for buffer in [&mut *exponents, &mut *values, &mut *terms] {
            buffer.resize(at_shifts.len(), 0.0);
        }
        exponents
            .iter_mut()
            .zip(at_changes)
            .for_each(|(exponent, change)| *exponent = 2.0 / MOST_CHANGE * change);
        exponentials(exponents, values);
        bound_changes(values, terms, changes, exponents);
        exponentials(exponents, values);
        let at_rest = self.components.means_and_roots();
        distances(at_rest, target, at_shifts, values, [terms, shifts, changes]);
        for (k, (joint, terms)) in joint
            .iter_mut()
            .zip(terms.chunks_exact(target.len()))
            .enumerate()
        {
            *joint = self.components.component(k).log_normaliser as f32
                - 0.5 * terms.iter().sum::<f32>();
        }
    }

    /// −log q(target) for a row of the network's outputs, and `scale` times its gradient by them in
    /// `gradient`.
    fn row_backward(
        &self,
        outputs: &[f32],
        target: &[f32],
        scale: f32,
        gradient: &mut [f32],
        row: &mut Row,
    ) -> f64 {
        let (count, dim) = (self.components.count(), self.components.dim());
        let (logits, moved) = gradient.split_at_mut(count);
        let (shifts, changes) = moved.split_at_mut(moved.len() / 2);
        row.weights.copy_from_slice(&outputs[..count]);
        match self.moving {
            true => self.moved_backward(&outputs[count..], target, shifts, changes, row),
            false => self.components.log_densities(target, &mut row.joint),
        }
        row.joint
            .iter_mut()
            .zip(outputs)
            .for_each(|(joint, logit)| *joint += logit);
        // Both become shares of one; the objective is the difference of their logarithmic sums.
        let nats = f64::from(normalise(&mut row.weights)) - f64::from(normalise(&mut row.joint));
        for ((logit, weight), share) in logits.iter_mut().zip(&row.weights).zip(&row.joint) {
            *logit = scale * (weight - share);
        }
        let blocks = shifts
            .chunks_exact_mut(dim)
            .zip(changes.chunks_exact_mut(dim));
        for ((shifts, changes), share) in blocks.zip(&row.joint) {
            shifts
                .iter_mut()
                .chain(changes)
                .for_each(|entry| *entry *= -scale * share);
        }
        nats
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
        source: &[f32],
        target: &[f32],
        scale: f32,
        stream: &mut RandomStream,
        gradients: &mut [f32],
        tape: &mut MixtureTape,
    ) -> f64 {
        let MixtureTape {
            network,
            gradient,
            row,
            ..
        } = tape;
        let outputs = self.conditioner.forward(source, stream, network);
        gradient.resize(outputs.len(), 0.0);
        row.resize(self.components.count());
        let (width, dim) = (self.conditioner.outputs(), self.components.dim());
        let rows = outputs
            .chunks_exact(width)
            .zip(target.chunks_exact(dim))
            .zip(gradient.chunks_exact_mut(width));
        let nats = rows
            .map(|((outputs, target), gradient)| {
                self.row_backward(outputs, target, scale, gradient, row)
            })
            .sum();
        self.conditioner.backward(gradient, gradients, network);
        nats
    }
}

impl Parametric for Mixture {
    type Tape = Tape;

    /// Which component.
    const CHOICES: usize = 1;

    fn distributions<'t>(&self, sources: &[f32], tape: &'t mut Tape) -> &'t [f32] {
        self.conditioner.infer(sources, tape)
    }

    fn log_density_nats(&self, outputs: &[f32], point: &[f32], joint: &mut Vec<f64>) -> f64 {
        joint.clear();
        joint.extend(self.log_odds(outputs).enumerate().map(|(k, odds)| {
            let component = self.components.component(k);
            let motion = self.motion(outputs, k);
            odds + motion.map_or_else(
                || component.log_density(point),
                |motion| motion.log_density(component, point),
            )
        }));
        log_sum_exp(joint.iter().copied()) - log_sum_exp(self.log_odds(outputs))
    }

    fn draw(&self, outputs: &[f32], choices: &[f32], noise: &mut [f32], cumulative: &mut Vec<f64>) {
        let total = log_sum_exp(self.log_odds(outputs));
        cumulative.clear();
        cumulative.extend(self.log_odds(outputs).scan(0.0, |below, odds| {
            *below += (odds - total).exp();
            Some(*below)
        }));
        for (draw, &choice) in noise.chunks_exact_mut(self.components.dim()).zip(choices) {
            let k = cumulative
                .partition_point(|&below| below <= f64::from(choice))
                .min(cumulative.len() - 1);
            let component = self.components.component(k);
            match self.motion(outputs, k) {
                Some(motion) => motion.draw(component, draw),
                None => component.draw(draw),
            }
        }
    }
}

impl ConditionalDensity for Mixture {
    fn dims(&self) -> (usize, usize) {
        (self.conditioner.inputs(), self.components.dim())
    }

    fn given(&self, source: &Latents) -> Result<Box<dyn LatentDistribution + '_>, DensityError> {
        Ok(Box::new(Given::new(self, self.dims(), source)?))
    }
}

/// What training keeps from step to step.
#[derive(Debug, Default)]
pub(crate) struct MixtureTape {
    network: Tape,
    gradient: Vec<f32>,
    weights: Vec<f32>,
    row: Row,
}

/// Working space of one row, each `[K]` but where it says otherwise.
#[derive(Debug, Default)]
struct Row {
    /// Logits, then π.
    weights: Vec<f32>,
    /// Logits plus log densities, then each component's share of the density.
    joint: Vec<f32>,
    /// Each `[K, dim]`.
    exponents: Vec<f32>,
    exponentials: Vec<f32>,
    terms: Vec<f32>,
}

impl Row {
    fn resize(&mut self, count: usize) {
        self.weights.resize(count, 0.0);
        self.joint.resize(count, 0.0);
    }
}

/// How a source moves one component: with z = (t − mean) / deviation of the component at rest, a
/// target point is at (z − shift) · e^(−½ change) of the moved one.
#[derive(Clone, Copy)]
struct Motion<'o> {
    shifts: &'o [f32],
    /// Before their bound.
    changes: &'o [f32],
}

impl Motion<'_> {
    /// log density of `point`, in f64.
    fn log_density(&self, at_rest: Component<'_>, point: &[f32]) -> f64 {
        let outputs = self.shifts.iter().zip(self.changes);
        let component = at_rest.mean.iter().zip(at_rest.precision_root);
        let twice = outputs.zip(component.zip(point)).map(
            |((&shift, &change), ((&mean, &root), &point))| {
                let change = f64::from(soft_bound(change, MOST_CHANGE).0);
                let standard =
                    (f64::from(point) - f64::from(mean)) * f64::from(root) - f64::from(shift);
                change + standard * standard * (-change).exp()
            },
        );
        at_rest.log_normaliser - 0.5 * twice.sum::<f64>()
    }

    /// A draw from the moved component in place of standard normal noise.
    fn draw(&self, at_rest: Component<'_>, noise: &mut [f32]) {
        for (value, (shift, change)) in noise.iter_mut().zip(self.shifts.iter().zip(self.changes)) {
            *value = shift + (0.5 * soft_bound(*change, MOST_CHANGE).0).exp() * *value;
        }
        at_rest.draw(noise);
    }
}

/// From e^(2x/b) to changes within ±b, as [`soft_bound`] has them, their slopes, and −½ of each
/// change.
#[multiversion(targets("x86_64+avx512f+avx512vl+avx512bw+avx512dq", "x86_64+avx2+fma"))]
fn bound_changes(
    exponentials: &[f32],
    changes: &mut [f32],
    slopes: &mut [f32],
    halves: &mut [f32],
) {
    let results = changes.iter_mut().zip(slopes).zip(halves);
    for (((change, slope), half), exponential) in results.zip(exponentials) {
        let tanh = 1.0 - 2.0 / (1.0 + exponential);
        (*change, *slope) = (MOST_CHANGE * tanh, 1.0 - tanh * tanh);
        *half = -0.5 * *change;
    }
}

/// For every component and dimension: change plus squared distance in place of the change, and the
/// gradients of −½ of it by the shift, and by the change before its bound in place of its slope.
#[multiversion(targets("x86_64+avx512f+avx512vl+avx512bw+avx512dq", "x86_64+avx2+fma"))]
fn distances(
    [means, roots]: [&[f32]; 2],
    point: &[f32],
    shifts: &[f32],
    scales: &[f32],
    [terms, by_shifts, by_changes]: [&mut [f32]; 3],
) {
    let dim = point.len();
    let results = terms
        .chunks_exact_mut(dim)
        .zip(by_shifts.chunks_exact_mut(dim))
        .zip(by_changes.chunks_exact_mut(dim));
    let at_rest = means.chunks_exact(dim).zip(roots.chunks_exact(dim));
    let moved = shifts.chunks_exact(dim).zip(scales.chunks_exact(dim));
    for (((terms, by_shifts), by_changes), ((means, roots), (shifts, scales))) in
        results.zip(at_rest.zip(moved))
    {
        for d in 0..dim {
            let standard = ((point[d] - means[d]) * roots[d] - shifts[d]) * scales[d];
            let standard = standard.clamp(-FARTHEST, FARTHEST);
            let square = standard * standard;
            terms[d] += square;
            by_shifts[d] = standard * scales[d];
            by_changes[d] *= 0.5 * (square - 1.0);
        }
    }
}

/// In training no point is further off than this many deviations, so that sums of squares are
/// numbers.
const FARTHEST: f32 = 1e15;

/// What a file tells of a mixture besides its numbers.
#[derive(Serialize, Deserialize)]
struct Shape {
    components: usize,
    dim: usize,
    moving: bool,
    sharpness: f32,
}

/// How many numbers the network gives.
fn outputs_of(components: usize, dim: usize, moving: bool) -> usize {
    components + if moving { 2 * components * dim } else { 0 }
}

/// Logits that stand for these log weights.
fn initial_logits(
    components: &DiagonalGaussian,
    log_weights: &[f32],
) -> Result<Vec<f32>, ShapeError> {
    if log_weights.len() != components.rows() {
        let (expected, found) = ((1, components.rows()), (1, log_weights.len()));
        return Err(ShapeError::Mismatch {
            what: "log weights of the components",
            expected,
            found,
        });
    }
    let checked = Latents::from_vec(log_weights.to_vec(), log_weights.len())?;
    Ok(checked
        .values()
        .iter()
        .map(|weight| weight.max(LEAST_LOG_WEIGHT))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::super::laws;
    use super::*;

    fn gaussians(count: usize, dim: usize) -> DiagonalGaussian {
        let (mut means, mut log_vars) = (vec![0.0; count * dim], vec![0.0; count * dim]);
        let mut stream = RandomStream::named(61, "components");
        stream.fill_standard_normal(&mut means);
        stream.fill_standard_normal(&mut log_vars);
        log_vars.iter_mut().for_each(|v| *v = 0.5 * *v - 1.0);
        DiagonalGaussian::new(
            Latents::from_vec(means, dim).unwrap(),
            Latents::from_vec(log_vars, dim).unwrap(),
        )
        .unwrap()
    }

    fn quiet(dim: usize, dropout: f32, moving: bool) -> Mixture {
        let mut stream = RandomStream::named(62, "mixture");
        let log_weights = [0.5f32, 0.25, 0.2, 0.05].map(f32::ln);
        Mixture::initial(
            3,
            gaussians(4, dim),
            &log_weights,
            &[16, 8],
            dropout,
            moving,
            &mut stream,
        )
        .unwrap()
    }

    /// Away from the quiet start, so that sources matter.
    fn mixture(dim: usize, dropout: f32, moving: bool) -> Mixture {
        let mut mixture = quiet(dim, dropout, moving);
        mixture
            .conditioner
            .last_layer_mut()
            .0
            .iter_mut()
            .for_each(|weight| *weight *= 20.0);
        mixture
    }

    #[test]
    fn laws_hold() {
        laws::hold_for(&mixture(2, 0.0, false), 1e-3);
        laws::hold_for(&mixture(2, 0.0, true), 1e-3);
        laws::hold_for(&mixture(2, 0.0, true).with_sharpness(0.6), 1e-3);
        laws::hold_for(
            &Mixture::independent(3, gaussians(4, 2), &[0.0; 4]).unwrap(),
            1e-3,
        );
    }

    #[test]
    fn gradients_are_exact() {
        for (dropout, moving) in [(0.0, false), (0.0, true), (0.3, false), (0.3, true)] {
            laws::gradients_are_exact(&mixture(3, dropout, moving), 1e-2, 5e-3);
        }
    }

    #[test]
    fn a_fresh_mixture_is_next_to_the_given_one() {
        let point = Latents::filled(1, 2, 0.2);
        let densities =
            (0..4).map(|k| gaussians(4, 2).select(&[k]).log_prob(&point).unwrap()[0].exp());
        let density: f64 = densities
            .zip([0.5, 0.25, 0.2, 0.05])
            .map(|(density, weight)| density * weight)
            .sum();
        for moving in [false, true] {
            let fresh = quiet(2, 0.0, moving);
            let nats = fresh
                .given(&Latents::filled(1, 3, 0.5))
                .unwrap()
                .log_prob(&point)
                .unwrap()[0];
            assert!(
                (nats - density.ln()).abs() < 0.15,
                "{nats} against {}",
                density.ln()
            );
        }
        let nats =
            Mixture::independent(3, gaussians(4, 2), &[0.5f32, 0.25, 0.2, 0.05].map(f32::ln))
                .unwrap();
        let nats = nats
            .given(&Latents::filled(1, 3, 9.0))
            .unwrap()
            .log_prob(&point)
            .unwrap()[0];
        assert!(
            (nats - density.ln()).abs() < 1e-5,
            "{nats} against {}",
            density.ln()
        );
    }

    #[test]
    fn objective_is_minus_the_log_density_without_sharpness() {
        for moving in [false, true] {
            let mixture = mixture(4, 0.0, moving);
            let (source, target) = (vec![0.4, -0.1, 0.2], vec![0.3, 0.1, -0.5, 1.0]);
            let mut gradients = vec![0.0; mixture.parameters().len()];
            let (mut stream, mut tape) =
                (RandomStream::named(63, "objective"), MixtureTape::default());
            let sharp = mixture.clone().with_sharpness(3.0);
            let nats = sharp.backward(
                &source,
                &target,
                1.0,
                &mut stream,
                &mut gradients,
                &mut tape,
            );
            let source = Latents::from_vec(source, 3).unwrap();
            let log_prob = mixture
                .given(&source)
                .unwrap()
                .log_prob(&Latents::from_vec(target, 4).unwrap())
                .unwrap()[0];
            assert!((nats + log_prob).abs() < 1e-4, "{nats} against {log_prob}");
        }
    }

    #[test]
    fn gradient_through_the_weights_equals_central_differences() {
        let mut mixture = mixture(2, 0.0, false);
        let (source, lesson) = (
            [0.4, -0.1, 0.2, 1.0, 0.7, -0.3],
            [0.1, 0.2, 0.3, 0.4, 0.7, 0.1, 0.1, 0.1],
        );
        let mut tape = MixtureTape::default();
        // Cross-entropy of the weights with the lesson: its gradient by the logits is weight −
        // lesson.
        let weights = mixture.weights(&source, &mut tape).to_vec();
        assert!(
            weights
                .chunks_exact(4)
                .all(|row| (row.iter().sum::<f32>() - 1.0).abs() < 1e-6)
        );
        let logit_gradient: Vec<f32> = weights
            .iter()
            .zip(lesson)
            .map(|(weight, lesson)| weight - lesson)
            .collect();
        let mut gradients = vec![0.0; mixture.parameters().len()];
        mixture.backward_weights(&logit_gradient, &mut gradients, &mut tape);
        for i in (0..gradients.len()).step_by(7) {
            let centre = mixture.parameters()[i];
            let mut at = |value: f32| {
                mixture.parameters_mut()[i] = value;
                let weights = mixture.weights(&source, &mut tape);
                weights
                    .iter()
                    .zip(lesson)
                    .map(|(weight, lesson)| -f64::from(lesson) * f64::from(*weight).ln())
                    .sum::<f64>()
            };
            let numeric = (at(centre + 1e-2) - at(centre - 1e-2)) / 2e-2;
            at(centre);
            assert!(
                (numeric - f64::from(gradients[i])).abs() < 2e-3,
                "{i}: {} against {numeric}",
                gradients[i]
            );
        }
    }

    #[test]
    fn every_draw_of_every_row_has_a_choice_of_its_own() {
        const ROWS: usize = 600;
        let apart = DiagonalGaussian::new(
            Latents::from_vec(vec![-100.0, 100.0], 1).unwrap(),
            Latents::filled(2, 1, 0.0),
        );
        let mixture = Mixture::independent(1, apart.unwrap(), &[0.5f32.ln(); 2]).unwrap();
        let given = mixture.given(&Latents::filled(ROWS, 1, 0.0)).unwrap();
        let draws = given
            .sample_each(3, &mut RandomStream::named(67, "choices"))
            .unwrap();
        let mut stream = RandomStream::named(67, "choices");
        stream.fill_standard_normal(&mut [0.0; 3 * ROWS]);
        assert!(
            draws
                .values()
                .iter()
                .all(|draw| (*draw > 0.0) == (stream.uniform() >= 0.5))
        );
        assert_eq!(given.sample_each(0, &mut stream).unwrap().rows(), 0);
    }

    #[test]
    fn log_weights_are_those_of_the_weights_made_sharper() {
        for moving in [false, true] {
            let (mixture, source) = (
                mixture(2, 0.3, moving),
                Latents::from_vec(vec![0.4, -0.1, 0.2, 1.0, 0.7, -0.3], 3).unwrap(),
            );
            let weights = mixture
                .weights(source.values(), &mut MixtureTape::default())
                .to_vec();
            let log_weights = mixture
                .clone()
                .with_sharpness(2.0)
                .log_weights_given(&source)
                .unwrap();
            for (weights, log_weights) in weights
                .chunks_exact(4)
                .zip(log_weights.values().chunks_exact(4))
            {
                let total: f32 = weights.iter().map(|weight| weight * weight).sum();
                for (weight, log_weight) in weights.iter().zip(log_weights) {
                    assert!((weight * weight / total - log_weight.exp()).abs() < 1e-5);
                }
            }
            assert!(
                mixture
                    .log_weights_given(&Latents::filled(1, 4, 0.0))
                    .is_err()
            );
        }
    }

    #[test]
    fn dropout_is_drawn_in_training_only() {
        let (mixture, mut stream) = (mixture(2, 0.3, false), RandomStream::named(64, "dropout"));
        let (source, mut tape) = ([0.4, -0.1, 0.2], MixtureTape::default());
        let first = mixture
            .weights_in_training(&source, &mut stream, &mut tape)
            .to_vec();
        assert_ne!(
            first,
            mixture.weights_in_training(&source, &mut stream, &mut tape)
        );
        let still = mixture.weights(&source, &mut tape).to_vec();
        assert_eq!(still, mixture.weights(&source, &mut tape));
    }

    #[test]
    fn densities_far_off_are_finite() {
        for moving in [false, true] {
            let mixture = mixture(2, 0.0, moving);
            for value in [f32::MAX, f32::MIN, 1e20] {
                let given = mixture.given(&Latents::filled(1, 3, value)).unwrap();
                assert!(given.log_prob(&Latents::filled(1, 2, -value)).unwrap()[0].is_finite());
                assert_eq!(
                    given
                        .sample_each(3, &mut RandomStream::named(1, "far"))
                        .unwrap()
                        .rows(),
                    3
                );
                let mut gradients = vec![0.0; mixture.parameters().len()];
                let (mut stream, mut tape) =
                    (RandomStream::named(65, "far"), MixtureTape::default());
                let far = [value, -value];
                let nats =
                    mixture.backward(&[0.1; 3], &far, 1.0, &mut stream, &mut gradients, &mut tape);
                assert!(nats.is_finite() && gradients.iter().all(|gradient| gradient.is_finite()));
            }
        }
    }

    #[test]
    fn log_weights_that_do_not_fit_the_components_are_refused() {
        let independent =
            |log_weights: &[f32]| Mixture::independent(3, gaussians(4, 2), log_weights);
        assert!(matches!(
            independent(&[0.0; 3]),
            Err(BridgeError::Shape(ShapeError::Mismatch { .. }))
        ));
        assert!(matches!(
            independent(&[f32::NAN; 4]),
            Err(BridgeError::Shape(ShapeError::NotFinite { .. }))
        ));
        let none = DiagonalGaussian::standard(0, 2);
        assert!(Mixture::independent(3, none, &[]).is_err());
    }

    #[test]
    fn a_file_gives_back_the_density_bit_by_bit() {
        for moving in [false, true] {
            let mixture = mixture(3, 0.3, moving).with_sharpness(0.1 + 0.2);
            let mut file = WeightsFile::default();
            mixture.put_into(&mut file, "q");
            let bytes = file.to_bytes(zbridge_nn::Precision::Single).unwrap();
            let file = WeightsFile::from_bytes(&bytes, Path::new("f")).unwrap();
            assert_eq!(
                Mixture::from_file(&file, "q", Path::new("f")).unwrap(),
                mixture
            );
        }
    }

    #[test]
    fn tampered_files_are_refused() {
        let refused = |shape: &str| {
            let mut file = WeightsFile::default();
            mixture(3, 0.0, true).put_into(&mut file, "q");
            file.metadata.insert("q.mixture".into(), shape.into());
            Mixture::from_file(&file, "q", Path::new("f"))
                .unwrap_err()
                .to_string()
        };
        let shape = |components: u64, dim: u64, moving: bool, sharpness: &str| {
            format!(
                r#"{{"components":{components},"dim":{dim},"moving":{moving},"sharpness":{sharpness}}}"#
            )
        };
        assert!(refused(&shape(4, 0, true, "1.0")).contains("all above 0"));
        assert!(refused(&shape(4, 3, true, "-1.0")).contains("all above 0"));
        assert!(refused(&shape(4, 3, true, "null")).contains("metadata"));
        assert!(refused(&shape(4, 3, false, "1.0")).contains("another number of outputs"));
        assert!(refused(&shape(3, 4, true, "1.0")).contains("has shape [4, 3]"));
        assert!(refused(&shape(u64::MAX, 3, true, "1.0")).contains("has shape [4, 3]"));
    }

    #[test]
    #[ignore = "a measurement"]
    fn time_of_a_step() {
        const ROWS: usize = 128;
        let mut stream = RandomStream::named(66, "time");
        let (mut source, mut target) = (vec![0.0; ROWS * 32], vec![0.0; ROWS * 16]);
        stream.fill_standard_normal(&mut source);
        stream.fill_standard_normal(&mut target);
        for (count, moving) in [(32, false), (8, true), (32, true)] {
            let weights = vec![0.0; count];
            let mixture = Mixture::initial(
                32,
                gaussians(count, 16),
                &weights,
                &[128, 128],
                0.3,
                moving,
                &mut stream,
            );
            let (mixture, mut tape) = (mixture.unwrap(), MixtureTape::default());
            let mut gradients = vec![0.0; mixture.parameters().len()];
            let start = std::time::Instant::now();
            for _ in 0..300 {
                mixture.backward(
                    &source,
                    &target,
                    1.0,
                    &mut stream,
                    &mut gradients,
                    &mut tape,
                );
            }
            println!(
                "{count} components, moving: {moving}: {:?} a step",
                start.elapsed() / 300
            );
        }
    }
}
