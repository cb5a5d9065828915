//! Codes that two latent spaces share, learned from pairs.
//!
//! If x and y depend on each other only through something discrete, c, that both determine (a
//! digit, a word), then p(x, y) / p(x) p(y) = Σ_k p(k|x) p(k|y) / p(k). Two networks give p(k|x)
//! and p(k|y). The mean logarithm of this ratio over pairs, in nats, is a lower bound on the mutual
//! information of x and y (Donsker & Varadhan 1975). Maximising it finds the code of K values that
//! predicts most of one side from the other. No label of a code is given.
//!
//! Posteriors without partners are used too: two draws of one posterior are of one observation, and
//! should have one code (a mean teacher, as in [`mean_teacher`](crate::mean_teacher)), and they
//! show how frequent the codes are.
//!
//! Networks that begin with [`LikelyCodes`] learn these first.

mod code_learner;
mod coded_targets;
mod k_means;
mod likely_codes;
mod pair_objective;
mod side;

use crate::BridgeError;
use crate::curve::{Curve, FitCurve};
use crate::families::Conditioner;
use crate::mean_teacher::ramp;
use code_learner::CodeLearner;
pub(crate) use coded_targets::CodedTargets;
pub(crate) use likely_codes::{LikelyCodes, PairReach};
use ndarray::Array2;
use pair_objective::pair_objective;
pub(crate) use side::Side;
use zbridge_core::{RandomStream, Stage};
use zbridge_nn::{BatchSampler, NnError, OptimiserPlan, StepContext, Trainee, Trainer};

/// How codes are learned.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct CodeLearning {
    /// Steps, learning rate and batch of pairs.
    pub(crate) optimiser: OptimiserPlan,
    /// The number of codes at the start; those that are hardly used are dropped at the end.
    pub(crate) codes: usize,
    /// Posteriors of each side, with partners or without, in a step.
    pub(crate) unpaired: usize,
    /// Weight of the distance from the teacher's targets.
    pub(crate) strength: f32,
    /// Widths of the hidden layers.
    pub(crate) hidden: [usize; 2],
    pub(crate) dropout: f32,
}

/// Likely codes of some posteriors of one side.
#[derive(Debug, Clone)]
pub(crate) struct LikelyPlaces {
    /// Places among all posteriors of the side, those with partners first.
    pub(crate) places: Vec<usize>,
    /// p(k|·) of each, `[places, K]`.
    pub(crate) weights: Array2<f32>,
}

/// Share of the steps in which likely codes are learned, if there are any.
const LIKELY_CODES_SHARE: f32 = 0.3;

/// Codes that are less frequent than this are dropped.
const MIN_USED: f32 = 2e-3;

/// Networks that give the code of either side, and how frequent each code is.
#[derive(Debug, Clone)]
pub(crate) struct SharedCodes {
    /// Logits of the codes of x's points and of y's.
    pub(crate) readers: [Conditioner; 2],
    pub(crate) log_prior: Vec<f32>,
    pub(crate) curve: FitCurve,
}

/// The fit of the codes of both sides.
struct CodeFit<'s> {
    learning: CodeLearning,
    is_given_likely_codes: bool,
    learners: [CodeLearner<'s>; 2],
}

impl SharedCodes {
    /// Returns codes of pairs: row i of `sides[0].rows` has the partner row i of `sides[1].rows`.
    /// With likely codes of both sides, as many as there are to learn, these are where the fit
    /// begins. `stage` counts steps.
    ///
    /// # Errors
    /// [`BridgeError::Network`] if the fit diverges, [`BridgeError::Interrupted`].
    pub(crate) fn learn(
        sides: [Side<'_>; 2],
        likely: Option<&[LikelyPlaces; 2]>,
        widths: [usize; 2],
        learning: &CodeLearning,
        streams: &RandomStream,
        stage: &Stage<'_>,
    ) -> Result<Self, BridgeError> {
        /// Children of the stream that do not belong to steps.
        const RESERVED: u64 = 8;
        let [x, y] = sides;
        let (of_x, of_y) = likely.map(|[x, y]| (x, y)).unzip();
        let mut fit = CodeFit {
            learning: *learning,
            is_given_likely_codes: likely.is_some(),
            learners: [
                CodeLearner::new(x, of_x, widths[0], learning, &streams.child(0))?,
                CodeLearner::new(y, of_y, widths[1], learning, &streams.child(1))?,
            ],
        };
        let plan = &learning.optimiser;
        let mut curve = Curve::over(plan.steps);
        let batches = BatchSampler::full_batches(x.rows.len(), plan.batch, streams.child(2));
        let mut trainer = Trainer::of_steps(plan, batches, streams, RESERVED);
        trainer.run(&mut fit, stage, &mut [&mut curve])?;
        fit.used_codes(&streams.child(3), curve.finish())
    }
}

impl Trainee for CodeFit<'_> {
    fn step(&mut self, rows: &[usize], mut context: StepContext) -> Result<f64, NnError> {
        let begins = self.is_given_likely_codes && context.done < LIKELY_CODES_SHARE;
        for learner in &mut self.learners {
            learner.infer_codes(rows, begins, &mut context.stream);
        }
        let [x, y] = &mut self.learners;
        let (x_codes, x_slopes) = x.codes_and_slopes();
        let (y_codes, y_slopes) = y.codes_and_slopes();
        let nats = pair_objective([x_codes, y_codes], [x_slopes, y_slopes]);
        let strength = match begins {
            true => self.learning.strength,
            false => self.learning.strength * ramp(context.done),
        };
        for learner in &mut self.learners {
            learner.take_step(strength, &context);
        }
        Ok(nats)
    }
}

impl CodeFit<'_> {
    /// Returns the teachers, without the codes that are hardly used.
    fn used_codes(
        self,
        stream: &RandomStream,
        curve: FitCurve,
    ) -> Result<SharedCodes, BridgeError> {
        let [x, y] = self.learners;
        // Both sides draw from the same stream: the places that they draw do not depend on it being
        // x or y.
        let (of_x, of_y) = (x.frequencies(stream.clone()), y.frequencies(stream.clone()));
        let frequencies = 0.5 * (of_x + of_y);
        let kept: Vec<usize> = (0..self.learning.codes)
            .filter(|&code| frequencies[code] >= MIN_USED)
            .collect();
        let total: f32 = kept.iter().map(|&code| frequencies[code]).sum();
        let log_prior = kept
            .iter()
            .map(|&code| (frequencies[code] / total).ln())
            .collect();
        Ok(SharedCodes {
            readers: [
                x.into_teacher().keeping(&kept)?,
                y.into_teacher().keeping(&kept)?,
            ],
            log_prior,
            curve,
        })
    }
}

#[cfg(test)]
mod tests;
