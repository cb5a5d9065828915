mod file;
mod gradient;
mod motion;
#[cfg(test)]
mod tests;

pub(crate) use gradient::MixtureTape;

use super::components::Components;
use super::conditioner::Conditioner;
use super::parametric::{Parametric, ParametricDistributions, check_source, for_each_row};
use crate::BridgeError;
use crate::rows::{clamped, rows_of, values_of_mut};
use motion::Motions;
use ndarray::{Array2, ArrayView2, ArrayViewMut2};
use zbridge_core::{
    ConditionalDensity, DensityError, DiagonalGaussian, LatentDistribution, Latents, RandomStream,
    ShapeError, log_sum_exp,
};
use zbridge_nn::Tape;

/// q(t|s) = Σ_k π_k(s) N_k(t|s): a mixture of K Gaussians with diagonal covariance. A network gives
/// their weights.
///
/// The components begin as those of the target's own distribution. In a *tied* mixture they stay
/// so, and the source decides on their weights only. In a *moving* one it also shifts their means,
/// in units of their deviations, and changes their log-variances by up to ±3.
///
/// # Source
/// Mixture density networks (Bishop 1994).
#[derive(Debug, Clone, PartialEq)]
pub struct Mixture {
    /// Its outputs are those of [`Outputs`].
    conditioner: Conditioner,
    components: Components,
    moving: bool,
    /// Factor of the logits in densities, draws and log weights (Guo et al. 2017). Training does
    /// not use it.
    inverse_temperature: f32,
}

/// Smaller log weights begin as this, so that a gradient still reaches them.
const MIN_LOG_WEIGHT: f32 = -30.0;

/// A row of the network's outputs: the logits of π `[K]` and, for moving components, the shifts
/// `[K, dim]` and the changes of log-variance before they are clamped `[K, dim]`.
#[derive(Clone, Copy)]
struct Outputs<'o> {
    logits: &'o [f32],
    motions: Option<Motions<'o>>,
}

impl Mixture {
    /// Returns the untrained density, next to the mixture of `components` with these log weights
    /// for every source.
    ///
    /// # Errors
    /// [`ShapeError::Empty`] if a width is 0, [`ShapeError::Mismatch`] and
    /// [`ShapeError::NotFinite`] unless there is a finite log weight for each component,
    /// [`BridgeError::Setting`] if `dropout` is not in [0, 1).
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
        // Weights are next to 0 at first, so that the biases are the outputs. Motions begin at 0.
        conditioner.last_layer_mut().biases[..logits.len()].copy_from_slice(&logits);
        Ok(Self {
            conditioner,
            components: Components::new(components),
            moving,
            inverse_temperature: 1.0,
        })
    }

    /// Returns the tied mixture of `components` with these weights for every source: the target's
    /// own distribution.
    ///
    /// # Errors
    /// As [`initial`](Self::initial).
    pub(crate) fn independent(
        source: usize,
        components: DiagonalGaussian,
        log_weights: &[f32],
    ) -> Result<Self, BridgeError> {
        let logits = initial_logits(&components, log_weights)?;
        Ok(Self {
            conditioner: Conditioner::constant(source, &logits)?,
            components: Components::new(components),
            moving: false,
            inverse_temperature: 1.0,
        })
    }

    /// Returns the components before any source moves them.
    pub(crate) fn components(&self) -> &DiagonalGaussian {
        self.components.gaussians()
    }

    /// Returns whether the source moves the components.
    pub(crate) fn is_moving(&self) -> bool {
        self.moving
    }

    /// Returns log π(s), at the mixture's temperature, in nats: `[rows, K]`.
    ///
    /// # Errors
    /// [`ShapeError::Mismatch`] if the source has another dimension, [`ShapeError::NotFinite`] if
    /// the network's outputs are NaN.
    pub fn log_weights_given(&self, source: &Latents) -> Result<Latents, ShapeError> {
        let count = self.components.count();
        check_source(source, self.conditioner.inputs())?;
        let mut nats = Array2::zeros((source.rows(), count));
        for_each_row(self, source, &mut nats, |_, outputs, nats, log_odds| {
            self.log_odds(outputs, log_odds);
            // In f64, where a weight next to 0 still has an accurate logarithm.
            let total = log_sum_exp(log_odds);
            for (nats, odds) in nats.iter_mut().zip(&*log_odds) {
                *nats = (odds - total) as f32;
            }
        });
        clamped(nats)
    }

    /// Writes the logits at the mixture's temperature into `log_odds`, `[K]`.
    fn log_odds(&self, outputs: &[f32], log_odds: &mut Vec<f64>) {
        let inverse_temperature = f64::from(self.inverse_temperature);
        let logits = &outputs[..self.components.count()];
        log_odds.clear();
        log_odds.extend(
            logits
                .iter()
                .map(|&logit| inverse_temperature * f64::from(logit)),
        );
    }

    /// Returns a row of the network's outputs by what they mean.
    fn outputs<'o>(&self, outputs: &'o [f32]) -> Outputs<'o> {
        let (logits, moves) = outputs.split_at(self.components.count());
        let (shifts, changes) = moves.split_at(moves.len() / 2);
        let dim = self.components.dim();
        let motions = self.moving.then(|| Motions {
            shifts: rows_of(shifts, dim),
            changes: rows_of(changes, dim),
        });
        Outputs { logits, motions }
    }
}

impl ConditionalDensity for Mixture {
    fn dims(&self) -> (usize, usize) {
        (self.conditioner.inputs(), self.components.dim())
    }

    fn given(&self, source: &Latents) -> Result<Box<dyn LatentDistribution + '_>, DensityError> {
        Ok(Box::new(ParametricDistributions::new(
            self,
            self.dims(),
            source,
        )?))
    }
}

impl Parametric for Mixture {
    type Tape = Tape;

    /// Which component.
    const UNIFORMS: usize = 1;

    fn parameters_of<'t>(
        &self,
        sources: ArrayView2<'_, f32>,
        tape: &'t mut Tape,
    ) -> ArrayView2<'t, f32> {
        self.conditioner.infer(sources, tape)
    }

    fn log_density_nats(&self, outputs: &[f32], point: &[f32], joint: &mut Vec<f64>) -> f64 {
        self.log_odds(outputs, joint);
        let log_normaliser = log_sum_exp(joint);
        let motions = self.outputs(outputs).motions;
        for (k, joint) in joint.iter_mut().enumerate() {
            let component = self.components.component(k);
            *joint += match motions {
                Some(motions) => motions.of(k).log_density(component, point),
                None => component.log_density(point),
            };
        }
        log_sum_exp(joint) - log_normaliser
    }

    fn draw(
        &self,
        outputs: &[f32],
        uniforms: &[f32],
        mut noise: ArrayViewMut2<'_, f32>,
        cumulative: &mut Vec<f64>,
    ) {
        self.log_odds(outputs, cumulative);
        let log_normaliser = log_sum_exp(cumulative);
        let mut below = 0.0;
        for value in cumulative.iter_mut() {
            below += (*value - log_normaliser).exp();
            *value = below;
        }
        let motions = self.outputs(outputs).motions;
        for (draw, &uniform) in noise.rows_mut().into_iter().zip(uniforms) {
            let chosen = cumulative.partition_point(|&below| below <= f64::from(uniform));
            // The cumulative sum may end a little below 1.
            let k = chosen.min(cumulative.len() - 1);
            let (component, draw) = (self.components.component(k), values_of_mut(draw));
            match motions {
                Some(motions) => motions.of(k).draw(component, draw),
                None => component.draw(draw),
            }
        }
    }
}

/// Returns the number of outputs of the network.
fn outputs_of(components: usize, dim: usize, moving: bool) -> usize {
    components + if moving { 2 * components * dim } else { 0 }
}

/// Returns the logits that stand for these log weights.
fn initial_logits(
    components: &DiagonalGaussian,
    log_weights: &[f32],
) -> Result<Vec<f32>, ShapeError> {
    if log_weights.len() != components.rows() {
        return Err(ShapeError::Mismatch {
            what: "log weights of the components",
            expected: (1, components.rows()),
            found: (1, log_weights.len()),
        });
    }
    let finite = Latents::from_vec(log_weights.to_vec(), log_weights.len())?;
    Ok(finite
        .values()
        .iter()
        .map(|weight| weight.max(MIN_LOG_WEIGHT))
        .collect())
}
