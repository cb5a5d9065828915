//! A bridge between two modalities: fitted on pairs, read by those who have not seen it.

use super::modality::{Modality, Reader, Rows, others, pairs};
use cpu_time::ProcessTime;
use serde::{Deserialize, Serialize};
use std::time::Instant;
use zbridge::translate;
use zbridge_bridge::{Bridge, BridgeConfig, Comparison, Direction, FitData};
use zbridge_core::{
    ConditionalDensity, DiagonalGaussian, EventKind, Latents, Observer, Posterior, RandomStream,
};
use zbridge_eval::Accuracy;
use zbridge_tasks::Error;

/// Outputs that are decoded and read at once.
const CHUNK: usize = 500;
/// Draws of a discrete target that vote.
const VOTERS: usize = 16;

/// One direction, read on held-out sources.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DirectionFigures {
    /// Share of draws, one for each held-out source or several where these are few, that show what
    /// their source shows.
    pub draws_right: Accuracy,
    /// The same of what most of sixteen draws show, where the target is classes or texts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vote_right: Option<Accuracy>,
    /// Share of draws in which the reader finds nothing that there is.
    pub unreadable: f64,
    /// What was chosen and why.
    pub choice: Comparison,
    /// Shares of draws right in each attribute, where what is shown consists of several.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub by_attribute: Vec<(String, f64)>,
}

/// One bridge, both ways.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Crossing {
    /// Seed of pairs, fit and draws.
    pub seed: u64,
    /// From x to y.
    pub x_to_y: DirectionFigures,
    /// From y to x.
    pub y_to_x: DirectionFigures,
    /// Observations of (x, y) without partners that took part.
    pub unpaired: (usize, usize),
    /// Wall-clock seconds of the fit.
    pub fit_seconds: f64,
    /// Processor seconds of the fit, over all cores.
    pub fit_core_seconds: f64,
}

/// What a bridge is fitted on and how.
pub(super) struct Plan<'p> {
    pub(super) x: &'p Modality,
    pub(super) y: &'p Modality,
    pub(super) pairs: usize,
    /// Partners are permuted: the negative control.
    pub(super) shuffled: bool,
    /// With the seed of everything.
    pub(super) config: BridgeConfig,
}

/// A bridge, and how much without partners took part in its fit.
pub(super) struct Fitted {
    pub(super) bridge: Bridge,
    /// Observations of (x, y).
    unpaired: (usize, usize),
}

impl Plan<'_> {
    /// The bridge.
    ///
    /// # Errors
    /// [`Error`] when there are too few observations, the fit fails, or the observer stops the
    /// work.
    pub(super) fn fit(&self, observer: &dyn Observer) -> Result<Fitted, Error> {
        let (x_rows, mut y_rows) = self.paired_rows()?;
        // A shuffle changes partners, not which rows are in pairs.
        let x_free = self.x.without_partners(&x_rows)?;
        let y_free = self.y.without_partners(&y_rows)?;
        if self.shuffled {
            y_rows = shuffled(&y_rows, self.config.seed);
        }
        let x = self.x.pool.posterior.select(&x_rows);
        let y = self.y.pool.posterior.select(&y_rows);
        let data = FitData::pairs(&x, &y)
            .with_unpaired_x(x_free.as_ref())
            .with_unpaired_y(y_free.as_ref());
        Ok(Fitted {
            bridge: Bridge::fit(&data, &self.config.clone().check()?, observer)?,
            unpaired: (count(x_free.as_ref()), count(y_free.as_ref())),
        })
    }

    /// Rows of x and of y, row by row a pair.
    fn paired_rows(&self) -> Result<(Vec<usize>, Vec<usize>), Error> {
        let (x, y, seed) = (&self.x.pool, &self.y.pool, self.config.seed);
        // Rows of the first argument come once each; those of a collection, such as ten labels,
        // again and again.
        if self.x.is_collection {
            let (y_rows, x_rows) = pairs(y, x, self.pairs, seed)?;
            return Ok((x_rows, y_rows));
        }
        pairs(x, y, self.pairs, seed)
    }

    /// The bridge's figures both ways.
    ///
    /// # Errors
    /// As [`fit`](Self::fit); [`Error`] when a reader fails.
    pub(super) fn crossing(&self, observer: &dyn Observer) -> Result<Crossing, Error> {
        let (start, processor) = (Instant::now(), ProcessTime::now());
        let Fitted { bridge, unpaired } = self.fit(observer)?;
        let fit_seconds = start.elapsed().as_secs_f64();
        let fit_core_seconds = processor.elapsed().as_secs_f64();
        Ok(Crossing {
            seed: self.config.seed,
            x_to_y: self.read(&bridge, Direction::XToY)?,
            y_to_x: self.read(&bridge, Direction::YToX)?,
            unpaired,
            fit_seconds,
            fit_core_seconds,
        })
    }

    fn read(&self, bridge: &Bridge, direction: Direction) -> Result<DirectionFigures, Error> {
        let (source, target) = match direction {
            Direction::XToY => (self.x, self.y),
            Direction::YToX => (self.y, self.x),
        };
        let choice = bridge.comparison(direction).clone();
        let density = bridge.density(direction);
        // The seed of the fit again: streams of one seed are told apart by their names.
        DirectionFigures::of(density, source, target, choice, self.config.seed)
    }
}

/// The same rows in an order that has nothing to do with theirs.
fn shuffled(rows: &[usize], seed: u64) -> Vec<usize> {
    let order = RandomStream::named(seed, "experiment/shuffled").permutation(rows.len());
    order.into_iter().map(|place| rows[place]).collect()
}

fn count(posterior: Option<&Posterior>) -> usize {
    posterior.map_or(0, Posterior::rows)
}

impl Modality {
    /// Posteriors without partners: the pool's rows in no pair, and the others.
    fn without_partners(&self, paired: &[usize]) -> Result<Option<Posterior>, Error> {
        if self.is_collection {
            // Its rows are in pairs again and again, so that none are left over.
            return Ok(self.unpaired.clone());
        }
        let left = self
            .pool
            .posterior
            .select(&others(self.pool.count(), paired));
        let all = match &self.unpaired {
            Some(more) => {
                DiagonalGaussian::joined([&*left.moments(), &*more.moments()], left.dim())?.into()
            }
            None => left,
        };
        Ok((all.rows() > 0).then_some(all))
    }

    /// Share of the model's own draws, z ~ p(z|held-out observation), that show what the
    /// observation shows: no bridge into this modality can be expected to do better.
    ///
    /// # Errors
    /// [`Error`] when the reader fails.
    pub(super) fn own_draws_right(&self, seed: u64) -> Result<Accuracy, Error> {
        let mut stream = RandomStream::named(seed, "experiment/own");
        let latents = self.held_out.posterior.sample(&mut stream);
        let read = self.read(&latents)?;
        Ok(share_right(&readings(&self.held_out.keys, 1, &read)))
    }

    /// What the model's outputs for these latents show.
    fn read(&self, latents: &Latents) -> Result<Vec<Option<u16>>, Error> {
        let rows: Vec<usize> = (0..latents.rows()).collect();
        let mut read = Vec::with_capacity(rows.len());
        for rows in rows.chunks(CHUNK) {
            read.extend(
                self.reader
                    .keys(&self.model.decode(&latents.select(rows))?)?,
            );
        }
        Ok(read)
    }

    fn is_discrete(&self) -> bool {
        matches!(
            self.model.event(),
            EventKind::Class { .. } | EventKind::Text { .. }
        )
    }
}

impl DirectionFigures {
    /// The share that counts: of votes where there are any, else of draws.
    pub fn best(&self) -> f64 {
        self.vote_right.as_ref().unwrap_or(&self.draws_right).share
    }

    /// Figures of a density on the held-out observations of its source.
    ///
    /// # Errors
    /// [`Error`] when the reader fails.
    fn of(
        density: &dyn ConditionalDensity,
        source: &Modality,
        target: &Modality,
        choice: Comparison,
        seed: u64,
    ) -> Result<Self, Error> {
        let draws = draws_for(source.held_out.count());
        let mut stream = RandomStream::named(seed, "experiment/draws");
        let latents = translate(density, &source.held_out.posterior, draws, &mut stream)?;
        let readings = readings(&source.held_out.keys, draws, &target.read(&latents)?);
        let vote_right = match target.is_discrete() {
            true => Some(voted(density, &source.held_out, target, seed)?),
            false => None,
        };
        let unreadable = readings.iter().filter(|reading| reading.read.is_none());
        Ok(Self {
            draws_right: share_right(&readings),
            vote_right,
            unreadable: unreadable.count() as f64 / readings.len() as f64,
            choice,
            by_attribute: by_attribute(&*target.reader, &readings),
        })
    }
}

/// Draws for each source, so that there are a thousand or more.
fn draws_for(sources: usize) -> usize {
    1000usize.div_ceil(sources.max(1)).max(1)
}

/// What a draw shows beside what its source shows.
#[derive(Clone, Copy)]
struct Reading {
    key: u16,
    /// None where the reader finds nothing that there is.
    read: Option<u16>,
}

/// `read` has `draws` entries for each of `keys`.
fn readings(keys: &[u16], draws: usize, read: &[Option<u16>]) -> Vec<Reading> {
    let mut readings = Vec::with_capacity(read.len());
    for (&key, read) in keys.iter().zip(read.chunks_exact(draws)) {
        readings.extend(read.iter().map(|&read| Reading { key, read }));
    }
    readings
}

fn share_right(readings: &[Reading]) -> Accuracy {
    Accuracy::of(
        readings
            .iter()
            .map(|reading| reading.read == Some(reading.key)),
    )
}

/// The share of draws that are right in each attribute.
fn by_attribute(reader: &dyn Reader, readings: &[Reading]) -> Vec<(String, f64)> {
    let Some(first) = readings.first() else {
        return vec![];
    };
    let mut shares = Vec::new();
    for (place, (name, _)) in reader.attributes(first.key).into_iter().enumerate() {
        let right = readings
            .iter()
            .filter(|reading| is_right_in(reader, place, **reading));
        shares.push((
            name.to_owned(),
            right.count() as f64 / readings.len() as f64,
        ));
    }
    shares
}

/// Whether a draw has its source's value of the attribute at `place`.
fn is_right_in(reader: &dyn Reader, place: usize, reading: Reading) -> bool {
    let value = |key: u16| reader.attributes(key).get(place).map(|(_, value)| *value);
    let read = reading.read;
    read.is_some_and(|read| value(read) == value(reading.key))
}

/// What most of sixteen draws show, source by source.
fn voted(
    density: &dyn ConditionalDensity,
    held_out: &Rows,
    target: &Modality,
    seed: u64,
) -> Result<Accuracy, Error> {
    let mut stream = RandomStream::named(seed, "experiment/votes");
    let latents = translate(density, &held_out.posterior, VOTERS, &mut stream)?;
    let read = target.read(&latents)?;
    let elected = read.chunks_exact(VOTERS).map(most_frequent);
    Ok(Accuracy::of(
        elected
            .zip(&held_out.keys)
            .map(|(elected, key)| elected == Some(*key)),
    ))
}

/// The key that most read; the lowest of several.
fn most_frequent(read: &[Option<u16>]) -> Option<u16> {
    let votes = |key: &u16| read.iter().filter(|read| **read == Some(*key)).count();
    read.iter()
        .flatten()
        .copied()
        // The lowest of several, so that the order of draws does not matter.
        .max_by_key(|key| (votes(key), std::cmp::Reverse(*key)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_frequent_key_wins_and_nothing_has_no_vote() {
        assert_eq!(
            most_frequent(&[Some(3), None, None, Some(1), Some(3)]),
            Some(3)
        );
        assert_eq!(most_frequent(&[Some(3), Some(1)]), Some(1));
        assert_eq!(most_frequent(&[None]), None);
    }

    #[test]
    fn shares_count_every_draw() {
        let found = readings(&[4, 5], 2, &[Some(4), None, Some(5), Some(5)]);
        assert_eq!(share_right(&found).share, 0.75);
        assert_eq!((draws_for(300), draws_for(4000)), (4, 1));
    }
}
