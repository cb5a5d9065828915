use crate::BridgeError;
use crate::rows::values_of;
use ndarray::{Array1, Array2, ArrayView2, Axis};
use rayon::prelude::*;
use zbridge_core::Stage;

/// The graph of nearest neighbours of a batch of points, ready for spreading: S = D^−½ W D^−½.
///
/// Two points are joined if either is among the nearest of the other. The weight of an edge falls
/// with its length in units that fit its surroundings.
///
/// # Source
/// S is that of Zhou et al. 2004; scales of each point are those of Zelnik-Manor & Perona 2004,
/// measured from the nearest neighbour as in McInnes, Healy & Melville 2018.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct NeighbourGraph {
    /// The edges of point i are numbered `starts[i]..starts[i + 1]`, `[points + 1]`.
    starts: Vec<usize>,
    /// The other end of each edge, `[edges]`.
    ends: Vec<usize>,
    /// S at each edge, `[edges]`.
    weights: Vec<f32>,
}

/// Neighbours of each point.
const NEIGHBOURS: usize = 10;
/// Points whose distances to all points are held at once by a thread.
const ROWS_AT_ONCE: usize = 128;

/// A neighbour of a point.
#[derive(Debug, Clone, Copy)]
struct Neighbour {
    point: usize,
    squared_distance: f32,
}

/// An edge before both of its ends know of it.
#[derive(Debug, Clone, Copy)]
struct Edge {
    from: usize,
    to: usize,
    weight: f32,
}

impl NeighbourGraph {
    /// Returns the graph of `points` `[points, dim]`. Its cost is that of all distances: the square
    /// of the number of points.
    ///
    /// # Errors
    /// [`BridgeError::Interrupted`].
    pub(crate) fn of(points: &Array2<f32>, stage: &Stage<'_>) -> Result<Self, BridgeError> {
        let squares = points.map_axis(Axis(1), |point| point.dot(&point));
        let blocks: Vec<_> = points.axis_chunks_iter(Axis(0), ROWS_AT_ONCE).collect();
        let of_block = |(block, rows): (usize, ArrayView2<'_, f32>)| {
            stage.advance(0)?;
            Ok(edges_of_block(block * ROWS_AT_ONCE, rows, points, &squares))
        };
        let edges: Vec<Vec<Edge>> = blocks
            .into_par_iter()
            .enumerate()
            .map(of_block)
            .collect::<Result<_, BridgeError>>()?;
        Ok(Self::of_edges(points.nrows(), edges.concat()))
    }

    /// Returns the graph with these edges in both directions, the larger weight of two counts.
    fn of_edges(points: usize, edges: Vec<Edge>) -> Self {
        let back = |edge: &Edge| Edge {
            from: edge.to,
            to: edge.from,
            ..*edge
        };
        let mut both: Vec<Edge> = edges.iter().map(back).collect();
        both.extend(edges);
        both.sort_unstable_by(|a, b| {
            let places = (a.from, a.to).cmp(&(b.from, b.to));
            places.then(b.weight.total_cmp(&a.weight))
        });
        both.dedup_by_key(|edge| (edge.from, edge.to));

        let mut degrees = vec![0.0f32; points];
        let mut starts = vec![0; points + 1];
        for edge in &both {
            degrees[edge.from] += edge.weight;
            starts[edge.from + 1] += 1;
        }
        for point in 0..points {
            starts[point + 1] += starts[point];
        }
        let normalised = |edge: &Edge| {
            let product = degrees[edge.from] * degrees[edge.to];
            edge.weight / product.sqrt().max(f32::MIN_POSITIVE)
        };
        Self {
            starts,
            ends: both.iter().map(|edge| edge.to).collect(),
            weights: both.iter().map(normalised).collect(),
        }
    }

    /// Returns the number of points.
    pub(crate) fn points(&self) -> usize {
        self.starts.len() - 1
    }

    /// Returns S · `values`, `[points, columns]`.
    pub(super) fn times(&self, values: &Array2<f32>) -> Array2<f32> {
        let mut product = Array2::zeros(values.raw_dim());
        let rows: Vec<_> = product.rows_mut().into_iter().collect();
        rows.into_par_iter()
            .with_min_len(ROWS_AT_ONCE)
            .enumerate()
            .for_each(|(point, mut row)| {
                for edge in self.starts[point]..self.starts[point + 1] {
                    row.scaled_add(self.weights[edge], &values.row(self.ends[edge]));
                }
            });
        product
    }
}

/// Returns the edges from `rows`, which are the points from number `first` on, to their neighbours.
fn edges_of_block(
    first: usize,
    rows: ArrayView2<'_, f32>,
    points: &Array2<f32>,
    squares: &Array1<f32>,
) -> Vec<Edge> {
    let products = rows.dot(&points.t());
    let mut edges = Vec::with_capacity(rows.nrows() * NEIGHBOURS);
    for (from, products) in (first..).zip(products.rows()) {
        let nearest = nearest(from, values_of(products), squares);
        edges.extend(edges_to(from, &nearest));
    }
    edges
}

/// Returns the neighbours of point `from` in order of their distance; of equally near ones those
/// with lower numbers. `products` has the scalar product with every point.
fn nearest(from: usize, products: &[f32], squares: &Array1<f32>) -> Vec<Neighbour> {
    let mut nearest: Vec<Neighbour> = Vec::with_capacity(NEIGHBOURS + 1);
    let mut farthest = f32::INFINITY;
    for (point, (product, square)) in products.iter().zip(squares).enumerate() {
        let squared_distance = square - 2.0 * product;
        if squared_distance >= farthest || point == from {
            continue;
        }
        let place = nearest.partition_point(|other| other.squared_distance <= squared_distance);
        let neighbour = Neighbour {
            point,
            squared_distance,
        };
        nearest.insert(place, neighbour);
        nearest.truncate(NEIGHBOURS);
        if nearest.len() == NEIGHBOURS {
            farthest = nearest[NEIGHBOURS - 1].squared_distance;
        }
    }
    nearest
}

/// Returns the edges to the neighbours of a point, of weight exp(−(d − d₁)/s): d is a squared
/// distance, d₁ that of the nearest and s the mean of d − d₁.
fn edges_to(from: usize, nearest: &[Neighbour]) -> impl Iterator<Item = Edge> + '_ {
    let beyond_first =
        |neighbour: &Neighbour| neighbour.squared_distance - nearest[0].squared_distance;
    let scale = nearest.iter().map(beyond_first).sum::<f32>() / nearest.len().max(1) as f32;
    let scale = scale.max(f32::MIN_POSITIVE);
    nearest.iter().map(move |neighbour| Edge {
        from,
        to: neighbour.point,
        weight: (-beyond_first(neighbour) / scale).exp(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::standard_normal;
    use zbridge_core::{RandomStream, Unobserved};

    fn graph(points: &Array2<f32>) -> NeighbourGraph {
        NeighbourGraph::of(points, &Stage::new(&Unobserved, "graph", 0)).unwrap()
    }

    #[test]
    fn the_graph_is_symmetric_and_has_the_nearest_of_each_point() {
        let points = standard_normal((300, 3), &mut RandomStream::named(1, "points"));
        let graph = graph(&points);
        let dense = graph.times(&Array2::eye(300));
        for ((row, column), weight) in dense.indexed_iter() {
            assert_eq!(*weight, dense[[column, row]]);
        }
        for (row, point) in points.rows().into_iter().enumerate() {
            let distance = |other: usize| {
                let difference = &point - &points.row(other);
                difference.dot(&difference)
            };
            let mut others: Vec<usize> = (0..300).filter(|&other| other != row).collect();
            others.sort_by(|&a, &b| distance(a).total_cmp(&distance(b)));
            let has_edges = others[..NEIGHBOURS - 1]
                .iter()
                .all(|&other| dense[[row, other]] > 0.0);
            assert!(has_edges, "point {row}");
        }
    }

    #[test]
    fn few_and_equal_points_have_finite_weights() {
        for points in [Array2::zeros((1, 2)), Array2::zeros((40, 2))] {
            let graph = graph(&points);
            let product = graph.times(&Array2::ones((graph.points(), 1)));
            assert!(product.iter().all(|value| value.is_finite()));
        }
    }
}
