//! What densities are given of a source's posterior: a draw, or the mean.

use super::held_out::{HeldOutPairs, total};
use super::prepared::Prepared;
use crate::density::Density;
use crate::{BridgeError, Direction, Directions, SourceReading};
use zbridge_core::{Observer, Stage};

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
    let part = prepared.part_of(split);
    let regressed = prepared.regression(direction, part, reading, stage)?;
    let density = Density::KernelRegression(regressed.density.clone());
    let conditional = prepared.conditional(direction, vec![density], reading);
    let held_out = HeldOutPairs {
        prepared,
        direction,
        rows: &split.held_out,
    };
    Ok(total(&held_out.log_densities(&conditional, stage)?))
}
