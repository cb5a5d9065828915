use crate::graph::NeighbourGraph;

/// Nearest neighbours among the posteriors of a direction's source: those of all pairs, then
/// unpaired ones.
///
/// Pairs that are held out are points without a label.
#[derive(Debug)]
pub(super) struct SourceGraph {
    pub(super) graph: NeighbourGraph,
    /// Rows of the unpaired posteriors that are points, in the order of the points.
    pub(super) unpaired: Vec<usize>,
}
