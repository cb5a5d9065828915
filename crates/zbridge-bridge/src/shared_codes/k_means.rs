use ndarray::{Array1, Array2, ArrayView1, Axis};
use zbridge_core::RandomStream;

/// Starts, of which the best is taken.
const STARTS: usize = 20;
/// Rounds of a start at most.
const ROUNDS: usize = 30;

/// Returns the number of the cluster of each point, of `count` clusters with the least sum of
/// squared distances from their means. `points` `[points, dim]`.
///
/// # Source
/// Lloyd 1982, from the starts of Arthur & Vassilvitskii 2007 (k-means++).
pub(super) fn k_means(points: &Array2<f32>, count: usize, stream: &RandomStream) -> Vec<usize> {
    let squares = points.map_axis(Axis(1), |point| point.dot(&point));
    let problem = Points { points, squares };
    let clusterings =
        (0..STARTS as u64).map(|start| problem.settled_from(count, stream.child(start)));
    let best = clusterings.min_by(|a, b| a.error.total_cmp(&b.error));
    best.map(|best| best.clusters).unwrap_or_default()
}

struct Points<'p> {
    points: &'p Array2<f32>,
    /// Σ_d z² of each point.
    squares: Array1<f32>,
}

struct Clustering {
    clusters: Vec<usize>,
    /// Sum of the squared distances of points from the means of their clusters.
    error: f32,
}

impl Points<'_> {
    fn settled_from(&self, count: usize, mut stream: RandomStream) -> Clustering {
        let mut means = self.starting_means(count, &mut stream);
        let mut clustering = self.nearest(&means);
        for _ in 0..ROUNDS {
            self.move_means(&clustering.clusters, &mut means);
            let next = self.nearest(&means);
            let is_settled = next.clusters == clustering.clusters;
            clustering = next;
            if is_settled {
                break;
            }
        }
        clustering
    }

    /// Returns points that are far apart: each drawn by its squared distance from those before.
    fn starting_means(&self, count: usize, stream: &mut RandomStream) -> Array2<f32> {
        let mut means = Array2::zeros((count, self.points.ncols()));
        let mut distances = Array1::<f32>::ones(self.points.nrows());
        for mut mean in means.rows_mut() {
            let drawn = drawn_by(&distances, stream);
            mean.assign(&self.points.row(drawn));
            for (distance, point) in distances.iter_mut().zip(self.points.rows()) {
                let squared = squared_distance(point, self.points.row(drawn));
                *distance = distance.min(squared);
            }
        }
        means
    }

    fn nearest(&self, means: &Array2<f32>) -> Clustering {
        let products = self.points.dot(&means.t());
        let of_means = means.map_axis(Axis(1), |mean| mean.dot(&mean));
        let mut clusters = Vec::with_capacity(products.nrows());
        let mut error = 0.0;
        for (products, square) in products.rows().into_iter().zip(&self.squares) {
            let distance = |cluster: usize| of_means[cluster] - 2.0 * products[cluster];
            let nearest = (0..means.nrows())
                .min_by(|&a, &b| distance(a).total_cmp(&distance(b)))
                .unwrap_or(0);
            clusters.push(nearest);
            error += square + distance(nearest);
        }
        Clustering { clusters, error }
    }

    /// Moves each mean to its cluster; that of an empty one stays.
    fn move_means(&self, clusters: &[usize], means: &mut Array2<f32>) {
        let mut sums = Array2::<f32>::zeros(means.dim());
        let mut sizes = vec![0.0f32; means.nrows()];
        for (point, &cluster) in self.points.rows().into_iter().zip(clusters) {
            let mut sum = sums.row_mut(cluster);
            sum += &point;
            sizes[cluster] += 1.0;
        }
        for (cluster, &size) in sizes.iter().enumerate() {
            if size > 0.0 {
                means.row_mut(cluster).assign(&(&sums.row(cluster) / size));
            }
        }
    }
}

/// Returns a place drawn with probabilities in proportion to `weights`.
fn drawn_by(weights: &Array1<f32>, stream: &mut RandomStream) -> usize {
    let mut left = stream.uniform() * weights.sum();
    for (place, weight) in weights.iter().enumerate() {
        left -= weight;
        if left < 0.0 {
            return place;
        }
    }
    weights.len() - 1
}

fn squared_distance(a: ArrayView1<'_, f32>, b: ArrayView1<'_, f32>) -> f32 {
    a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::standard_normal;

    #[test]
    fn separate_clusters_are_found() {
        let mut points = standard_normal((120, 2), &mut RandomStream::named(1, "clusters"));
        for (row, mut point) in points.rows_mut().into_iter().enumerate() {
            point[0] += 20.0 * (row % 3) as f32;
        }
        let clusters = k_means(&points, 3, &RandomStream::named(1, "k-means"));
        for row in 3..120 {
            assert_eq!(clusters[row], clusters[row % 3], "row {row}");
        }
        assert!(clusters[0] != clusters[1] && clusters[1] != clusters[2]);
    }

    #[test]
    fn equal_points_and_more_clusters_than_points_are_no_failure() {
        let stream = RandomStream::named(1, "k-means");
        assert_eq!(k_means(&Array2::zeros((5, 2)), 3, &stream).len(), 5);
        assert_eq!(k_means(&Array2::ones((2, 2)), 4, &stream).len(), 2);
    }
}
