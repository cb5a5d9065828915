mod file;
mod log_density;
mod sampling;
#[cfg(test)]
mod tests;
mod whitened_flow;

pub(crate) use whitened_flow::WhitenedFlow;

use super::categorical::softmax_rows;
use super::conditioner::Conditioner;
use super::parametric::check_source;
use crate::BridgeError;
use crate::rows::{clamped, leading_columns};
use ndarray::{Array2, ArrayView2};
use rayon::prelude::*;
use zbridge_core::{
    ConditionalDensity, DensityError, LatentDistribution, Latents, RandomStream, ShapeError,
};
use zbridge_nn::Tape;

/// q(t|s) = Σ_k π(k|s) p(t|k): a code k that both latent spaces share is inferred from the source,
/// and the target is drawn given the code.
///
/// p(t|k) ∝ f(t|k) a(k, t) with a flow f given the code, whose draws are accepted with probability
/// a(k, t) = δ + (1 − δ) ρ(k|t): as often as the code is inferred back from the target, as in
/// [`Agreement`](crate::agreement::Agreement). As there are only K codes, the normalisers are K
/// numbers.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct SharedCode {
    /// Logits of π(k|s) for the leading dimensions of a source. What follows them (probabilities of
    /// atoms) is not used.
    source_classifier: Conditioner,
    /// Dimensions of a source.
    inputs: usize,
    /// f(t|k).
    flow: WhitenedFlow,
    /// Logits of ρ(k|t).
    target_classifier: Conditioner,
    /// log ∫ f(t|k) a(k, t) dt, `[K]`.
    log_normalisers: Vec<f32>,
    /// Factor of the logits of π.
    inverse_temperature: f32,
}

/// δ: a draw that is surely of another code is accepted one time in ten.
const MIN_ACCEPTANCE: f32 = 0.1;
/// Draws of each code from which its normaliser is estimated: with half of them accepted, to 1.5 %.
const NORMALISER_DRAWS: usize = 4096;

impl SharedCode {
    /// Returns the density of sources of `inputs` dimensions, of which `source_classifier` sees the
    /// leading ones. The normalisers are estimated from draws.
    ///
    /// # Errors
    /// [`DensityError::Shape`] if the parts are not of the same codes and targets.
    pub(crate) fn new(
        inputs: usize,
        source_classifier: Conditioner,
        flow: WhitenedFlow,
        target_classifier: Conditioner,
    ) -> Result<Self, DensityError> {
        let codes = source_classifier.outputs();
        let expected = (codes, target_classifier.inputs());
        // Codes and target dimensions must agree; further source columns are not read.
        let fit = expected == flow.dims()
            && target_classifier.outputs() == codes
            && inputs >= source_classifier.inputs();
        if !fit {
            let what = "parts of a shared code";
            return Err(ShapeError::Mismatch {
                what,
                expected,
                found: flow.dims(),
            }
            .into());
        }
        let mut density = Self {
            source_classifier,
            inputs,
            flow,
            target_classifier,
            log_normalisers: vec![0.0; codes],
            inverse_temperature: 1.0,
        };
        let each_code = (0..codes).into_par_iter();
        density.log_normalisers = each_code
            .map(|code| density.estimate_log_normaliser(code))
            .collect::<Result<_, _>>()?;
        Ok(density)
    }

    fn estimate_log_normaliser(&self, code: usize) -> Result<f32, DensityError> {
        // Always the same draws: a stored density and one that is fitted anew agree.
        let mut stream = RandomStream::named(code as u64, "bridge/code-normaliser");
        let codes = vec![code; NORMALISER_DRAWS];
        let drawn = self.flow.draw(&codes, &mut stream)?;
        let accepted = self.acceptance(&codes, drawn.view());
        Ok((accepted.iter().sum::<f32>() / NORMALISER_DRAWS as f32).ln())
    }

    /// Returns the marginal baseline: the same density with log π(k) for every source.
    ///
    /// # Errors
    /// [`BridgeError::Shape`] if there are no codes.
    pub(crate) fn marginal_baseline(self, log_prior: &[f32]) -> Result<Self, BridgeError> {
        let inputs = self.source_classifier.inputs();
        Ok(Self {
            source_classifier: Conditioner::constant(inputs, log_prior)?,
            inverse_temperature: 1.0,
            ..self
        })
    }

    /// Returns the number of codes, K.
    fn codes(&self) -> usize {
        self.source_classifier.outputs()
    }

    /// Returns a(k, t) for each row of targets `[rows, dim]` and its code.
    fn acceptance(&self, codes: &[usize], targets: ArrayView2<'_, f32>) -> Vec<f32> {
        let recognised = self.recognised(targets);
        let rows = recognised.rows().into_iter().zip(codes);
        rows.map(|(probabilities, &code)| acceptance(probabilities[code]))
            .collect()
    }

    /// Returns ρ(k|t) of each row of targets, `[rows, K]`.
    fn recognised(&self, targets: ArrayView2<'_, f32>) -> Array2<f32> {
        let mut tape = Tape::default();
        let mut probabilities = self.target_classifier.infer(targets, &mut tape).to_owned();
        softmax_rows(&mut probabilities);
        probabilities
    }

    /// Returns π(k|s) of each row of sources, `[rows, K]`.
    fn weights(&self, sources: &Latents) -> Array2<f32> {
        let points = leading_columns(sources.view(), self.source_classifier.inputs());
        let mut tape = Tape::default();
        let mut weights = self
            .source_classifier
            .infer(points.view(), &mut tape)
            .to_owned();
        // Before the softmax: probabilities are raised to this power and normalised.
        weights *= self.inverse_temperature;
        softmax_rows(&mut weights);
        weights
    }
}

/// Returns a(k, t) for ρ(k|t).
fn acceptance(recognised: f32) -> f32 {
    MIN_ACCEPTANCE + (1.0 - MIN_ACCEPTANCE) * recognised
}

impl ConditionalDensity for SharedCode {
    fn dims(&self) -> (usize, usize) {
        (self.inputs, self.target_classifier.inputs())
    }

    fn given(&self, source: &Latents) -> Result<Box<dyn LatentDistribution + '_>, DensityError> {
        check_source(source, self.inputs)?;
        Ok(Box::new(SharedCodeDistributions {
            density: self,
            weights: self.weights(source),
        }))
    }
}

/// q(·|source_i) for each row of a batch of sources.
struct SharedCodeDistributions<'d> {
    density: &'d SharedCode,
    /// π(k|s), `[rows, K]`.
    weights: Array2<f32>,
}

impl LatentDistribution for SharedCodeDistributions<'_> {
    fn shape(&self) -> (usize, usize) {
        (self.weights.nrows(), self.density.dims().1)
    }

    fn sample_each(
        &self,
        draws: usize,
        stream: &mut RandomStream,
    ) -> Result<Latents, DensityError> {
        let points = self.density.sample(self.weights.view(), draws, stream)?;
        Ok(clamped(points)?)
    }

    fn log_prob(&self, points: &Latents) -> Result<Vec<f64>, DensityError> {
        let (rows, dim) = self.shape();
        points.expect_shape("points under the density", rows, dim)?;
        DensityError::check(
            self.density
                .log_densities(self.weights.view(), points.view())?,
        )
    }
}
