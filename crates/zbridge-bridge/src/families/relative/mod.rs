mod anchors;
mod distributions;
mod file;
mod strength;
#[cfg(test)]
mod tests;
mod tilt;

pub(crate) use tilt::{SideInGeneral, Tilt};

use super::{KernelRegression, Mixture};
use crate::BridgeError;
use crate::rows::stacked;
use distributions::RelativeDistributions;
use ndarray::{Array2, ArrayView2, Axis};
use std::sync::Arc;
use zbridge_core::{ConditionalDensity, DensityError, LatentDistribution, Latents, RandomStream};

/// q(t|s) = q₀(t|s) exp(κ S(s, t)) / Z(s): a density q₀ tilted by how well source and target agree,
/// by what pairs each is similar to.
///
/// q₀ is the distribution of targets whatever the source is, or a kernel regression with a residual
/// that does not depend on the source. S is a [`Tilt`], and at most τ, so that little is lost by
/// two approximations. Z(s) is the mean of exp(κ S) over fixed draws of q₀, and means weight the
/// same draws: the relative error is the deviation of exp(κ S) / Z over the root of their number.
/// Draws are chosen among some hundred fresh draws of q₀ with weights exp(κ S)
/// (sampling–importance–resampling, Rubin 1988), so that several draws for one source can be the
/// same point.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Relative {
    base: Base,
    tilt: Arc<Tilt>,
    /// κ.
    inverse_temperature: f32,
    fixed: Arc<FixedDraws>,
}

/// q₀.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Base {
    /// The same for every source.
    Marginal(Mixture),
    /// Around a mean, with the same residual for every source.
    Regression(KernelRegression),
}

/// Draws of q₀ over which Z is a mean.
#[derive(Debug, Clone, PartialEq)]
struct FixedDraws {
    /// Points, or what is added to the mean of a regression: `[draws, target]`.
    draws: Array2<f32>,
    /// b of the points, `[draws, views · anchors]`; `None` of a regression.
    relative: Option<Array2<f32>>,
}

/// Draws that are compared at once.
const ROWS_AT_ONCE: usize = 1024;

impl Base {
    fn as_dyn(&self) -> &(dyn ConditionalDensity + Sync) {
        match self {
            Self::Marginal(mixture) => mixture,
            Self::Regression(regression) => regression,
        }
    }

    /// Returns how many fixed draws Z is a mean over. Those of a regression are compared anew for
    /// every source.
    fn usual_draws(&self) -> usize {
        match self {
            Self::Marginal(_) => 512,
            Self::Regression(_) => 128,
        }
    }

    /// Returns m(s) for each source; `None` if q₀ has no mean that the source moves.
    fn means(&self, sources: &Latents) -> Result<Option<Latents>, DensityError> {
        match self {
            Self::Marginal(_) => Ok(None),
            Self::Regression(regression) => regression.means(sources).map(Some),
        }
    }

    /// Returns draws of q₀, less m(s) if it has that: the same for every source,
    /// `[count, target]`.
    fn draws(&self, count: usize, stream: &mut RandomStream) -> Result<Array2<f32>, DensityError> {
        match self {
            Self::Marginal(mixture) => {
                let any_source = Latents::filled(1, mixture.dims().0, 0.0);
                let draws = mixture.given(&any_source)?.sample_each(count, stream)?;
                Ok(draws.into_array())
            }
            Self::Regression(regression) => regression.deviations(count, stream),
        }
    }

    /// Returns the draws over which Z is a mean: those of a regression in pairs of opposite sign,
    /// which leaves less to chance.
    fn fixed_draws(&self, count: usize) -> Result<Array2<f32>, DensityError> {
        let mut stream = RandomStream::named(0, "bridge/relative-normaliser");
        let Self::Regression(_) = self else {
            return self.draws(count, &mut stream);
        };
        let half = self.draws(count.div_ceil(2), &mut stream)?;
        let opposite = half.mapv(|value| -value);
        let both = stacked([&half, &opposite]);
        Ok(both.slice_axis_move(Axis(0), (0..count).into()))
    }
}

impl Relative {
    /// Returns q₀ tilted.
    ///
    /// # Errors
    /// [`BridgeError::Density`] if a draw of q₀ is NaN.
    pub(crate) fn new(base: Base, tilt: Arc<Tilt>) -> Result<Self, BridgeError> {
        let draws = base.usual_draws();
        Self::with_fixed_draws(base, tilt, draws)
    }

    /// Returns the same whose normaliser is a mean over this many draws.
    fn with_fixed_draws(base: Base, tilt: Arc<Tilt>, count: usize) -> Result<Self, BridgeError> {
        let draws = base.fixed_draws(count)?;
        let relative = match &base {
            Base::Marginal(_) => Some(tilt.target.relative(draws.view())),
            Base::Regression(_) => None,
        };
        let fixed = Arc::new(FixedDraws { draws, relative });
        Ok(Self {
            base,
            tilt,
            inverse_temperature: 1.0,
            fixed,
        })
    }

    /// Returns κ τ.
    fn strength(&self) -> f32 {
        self.inverse_temperature * self.tilt.strength
    }

    /// Returns κ S of sources, given as a(s), with fresh draws of q₀ for each: `[sources, draws]`.
    ///
    /// # Shapes
    /// `sources` `[sources, views · anchors]`, `means` `[sources, target]`, `draws`
    /// `[draws, target]`.
    fn tilts(
        &self,
        sources: ArrayView2<'_, f32>,
        means: Option<ArrayView2<'_, f32>>,
        draws: ArrayView2<'_, f32>,
    ) -> Array2<f32> {
        let target = &self.tilt.target;
        let mut tilts = Array2::zeros((sources.nrows(), draws.nrows()));
        // Some at a time: representations are long.
        let blocks = draws.axis_chunks_iter(Axis(0), ROWS_AT_ONCE);
        let places = tilts.axis_chunks_iter_mut(Axis(1), ROWS_AT_ONCE);
        for (draws, mut tilts) in blocks.zip(places) {
            let products = match means {
                Some(means) => target.products_around(sources, means, draws),
                None => sources.dot(&target.relative(draws).t()),
            };
            tilts.assign(&products);
        }
        tilts * self.strength()
    }

    /// Returns κ S of sources with the fixed draws, `[sources, draws]`.
    fn fixed_tilts(
        &self,
        sources: ArrayView2<'_, f32>,
        means: Option<ArrayView2<'_, f32>>,
    ) -> Array2<f32> {
        match &self.fixed.relative {
            Some(relative) => sources.dot(&relative.t()) * self.strength(),
            None => self.tilts(sources, means, self.fixed.draws.view()),
        }
    }
}

impl ConditionalDensity for Relative {
    fn dims(&self) -> (usize, usize) {
        self.base.as_dyn().dims()
    }

    fn given(&self, source: &Latents) -> Result<Box<dyn LatentDistribution + '_>, DensityError> {
        super::parametric::check_source(source, self.dims().0)?;
        Ok(Box::new(RelativeDistributions::new(self, source)?))
    }
}

/// Returns the mean of these draws `[draws, dim]` with these weights.
fn weighted_mean(weights: &[f64], draws: ArrayView2<'_, f32>) -> Vec<f32> {
    let total: f64 = weights.iter().sum();
    let mut sums = vec![0.0; draws.ncols()];
    for (weight, draw) in weights.iter().zip(draws.rows()) {
        for (sum, &value) in sums.iter_mut().zip(draw) {
            *sum += weight * f64::from(value);
        }
    }
    sums.into_iter().map(|sum| (sum / total) as f32).collect()
}
