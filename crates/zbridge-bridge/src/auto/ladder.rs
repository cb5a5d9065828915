//! The ladder: candidates from the simplest to the richest, compared on held-out pairs.

use super::candidate::{Candidate, CandidateFamily};
use super::choice::{DirectionSearch, Rung, gain};
use super::direction_fit::DirectionFit;
use super::effort::LadderProblem;
use super::held_out::{HeldOutPairs, TemperedNats, best, joined, total};
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
/// Factors of the precision around a regression that are compared: what left-out pairs say of a fit
/// whose settings they have chosen is a little too sure.
const PRECISIONS: &[f32] = &[0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 1.0, 1.1];
/// Factors of the tilt of a relative density that are compared.
const TILTS: &[f32] = &[0.25, 0.5, 0.75, 1.0];
/// Inverse temperatures that may calibrate a refined mixture. None is below 1: a trial has fewer
/// pairs than the last fit and makes more confident mistakes, so that it is believed only if it is
/// not confident enough.
const CALIBRATIONS: &[f32] = &[1.0, 1.15, 1.3, 1.5];
/// The same if pairs are so few that no fit should be confident.
const CALIBRATIONS_OF_FEW: &[f32] = &[0.3, 0.5, 0.7, 1.0, 1.15, 1.3, 1.5];

/// A candidate whose gain on the first held-out pairs is below this share of the best one's, and
/// below it by three standard errors, is not fitted again.
const HOPELESS_SHARE: f64 = 0.75;
/// Held-out pairs below which no candidate is known to be hopeless.
const MIN_PAIRS_TO_DROP: usize = 32;

/// One fit of the ladder.
#[derive(Clone, Copy)]
struct Job<'p> {
    direction: Direction,
    rung: usize,
    candidate: Candidate,
    split: &'p Split,
    /// Whether it is the shortest fit of its family on the first split.
    comes_first: bool,
}

/// The log densities of the pairs that a job's split holds out.
struct Compared<'p> {
    job: Job<'p>,
    tempered: Vec<TemperedNats>,
}

/// Returns the search of each direction after candidates were fitted on splits, and compared on the
/// pairs that these hold out.
///
/// The shortest fit of each family is compared on the first split. Families that are hopeless there
/// are not fitted again; the others are fitted on all splits and for longer (successive halving,
/// Jamieson & Talwalkar 2016).
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
    let (first, further): (Vec<Job<'_>>, Vec<Job<'_>>) =
        jobs.into_iter().partition(|job| job.comes_first);
    let mut compared = run_all(first, prepared, &stage)?;
    let hopeless = Directions::from_fn(|direction| hopeless(&compared, direction));
    let (dropped, further): (Vec<Job<'_>>, Vec<Job<'_>>) = further
        .into_iter()
        .partition(|job| hopeless.get(job.direction).contains(&job.candidate.family));
    stage.advance(dropped.iter().map(|job| job.candidate.steps as u64).sum())?;
    compared.extend(run_all(further, prepared, &stage)?);
    compared.sort_by_key(|compared| compared.job.split.index);
    Ok(Directions::from_fn(|direction| {
        search(prepared, direction, &compared)
    }))
}

fn run_all<'p>(
    jobs: Vec<Job<'p>>,
    prepared: &Prepared<'_>,
    stage: &Stage<'_>,
) -> Result<Vec<Compared<'p>>, BridgeError> {
    let run = |job: Job<'p>| {
        let tempered = job.run(prepared, stage)?;
        Ok(Compared { job, tempered })
    };
    jobs.into_par_iter().map(run).collect()
}

/// Returns the families that are hopeless in a direction, by these comparisons on one split.
fn hopeless(compared: &[Compared<'_>], direction: Direction) -> Vec<CandidateFamily> {
    let of_direction: Vec<(CandidateFamily, Vec<f64>)> = compared
        .iter()
        .filter(|compared| compared.job.direction == direction)
        .filter_map(|compared| {
            let best = best(compared.tempered.clone())?;
            Some((compared.job.candidate.family, best.nats))
        })
        .collect();
    let independent = of_direction
        .iter()
        .find(|(family, _)| *family == CandidateFamily::Independent);
    let most = of_direction
        .iter()
        .max_by(|(_, a), (_, b)| total(a).total_cmp(&total(b)));
    let (Some((_, baseline)), Some((_, most))) = (independent, most) else {
        return Vec::new();
    };
    if most.len() < MIN_PAIRS_TO_DROP {
        return Vec::new();
    }
    let best_gain = gain(most, baseline).mean;
    let is_hopeless = |nats: &[f64]| {
        let shortfall = gain(most, nats);
        gain(nats, baseline).mean < HOPELESS_SHARE * best_gain
            && shortfall.mean > 3.0 * shortfall.standard_error
    };
    of_direction
        .iter()
        .filter(|(family, nats)| *family != CandidateFamily::Independent && is_hopeless(nats))
        .map(|(family, _)| *family)
        .collect()
}

/// Returns the fits of the ladder: for each direction and split those of all rungs.
fn jobs<'p>(prepared: &'p Prepared<'_>) -> Vec<Job<'p>> {
    let mut jobs = Vec::new();
    for direction in Direction::BOTH {
        for split in &prepared.splits {
            let rungs = rungs(prepared, direction);
            for (rung, &candidate) in rungs.iter().enumerate() {
                let is_shorter = |other: &Candidate| {
                    other.family == candidate.family && other.steps < candidate.steps
                };
                jobs.push(Job {
                    direction,
                    rung,
                    candidate,
                    split,
                    comes_first: split.index == 0 && !rungs.iter().any(is_shorter),
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
        pairs: prepared.pair_count(),
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
            ..
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
        match candidate.family.is_around_a_regression() {
            true => {
                held_out.tempered_with_regions(&fitted.conditional, inverse_temperatures, stage)
            }
            false => held_out.tempered(&fitted.conditional, inverse_temperatures, stage),
        }
    }
}

/// Returns the search of a direction after these comparisons, which stand in the order of splits.
fn search<'p>(
    prepared: &Prepared<'_>,
    direction: Direction,
    compared: &[Compared<'_>],
) -> DirectionSearch<'p> {
    let candidates = rungs(prepared, direction);
    let (mut rungs, mut nats) = (Vec::new(), Vec::new());
    for (index, &candidate) in candidates.iter().enumerate() {
        let is_of_rung = |job: &Job<'_>| job.direction == direction && job.rung == index;
        let of_rung = compared.iter().filter(|compared| is_of_rung(&compared.job));
        let splits = of_rung.map(|compared| compared.tempered.as_slice());
        if let Some(best) = best(joined(splits)) {
            let inverse_temperature = best.inverse_temperature;
            rungs.push(Rung {
                candidate,
                inverse_temperature,
            });
            nats.push(best.nats);
        }
    }
    let tried: Vec<Candidate> = rungs.iter().map(|rung| rung.candidate).collect();
    let forced = prepared.effort.forced_rung(&tried);
    DirectionSearch::of_ladder(direction, rungs, nats, forced)
}

/// Returns the inverse temperatures at which a family is compared; the best one counts.
fn compared_at(family: CandidateFamily, pairs: usize) -> &'static [f32] {
    use CandidateFamily::*;
    match family {
        TiedMixture | Mixture if pairs < FEW_PAIRS => LOW_INVERSE_TEMPERATURES,
        _ if family.is_around_a_regression() => PRECISIONS,
        _ if family.is_relative() => TILTS,
        _ => &[1.0],
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

#[cfg(test)]
mod tests {
    use super::*;

    fn compared(family: CandidateFamily, nats: Vec<f64>) -> Compared<'static> {
        static SPLIT: Split = Split {
            index: 0,
            fit: Vec::new(),
            held_out: Vec::new(),
        };
        let job = Job {
            direction: Direction::XToY,
            rung: 0,
            candidate: Candidate { family, steps: 0 },
            split: &SPLIT,
            comes_first: true,
        };
        let inverse_temperature = 1.0;
        let tempered = vec![TemperedNats {
            inverse_temperature,
            nats,
            in_region: Vec::new(),
        }];
        Compared { job, tempered }
    }

    #[test]
    fn a_family_far_behind_is_hopeless_unless_pairs_are_few() {
        use CandidateFamily::*;
        let nats = |mean: f64, pairs: usize| -> Vec<f64> {
            (0..pairs).map(|pair| mean + (pair % 3) as f64).collect()
        };
        let of_pairs = |pairs: usize| {
            vec![
                compared(Independent, nats(-20.0, pairs)),
                compared(KernelRegression, nats(-10.0, pairs)),
                compared(FullGaussian, nats(-11.0, pairs)),
                compared(Flow, nats(-15.0, pairs)),
            ]
        };
        assert_eq!(hopeless(&of_pairs(60), Direction::XToY), [Flow]);
        assert!(hopeless(&of_pairs(60), Direction::YToX).is_empty());
        assert!(hopeless(&of_pairs(12), Direction::XToY).is_empty());
    }
}
