use super::side_of_pairs::SideOfPairs;
use super::{HeldOutPairs, LeftOut};
use crate::Error;
use crate::pieces::{Outputs, Pieces};
use serde::Serialize;
use zbridge::GivenModel;
use zbridge_bridge::{Conditional, Direction};
use zbridge_core::{Estimate, EventKind, Observations, Observer, RandomStream, Stage};

/// The largest number of pairs whose targets are decoded.
const MOST_DECODED_PAIRS: usize = 1000;
/// Draws of which the decoded mean is taken.
const MEAN_DRAWS: usize = 32;

/// How near decoded means come to held-out observations: mean squared error of an element (a
/// pixel), in the square of the observations' unit; of images in 0..1.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CrossedError {
    /// Draws of which each mean is taken, in latent space.
    pub draws: usize,
    /// Of the mean of the bridge's draws, decoded once.
    pub bridge: Estimate,
    /// Of the mean of the target's own posterior, decoded: what the given model itself loses.
    pub given_model: Estimate,
    /// Of the mean of these held-out observations, the same for all: what can be had without the
    /// source.
    pub mean_observation: Estimate,
}

/// Both directions' errors, where they can be had.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CrossedErrors {
    /// Of y made from x.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub x_to_y: Option<CrossedError>,
    /// Of x made from y.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub y_to_x: Option<CrossedError>,
}

impl CrossedErrors {
    /// Returns the errors of each direction whose target can be decoded and whose observations are
    /// given; `None` if neither can. Why one is missing is added to `left_out`.
    ///
    /// # Errors
    /// [`Error`] if shapes do not belong together, or the observer stops the work.
    pub(crate) fn of(
        pairs: &HeldOutPairs,
        seed: u64,
        observer: &dyn Observer,
        left_out: &mut Vec<LeftOut>,
    ) -> Result<Option<Self>, Error> {
        let mut found = Self {
            x_to_y: None,
            y_to_x: None,
        };
        for direction in Direction::BOTH {
            let (source, target) = pairs.sides(direction);
            let crossing = match Crossing::of(pairs.bridge.density(direction), source, target) {
                Ok(crossing) => crossing,
                Err(reason) => {
                    let figures = format!("{direction}: error of decoded means");
                    left_out.extend(reason.map(|reason| LeftOut::new(&figures, reason)));
                    continue;
                }
            };
            let error = Some(crossing.error(seed, observer)?);
            match direction {
                Direction::XToY => found.x_to_y = error,
                Direction::YToX => found.y_to_x = error,
            }
        }
        let is_empty = found.x_to_y.is_none() && found.y_to_x.is_none();
        Ok((!is_empty).then_some(found))
    }
}

/// One direction, whose targets can be decoded and compared.
struct Crossing<'p> {
    density: &'p Conditional,
    source: &'p SideOfPairs,
    target: &'p SideOfPairs,
    model: &'p GivenModel,
    observations: &'p Observations,
}

impl<'p> Crossing<'p> {
    /// # Errors
    /// The reason why there is no such error; `None` if the target is classes or texts, of which no
    /// means are taken.
    fn of(
        density: &'p Conditional,
        source: &'p SideOfPairs,
        target: &'p SideOfPairs,
    ) -> Result<Self, Option<String>> {
        let model = target.given.as_ref();
        let model = model.ok_or_else(|| Some(target.why_no_model()))?;
        if matches!(
            model.model.event(),
            EventKind::Class { .. } | EventKind::Text { .. }
        ) {
            return Err(None);
        }
        let observations = target.observations.as_ref().ok_or_else(|| {
            Some("the data that the target's latents were encoded from are not given".to_owned())
        })?;
        Ok(Self {
            density,
            source,
            target,
            model,
            observations,
        })
    }

    fn error(&self, seed: u64, observer: &dyn Observer) -> Result<CrossedError, Error> {
        let count = self.observations.rows().min(MOST_DECODED_PAIRS);
        let first: Vec<usize> = (0..count).collect();
        let truth = self.observations.select(&first);
        let stage = Stage::new(observer, "decoding means", count as u64);
        let streams = RandomStream::named(seed, "evaluate/decoded-means");
        let outputs = Outputs::MeanOf(MEAN_DRAWS);
        let (mut bridge, mut own) = (vec![], vec![]);
        for piece in Pieces::new(outputs).of(0..count) {
            let rows: Vec<usize> = piece.rows.clone().collect();
            let truth = truth.select(&rows);
            let sources = self.source.posterior.select(&rows);
            let means = piece.latents(self.density, &sources, outputs, &streams)?;
            bridge.extend(squared_errors(&self.model.model.decode(&means)?, &truth));
            let own_means = self.target.posterior.select(&rows).moments().mean().clone();
            own.extend(squared_errors(
                &self.model.model.decode(&own_means)?,
                &truth,
            ));
            stage.advance(rows.len() as u64)?;
        }
        let everyones = zbridge::mean_observations(&truth, count)?;
        let everyones = everyones.select(&vec![0; count]);
        Ok(CrossedError {
            draws: MEAN_DRAWS,
            bridge: Estimate::of(bridge),
            given_model: Estimate::of(own),
            mean_observation: Estimate::of(squared_errors(&everyones, &truth)),
        })
    }
}

/// Returns the mean squared difference of the elements of each observation.
fn squared_errors(made: &Observations, truth: &Observations) -> Vec<f64> {
    let mut errors = vec![];
    for row in 0..truth.rows() {
        let elements = made.row(row).iter().zip(truth.row(row));
        let squares = elements.map(|(made, truth)| f64::from(made - truth).powi(2));
        errors.push(squares.sum::<f64>() / truth.kind().size() as f64);
    }
    errors
}
