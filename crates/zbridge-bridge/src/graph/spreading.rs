use super::NeighbourGraph;
use crate::BridgeError;
use ndarray::{Array1, Array2, Axis};
use zbridge_core::Stage;

/// Labels of some points of a graph.
#[derive(Debug)]
pub(crate) struct GivenLabels<'l> {
    /// The points, `[labels]`.
    pub(crate) points: &'l [usize],
    /// Probabilities of the classes of each, `[labels, classes]`.
    pub(crate) classes: &'l Array2<f32>,
}

/// What is spread over the points of a graph.
#[derive(Debug, Clone)]
pub(crate) struct Spread {
    /// How strongly each class reaches each point, `[points, classes]`.
    pub(crate) reach: Array2<f32>,
    /// Whether a class has a label, `[classes]`.
    pub(crate) is_labelled: Vec<bool>,
}

/// α: share of a point's value that comes from its neighbours.
pub(super) const FROM_NEIGHBOURS: f32 = 0.99;
/// Rounds of spreading; α to this power is 0.37, and what is left is the same for most points.
const ROUNDS: usize = 100;
/// Total probability from which on a class counts as labelled.
const LABELLED: f32 = 0.5;

/// Returns F = (1 − α) Σ αʳ Sʳ Y over the first rounds r: what labels Y reach along the edges of
/// the graph. All labels of a class together count as one, so that classes of more pairs do not
/// flood the others.
///
/// # Errors
/// [`BridgeError::Interrupted`].
///
/// # Source
/// Zhou, Bousquet, Lal, Weston & Schölkopf 2004, equation 4, before it has converged.
pub(crate) fn spread(
    graph: &NeighbourGraph,
    given: &GivenLabels<'_>,
    stage: &Stage<'_>,
) -> Result<Spread, BridgeError> {
    let totals: Array1<f32> = given.classes.sum_axis(Axis(0));
    let is_labelled: Vec<bool> = totals.iter().map(|total| *total >= LABELLED).collect();
    let mut labels = Array2::zeros((graph.points(), totals.len()));
    for (&point, classes) in given.points.iter().zip(given.classes.rows()) {
        for (class, probability) in classes.iter().enumerate() {
            if is_labelled[class] {
                labels[[point, class]] += probability / totals[class];
            }
        }
    }
    labels *= 1.0 - FROM_NEIGHBOURS;
    let mut reach = labels.clone();
    for _ in 0..ROUNDS {
        stage.advance(0)?;
        reach = graph.times(&reach);
        reach *= FROM_NEIGHBOURS;
        reach += &labels;
    }
    Ok(Spread { reach, is_labelled })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::standard_normal;
    use zbridge_core::{RandomStream, Unobserved};

    #[test]
    fn labels_reach_their_own_cluster() {
        let mut points = standard_normal((200, 2), &mut RandomStream::named(1, "clusters"));
        for mut point in points.rows_mut().into_iter().skip(100) {
            point[0] += 20.0;
        }
        let stage = Stage::new(&Unobserved, "graph", 0);
        let graph = NeighbourGraph::of(&points, &stage).unwrap();
        let given = GivenLabels {
            points: &[3, 5, 150],
            classes: &ndarray::array![[1.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]],
        };
        let spread = spread(&graph, &given, &stage).unwrap();
        assert_eq!(spread.is_labelled, [true, true, false]);
        for (point, reach) in spread.reach.rows().into_iter().enumerate() {
            let own = point / 100;
            assert!(
                reach[own] > 0.0 && reach[1 - own] == 0.0,
                "{point}: {reach}"
            );
        }
    }
}
