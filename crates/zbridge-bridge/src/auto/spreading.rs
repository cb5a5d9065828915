//! Likely labels of unpaired sources: those of pairs, spread over a graph of nearest neighbours.

use super::prepared::{Part, Prepared, SourceAndTarget};
use super::source_graph::SourceGraph;
use crate::families::responsibilities;
use crate::graph::{ClassShares, GivenLabels, NeighbourGraph, spread};
use crate::mean_teacher::LikelyLabels;
use crate::rows::stacked;
use crate::{BridgeError, Direction};
use ndarray::{Axis, Slice};
use zbridge_core::Stage;

/// Unpaired posteriors in a graph at most: the distances of all points cost their square.
const MAX_UNPAIRED: usize = 20_000;
/// Unpaired posteriors below which a graph says nothing of its own.
pub(super) const MIN_UNPAIRED: usize = 100;

/// Returns whether labels may be spread in a direction: its target is discrete, its source is not,
/// and there are few pairs and many sources without partners.
pub(super) fn can_spread(prepared: &Prepared<'_>, direction: Direction) -> bool {
    let SourceAndTarget { source, target } = prepared.spaces(direction);
    let unpaired = source.unpaired.as_ref().map_or(0, |rows| rows.rows());
    target.is_discrete()
        && !source.is_discrete()
        && unpaired >= MIN_UNPAIRED
        && prepared.effort.spreads_labels(prepared.pair_count())
}

impl SourceGraph {
    /// Returns the graph of a direction's source, by distances between the means of posteriors in
    /// the frame.
    ///
    /// # Errors
    /// [`BridgeError::Interrupted`].
    pub(super) fn new(
        prepared: &Prepared<'_>,
        direction: Direction,
        stage: &Stage<'_>,
    ) -> Result<Self, BridgeError> {
        let source = prepared.spaces(direction).source;
        let mut points = source.pairs.means_of(prepared.all_pairs().rows);
        let mut unpaired = Vec::new();
        if let Some(posteriors) = &source.unpaired {
            unpaired = evenly_chosen(posteriors.rows(), MAX_UNPAIRED);
            points = stacked([&points, &posteriors.means_of(&unpaired)]);
        }
        Ok(Self {
            graph: NeighbourGraph::of(&points, stage)?,
            unpaired,
        })
    }

    /// Returns the likely components of unpaired sources, given the pairs of a part.
    ///
    /// # Errors
    /// [`BridgeError::Shape`] if a draw is NaN, [`BridgeError::Interrupted`].
    pub(super) fn likely_labels(
        &self,
        prepared: &Prepared<'_>,
        direction: Direction,
        part: Part<'_>,
        stage: &Stage<'_>,
    ) -> Result<LikelyLabels, BridgeError> {
        let rows = part.rows;
        let target = prepared.spaces(direction).target;
        let components = prepared.components(direction, part)?;
        let classes = responsibilities(&components.gaussians, target.pairs.means_of(rows).view());
        let given = GivenLabels {
            points: rows,
            classes: &classes,
        };
        let unpaired_targets = target.unpaired.as_ref().map_or(0, |rows| rows.rows());
        let shares = ClassShares {
            shares: components
                .log_weights
                .iter()
                .map(|nats| nats.exp())
                .collect(),
            observations: rows.len() + unpaired_targets,
        };
        let spread = spread(&self.graph, &given, stage)?;
        let of_points = spread.probabilities(&shares);
        let first_unpaired = self.graph.points() - self.unpaired.len();
        Ok(LikelyLabels {
            rows: self.unpaired.clone(),
            weights: of_points
                .slice_axis(Axis(0), Slice::from(first_unpaired..))
                .to_owned(),
        })
    }
}

/// Returns at most `most` of `rows` rows, at even distances.
fn evenly_chosen(rows: usize, most: usize) -> Vec<usize> {
    let count = rows.min(most);
    (0..count).map(|place| place * rows / count).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_chosen_evenly_and_once() {
        assert_eq!(evenly_chosen(3, 5), [0, 1, 2]);
        assert_eq!(evenly_chosen(10, 4), [0, 2, 5, 7]);
        assert!(evenly_chosen(0, 4).is_empty());
    }
}
