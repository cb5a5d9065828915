use crate::EvalError;
use crate::active_space::squared_distance;
use crate::checks::{expect_count, expect_items, expect_setting};
use crate::open_uniform::open_uniform;
use ndarray::{Array1, Array2, ArrayView1, ArrayView2};
use rayon::prelude::*;
use std::collections::HashSet;
use zbridge_core::{Observer, RandomStream, Stage};

/// Times that the search begins anew; the best result is taken.
const STARTS: u64 = 4;
/// Steps of k-means after which it ends, settled or not.
const MOST_STEPS: usize = 50;

/// How many items to choose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RepresentativeSettings {
    /// The number of items.
    pub count: usize,
    /// Seed of the search.
    pub seed: u64,
}

/// Few of many points, chosen so that every point has one of them near by.
///
/// k-means, begun by k-means++, finds as many centres; the item that is nearest to each is chosen.
/// Centres that are there already (items whose partners are known) take part, and do not move, so
/// that what is chosen lies where they are not. Points may have weights, by which some matter more:
/// with what a model is unsure of as the weight, the choice is a batch that is uncertain and
/// diverse at once. Since each chosen item has a cell of its own, no two of them are near
/// duplicates, unless the points fall into fewer groups.
///
/// # Source
/// Arthur and Vassilvitskii (2007), *k-means++: the advantages of careful seeding*, with the greedy
/// choice of each centre among a few; Zhdanov (2019), *Diverse mini-batch active learning*
/// (weights).
///
/// ```
/// use ndarray::array;
/// use zbridge_core::Unobserved;
/// use zbridge_eval::{RepresentativeSettings, Representatives};
///
/// let points = array![[0.0], [0.1], [0.2], [9.0]];
/// let settings = RepresentativeSettings { count: 2, seed: 1 };
/// let fixed = ndarray::Array2::zeros((0, 1));
/// let found = Representatives::of(points.view(), None, fixed.view(), settings, &Unobserved)?;
/// let rows: Vec<usize> = found.chosen.iter().map(|chosen| chosen.row).collect();
/// assert_eq!(rows, [1, 3]);
/// assert_eq!(found.chosen[0].share, 0.75);
/// # Ok::<(), zbridge_eval::EvalError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Representatives {
    /// The chosen items, those that stand for most points first.
    pub chosen: Vec<Representative>,
    /// The mean distance of a point to the nearest chosen item or fixed centre.
    pub mean_distance: f64,
}

/// An item that stands for others.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Representative {
    /// Its row among the points.
    pub row: usize,
    /// The share of the points to which it is nearer than every other chosen item and fixed centre.
    pub share: f64,
}

impl Representatives {
    /// Returns items of `points`; the result does not depend on the number of threads. Start `i`
    /// uses the stream `("representatives", seed).child(i)`. `observer` is called after each step.
    ///
    /// # Shapes
    /// `points` `[n, dim]`, `weights` `[n]`, `fixed` `[any, dim]`.
    ///
    /// # Errors
    /// [`EvalError::Setting`] if nothing is to be chosen, or a weight is not a positive number;
    /// [`EvalError::Mismatch`] if shapes do not belong together; [`EvalError::TooFew`] if fewer
    /// points than that differ from each other and from the fixed centres;
    /// [`EvalError::Interrupted`] if the observer stops the search.
    pub fn of(
        points: ArrayView2<'_, f64>,
        weights: Option<&[f64]>,
        fixed: ArrayView2<'_, f64>,
        settings: RepresentativeSettings,
        observer: &dyn Observer,
    ) -> Result<Self, EvalError> {
        let RepresentativeSettings { count, seed } = settings;
        expect_setting("items to choose", 1, count)?;
        let search = Search::new(points, weights, fixed)?;
        expect_items(
            "different items to choose from",
            count,
            search.different_items(),
        )?;
        let units = STARTS * (count + MOST_STEPS) as u64;
        let stage = Stage::new(observer, "choosing items", units);
        let streams = RandomStream::named(seed, "representatives");
        let mut best: Option<Clustering> = None;
        for start in 0..STARTS {
            let mut stream = streams.child(start);
            let found = search.clustering(count, &mut stream, &stage)?;
            if best.as_ref().is_none_or(|best| found.cost < best.cost) {
                best = Some(found);
            }
        }
        let best = best.expect("there is at least one start");
        let rows = search.nearest_items(&best);
        Ok(search.representatives(&rows))
    }

    /// Returns the mean distance of a point to the nearest of `rows` and of the fixed centres: what
    /// another choice would give.
    ///
    /// # Shapes
    /// `points` `[n, dim]`, `fixed` `[any, dim]`.
    ///
    /// # Errors
    /// [`EvalError::Mismatch`] if shapes do not belong together.
    ///
    /// # Panics
    /// If a row is after the last.
    pub fn mean_distance_of(
        points: ArrayView2<'_, f64>,
        rows: &[usize],
        fixed: ArrayView2<'_, f64>,
    ) -> Result<f64, EvalError> {
        let search = Search::new(points, None, fixed)?;
        Ok(search.representatives(rows).mean_distance)
    }
}

/// Points, and what is known of them before anything is chosen.
struct Search<'p> {
    points: ArrayView2<'p, f64>,
    /// Positive, one for each point.
    weights: Vec<f64>,
    /// Squared distance of each point to the nearest fixed centre; infinite without any.
    to_fixed: Vec<f64>,
}

/// Centres, and which points belong to them.
struct Clustering {
    /// `[count, dim]`.
    centres: Array2<f64>,
    nearest: Vec<Nearest>,
    /// Σ weight × squared distance.
    cost: f64,
}

/// The centre that is nearest to a point.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Nearest {
    /// `None` if a fixed centre is as near as any other.
    centre: Option<usize>,
    squared: f64,
}

impl<'p> Search<'p> {
    fn new(
        points: ArrayView2<'p, f64>,
        weights: Option<&[f64]>,
        fixed: ArrayView2<'_, f64>,
    ) -> Result<Self, EvalError> {
        expect_count(
            "dimensions of the fixed centres",
            points.ncols(),
            fixed.ncols(),
        )?;
        let weights = match weights {
            Some(weights) => weights.to_vec(),
            None => vec![1.0; points.nrows()],
        };
        expect_count("weights, one per point", points.nrows(), weights.len())?;
        for &value in &weights {
            if !(value > 0.0 && value.is_finite()) {
                return Err(EvalError::Setting {
                    name: "weight",
                    value,
                    range: "a positive number is needed",
                });
            }
        }
        let to_fixed = |row: usize| {
            let distances = fixed
                .outer_iter()
                .map(|centre| squared_distance(points.row(row), centre));
            distances.fold(f64::INFINITY, f64::min)
        };
        Ok(Self {
            points,
            weights,
            to_fixed: (0..points.nrows()).into_par_iter().map(to_fixed).collect(),
        })
    }

    /// Returns the number of different points that are no fixed centre.
    fn different_items(&self) -> usize {
        let mut seen = HashSet::new();
        for (point, &to_fixed) in self.points.outer_iter().zip(&self.to_fixed) {
            if to_fixed > 0.0 {
                // Bits, because floats have no hash; −0 and 0 are the same place.
                let bits = point.iter().map(|value| (value + 0.0).to_bits());
                seen.insert(bits.collect::<Vec<_>>());
            }
        }
        seen.len()
    }

    /// Returns `count` centres that k-means has moved as far as it does.
    fn clustering(
        &self,
        count: usize,
        stream: &mut RandomStream,
        stage: &Stage<'_>,
    ) -> Result<Clustering, EvalError> {
        let mut centres = self.first_centres(count, stream, stage)?;
        let mut nearest = self.nearest(&centres);
        for step in 0..MOST_STEPS {
            self.move_to_means(&mut centres, &nearest);
            let moved = self.nearest(&centres);
            stage.advance(1)?;
            let settled = moved
                .iter()
                .zip(&nearest)
                .all(|(a, b)| a.centre == b.centre);
            nearest = moved;
            if settled {
                stage.advance((MOST_STEPS - step - 1) as u64)?;
                break;
            }
        }
        let squares = nearest.iter().map(|nearest| nearest.squared);
        let cost = squares.zip(&self.weights).map(|(s, w)| s * w).sum();
        Ok(Clustering {
            centres,
            nearest,
            cost,
        })
    }

    /// Returns centres by k-means++: each is a point, drawn with a probability that grows with its
    /// squared distance to those before it; of a few that are drawn, the best.
    fn first_centres(
        &self,
        count: usize,
        stream: &mut RandomStream,
        stage: &Stage<'_>,
    ) -> Result<Array2<f64>, EvalError> {
        let trials = 2 + (count as f64).ln() as usize;
        let mut centres = Array2::zeros((count, self.points.ncols()));
        let mut squares = self.to_fixed.clone();
        for place in 0..count {
            let mut best: Option<(f64, Vec<f64>, usize)> = None;
            for _ in 0..trials {
                let row = self.drawn_row(&squares, stream);
                let found = self.with_centre(&squares, self.points.row(row));
                let cost = found.iter().zip(&self.weights).map(|(s, w)| s * w).sum();
                if best.as_ref().is_none_or(|(least, ..)| cost < *least) {
                    best = Some((cost, found, row));
                }
            }
            let (_, found, row) = best.expect("there are trials");
            centres.row_mut(place).assign(&self.points.row(row));
            squares = found;
            stage.advance(1)?;
        }
        Ok(centres)
    }

    /// Returns a row that is drawn by weight × squared distance; by weight if there are no centres
    /// yet.
    fn drawn_row(&self, squares: &[f64], stream: &mut RandomStream) -> usize {
        let mass = |row: usize| match squares[row].is_finite() {
            true => self.weights[row] * squares[row],
            false => self.weights[row],
        };
        let total: f64 = (0..squares.len()).map(mass).sum();
        let mut left = open_uniform(stream) * total;
        let mut last = 0;
        for row in 0..squares.len() {
            let mass = mass(row);
            if mass > 0.0 {
                last = row;
                left -= mass;
                if left < 0.0 {
                    break;
                }
            }
        }
        // Rounding may leave a little after the last row: it is taken.
        last
    }

    /// Returns the squared distances of all points to the nearest centre, one of them new.
    fn with_centre(&self, squares: &[f64], centre: ArrayView1<'_, f64>) -> Vec<f64> {
        let rows = squares.par_iter().enumerate();
        rows.map(|(row, square)| square.min(squared_distance(self.points.row(row), centre)))
            .collect()
    }

    /// Returns the nearest centre of each point.
    fn nearest(&self, centres: &Array2<f64>) -> Vec<Nearest> {
        let of_row = |row: usize| {
            let mut nearest = Nearest {
                centre: None,
                squared: self.to_fixed[row],
            };
            for (place, centre) in centres.outer_iter().enumerate() {
                let squared = squared_distance(self.points.row(row), centre);
                if squared < nearest.squared {
                    nearest = Nearest {
                        centre: Some(place),
                        squared,
                    };
                }
            }
            nearest
        };
        (0..self.points.nrows())
            .into_par_iter()
            .map(of_row)
            .collect()
    }

    /// Moves each centre to the weighted mean of its points; one without points stays.
    fn move_to_means(&self, centres: &mut Array2<f64>, nearest: &[Nearest]) {
        let mut sums = Array2::<f64>::zeros(centres.raw_dim());
        let mut masses = Array1::<f64>::zeros(centres.nrows());
        for (row, nearest) in nearest.iter().enumerate() {
            if let Some(place) = nearest.centre {
                sums.row_mut(place)
                    .scaled_add(self.weights[row], &self.points.row(row));
                masses[place] += self.weights[row];
            }
        }
        for (place, &mass) in masses.iter().enumerate() {
            if mass > 0.0 {
                let mean = &sums.row(place) / mass;
                centres.row_mut(place).assign(&mean);
            }
        }
    }

    /// Returns the item nearest to each centre among the points of its cell; for a centre without
    /// points the item that is farthest from all that is chosen.
    fn nearest_items(&self, found: &Clustering) -> Vec<usize> {
        let mut items: Vec<Option<usize>> = vec![None; found.centres.nrows()];
        let mut squares = vec![f64::INFINITY; items.len()];
        for (row, nearest) in found.nearest.iter().enumerate() {
            // An item that equals a fixed centre tells nothing new.
            let Some(place) = nearest.centre.filter(|_| self.to_fixed[row] > 0.0) else {
                continue;
            };
            if nearest.squared < squares[place] {
                squares[place] = nearest.squared;
                items[place] = Some(row);
            }
        }
        let mut chosen: Vec<usize> = items.iter().flatten().copied().collect();
        let mut left = self.to_fixed.clone();
        for &row in &chosen {
            left = self.with_centre(&left, self.points.row(row));
        }
        while chosen.len() < items.len() {
            let farthest = (0..left.len()).max_by(|&a, &b| left[a].total_cmp(&left[b]));
            let row = farthest.expect("there are points");
            left = self.with_centre(&left, self.points.row(row));
            chosen.push(row);
        }
        chosen
    }

    /// Returns these rows with the share of points that each stands for.
    fn representatives(&self, rows: &[usize]) -> Representatives {
        let centres = self.points.select(ndarray::Axis(0), rows);
        let nearest = self.nearest(&centres);
        let points = nearest.len() as f64;
        let mut chosen: Vec<Representative> = vec![];
        for (place, &row) in rows.iter().enumerate() {
            let own = nearest.iter().filter(|found| found.centre == Some(place));
            let share = own.count() as f64 / points;
            chosen.push(Representative { row, share });
        }
        chosen.sort_by(|a, b| b.share.total_cmp(&a.share).then(a.row.cmp(&b.row)));
        let distances = nearest.iter().map(|nearest| nearest.squared.sqrt());
        Representatives {
            chosen,
            mean_distance: distances.sum::<f64>() / points,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use zbridge_core::Unobserved;

    const CLUSTERS: usize = 10;

    /// Points in clusters of unequal size, 10 to 100 each, with the cluster of each point.
    fn clusters(seed: u64) -> (Array2<f64>, Vec<usize>) {
        let mut stream = RandomStream::named(seed, "clusters");
        let of: Vec<usize> = (0..CLUSTERS)
            .flat_map(|cluster| std::iter::repeat_n(cluster, 10 * (cluster + 1)))
            .collect();
        let mut noise = vec![0.0; of.len() * 8];
        stream.fill_standard_normal(&mut noise);
        let mut centres = vec![0.0; CLUSTERS * 8];
        stream.fill_standard_normal(&mut centres);
        let points = Array2::from_shape_fn((of.len(), 8), |(row, column)| {
            let centre = f64::from(centres[of[row] * 8 + column]);
            4.0 * centre + 0.3 * f64::from(noise[row * 8 + column])
        });
        (points, of)
    }

    fn none() -> Array2<f64> {
        Array2::zeros((0, 8))
    }

    fn chosen(points: &Array2<f64>, fixed: &Array2<f64>, count: usize, seed: u64) -> Vec<usize> {
        let settings = RepresentativeSettings { count, seed };
        let found = Representatives::of(points.view(), None, fixed.view(), settings, &Unobserved);
        found.unwrap().chosen.iter().map(|item| item.row).collect()
    }

    fn covered(of: &[usize], rows: &[usize]) -> usize {
        let clusters: HashSet<usize> = rows.iter().map(|&row| of[row]).collect();
        clusters.len()
    }

    #[test]
    fn every_cluster_is_covered_whatever_its_size() {
        let mut at_random = 0;
        for seed in 0..5 {
            let (points, of) = clusters(seed);
            assert_eq!(
                covered(&of, &chosen(&points, &none(), CLUSTERS, seed)),
                CLUSTERS
            );
            let mut rows = RandomStream::named(seed, "random").permutation(of.len());
            rows.truncate(CLUSTERS);
            at_random += covered(&of, &rows);
        }
        assert!(at_random < 5 * CLUSTERS - 10, "{at_random}");
    }

    #[test]
    fn what_is_there_already_is_not_chosen_again() {
        let (points, of) = clusters(1);
        let known: Vec<usize> = (0..of.len()).filter(|&row| of[row] >= 4).collect();
        let fixed = points.select(ndarray::Axis(0), &known);
        let rows = chosen(&points, &fixed, 4, 1);
        assert_eq!(covered(&of, &rows), 4);
        assert!(rows.iter().all(|&row| of[row] < 4), "{rows:?}");
    }

    #[test]
    fn near_duplicates_are_chosen_once() {
        let (points, of) = clusters(2);
        let doubled = ndarray::concatenate![ndarray::Axis(0), points, &points + 1e-6];
        let rows = chosen(&doubled, &none(), 2 * CLUSTERS, 1);
        for (place, &a) in rows.iter().enumerate() {
            for &b in &rows[..place] {
                assert_ne!(a % of.len(), b % of.len());
            }
        }
    }

    #[test]
    fn weights_move_the_choice() {
        let points = Array2::from_shape_fn((100, 1), |(row, _)| row as f64);
        let weights: Vec<f64> = (0..100)
            .map(|row| if row < 50 { 1.0 } else { 50.0 })
            .collect();
        let settings = RepresentativeSettings { count: 10, seed: 1 };
        let high = |weights: Option<&[f64]>| {
            let fixed = Array2::zeros((0, 1));
            let found =
                Representatives::of(points.view(), weights, fixed.view(), settings, &Unobserved);
            let chosen = found.unwrap().chosen;
            chosen.iter().filter(|item| item.row >= 50).count()
        };
        assert!((4..=6).contains(&high(None)));
        assert!(high(Some(&weights)) >= 7);
    }

    #[test]
    fn the_number_of_threads_changes_nothing() {
        let (points, _) = clusters(3);
        let with = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
            let pool = pool.build().unwrap();
            pool.install(|| chosen(&points, &none(), 16, 7))
        };
        assert_eq!(with(1), with(3));
    }

    #[test]
    fn shares_are_of_all_points_and_the_choice_is_nearer_than_chance() {
        let (points, of) = clusters(4);
        let settings = RepresentativeSettings { count: 16, seed: 1 };
        let fixed = none();
        let found =
            Representatives::of(points.view(), None, fixed.view(), settings, &Unobserved).unwrap();
        let shares: f64 = found.chosen.iter().map(|item| item.share).sum();
        assert!((shares - 1.0).abs() < 1e-9);
        assert!(found.chosen.is_sorted_by(|a, b| a.share >= b.share));
        let mut rows = RandomStream::named(1, "random").permutation(of.len());
        rows.truncate(16);
        let chance = Representatives::mean_distance_of(points.view(), &rows, fixed.view()).unwrap();
        assert!(found.mean_distance < 0.8 * chance);
    }

    #[test]
    fn what_cannot_be_chosen_is_refused() {
        let points = Array2::from_shape_fn((6, 1), |(row, _)| (row % 3) as f64);
        let of = |count, weights: Option<&[f64]>, dim| {
            let settings = RepresentativeSettings { count, seed: 1 };
            let fixed = Array2::zeros((1, dim));
            Representatives::of(points.view(), weights, fixed.view(), settings, &Unobserved)
        };
        // Of three different points one is there already.
        assert_eq!(of(2, None, 1).unwrap().chosen.len(), 2);
        assert!(matches!(
            of(3, None, 1),
            Err(EvalError::TooFew { found: 2, .. })
        ));
        assert!(matches!(of(0, None, 1), Err(EvalError::Setting { .. })));
        assert!(matches!(of(1, None, 2), Err(EvalError::Mismatch { .. })));
        assert!(matches!(
            of(1, Some(&[1.0; 5]), 1),
            Err(EvalError::Mismatch { .. })
        ));
        assert!(matches!(
            of(1, Some(&[0.0; 6]), 1),
            Err(EvalError::Setting { .. })
        ));
    }
}
