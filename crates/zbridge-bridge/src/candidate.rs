//! One family, fitted on pairs: the ladder's rungs.

use crate::BridgeError;
use crate::curve::FitCurve;
use crate::density::{Density, Family};
use crate::families::{
    CouplingFlow, FlowMatching, FlowShape, FullGaussian, GaussianDensity, LinearGaussian, Mixture,
    fit_components,
};
use crate::frame::{Frame, FramedPosterior};
use crate::maximum_likelihood::{Pairs, maximise_likelihood};
use zbridge_core::{DiagonalGaussian, Latents, RandomStream, ShapeError, Stage};
use zbridge_nn::OptimiserPlan;

/// A family, and how long it is fitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Candidate {
    pub(crate) family: Family,
    /// Optimiser steps; none where the fit has a closed form.
    pub(crate) steps: usize,
}

/// Where a candidate is fitted: pairs to draw from, in the coordinates of two frames.
pub(crate) struct Ground<'g> {
    pub(crate) pairs: &'g dyn Pairs,
    pub(crate) source: &'g Frame,
    pub(crate) target: &'g Frame,
    /// Components of the target's aggregate posterior: what mixtures begin as. Asked for by those
    /// only.
    pub(crate) components: &'g dyn Fn() -> Result<&'g Aggregate, ShapeError>,
}

/// Components of an aggregate posterior, and their log weights.
pub(crate) type Aggregate = (DiagonalGaussian, Vec<f32>);

/// Draws over which a closed-form fit takes its moments.
const MOMENT_DRAWS: usize = 4096;
/// So many pairs, or targets with labels, allow larger networks with less regularisation.
const MANY: usize = 4096;

impl Candidate {
    /// The density fitted on all pairs of the ground, and its objective along the way.
    pub(crate) fn fit(
        &self,
        ground: &Ground<'_>,
        streams: &RandomStream,
        stage: &Stage<'_>,
    ) -> Result<(Density, FitCurve), BridgeError> {
        let (inputs, outputs) = (ground.source.feature_width(), ground.target.active());
        let mut stream = streams.child(0);
        let fitting = streams.child(1);
        let few = ground.pairs.count() < MANY;
        // Regularisation suited to few pairs: decay and dropout strong, networks small.
        let (decay, dropout) = if few { (0.05, 0.3) } else { (0.01, 0.1) };
        let plan = |learning_rate: f32, weight_decay: f32| OptimiserPlan {
            steps: self.steps,
            batch: if few { 128 } else { 256 },
            learning_rate,
            weight_decay,
        };
        let (pairs, hidden) = (ground.pairs, if few { [128, 128] } else { [256, 256] });
        Ok(match self.family {
            Family::Independent => {
                let (components, log_weights) = (ground.components)()?;
                (
                    Density::Mixture(Mixture::independent(
                        inputs,
                        components.clone(),
                        log_weights,
                    )?),
                    FitCurve::default(),
                )
            }
            Family::LinearGaussian => (
                Density::LinearGaussian(linear_gaussian(ground, &mut stream)?),
                FitCurve::default(),
            ),
            Family::Gaussian => {
                let start =
                    GaussianDensity::regularised(inputs, outputs, &hidden, dropout, &mut stream)?;
                let (density, curve) =
                    maximise_likelihood(start, pairs, &plan(2e-3, decay), &fitting, stage)?;
                (Density::Gaussian(density), curve)
            }
            Family::FullGaussian => {
                let start = FullGaussian::initial(inputs, outputs, &hidden, dropout, &mut stream)?;
                let (density, curve) =
                    maximise_likelihood(start, pairs, &plan(2e-3, decay), &fitting, stage)?;
                (Density::FullGaussian(density), curve)
            }
            Family::TiedMixture | Family::Mixture => {
                let moving = self.family == Family::Mixture;
                let (components, log_weights) = (ground.components)()?;
                let start = Mixture::initial(
                    inputs,
                    components.clone(),
                    log_weights,
                    &hidden,
                    dropout,
                    moving,
                    &mut stream,
                )?;
                let (density, curve) =
                    maximise_likelihood(start, pairs, &plan(2e-3, decay), &fitting, stage)?;
                (Density::Mixture(density), curve)
            }
            Family::Flow => {
                let (density, curve) =
                    fit_flow(pairs, (inputs, outputs), self.steps, streams, stage)?;
                (Density::Flow(density), curve)
            }
            // Learned both ways at once, and not from pairs alone.
            Family::SharedCode => return Err(zbridge_core::Interrupted.into()),
            Family::FlowMatching => {
                let start = FlowMatching::initial(
                    inputs,
                    outputs,
                    if few { [64, 64] } else { [256, 256] },
                    &mut stream,
                )?;
                let (density, curve) =
                    maximise_likelihood(start, pairs, &plan(2e-3, 0.01), &fitting, stage)?;
                (Density::FlowMatching(density), curve)
            }
        })
    }
}

/// A flow from sources to targets of these widths, as large as so many pairs allow.
///
/// # Errors
/// [`BridgeError::Network`] when the fit diverges, [`BridgeError::Interrupted`].
pub(crate) fn fit_flow(
    pairs: &dyn Pairs,
    (inputs, outputs): (usize, usize),
    steps: usize,
    streams: &RandomStream,
    stage: &Stage<'_>,
) -> Result<(CouplingFlow, FitCurve), BridgeError> {
    let (shape, batch) = match pairs.count() {
        0..1024 => (
            FlowShape {
                couplings: 4,
                hidden: vec![32, 32],
                bins: 4,
            },
            128,
        ),
        1024..MANY => (
            FlowShape {
                couplings: 6,
                hidden: vec![64, 64],
                bins: 8,
            },
            128,
        ),
        _ => (
            FlowShape {
                couplings: 6,
                hidden: vec![96, 96],
                bins: 8,
            },
            256,
        ),
    };
    let start = CouplingFlow::initial(inputs, outputs, &shape, &mut streams.child(0))?;
    let plan = OptimiserPlan {
        steps,
        batch,
        learning_rate: 3e-3,
        weight_decay: 0.01,
    };
    maximise_likelihood(start, pairs, &plan, &streams.child(1), stage)
}

fn linear_gaussian(
    ground: &Ground<'_>,
    stream: &mut RandomStream,
) -> Result<LinearGaussian, BridgeError> {
    // Moments over draws, so that every kind of posterior will do; a closed form over means and
    // variances would serve Gaussian posteriors only.
    let count = ground.pairs.count();
    let rows: Vec<usize> = (0..MOMENT_DRAWS.max(count)).map(|i| i % count).collect();
    let (mut source, mut target) = (Vec::new(), Vec::new());
    ground.pairs.draw(&rows, stream, &mut source, &mut target);
    let as_points = |values: Vec<f32>, dim: usize| -> Result<DiagonalGaussian, BridgeError> {
        let points = Latents::clamped(values, dim)?;
        let log_var = Latents::filled(points.rows(), dim, -30.0);
        Ok(DiagonalGaussian::new(points, log_var)?)
    };
    let source = as_points(source, ground.source.feature_width())?;
    let target = as_points(target, ground.target.active())?;
    Ok(LinearGaussian::fit(&source, &target, count, 1e-2))
}

/// Components of the aggregate of `posteriors` in the frame, with log weights: the distinct
/// posteriors of a discrete modality, weighted by how often they come; otherwise a Gaussian mixture
/// fitted to draws.
pub(crate) fn aggregate_components(
    frame: &Frame,
    posteriors: &[(&FramedPosterior, &[usize])],
    stream: &mut RandomStream,
) -> Result<Aggregate, ShapeError> {
    const MOST_COMPONENTS: usize = 32;
    let mut points = Vec::new();
    for (posterior, rows) in posteriors {
        let mut draws = Vec::new();
        posterior.draw(rows, stream, &mut draws);
        points.extend(draws);
    }
    Ok(match frame.atoms() {
        Some(atoms) => {
            let codes = crate::families::responsibilities(&atoms, &points);
            // One more of each, so that an atom that did not come is rare, not impossible.
            let mut counts = vec![1.0f32; atoms.rows()];
            for row in codes.chunks_exact(atoms.rows()) {
                counts
                    .iter_mut()
                    .zip(row)
                    .for_each(|(count, share)| *count += share);
            }
            let total: f32 = counts.iter().sum();
            (
                atoms,
                counts.iter().map(|count| (count / total).ln()).collect(),
            )
        }
        None => fit_components(
            &Latents::clamped(points, frame.active())?,
            MOST_COMPONENTS,
            stream,
        ),
    })
}
