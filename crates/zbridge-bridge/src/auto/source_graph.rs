use crate::graph::NeighbourGraph;
use ndarray::Array2;

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

/// How strongly pairs reach the posteriors of a direction's source along their graph.
#[derive(Debug)]
pub(super) struct DiffusedSource {
    /// `[points, pairs]`; points are all pairs, then unpaired posteriors.
    pub(super) reach: Array2<f32>,
    /// Rows of the unpaired posteriors that are points, in the order of the points.
    pub(super) unpaired: Vec<usize>,
}
