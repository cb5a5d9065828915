//! How well sources and targets agree, by what pairs each is similar to.

use super::latent_space::LatentSpace;
use super::prepared::SourceAndTarget;
use crate::families::{SideInGeneral, Tilt};
use crate::frame::FramedPosterior;
use crate::maximum_likelihood::Pairs;
use crate::{BridgeError, SourceReading};
use zbridge_core::{RandomStream, Stage};

/// Pairs that latents are compared to at most: a tilt costs their square.
pub(super) const MAX_ANCHORS: usize = 2048;
/// Latents without partners that stand for latents in general.
const MAX_OTHERS: usize = 1000;
/// Fewer say less of latents in general than the pairs do.
const MIN_OTHERS: usize = 32;

/// Returns the tilt of these pairs, whose sources are read so.
///
/// # Errors
/// [`BridgeError::Interrupted`].
pub(super) fn fit_tilt(
    pairs: &dyn Pairs,
    spaces: SourceAndTarget<'_>,
    reading: SourceReading,
    stream: &mut RandomStream,
    stage: &Stage<'_>,
) -> Result<Tilt, BridgeError> {
    let SourceAndTarget { source, target } = spaces;
    let mut rows: Vec<usize> = (0..pairs.count()).collect();
    if rows.len() > MAX_ANCHORS {
        rows = stream.permutation(rows.len());
        rows.truncate(MAX_ANCHORS);
    }
    let anchors = pairs.with_target_means(&rows, stream);
    let frame = source.frame_for(reading);
    let source = SideInGeneral {
        spreads: frame.spreads(),
        others: others(source)
            .map(|(unpaired, rows)| frame.features(unpaired.read(&rows, reading, stream))),
    };
    let target = SideInGeneral {
        spreads: target.frame.spreads(),
        others: others(target).map(|(unpaired, rows)| unpaired.means_of(&rows)),
    };
    Tilt::fit(anchors, &source, &target, stream, stage)
}

/// Returns the posteriors without partners of a side, and which of them stand for all; `None` if
/// they are too few.
fn others(space: &LatentSpace) -> Option<(&FramedPosterior, Vec<usize>)> {
    let unpaired = space.unpaired.as_ref()?;
    let rows: Vec<usize> = (0..unpaired.rows().min(MAX_OTHERS)).collect();
    (rows.len() >= MIN_OTHERS).then_some((unpaired, rows))
}
