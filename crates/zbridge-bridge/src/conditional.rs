//! What a bridge has for each direction: densities in standardised coordinates, seen from the
//! latent spaces themselves.

use crate::BridgeError;
use crate::agreement::Agreement;
use crate::density::Density;
use crate::families::GaussianDensity;
use crate::frame::Frame;
use crate::principal::Principal;
use std::path::Path;
use std::sync::Arc;
use zbridge_core::{
    ConditionalDensity, DensityError, LatentDistribution, Latents, RandomStream, ShapeError,
};
use zbridge_nn::{NnError, WeightsFile};

/// q(target|source) between two latent spaces.
///
/// An even mixture of its members, each a density of one family in the coordinates of the two
/// frames: a single one, or a small ensemble fitted under different seeds (Lakshminarayanan et al.
/// 2017). With a critic, draws are accepted as often as the other direction agrees with them
/// (Bayes; see [`Bridge`](crate::Bridge)).
#[derive(Debug, Clone, PartialEq)]
pub struct Conditional {
    pub(crate) source: Frame,
    pub(crate) target: Frame,
    pub(crate) members: Vec<Density>,
    pub(crate) critic: Option<Arc<Agreement>>,
}

impl Conditional {
    pub(crate) fn new(source: Frame, target: Frame, members: Vec<Density>) -> Self {
        Self {
            source,
            target,
            members,
            critic: None,
        }
    }

    /// A Gaussian network over whole latent spaces as they are: the paper's density.
    pub(crate) fn plain(density: GaussianDensity) -> Self {
        let (source, target) = density.dims();
        Self::new(
            Frame::identity(source),
            Frame::identity(target),
            vec![Density::Gaussian(density)],
        )
    }

    /// The one diagonal-Gaussian network over whole latent spaces that this is, if it is: its
    /// divergences from other Gaussians have a closed form.
    pub fn as_gaussian(&self) -> Option<&GaussianDensity> {
        let whole = |frame: &Frame| *frame == Frame::identity(frame.dim());
        match self.members.as_slice() {
            [Density::Gaussian(density)] if whole(&self.source) && whole(&self.target) => {
                Some(density)
            }
            _ => None,
        }
    }

    /// The same with every mixture's logits multiplied by `sharpness` when it is asked for draws or
    /// densities.
    pub(crate) fn sharpened(&self, sharpness: f32) -> Self {
        let sharpened = |member: &Density| match member {
            Density::Mixture(mixture) => {
                Density::Mixture(mixture.clone().with_sharpness(sharpness))
            }
            Density::SharedCode(density) => {
                Density::SharedCode(density.clone().with_sharpness(sharpness))
            }
            other => other.clone(),
        };
        Self {
            members: self.members.iter().map(sharpened).collect(),
            ..self.clone()
        }
    }

    /// log q of target points in the frame for features of the source, the mean over members;
    /// without the critic.
    pub(crate) fn log_prob_inside(
        &self,
        features: &Latents,
        points: &Latents,
    ) -> Result<Vec<f64>, DensityError> {
        let each: Vec<Vec<f64>> = self
            .members
            .iter()
            .map(|member| member.as_dyn().given(features)?.log_prob(points))
            .collect::<Result<_, _>>()?;
        let mean = |row: usize| {
            let highest = each
                .iter()
                .map(|nats| nats[row])
                .fold(f64::NEG_INFINITY, f64::max);
            let total: f64 = each.iter().map(|nats| (nats[row] - highest).exp()).sum();
            if highest == f64::NEG_INFINITY {
                highest
            } else {
                highest + (total / each.len() as f64).ln()
            }
        };
        Ok((0..points.rows()).map(mean).collect())
    }

    /// The same with the critic's correction, if there is one.
    pub(crate) fn log_prob_judged(
        &self,
        features: &Latents,
        points: &Latents,
    ) -> Result<Vec<f64>, DensityError> {
        let mut nats = self.log_prob_inside(features, points)?;
        if let Some(critic) = &self.critic {
            let corrections = critic.log_corrections(self, features, points)?;
            nats.iter_mut()
                .zip(corrections)
                .for_each(|(nats, correction)| *nats += correction);
        }
        Ok(nats)
    }

    /// One target point in the frame for each row of features, `[rows, active]`; without the
    /// critic.
    pub(crate) fn draw_inside(
        &self,
        features: &Latents,
        stream: &mut RandomStream,
    ) -> Result<Vec<f32>, DensityError> {
        if let [member] = self.members.as_slice() {
            return Ok(member
                .as_dyn()
                .given(features)?
                .sample_each(1, stream)?
                .into_vec());
        }
        let width = self.target.active();
        let chosen: Vec<usize> = (0..features.rows())
            .map(|_| stream.below(self.members.len()))
            .collect();
        let mut points = vec![0.0; features.rows() * width];
        for (index, member) in self.members.iter().enumerate() {
            let rows: Vec<usize> = (0..features.rows())
                .filter(|&row| chosen[row] == index)
                .collect();
            let drawn = member
                .as_dyn()
                .given(&features.select(&rows))?
                .sample_each(1, stream)?;
            for (&row, point) in rows.iter().zip(drawn.values().chunks_exact(width)) {
                points[row * width..(row + 1) * width].copy_from_slice(point);
            }
        }
        Ok(points)
    }

    pub(crate) fn put_into(&self, file: &mut WeightsFile, prefix: &str) {
        let frames = serde_json::to_string(&(&self.source, &self.target)).unwrap_or_default();
        file.metadata.insert(format!("{prefix}.frames"), frames);
        for (side, frame) in [("source", &self.source), ("target", &self.target)] {
            if let Some(principal) = &frame.principal {
                principal.put_into(file, &format!("{prefix}.{side}.principal"));
            }
        }
        file.metadata
            .insert(format!("{prefix}.members"), self.members.len().to_string());
        for (index, member) in self.members.iter().enumerate() {
            member.put_into(file, &format!("{prefix}.{index}"));
        }
    }

    /// As stored, without its critic.
    pub(crate) fn from_file(
        file: &WeightsFile,
        prefix: &str,
        path: &Path,
    ) -> Result<Self, BridgeError> {
        let fault = |reason: String| NnError::Weights {
            path: path.to_owned(),
            reason,
        };
        let (mut source, mut target): (Frame, Frame) =
            file.parsed_metadata(&format!("{prefix}.frames"), path)?;
        if !source.is_sound(source.dim()) || !target.is_sound(target.dim()) {
            return Err(fault(format!("metadata `{prefix}.frames` contradicts itself")).into());
        }
        for (side, frame) in [("source", &mut source), ("target", &mut target)] {
            let prefix = format!("{prefix}.{side}.principal");
            frame.principal = Principal::from_file(file, &prefix, frame.active_dimensions(), path)?;
        }
        let count: usize = file.parsed_metadata(&format!("{prefix}.members"), path)?;
        if !(1..=64).contains(&count) {
            return Err(fault(format!(
                "metadata `{prefix}.members` is {count}; 1 to 64 are possible"
            ))
            .into());
        }
        let members = (0..count)
            .map(|index| Density::from_file(file, &format!("{prefix}.{index}"), path))
            .collect::<Result<Vec<_>, _>>()?;
        let expected = (source.feature_width(), target.active());
        for member in &members {
            let found = member.as_dyn().dims();
            if found != expected {
                return Err(fault(format!(
                    "a member of `{prefix}` joins {found:?} dimensions, its frames {expected:?}"
                ))
                .into());
            }
        }
        Ok(Self::new(source, target, members))
    }
}

impl ConditionalDensity for Conditional {
    fn dims(&self) -> (usize, usize) {
        (self.source.dim(), self.target.dim())
    }

    fn given(&self, source: &Latents) -> Result<Box<dyn LatentDistribution + '_>, DensityError> {
        Ok(Box::new(Given {
            conditional: self,
            features: self.source.features_of(source)?,
        }))
    }
}

/// The distributions of a batch of sources.
struct Given<'c> {
    conditional: &'c Conditional,
    features: Latents,
}

impl LatentDistribution for Given<'_> {
    fn shape(&self) -> (usize, usize) {
        (self.features.rows(), self.conditional.target.dim())
    }

    fn sample_each(
        &self,
        draws: usize,
        stream: &mut RandomStream,
    ) -> Result<Latents, DensityError> {
        let features = self.features.repeat_each(draws);
        let drawn = match &self.conditional.critic {
            Some(critic) => critic.draw(self.conditional, &features, stream),
            None => self.conditional.draw_inside(&features, stream),
        };
        Ok(self.conditional.target.restored(&drawn?, stream)?)
    }

    fn log_prob(&self, points: &Latents) -> Result<Vec<f64>, DensityError> {
        let found = (points.rows(), points.dim());
        if found != self.shape() {
            return Err(ShapeError::Mismatch {
                what: "points under a bridge",
                expected: self.shape(),
                found,
            }
            .into());
        }
        let target = &self.conditional.target;
        let inside = Latents::clamped(target.standardised(points.values()), target.active())?;
        let mut nats = self.conditional.log_prob_judged(&self.features, &inside)?;
        for (nats, point) in nats
            .iter_mut()
            .zip(points.values().chunks_exact(points.dim()))
        {
            *nats += target.log_density_outside(point);
        }
        Ok(nats)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::families::{CouplingFlow, FlowShape, Mixture, laws};
    use zbridge_core::{DiagonalGaussian, Posterior};

    /// Posteriors in the plane, around the origin.
    fn plane(name: &str) -> Posterior {
        let mut mean = vec![0.0; 400];
        RandomStream::named(3, name).fill_standard_normal(&mut mean);
        DiagonalGaussian::new(
            Latents::from_vec(mean, 2).unwrap(),
            Latents::filled(200, 2, -2.0),
        )
        .unwrap()
        .into()
    }

    fn flow(seed: u64) -> Density {
        let mut stream = RandomStream::named(seed, "flow");
        let shape = FlowShape {
            couplings: 2,
            hidden: vec![8],
            bins: 4,
        };
        Density::Flow(CouplingFlow::initial(2, 2, &shape, &mut stream).unwrap())
    }

    fn reader() -> Conditional {
        let components = DiagonalGaussian::new(
            Latents::from_vec(vec![-1.0, 0.0, 1.0, 0.0], 2).unwrap(),
            Latents::filled(2, 2, -1.0),
        );
        let mut stream = RandomStream::named(1, "reader");
        let mut mixture = Mixture::initial(
            2,
            components.unwrap(),
            &[-0.7, -0.7],
            &[8],
            0.0,
            false,
            &mut stream,
        )
        .unwrap();
        let mut noise = vec![0.0; crate::learner::Learner::parameters(&mixture).len()];
        stream.fill_standard_normal(&mut noise);
        let parameters = crate::learner::Learner::parameters_mut(&mut mixture).iter_mut();
        parameters
            .zip(noise)
            .for_each(|(parameter, noise)| *parameter += 0.5 * noise);
        let frames = (
            Frame::of(&[&plane("target")]),
            Frame::of(&[&plane("source")]),
        );
        Conditional::new(frames.0, frames.1, vec![Density::Mixture(mixture)])
    }

    fn broad(members: Vec<Density>) -> Conditional {
        Conditional::new(
            Frame::of(&[&plane("source")]),
            Frame::of(&[&plane("target")]),
            members,
        )
    }

    #[test]
    fn a_target_of_which_one_direction_is_kept_obeys_the_laws() {
        let Density::Mixture(mixture) = reader().members.remove(0) else {
            unreachable!()
        };
        let mut stream = RandomStream::named(2, "turned");
        let components = DiagonalGaussian::new(
            Latents::from_vec(vec![-1.0, 1.0], 1).unwrap(),
            Latents::filled(2, 1, -1.0),
        );
        let mut turned = Mixture::initial(
            2,
            components.unwrap(),
            &[-0.7, -0.7],
            &[8],
            0.0,
            false,
            &mut stream,
        )
        .unwrap();
        let count = crate::learner::Learner::parameters(&turned).len();
        let known = crate::learner::Learner::parameters(&mixture)[..count.min(9)].to_vec();
        crate::learner::Learner::parameters_mut(&mut turned)[..known.len()].copy_from_slice(&known);
        let target = Frame::keeping(&[&plane("target")], Some(1));
        assert_eq!((target.dim(), target.active()), (2, 1));
        let turned = Conditional::new(
            Frame::of(&[&plane("source")]),
            target,
            vec![Density::Mixture(turned)],
        );
        laws::hold_for(&turned, 1e-2);
        let mut file = WeightsFile::default();
        turned.put_into(&mut file, "x_to_y");
        assert_eq!(
            Conditional::from_file(&file, "x_to_y", Path::new("a")).unwrap(),
            turned
        );
    }

    #[test]
    fn ensembles_in_frames_obey_the_laws() {
        laws::hold_for(&broad(vec![flow(1), flow(2)]), 1e-2);
        laws::hold_for(&reader(), 1e-3);
    }

    #[test]
    fn agreement_obeys_the_laws_up_to_the_error_of_its_normaliser() {
        let agreed = Conditional {
            critic: Agreement::of(&reader()).map(Arc::new),
            ..broad(vec![flow(1)])
        };
        assert!(agreed.critic.is_some());
        laws::hold_for(&agreed, 0.08);
    }

    #[test]
    fn only_tied_mixtures_can_be_asked_to_agree() {
        assert!(Agreement::of(&broad(vec![flow(1)])).is_none());
    }
}
