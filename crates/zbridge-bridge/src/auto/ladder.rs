//! The ladder: candidates from the simplest to the richest, compared on held-out pairs.

use super::candidate::{Candidate, CandidateFamily};
use super::choice::{DirectionSearch, Rung};
use super::direction_fit::DirectionFit;
use super::effort::LadderProblem;
use super::held_out::{HeldOutPairs, TemperedNats, best, joined};
use super::prepared::Prepared;
use super::splits::Split;
use super::streams::DirectionPurpose;
use crate::{BridgeError, Direction, Directions};
use rayon::prelude::*;
use zbridge_core::{Observer, Stage};

/// Fewer pairs than these are few.
const FEW_PAIRS: usize = 128;
/// Inverse temperatures at which a mixture is compared that was fitted to few pairs. It is too
/// confident, and would be worse than independence although it knows a lot.
pub(super) const LOW_INVERSE_TEMPERATURES: &[f32] = &[0.3, 0.5, 0.7, 1.0];
/// Inverse temperatures that may calibrate a refined mixture. None is below 1: a trial has fewer
/// pairs than the last fit and makes more confident mistakes, so that it is believed only if it is
/// not confident enough.
const CALIBRATIONS: &[f32] = &[1.0, 1.15, 1.3, 1.5];
/// The same if pairs are so few that no fit should be confident.
const CALIBRATIONS_OF_FEW: &[f32] = &[0.3, 0.5, 0.7, 1.0, 1.15, 1.3, 1.5];

/// One fit of the ladder.
#[derive(Clone, Copy)]
struct Job<'p> {
    direction: Direction,
    rung: usize,
    candidate: Candidate,
    split: &'p Split,
}

/// Returns the search of each direction after every candidate was fitted on every split, and
/// compared on the pairs that the split holds out.
///
/// # Errors
/// [`BridgeError::Network`] if a fit diverges, [`BridgeError::Density`] if a log density is NaN,
/// [`BridgeError::Interrupted`].
pub(super) fn compare<'p>(
    prepared: &'p Prepared<'_>,
    observer: &dyn Observer,
) -> Result<Directions<DirectionSearch<'p>>, BridgeError> {
    let jobs = jobs(prepared);
    let steps: usize = jobs.iter().map(|job| job.candidate.steps).sum();
    let stage = Stage::new(observer, "comparing families", steps as u64);
    let compared: Vec<Vec<TemperedNats>> = jobs
        .par_iter()
        .map(|job| job.run(prepared, &stage))
        .collect::<Result<_, _>>()?;
    Ok(Directions::from_fn(|direction| {
        let of_direction = jobs
            .iter()
            .zip(&compared)
            .filter(|(job, _)| job.direction == direction);
        search(prepared, direction, &of_direction.collect::<Vec<_>>())
    }))
}

/// Returns the fits of the ladder: for each direction and split those of all rungs.
fn jobs<'p>(prepared: &'p Prepared<'_>) -> Vec<Job<'p>> {
    let mut jobs = Vec::new();
    for direction in Direction::BOTH {
        for split in &prepared.splits {
            for (rung, candidate) in rungs(prepared, direction).into_iter().enumerate() {
                jobs.push(Job {
                    direction,
                    rung,
                    candidate,
                    split,
                });
            }
        }
    }
    jobs
}

fn rungs(prepared: &Prepared<'_>, direction: Direction) -> Vec<Candidate> {
    let spaces = prepared.spaces(direction);
    prepared.effort.rungs(&LadderProblem {
        target_dim: spaces.target.frame.active(),
        source_has_views: spaces.source.pairs.has_views(),
        both_are_continuous: prepared.both_are_continuous(),
    })
}

impl Job<'_> {
    /// Returns the log densities of the pairs that the split holds out.
    fn run(
        &self,
        prepared: &Prepared<'_>,
        stage: &Stage<'_>,
    ) -> Result<Vec<TemperedNats>, BridgeError> {
        let Self {
            direction,
            rung,
            candidate,
            split,
        } = *self;
        let purpose = DirectionPurpose::Rung {
            rung,
            split: split.index,
        };
        let fit = DirectionFit {
            prepared,
            direction,
            part: prepared.part_of(split),
            reading: *prepared.readings.get(direction),
            streams: &prepared.streams.of(direction, purpose),
            stage,
        };
        let fitted = fit.on_pairs(candidate)?;
        let rows = &split.held_out;
        let held_out = HeldOutPairs {
            prepared,
            direction,
            rows,
        };
        let inverse_temperatures = compared_at(candidate.family, prepared.pair_count());
        held_out.tempered(&fitted.conditional, inverse_temperatures, stage)
    }
}

/// Returns the search of a direction after these jobs.
fn search<'p>(
    prepared: &Prepared<'_>,
    direction: Direction,
    jobs: &[(&Job<'_>, &Vec<TemperedNats>)],
) -> DirectionSearch<'p> {
    let candidates = rungs(prepared, direction);
    let (mut rungs, mut nats) = (Vec::new(), Vec::new());
    for (index, &candidate) in candidates.iter().enumerate() {
        let of_rung = jobs.iter().filter(|(job, _)| job.rung == index);
        let splits = of_rung.map(|(_, tempered)| tempered.as_slice());
        if let Some(best) = best(joined(splits)) {
            let inverse_temperature = best.inverse_temperature;
            rungs.push(Rung {
                candidate,
                inverse_temperature,
            });
            nats.push(best.nats);
        }
    }
    let forced = prepared.effort.forced_rung(&candidates);
    DirectionSearch::of_ladder(direction, rungs, nats, forced)
}

/// Returns the inverse temperatures at which a family is compared; the best one counts.
fn compared_at(family: CandidateFamily, pairs: usize) -> &'static [f32] {
    let is_mixture = matches!(
        family,
        CandidateFamily::TiedMixture | CandidateFamily::Mixture
    );
    if is_mixture && pairs < FEW_PAIRS {
        LOW_INVERSE_TEMPERATURES
    } else {
        &[1.0]
    }
}

/// Returns the inverse temperatures that may calibrate a refined mixture.
pub(super) fn calibrations(pairs: usize) -> &'static [f32] {
    if pairs < FEW_PAIRS {
        CALIBRATIONS_OF_FEW
    } else {
        CALIBRATIONS
    }
}
