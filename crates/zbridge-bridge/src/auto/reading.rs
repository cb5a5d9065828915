//! What densities are given of a source's posterior: a draw, the mean, or mean and log-variances.

use super::held_out::{HeldOutPairs, total};
use super::prepared::Prepared;
use crate::density::Density;
use crate::{BridgeError, Direction, Directions, SourceReading};
use zbridge_core::{Observer, Stage};

/// Returns what densities of each direction are given of a source: that under which a kernel
/// regression describes held-out pairs best.
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
    let stage = Stage::new(observer, "comparing readings of sources", 2);
    let choose = |direction, ()| {
        let chosen = best(prepared, direction, &stage)?;
        stage.advance(1)?;
        Ok(chosen)
    };
    Directions::from_fn(|_| ()).join(choose).transpose()
}

fn best(
    prepared: &Prepared<'_>,
    direction: Direction,
    stage: &Stage<'_>,
) -> Result<SourceReading, BridgeError> {
    let others = match prepared.both_are_continuous() {
        true => prepared.spaces(direction).source.other_readings(),
        false => Vec::new(),
    };
    let mut best = SourceReading::Draw;
    if others.is_empty() {
        return Ok(best);
    }
    let mut most = held_out_nats(prepared, direction, best, stage)?;
    for reading in others {
        let nats = held_out_nats(prepared, direction, reading, stage)?;
        if nats >= most {
            (best, most) = (reading, nats);
        }
    }
    Ok(best)
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
