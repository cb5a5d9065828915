//! A family and the length of its fit, fitted to pairs in one direction.

use super::aggregate::AggregateComponents;
use super::regressed::{MOMENT_DRAWS, Regressed};
use crate::curve::FitCurve;
use crate::density::Density;
use crate::families::{
    Base, CouplingFlow, FlowMatching, FlowShape, FullGaussian, GaussianDensity, LinearGaussian,
    Mixture, Relative, ResidualPairs, Tilt,
};
use crate::frame::Frame;
use crate::learner::Learner;
use crate::maximum_likelihood::{PairBatch, Pairs, maximise_likelihood};
use crate::rows::clamped;
use crate::{BridgeError, Family};
use ndarray::Array2;
use std::sync::Arc;
use zbridge_core::{DiagonalGaussian, Latents, RandomStream, Stage};
use zbridge_nn::OptimiserPlan;

/// A family that is fitted to pairs in one direction alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CandidateFamily {
    Independent,
    LinearGaussian,
    KernelRegression,
    Relative,
    RelativeRegression,
    KernelGaussian,
    KernelFlow,
    Gaussian,
    FullGaussian,
    TiedMixture,
    Mixture,
    Flow,
    FlowMatching,
}

impl CandidateFamily {
    /// Returns whether it is the mean of a regression and a density around it.
    pub(super) fn is_around_a_regression(self) -> bool {
        matches!(
            self,
            Self::KernelRegression | Self::KernelGaussian | Self::KernelFlow
        )
    }

    /// Returns whether it is a density tilted by relative representations.
    pub(super) fn is_relative(self) -> bool {
        matches!(self, Self::Relative | Self::RelativeRegression)
    }
}

/// A family, and the length of its fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Candidate {
    pub(crate) family: CandidateFamily,
    /// Optimiser steps; 0 if the fit has a closed form.
    pub(crate) steps: usize,
}

/// What a candidate is fitted to: pairs to draw from, in the coordinates of two frames.
#[derive(Clone, Copy)]
pub(super) struct FitContext<'p> {
    pub(super) pairs: &'p dyn Pairs,
    pub(super) source: &'p Frame,
    pub(super) target: &'p Frame,
    /// Returns the components of the target's aggregate posterior, which mixtures begin with.
    pub(super) components: &'p dyn Fn() -> Result<&'p AggregateComponents, BridgeError>,
    /// Returns the kernel regression on the pairs.
    pub(super) regression: &'p dyn Fn() -> Result<Arc<Regressed>, BridgeError>,
    /// Returns the tilt of the pairs.
    pub(super) tilt: &'p dyn Fn() -> Result<Arc<Tilt>, BridgeError>,
}

/// A density, and its objective over the fit.
pub(super) struct FittedDensity {
    pub(super) density: Density,
    pub(super) curve: FitCurve,
}

/// This many pairs, or labelled targets, allow larger networks with less regularisation.
const MANY: usize = 4096;

impl From<CandidateFamily> for Family {
    fn from(family: CandidateFamily) -> Self {
        match family {
            CandidateFamily::Independent => Self::Independent,
            CandidateFamily::LinearGaussian => Self::LinearGaussian,
            CandidateFamily::KernelRegression => Self::KernelRegression,
            CandidateFamily::Relative => Self::Relative,
            CandidateFamily::RelativeRegression => Self::RelativeRegression,
            CandidateFamily::KernelGaussian => Self::KernelGaussian,
            CandidateFamily::KernelFlow => Self::KernelFlow,
            CandidateFamily::Gaussian => Self::Gaussian,
            CandidateFamily::FullGaussian => Self::FullGaussian,
            CandidateFamily::TiedMixture => Self::TiedMixture,
            CandidateFamily::Mixture => Self::Mixture,
            CandidateFamily::Flow => Self::Flow,
            CandidateFamily::FlowMatching => Self::FlowMatching,
        }
    }
}

impl Candidate {
    /// Returns the density that is fitted to all pairs of the context.
    ///
    /// # Errors
    /// [`BridgeError::Network`] if the fit diverges, [`BridgeError::Interrupted`].
    pub(super) fn fit(
        &self,
        context: &FitContext<'_>,
        streams: &RandomStream,
        stage: &Stage<'_>,
    ) -> Result<FittedDensity, BridgeError> {
        // Closed forms count no steps, but take long where there are many dimensions.
        stage.advance(0)?;
        let fit = CandidateFit {
            steps: self.steps,
            context,
            size: NetworkSize::for_pairs(context.pairs.count()),
            streams,
            stage,
        };
        match self.family {
            CandidateFamily::Independent => fit.independent(),
            CandidateFamily::LinearGaussian => fit.linear_gaussian(),
            CandidateFamily::KernelRegression => fit.kernel_regression(),
            CandidateFamily::Relative => fit.relative(),
            CandidateFamily::RelativeRegression => fit.relative_regression(),
            CandidateFamily::KernelGaussian => {
                fit.around_kernel_mean(|residual| residual.gaussian())
            }
            CandidateFamily::KernelFlow => fit.around_kernel_mean(|residual| residual.flow()),
            CandidateFamily::Gaussian => fit.gaussian(),
            CandidateFamily::FullGaussian => fit.full_gaussian(),
            CandidateFamily::TiedMixture => fit.mixture(false),
            CandidateFamily::Mixture => fit.mixture(true),
            CandidateFamily::Flow => fit.flow(),
            CandidateFamily::FlowMatching => fit.flow_matching(),
        }
    }
}

/// Size and regularisation of networks that suit a number of pairs.
#[derive(Debug, Clone, Copy)]
struct NetworkSize {
    hidden: [usize; 2],
    /// The hidden layers of a velocity, which is evaluated many times for each draw.
    velocity_hidden: [usize; 2],
    dropout: f32,
    weight_decay: f32,
    batch: usize,
}

impl NetworkSize {
    fn for_pairs(pairs: usize) -> Self {
        if pairs < MANY {
            Self {
                hidden: [128, 128],
                velocity_hidden: [64, 64],
                dropout: 0.3,
                weight_decay: 0.05,
                batch: 128,
            }
        } else {
            Self {
                hidden: [256, 256],
                velocity_hidden: [256, 256],
                dropout: 0.1,
                weight_decay: 0.01,
                batch: 256,
            }
        }
    }
}

/// One fit of a candidate.
struct CandidateFit<'f, 'p> {
    steps: usize,
    context: &'f FitContext<'p>,
    size: NetworkSize,
    streams: &'f RandomStream,
    stage: &'f Stage<'f>,
}

impl CandidateFit<'_, '_> {
    const LEARNING_RATE: f32 = 2e-3;
    /// Decoupled weight decay of flow matching, whose targets are noisy enough.
    const VELOCITY_DECAY: f32 = 0.01;

    fn inputs(&self) -> usize {
        self.context.source.feature_width()
    }

    fn outputs(&self) -> usize {
        self.context.target.active()
    }

    /// Returns the stream of the initial density.
    fn initial(&self) -> RandomStream {
        self.streams.child(0)
    }

    fn maximise<L: Learner>(
        &self,
        start: L,
        weight_decay: f32,
        density: fn(L) -> Density,
    ) -> Result<FittedDensity, BridgeError> {
        let plan = OptimiserPlan {
            steps: self.steps,
            batch: self.size.batch,
            learning_rate: Self::LEARNING_RATE,
            weight_decay,
        };
        let (streams, pairs) = (self.streams.child(1), self.context.pairs);
        let (learner, curve) = maximise_likelihood(start, pairs, &plan, &streams, self.stage)?;
        Ok(FittedDensity {
            density: density(learner),
            curve,
        })
    }

    fn independent(&self) -> Result<FittedDensity, BridgeError> {
        Ok(in_closed_form(Density::Mixture(self.marginal()?)))
    }

    /// Returns the target's own distribution, whatever the source is.
    fn marginal(&self) -> Result<Mixture, BridgeError> {
        let components = (self.context.components)()?;
        let gaussians = components.gaussians.clone();
        Mixture::independent(self.inputs(), gaussians, &components.log_weights)
    }

    fn relative(&self) -> Result<FittedDensity, BridgeError> {
        self.tilted(Base::Marginal(self.marginal()?))
    }

    fn relative_regression(&self) -> Result<FittedDensity, BridgeError> {
        let regressed = (self.context.regression)()?;
        self.tilted(Base::Regression(regressed.density.clone()))
    }

    fn tilted(&self, base: Base) -> Result<FittedDensity, BridgeError> {
        let tilt = (self.context.tilt)()?;
        Ok(in_closed_form(Density::Relative(Relative::new(
            base, tilt,
        )?)))
    }

    /// Takes moments over draws, so that every kind of posterior will do.
    fn linear_gaussian(&self) -> Result<FittedDensity, BridgeError> {
        const RIDGE: f64 = 1e-2;
        let pairs = self.context.pairs.count();
        let rows: Vec<usize> = (0..MOMENT_DRAWS.max(pairs)).map(|i| i % pairs).collect();
        let PairBatch { source, target } = self.context.pairs.draw(&rows, &mut self.initial());
        let (source, target) = (narrow_gaussians(source)?, narrow_gaussians(target)?);
        let fitted = LinearGaussian::fit(&source, &target, pairs, RIDGE, self.stage)?;
        Ok(in_closed_form(Density::LinearGaussian(fitted)))
    }

    fn kernel_regression(&self) -> Result<FittedDensity, BridgeError> {
        let regressed = (self.context.regression)()?;
        let density = regressed.density.clone();
        Ok(in_closed_form(Density::KernelRegression(density)))
    }

    /// Returns the mean of a kernel regression, with what `fit_residual` fits to its residuals.
    fn around_kernel_mean(
        &self,
        fit_residual: impl Fn(&CandidateFit<'_, '_>) -> Result<FittedDensity, BridgeError>,
    ) -> Result<FittedDensity, BridgeError> {
        let regressed = (self.context.regression)()?;
        let residuals = ResidualPairs {
            pairs: self.context.pairs,
            left_out: &regressed.left_out,
            covariance: &regressed.covariance,
        };
        let context = FitContext {
            pairs: &residuals,
            source: self.context.source,
            target: self.context.target,
            components: &|| (self.context.components)(),
            regression: &|| (self.context.regression)(),
            tilt: &|| (self.context.tilt)(),
        };
        let fitted = fit_residual(&CandidateFit {
            steps: self.steps,
            context: &context,
            size: self.size,
            streams: self.streams,
            stage: self.stage,
        })?;
        let density = regressed.density.clone().with_residual(fitted.density);
        Ok(FittedDensity {
            density: Density::KernelRegression(density),
            curve: fitted.curve,
        })
    }

    fn gaussian(&self) -> Result<FittedDensity, BridgeError> {
        let NetworkSize {
            hidden,
            dropout,
            weight_decay,
            ..
        } = &self.size;
        let stream = &mut self.initial();
        let (inputs, outputs) = (self.inputs(), self.outputs());
        let start = GaussianDensity::regularised(inputs, outputs, hidden, *dropout, stream)?;
        self.maximise(start, *weight_decay, Density::Gaussian)
    }

    fn full_gaussian(&self) -> Result<FittedDensity, BridgeError> {
        let NetworkSize {
            hidden,
            dropout,
            weight_decay,
            ..
        } = &self.size;
        let stream = &mut self.initial();
        let (inputs, outputs) = (self.inputs(), self.outputs());
        let start = FullGaussian::initial(inputs, outputs, hidden, *dropout, stream)?;
        self.maximise(start, *weight_decay, Density::FullGaussian)
    }

    fn mixture(&self, components_move: bool) -> Result<FittedDensity, BridgeError> {
        let components = (self.context.components)()?;
        let start = Mixture::initial(
            self.inputs(),
            components.gaussians.clone(),
            &components.log_weights,
            &self.size.hidden,
            self.size.dropout,
            components_move,
            &mut self.initial(),
        )?;
        self.maximise(start, self.size.weight_decay, Density::Mixture)
    }

    fn flow(&self) -> Result<FittedDensity, BridgeError> {
        let widths = (self.inputs(), self.outputs());
        let pairs = self.context.pairs;
        let (flow, curve) = fit_flow(pairs, widths, self.steps, self.streams, self.stage)?;
        Ok(FittedDensity {
            density: Density::Flow(flow),
            curve,
        })
    }

    fn flow_matching(&self) -> Result<FittedDensity, BridgeError> {
        let stream = &mut self.initial();
        let (inputs, outputs) = (self.inputs(), self.outputs());
        let start = FlowMatching::initial(inputs, outputs, self.size.velocity_hidden, stream)?;
        self.maximise(start, Self::VELOCITY_DECAY, Density::FlowMatching)
    }
}

fn in_closed_form(density: Density) -> FittedDensity {
    FittedDensity {
        density,
        curve: FitCurve::default(),
    }
}

/// Returns points as Gaussians of next to no variance, `[rows, dim]`.
fn narrow_gaussians(points: Array2<f32>) -> Result<DiagonalGaussian, BridgeError> {
    const LOG_VARIANCE: f32 = -30.0;
    let points = clamped(points)?;
    let log_var = Latents::filled(points.rows(), points.dim(), LOG_VARIANCE);
    Ok(DiagonalGaussian::new(points, log_var)?)
}

/// Returns a flow from sources to targets of these widths, as large as the number of pairs allows,
/// with its objective over the fit.
///
/// # Errors
/// [`BridgeError::Network`] if the fit diverges, [`BridgeError::Interrupted`].
pub(super) fn fit_flow(
    pairs: &dyn Pairs,
    (inputs, outputs): (usize, usize),
    steps: usize,
    streams: &RandomStream,
    stage: &Stage<'_>,
) -> Result<(CouplingFlow, FitCurve), BridgeError> {
    let (couplings, width, bins, batch) = match pairs.count() {
        0..1024 => (4, 32, 4, 128),
        1024..MANY => (6, 64, 8, 128),
        _ => (6, 96, 8, 256),
    };
    let shape = FlowShape {
        couplings,
        hidden: vec![width, width],
        bins,
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
