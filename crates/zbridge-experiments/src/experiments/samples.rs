//! What was made, to look at, listen to and read.

use super::crossing::Plan;
use super::modality::Modality;
use super::{ExperimentRequest, Ground};
use crate::labelled_stages::LabelledStages;
use zbridge::generate;
use zbridge_bridge::Direction;
use zbridge_core::{
    ConditionalDensity, EventKind, Observations, Observer, RandomStream, Spectrogram,
};
use zbridge_plot::{ImageGrid, Tile};
use zbridge_report::{Block, Cell, Column, Recording, Section, Table};
use zbridge_sound::to_waveforms;
use zbridge_tasks::Error;
use zbridge_tasks::pictures::tiles;

/// Different things that are shown at most.
const ROWS: usize = 10;
/// Images of each.
const COLUMNS: usize = 10;
/// Sounds of each.
const SOUNDS: usize = 2;
/// Classes or texts of each.
const WORDS: usize = 5;

/// Sections that show what the first seed's bridges on the most pairs make.
///
/// # Errors
/// [`Error`] when a fit or a decoder fails.
pub(super) fn samples(
    request: &ExperimentRequest,
    grounds: &[Ground],
    observer: &dyn Observer,
) -> Result<Vec<Section>, Error> {
    let pairs = request.pairs.iter().copied().max().unwrap_or_default();
    let mut sections = Vec::new();
    for ground in grounds {
        let plan = Plan {
            x: &ground.x,
            y: &ground.y,
            pairs,
            shuffled: false,
            config: request.config.clone().with_seed(request.seed),
        };
        let bridge = plan.fit(&LabelledStages::new(observer, "samples"))?.bridge;
        for direction in [Direction::XToY, Direction::YToX] {
            let samples = Samples::of(ground, direction, request.seed);
            let observations = samples.draw(bridge.density(direction))?;
            // Figures of a page are told apart by number.
            sections.push(samples.section(&observations, sections.len())?);
        }
    }
    Ok(sections)
}

/// What is shown of one direction: draws for some held-out sources.
struct Samples<'g> {
    heading: String,
    source: &'g Modality,
    target: &'g Modality,
    /// Rows of the held-out sources, one for each key.
    rows: Vec<usize>,
    seed: u64,
}

impl<'g> Samples<'g> {
    fn of(ground: &'g Ground, direction: Direction, seed: u64) -> Self {
        let (source, target) = match direction {
            Direction::XToY => (&ground.x, &ground.y),
            Direction::YToX => (&ground.y, &ground.x),
        };
        let (made, from) = (target.plural(), source.plural());
        Self {
            heading: format!("{} {made} made from {from}", ground.name),
            source,
            target,
            rows: one_of_each(&source.held_out.keys),
            seed,
        }
    }

    /// Draws for each source.
    fn count(&self) -> usize {
        match self.target.model.event() {
            EventKind::Image { .. } => COLUMNS,
            EventKind::Sound(_) => SOUNDS,
            _ => WORDS,
        }
    }

    fn draw(&self, density: &dyn ConditionalDensity) -> Result<Observations, Error> {
        let sources = self.source.held_out.posterior.select(&self.rows);
        let mut stream = RandomStream::named(self.seed, "experiment/samples");
        let model = &*self.target.model;
        Ok(generate(
            density,
            &sources,
            model,
            self.count(),
            &mut stream,
        )?)
    }

    /// What each source shows.
    fn names(&self) -> Vec<String> {
        let source = self.source;
        let keys = self.rows.iter().map(|&row| source.held_out.keys[row]);
        keys.map(|key| source.reader.in_words(key)).collect()
    }

    fn section(&self, made: &Observations, number: usize) -> Result<Section, Error> {
        let section = Section::new(self.heading.trim());
        let section = match made.kind() {
            EventKind::Image { .. } => section.illustration(
                format!("made-{number}"),
                format!(
                    "Ten draws for each of {} held-out {}, a row each.",
                    self.rows.len(),
                    self.source.plural()
                ),
                "Rows of generated images.",
                self.images(made)?,
            ),
            EventKind::Sound(kind) => section
                .paragraph("Held-out sources, two draws each, as the judge hears them.")
                .with(Block::Sounds(self.recordings(made, kind))),
            _ => section.table(self.words(made)),
        };
        Ok(section)
    }

    fn images(&self, made: &Observations) -> Result<ImageGrid, Error> {
        let tiles = tiles(made)?;
        let rows = tiles.chunks(COLUMNS).map(<[Tile]>::to_vec).collect();
        Ok(ImageGrid {
            row_captions: self.names(),
            ..ImageGrid::new(rows)
        })
    }

    fn recordings(&self, made: &Observations, kind: &Spectrogram) -> Vec<Recording> {
        // Spectrograms have no phases: the algorithm of Griffin and Lim starts from random ones.
        let phases = RandomStream::named(self.seed, "experiment/samples/phases");
        let sounds = to_waveforms(made.values(), kind, &phases);
        let mut recordings = Vec::new();
        for (name, sounds) in self.names().iter().zip(sounds.chunks(SOUNDS)) {
            for sound in sounds {
                recordings.push(Recording {
                    caption: name.clone(),
                    wav: sound.to_wav(),
                });
            }
        }
        recordings
    }

    /// Classes or texts, the draws of a source in one cell.
    fn words(&self, made: &Observations) -> Table {
        let words = match made.texts() {
            Some(texts) => texts,
            None => made.argmax().iter().map(ToString::to_string).collect(),
        };
        let mut rows = Vec::new();
        for (name, draws) in self.names().into_iter().zip(words.chunks(WORDS)) {
            rows.push(vec![Cell::text(name), Cell::text(draws.join("; "))]);
        }
        Table {
            caption: format!(
                "Five draws for each of {} held-out {}.",
                self.rows.len(),
                self.source.plural()
            ),
            columns: vec![
                Column::words(format!("{} of", self.source.name)),
                Column::words("draws"),
            ],
            rows,
        }
    }
}

/// The first row of each key, of as many as are shown, spread over all of them.
fn one_of_each(keys: &[u16]) -> Vec<usize> {
    let mut all: Vec<u16> = keys.to_vec();
    all.sort_unstable();
    all.dedup();
    // Neighbouring keys are alike, so that those shown are spread over all.
    let step = all.len().div_ceil(ROWS).max(1);
    let chosen = all.into_iter().step_by(step);
    chosen
        .filter_map(|key| keys.iter().position(|&other| other == key))
        .collect()
}
