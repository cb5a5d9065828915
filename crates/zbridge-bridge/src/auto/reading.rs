//! What densities are given of a source's posterior: a draw, or the mean.

use super::candidate::{Candidate, CandidateFamily};
use super::direction_fit::DirectionFit;
use super::held_out::{HeldOutPairs, total};
use super::prepared::{Part, Prepared};
use super::streams::DirectionPurpose;
use crate::{BridgeError, Direction, Directions, SourceReading};
use zbridge_core::{Observer, Stage};

/// Pairs that a regression is fitted on here, at most: more would not change which is better.
const MAX_PAIRS: usize = 1024;

/// Returns what densities of each direction are given of a source: of draw and mean the one under
/// which a kernel regression describes held-out pairs better.
///
/// Where a side is discrete, sources are draws: what is learned from latents without partners
/// weighs how uncertain they are.
///
/// # Errors
/// [`BridgeError::Density`] if a log density is NaN, [`BridgeError::Interrupted`].
pub(super) fn choose(
    prepared: &Prepared<'_>,
    observer: &dyn Observer,
) -> Result<Directions<SourceReading>, BridgeError> {
    let stage = Stage::new(observer, "comparing draws and means of sources", 2);
    let choose = |direction, ()| {
        let chosen = match matters(prepared, direction) {
            true => better(prepared, direction, &stage)?,
            false => SourceReading::Draw,
        };
        stage.advance(1)?;
        Ok(chosen)
    };
    Directions::from_fn(|_| ()).join(choose).transpose()
}

fn matters(prepared: &Prepared<'_>, direction: Direction) -> bool {
    let source = prepared.spaces(direction).source;
    prepared.both_are_continuous() && source.pairs.has_spread()
}

fn better(
    prepared: &Prepared<'_>,
    direction: Direction,
    stage: &Stage<'_>,
) -> Result<SourceReading, BridgeError> {
    let draw = held_out_nats(prepared, direction, SourceReading::Draw, stage)?;
    let mean = held_out_nats(prepared, direction, SourceReading::Mean, stage)?;
    Ok(match mean >= draw {
        true => SourceReading::Mean,
        false => SourceReading::Draw,
    })
}

/// Returns the sum of the log densities of the pairs that the first split holds out.
fn held_out_nats(
    prepared: &Prepared<'_>,
    direction: Direction,
    reading: SourceReading,
    stage: &Stage<'_>,
) -> Result<f64, BridgeError> {
    let Some(split) = prepared.splits.first() else {
        return Ok(0.0);
    };
    let fit = DirectionFit {
        prepared,
        direction,
        part: Part {
            index: split.index,
            rows: &split.fit[..split.fit.len().min(MAX_PAIRS)],
        },
        reading,
        streams: &prepared.streams.of(direction, DirectionPurpose::Reading),
        stage,
    };
    let regression = Candidate {
        family: CandidateFamily::KernelRegression,
        steps: 0,
    };
    let fitted = fit.on_pairs(regression)?;
    let held_out = HeldOutPairs {
        prepared,
        direction,
        rows: &split.held_out,
    };
    Ok(total(&held_out.log_densities(&fitted.conditional, stage)?))
}
