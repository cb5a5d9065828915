use super::aggregate::AggregateComponents;
use super::effort::Effort;
use super::latent_space::LatentSpace;
use super::regressed::Regressed;
use super::source_graph::{DiffusedSource, SourceGraph};
use super::splits::{Split, splits};
use super::streams::{DirectionPurpose, Purpose, Streams};
use super::tilted::fit_tilt;
use crate::conditional::Conditional;
use crate::density::Density;
use crate::families::Tilt;
use crate::maximum_likelihood::PosteriorPairs;
use crate::{BridgeError, Direction, Directions, FitData, SourceReading};
use std::sync::{Arc, OnceLock};
use zbridge_core::{Observer, Stage};

/// What all steps of the automatic recipe work on.
#[derive(Debug)]
pub(super) struct Prepared<'e> {
    pub(super) effort: &'e Effort,
    pub(super) x: LatentSpace,
    pub(super) y: LatentSpace,
    pub(super) splits: Vec<Split>,
    pub(super) streams: Streams,
    /// What densities of each direction are given of a source.
    pub(super) readings: Directions<SourceReading>,
    /// Rows of all pairs.
    all: Vec<usize>,
    /// Components of each target's aggregate posterior, by the number of the part.
    components: Directions<Vec<OnceLock<AggregateComponents>>>,
    /// Kernel regressions of each direction, by the number of the part.
    regressions: Directions<Vec<RegressionsOfPart>>,
    /// Tilts of each direction, by the number of the part.
    tilts: Directions<Vec<OnceLock<Arc<Tilt>>>>,
    /// Nearest neighbours among each source's posteriors, where labels are spread.
    pub(super) graphs: Directions<OnceLock<SourceGraph>>,
    /// How strongly pairs reach each source's posteriors, where codes are found so.
    pub(super) diffused: Directions<OnceLock<DiffusedSource>>,
}

/// Kernel regressions on the pairs of a part, by what is given of a source.
#[derive(Debug, Default)]
struct RegressionsOfPart {
    on_draws: OnceLock<Arc<Regressed>>,
    on_means: OnceLock<Arc<Regressed>>,
    on_parameters: OnceLock<Arc<Regressed>>,
}

/// The spaces that a direction leads from and to.
#[derive(Clone, Copy)]
pub(super) struct SourceAndTarget<'p> {
    pub(super) source: &'p LatentSpace,
    pub(super) target: &'p LatentSpace,
}

/// The pairs that a fit may use: those that a split fits on, or all of them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Part<'p> {
    /// Number of the split, or the number of splits for all pairs.
    pub(super) index: usize,
    pub(super) rows: &'p [usize],
}

impl<'e> Prepared<'e> {
    /// Returns the data in the coordinates of their frames, and how they are split.
    ///
    /// # Errors
    /// [`BridgeError::Interrupted`].
    pub(super) fn new(
        data: &FitData<'_>,
        effort: &'e Effort,
        pca: [Option<usize>; 2],
        seed: u64,
        observer: &dyn Observer,
    ) -> Result<Self, BridgeError> {
        let stage = Stage::new(observer, "preparing latents", 2);
        let [x_data, y_data] = data.sides();
        let [x_pca, y_pca] = pca;
        let x = LatentSpace::new(&x_data, x_pca, &stage)?;
        stage.advance(1)?;
        let y = LatentSpace::new(&y_data, y_pca, &stage)?;
        stage.advance(1)?;
        let streams = Streams::new(seed);
        let splits = splits(data.x.rows(), &mut streams.shared(Purpose::Splits));
        let parts = splits.len() + 1;
        Ok(Self {
            effort,
            x,
            y,
            streams,
            readings: Directions::from_fn(|_| SourceReading::Draw),
            all: (0..data.x.rows()).collect(),
            graphs: Directions::from_fn(|_| OnceLock::new()),
            diffused: Directions::from_fn(|_| OnceLock::new()),
            components: Directions::from_fn(|_| (0..parts).map(|_| OnceLock::new()).collect()),
            regressions: Directions::from_fn(|_| (0..parts).map(|_| Default::default()).collect()),
            tilts: Directions::from_fn(|_| (0..parts).map(|_| OnceLock::new()).collect()),
            splits,
        })
    }

    /// Returns the number of pairs.
    pub(super) fn pair_count(&self) -> usize {
        self.all.len()
    }

    /// Returns whether neither side is discrete.
    pub(super) fn both_are_continuous(&self) -> bool {
        !self.x.is_discrete() && !self.y.is_discrete()
    }

    /// Returns the spaces that `direction` leads from and to.
    pub(super) fn spaces(&self, direction: Direction) -> SourceAndTarget<'_> {
        let (source, target) = match direction {
            Direction::XToY => (&self.x, &self.y),
            Direction::YToX => (&self.y, &self.x),
        };
        SourceAndTarget { source, target }
    }

    /// Returns the pairs that `split` fits on.
    pub(super) fn part_of<'p>(&self, split: &'p Split) -> Part<'p> {
        Part {
            index: split.index,
            rows: &split.fit,
        }
    }

    /// Returns all pairs.
    pub(super) fn all_pairs(&self) -> Part<'_> {
        Part {
            index: self.splits.len(),
            rows: &self.all,
        }
    }

    /// Returns the pairs of a part to draw from in training, with sources read so.
    pub(super) fn pairs<'p>(
        &'p self,
        direction: Direction,
        part: Part<'p>,
        reading: SourceReading,
    ) -> PosteriorPairs<'p> {
        let SourceAndTarget { source, target } = self.spaces(direction);
        PosteriorPairs {
            source: &source.pairs,
            target: &target.pairs,
            frame: source.frame_for(reading),
            rows: part.rows,
            reading,
        }
    }

    /// Returns the conditional of these densities in the frames of a direction, for sources that
    /// are read so.
    pub(super) fn conditional(
        &self,
        direction: Direction,
        members: Vec<Density>,
        reading: SourceReading,
    ) -> Conditional {
        let SourceAndTarget { source, target } = self.spaces(direction);
        let frames = (source.frame_for(reading).clone(), target.frame.clone());
        Conditional::new(frames.0, frames.1, members).given_as(reading)
    }

    /// Returns the components of the aggregate posterior of a direction's target, from the pairs of
    /// a part and all posteriors without partners.
    ///
    /// # Errors
    /// [`BridgeError::Shape`] if a draw is NaN.
    pub(super) fn components(
        &self,
        direction: Direction,
        part: Part<'_>,
    ) -> Result<&AggregateComponents, BridgeError> {
        let known = &self.components.get(direction)[part.index];
        if let Some(components) = known.get() {
            return Ok(components);
        }
        // Not `get_or_init` around the computation: that runs in parallel, and a thread that waits
        // for a piece of it may take up another fit that needs the same components. It would wait
        // for itself. Two threads may compute the same values here; the first ones stay.
        let purpose = DirectionPurpose::Components { part: part.index };
        let mut stream = self.streams.of(direction, purpose);
        let target = self.spaces(direction).target;
        let components = AggregateComponents::of(target, part.rows, &mut stream)?;
        Ok(known.get_or_init(|| components))
    }

    /// Returns the kernel regression on the pairs of a part, with sources read so. It is fitted
    /// once.
    ///
    /// # Errors
    /// [`BridgeError::NotPositiveDefinite`] if values overflow; [`BridgeError::Interrupted`].
    pub(super) fn regression(
        &self,
        direction: Direction,
        part: Part<'_>,
        reading: SourceReading,
        stage: &Stage<'_>,
    ) -> Result<Arc<Regressed>, BridgeError> {
        let of_part = &self.regressions.get(direction)[part.index];
        let known = match reading {
            SourceReading::Draw => &of_part.on_draws,
            SourceReading::Mean => &of_part.on_means,
            SourceReading::Parameters => &of_part.on_parameters,
        };
        if let Some(regressed) = known.get() {
            return Ok(Arc::clone(regressed));
        }
        // Not `get_or_init` around the fit, for the reason given in `components`.
        let purpose = DirectionPurpose::Regression { part: part.index };
        let mut stream = self.streams.of(direction, purpose);
        let pairs = self.pairs(direction, part, reading);
        let source = self.spaces(direction).source.frame_for(reading);
        let regressed = Regressed::on(&pairs, source, &mut stream, stage)?;
        Ok(Arc::clone(known.get_or_init(|| Arc::new(regressed))))
    }

    /// Returns the tilt of the pairs of a part, with sources read as the direction does. It is
    /// fitted once.
    ///
    /// # Errors
    /// [`BridgeError::Shape`] if a draw is NaN; [`BridgeError::Interrupted`].
    pub(super) fn tilt(
        &self,
        direction: Direction,
        part: Part<'_>,
        stage: &Stage<'_>,
    ) -> Result<Arc<Tilt>, BridgeError> {
        let known = &self.tilts.get(direction)[part.index];
        if let Some(tilt) = known.get() {
            return Ok(Arc::clone(tilt));
        }
        // Not `get_or_init` around the fit, for the reason given in `components`.
        let purpose = DirectionPurpose::Tilt { part: part.index };
        let mut stream = self.streams.of(direction, purpose);
        let reading = *self.readings.get(direction);
        let pairs = self.pairs(direction, part, reading);
        let tilt = fit_tilt(&pairs, self.spaces(direction), reading, &mut stream, stage)?;
        Ok(Arc::clone(known.get_or_init(|| Arc::new(tilt))))
    }
}
