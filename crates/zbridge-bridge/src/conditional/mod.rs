#[cfg(test)]
mod tests;

use crate::agreement::Agreement;
use crate::density::Density;
use crate::ensemble::Ensemble;
use crate::families::{GaussianDensity, put_json};
use crate::frame::Frame;
use crate::rows::clamped;
use crate::{BridgeError, SourceReading};
use ndarray::Array2;
use std::path::Path;
use std::sync::Arc;
use zbridge_core::{
    ConditionalDensity, DensityError, LatentDistribution, Latents, Posterior, RandomStream,
};
use zbridge_nn::WeightsFile;

/// q(target|source) between two latent spaces: what a bridge has for each direction.
///
/// It is an even mixture of a few densities of one family, fitted in standardised coordinates of
/// the two spaces. If the other direction takes part, draws are accepted as often as it agrees with
/// them (Bayes; see [`Bridge`](crate::Bridge)).
#[derive(Debug, Clone, PartialEq)]
pub struct Conditional {
    pub(crate) ensemble: Ensemble,
    pub(crate) agreement: Option<Arc<Agreement>>,
    /// What it was fitted to be given of a source.
    pub(crate) reading: SourceReading,
}

impl Conditional {
    pub(crate) fn new(source: Frame, target: Frame, members: Vec<Density>) -> Self {
        let ensemble = Ensemble {
            source,
            target,
            members,
        };
        Self {
            ensemble,
            agreement: None,
            reading: SourceReading::Draw,
        }
    }

    /// Returns the same conditional, to be given this of a source.
    pub(crate) fn given_as(self, reading: SourceReading) -> Self {
        Self { reading, ..self }
    }

    /// Returns what of a source's posterior the density was fitted on.
    /// [`sources`](ConditionalDensity::sources) reads posteriors so; parameters have twice the
    /// dimensions of the latent space, and a point of it stands for average log-variances.
    pub fn reading(&self) -> SourceReading {
        self.reading
    }

    /// Returns the conditional that is a Gaussian network over whole latent spaces as they are: the
    /// paper's density.
    pub(crate) fn plain(density: GaussianDensity) -> Self {
        let (source, target) = density.dims();
        let members = vec![Density::Gaussian(density)];
        Self::new(Frame::identity(source), Frame::identity(target), members)
    }

    /// Returns the diagonal-Gaussian network over whole latent spaces that this is, whose
    /// divergences from other Gaussians have a closed form; `None` if it is another density.
    pub fn as_gaussian(&self) -> Option<&GaussianDensity> {
        let Ensemble {
            source,
            target,
            members,
        } = &self.ensemble;
        let whole = |frame: &Frame| *frame == Frame::identity(frame.dim());
        match members.as_slice() {
            [Density::Gaussian(density)] if whole(source) && whole(target) => Some(density),
            _ => None,
        }
    }

    /// Returns the same conditional with the logits of every mixture multiplied by
    /// `inverse_temperature`.
    pub(crate) fn with_inverse_temperature(&self, inverse_temperature: f32) -> Self {
        Self {
            ensemble: self.ensemble.with_inverse_temperature(inverse_temperature),
            agreement: self.agreement.clone(),
            reading: self.reading,
        }
    }

    /// Returns log q in nats, row by row, of points in the target's frame for features of the
    /// source.
    pub(crate) fn log_prob_in_frame(
        &self,
        features: &Latents,
        points: &Latents,
    ) -> Result<Vec<f64>, DensityError> {
        let mut nats = self.ensemble.log_prob(features, points)?;
        if let Some(agreement) = &self.agreement {
            let corrections = agreement.log_corrections(&self.ensemble, features, points)?;
            for (nats, correction) in nats.iter_mut().zip(corrections) {
                *nats += correction;
            }
        }
        Ok(nats)
    }

    /// Returns one point in the target's frame for each row of features of the source,
    /// `[rows, active]`.
    pub(crate) fn draw_in_frame(
        &self,
        features: &Latents,
        stream: &mut RandomStream,
    ) -> Result<Array2<f32>, DensityError> {
        match &self.agreement {
            Some(agreement) => agreement.draw(&self.ensemble, features, stream),
            None => self.ensemble.draw(features, stream),
        }
    }

    pub(crate) fn put_into(&self, file: &mut WeightsFile, prefix: &str) -> Result<(), BridgeError> {
        if self.reading != SourceReading::Draw {
            put_json(file, format!("{prefix}.reading"), &self.reading)?;
        }
        self.ensemble.put_into(file, prefix)
    }

    /// Returns the conditional stored under `prefix`, without the other direction's agreement.
    pub(crate) fn from_file(
        file: &WeightsFile,
        prefix: &str,
        path: &Path,
    ) -> Result<Self, BridgeError> {
        let ensemble = Ensemble::from_file(file, prefix, path)?;
        // Files that do not say are given draws, those of version 0.1 among them.
        let key = format!("{prefix}.reading");
        let reading = match file.metadata.contains_key(&key) {
            true => file.parsed_metadata(&key, path)?,
            false => SourceReading::Draw,
        };
        Ok(Self {
            ensemble,
            agreement: None,
            reading,
        })
    }
}

impl ConditionalDensity for Conditional {
    fn dims(&self) -> (usize, usize) {
        (self.ensemble.source.dim(), self.ensemble.target.dim())
    }

    fn given(&self, source: &Latents) -> Result<Box<dyn LatentDistribution + '_>, DensityError> {
        Ok(Box::new(ConditionalDistributions {
            conditional: self,
            features: self.ensemble.source.features_of(source)?,
        }))
    }

    fn sources(&self, posterior: &Posterior, draws: usize, stream: &mut RandomStream) -> Latents {
        self.reading.of(posterior, draws, stream)
    }

    fn source_width(&self) -> usize {
        let dim = self.ensemble.source.dim();
        match self.reading {
            SourceReading::Draw | SourceReading::Mean => dim,
            SourceReading::Parameters => 2 * dim,
        }
    }
}

/// q(·|source_i) for each row of a batch of sources.
struct ConditionalDistributions<'c> {
    conditional: &'c Conditional,
    /// Of the sources, `[rows, feature width]`.
    features: Latents,
}

impl ConditionalDistributions<'_> {
    fn target(&self) -> &Frame {
        &self.conditional.ensemble.target
    }
}

impl LatentDistribution for ConditionalDistributions<'_> {
    fn shape(&self) -> (usize, usize) {
        (self.features.rows(), self.target().dim())
    }

    fn sample_each(
        &self,
        draws: usize,
        stream: &mut RandomStream,
    ) -> Result<Latents, DensityError> {
        let features = self.features.repeat_each(draws);
        let points = self.conditional.draw_in_frame(&features, stream)?;
        Ok(self.target().restored(points.view(), stream)?)
    }

    fn log_prob(&self, points: &Latents) -> Result<Vec<f64>, DensityError> {
        let (rows, dim) = self.shape();
        points.expect_shape("points under a bridge", rows, dim)?;
        let inside = clamped(self.target().standardised(points.view()))?;
        let mut nats = self
            .conditional
            .log_prob_in_frame(&self.features, &inside)?;
        for (nats, point) in nats.iter_mut().zip(points.view().rows()) {
            *nats += self.target().log_density_outside(point);
        }
        DensityError::check(nats)
    }

    fn means(&self) -> Result<Option<Latents>, DensityError> {
        let Conditional {
            ensemble,
            agreement,
            ..
        } = self.conditional;
        // Which draws are accepted changes the mean.
        let means = match agreement {
            Some(_) => None,
            None => ensemble.means(&self.features)?,
        };
        let restored = |means: Array2<f32>| self.target().restored_mean(means.view());
        Ok(means.map(restored).transpose()?)
    }
}
