use super::NeighbourGraph;
use super::spreading::FROM_NEIGHBOURS;
use crate::BridgeError;
use ndarray::Array2;
use zbridge_core::Stage;

/// Rounds of spreading: fewer than of labels, since they are many.
const ROUNDS: usize = 30;

/// Returns how strongly each of the first `sources` points reaches every point along the edges of
/// the graph, `[points, sources]`: F = (1 − α) Σ αʳ Sʳ E over the first rounds r, where a column of
/// E is 1 at one source. What any labels L of the sources reach is F L.
///
/// # Errors
/// [`BridgeError::Interrupted`].
///
/// # Source
/// Zhou, Bousquet, Lal, Weston & Schölkopf 2004, equation 4, before it has converged.
pub(crate) fn diffused(
    graph: &NeighbourGraph,
    sources: usize,
    stage: &Stage<'_>,
) -> Result<Array2<f32>, BridgeError> {
    let mut reach = Array2::zeros((graph.points(), sources));
    let restart = 1.0 - FROM_NEIGHBOURS;
    for source in 0..sources {
        reach[[source, source]] = restart;
    }
    for _ in 0..ROUNDS {
        stage.advance(0)?;
        reach = graph.times(&reach);
        reach *= FROM_NEIGHBOURS;
        for source in 0..sources {
            reach[[source, source]] += restart;
        }
    }
    Ok(reach)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::standard_normal;
    use zbridge_core::{RandomStream, Unobserved};

    #[test]
    fn labels_of_sources_are_spread_by_a_product() {
        let points = standard_normal((60, 2), &mut RandomStream::named(1, "points"));
        let stage = Stage::new(&Unobserved, "graph", 0);
        let graph = NeighbourGraph::of(&points, &stage).unwrap();
        let labels = ndarray::array![[1.0, 0.0], [0.5, 0.5], [0.0, 1.0], [0.0, 1.0]];
        let product = diffused(&graph, 4, &stage).unwrap().dot(&labels);
        let mut given = Array2::zeros((60, 2));
        for (mut row, label) in given.rows_mut().into_iter().zip(labels.rows()) {
            row.assign(&(0.01 * &label));
        }
        let mut spread = given.clone();
        for _ in 0..ROUNDS {
            spread = 0.99 * graph.times(&spread) + &given;
        }
        for (found, expected) in product.iter().zip(&spread) {
            assert!(
                (found - expected).abs() < 1e-6,
                "{found}, expected {expected}"
            );
        }
    }
}
