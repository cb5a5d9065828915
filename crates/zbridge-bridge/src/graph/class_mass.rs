use super::spreading::Spread;
use crate::mean_teacher::sharpen;
use ndarray::{Array1, Array2, ArrayView1, Axis, aview1};

/// How often each class occurs, as far as is known.
#[derive(Debug, Clone)]
pub(crate) struct ClassShares {
    /// Sum to one, `[classes]`.
    pub(crate) shares: Vec<f32>,
    /// Observations that the shares are estimated from.
    pub(crate) observations: usize,
}

/// Temperature to which spread labels are sharpened: they are much less certain than right.
const TEMPERATURE: f32 = 0.35;
/// Standard errors of a class's share within which it is left as it is.
const ERRORS: f32 = 2.0;
/// Rounds in which the shares of all classes are corrected at the same time.
const ROUNDS: usize = 20;

/// A class's share of all points lies between these.
#[derive(Debug, Clone, Copy)]
struct Bounds {
    least: f32,
    most: f32,
}

impl Spread {
    /// Returns the probabilities of the classes at each point, `[points, classes]`.
    ///
    /// Classes have the shares of all points that is known of them, within its error. Points that
    /// labels reach least belong to classes that have no label: as many as such classes are
    /// expected to have.
    ///
    /// # Source
    /// Class mass normalisation of Zhu, Ghahramani & Lafferty 2003, section 4, with bounds as in
    /// Jacobs, Merkurjev & Esedoḡlu 2018.
    pub(crate) fn probabilities(&self, classes: &ClassShares) -> Array2<f32> {
        let mut probabilities = self.reach.clone();
        sharpen(&mut probabilities, TEMPERATURE);
        let unlabelled = self.shares_of_unlabelled(classes);
        let unlabelled_share = unlabelled.sum();
        // Points that no label has reached may be of any class.
        for mut row in probabilities.rows_mut() {
            if !row.sum().is_finite() {
                row.assign(&aview1(&classes.shares));
            }
        }
        let rest = 1.0 - unlabelled_share;
        if rest <= 0.0 {
            return probabilities;
        }
        let others = self.least_reached(unlabelled_share);
        let bounds: Vec<Option<Bounds>> = (0..classes.shares.len())
            .map(|class| self.is_labelled[class].then(|| classes.bounds(class, rest)))
            .collect();
        keep_within(&mut probabilities, &bounds);
        for point in others {
            let row = &unlabelled / unlabelled_share;
            probabilities.row_mut(point).assign(&row);
        }
        probabilities
    }

    /// Returns the shares of classes without a label, and 0 for the others, `[classes]`.
    fn shares_of_unlabelled(&self, classes: &ClassShares) -> Array1<f32> {
        let shares = classes.shares.iter().zip(&self.is_labelled);
        shares
            .map(|(share, is_labelled)| if *is_labelled { 0.0 } else { *share })
            .collect()
    }

    /// Returns this share of all points: those that the nearest label reaches least.
    fn least_reached(&self, share: f32) -> Vec<usize> {
        let strongest = |row: ArrayView1<'_, f32>| row.fold(0.0f32, |a, &b| a.max(b));
        let reach: Vec<f32> = self.reach.rows().into_iter().map(strongest).collect();
        let mut order: Vec<usize> = (0..reach.len()).collect();
        order.sort_by(|&a, &b| reach[a].total_cmp(&reach[b]));
        order.truncate((share * reach.len() as f32) as usize);
        order
    }
}

impl ClassShares {
    /// Returns the bounds of a class's share of the points of classes with labels, which are `rest`
    /// of all.
    fn bounds(&self, class: usize, rest: f32) -> Bounds {
        let share = self.shares[class];
        let variance = share * (1.0 - share) / self.observations.max(1) as f32;
        let error = ERRORS * variance.sqrt();
        Bounds {
            least: (share - error).max(0.0) / rest,
            most: (share + error) / rest,
        }
    }
}

/// Multiplies the columns of `probabilities` `[points, classes]`, whose rows sum to one, until the
/// mean of each is within its bounds.
fn keep_within(probabilities: &mut Array2<f32>, bounds: &[Option<Bounds>]) {
    for _ in 0..ROUNDS {
        let Some(means) = probabilities.mean_axis(Axis(0)) else {
            return;
        };
        let factor = |(mean, bounds): (&f32, &Option<Bounds>)| match bounds {
            Some(bounds) if *mean > 0.0 => mean.clamp(bounds.least, bounds.most) / mean,
            _ => 1.0,
        };
        let factors: Array1<f32> = means.iter().zip(bounds).map(factor).collect();
        for mut row in probabilities.rows_mut() {
            row *= &factors;
            let total = row.sum();
            row /= total.max(f32::MIN_POSITIVE);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn points_that_no_label_reaches_are_of_classes_without_one() {
        let spread = Spread {
            reach: array![
                [0.9, 0.1, 0.0, 0.0],
                [0.8, 0.1, 0.0, 0.0],
                [0.1, 0.7, 0.0, 0.0],
                [0.01, 0.01, 0.0, 0.0],
                [0.0, 0.0, 0.0, 0.0]
            ],
            is_labelled: vec![true, true, false, false],
        };
        let classes = ClassShares {
            shares: vec![0.4, 0.2, 0.1, 0.3],
            observations: 10,
        };
        let probabilities = spread.probabilities(&classes);
        for row in probabilities.rows() {
            assert!((row.sum() - 1.0).abs() < 1e-5, "{row}");
        }
        assert!(probabilities[[0, 0]] > 0.9 && probabilities[[2, 1]] > 0.9);
        for point in [3, 4] {
            assert_eq!(probabilities.row(point).to_vec(), [0.0, 0.0, 0.25, 0.75]);
        }
    }

    #[test]
    fn classes_keep_the_shares_that_are_known() {
        let mut probabilities = Array2::from_shape_fn((100, 2), |(row, class)| {
            let first = 0.5 + 0.005 * row as f32;
            if class == 0 { first } else { 1.0 - first }
        });
        let bounds = |share: f32| {
            Some(Bounds {
                least: share - 0.01,
                most: share + 0.01,
            })
        };
        keep_within(&mut probabilities, &[bounds(0.4), bounds(0.6)]);
        let mean = probabilities.column(0).sum() / 100.0;
        assert!((mean - 0.4).abs() < 0.02, "{mean}");
        // Their order stays.
        assert!(probabilities[[99, 0]] > probabilities[[0, 0]]);
    }
}
