use crate::row_estimate::LogLikelihoodMoments;
use crate::{Accuracy, Calibration, EvalError};
use serde::{Deserialize, Serialize};
use zbridge_core::{Estimate, EventKind, Observations};

/// How far the sum of a row of probabilities may be from one.
const SUM_TOLERANCE: f64 = 1e-3;

/// How well class probabilities predict the true classes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Classification {
    /// Share of observations whose most probable class is the true one.
    pub accuracy: Accuracy,
    /// True against predicted classes.
    pub confusion: ConfusionMatrix,
    /// Mean log probability of the true class in nats; −∞ when one of them has probability 0.
    pub log_p_true_class: Estimate,
    /// Mean Brier score Σ_c (p_c − [c is true])², 0 (sure and right) … 2 (sure and wrong).
    pub brier_score: Estimate,
    /// Reliability of the most probable class's probability.
    pub calibration: Calibration,
}

/// How often each true class was taken for each class.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfusionMatrix {
    /// `counts[true class][predicted class]`.
    pub counts: Vec<Vec<usize>>,
}

impl ConfusionMatrix {
    /// The matrix of (true, predicted) pairs over `classes` classes.
    ///
    /// # Errors
    /// [`EvalError::UnknownIndex`] when a class is not below `classes`.
    pub fn of(
        classes: usize,
        pairs: impl IntoIterator<Item = (usize, usize)>,
    ) -> Result<Self, EvalError> {
        let mut counts = vec![vec![0; classes]; classes];
        for (row, (truth, predicted)) in pairs.into_iter().enumerate() {
            let unknown = |index| EvalError::UnknownIndex {
                what: "class",
                row,
                index,
                available: classes,
            };
            let cells: &mut Vec<usize> = counts.get_mut(truth).ok_or_else(|| unknown(truth))?;
            *cells.get_mut(predicted).ok_or_else(|| unknown(predicted))? += 1;
        }
        Ok(Self { counts })
    }

    /// Share of each true class that was recognised.
    pub fn recall(&self) -> Vec<Accuracy> {
        let of_class = |(class, cells): (usize, &Vec<usize>)| {
            Accuracy::from_counts(cells[class], cells.iter().sum::<usize>() - cells[class])
        };
        self.counts.iter().enumerate().map(of_class).collect()
    }
}

/// Accuracy, confusions, log p(true class), Brier score and calibration of class probabilities.
///
/// Where several classes are equally probable, the last of them is the prediction
/// ([`Observations::argmax`]).
///
/// # Shapes
/// `probabilities` `[n, classes]`, `labels` `[n]`.
///
/// # Errors
/// [`EvalError::NotClasses`] for images, [`EvalError::Mismatch`] when the two differ in number,
/// [`EvalError::Empty`] without rows, [`EvalError::UnknownIndex`] for a label beyond the classes,
/// [`EvalError::NotProbabilities`] naming the row.
///
/// # Source
/// Brier (1950), *Verification of forecasts expressed in terms of probability*, eq. 2.
pub fn classify(probabilities: &Observations, labels: &[u8]) -> Result<Classification, EvalError> {
    let classes = check(probabilities, labels)?;
    let predictions = probabilities.argmax();
    let truths: Vec<usize> = labels.iter().map(|&label| usize::from(label)).collect();
    let probability = |row: usize, class: usize| f64::from(probabilities.row(row)[class]);
    let rows = || truths.iter().zip(&predictions).enumerate();
    let confidences = rows()
        .map(|(row, (truth, prediction))| (probability(row, *prediction), truth == prediction));
    let true_logs = rows().map(|(row, (truth, _))| probability(row, *truth).ln());
    Ok(Classification {
        accuracy: Accuracy::of(rows().map(|(_, (truth, prediction))| truth == prediction)),
        confusion: ConfusionMatrix::of(
            classes,
            rows().map(|(_, (truth, prediction))| (*truth, *prediction)),
        )?,
        log_p_true_class: LogLikelihoodMoments::of(true_logs).estimate(),
        brier_score: Estimate::of(
            rows().map(|(row, (truth, _))| brier_score(probabilities.row(row), *truth)),
        ),
        calibration: Calibration::of(confidences),
    })
}

/// How many classes there are, when everything belongs together.
fn check(probabilities: &Observations, labels: &[u8]) -> Result<usize, EvalError> {
    let EventKind::Class { classes } = *probabilities.kind() else {
        return Err(EvalError::NotClasses {
            found: probabilities.kind().clone(),
        });
    };
    EvalError::expect_count(
        "labels, one per row of probabilities",
        probabilities.rows(),
        labels.len(),
    )?;
    if labels.is_empty() {
        return Err(EvalError::Empty {
            what: "rows of class probabilities",
        });
    }
    EvalError::expect_indices(
        "class",
        labels.iter().map(|&label| usize::from(label)),
        classes,
    )?;
    (0..probabilities.rows())
        .try_for_each(|row| expect_probabilities(row, probabilities.row(row)))?;
    Ok(classes)
}

fn expect_probabilities(row: usize, probabilities: &[f32]) -> Result<(), EvalError> {
    let sum: f64 = probabilities.iter().map(|&p| f64::from(p)).sum();
    let smallest = probabilities
        .iter()
        .map(|&p| f64::from(p))
        .fold(f64::INFINITY, f64::min);
    match smallest >= 0.0 && (sum - 1.0).abs() <= SUM_TOLERANCE {
        true => Ok(()),
        false => Err(EvalError::NotProbabilities { row, sum, smallest }),
    }
}

/// Σ_c (p_c − [c = truth])².
fn brier_score(probabilities: &[f32], truth: usize) -> f64 {
    let gap = |(class, &p): (usize, &f32)| f64::from(p) - f64::from(u8::from(class == truth));
    probabilities
        .iter()
        .enumerate()
        .map(|cell| gap(cell).powi(2))
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn probabilities(values: &[f32]) -> Observations {
        Observations::new(values.to_vec(), EventKind::Class { classes: 3 }).unwrap()
    }

    #[test]
    fn three_answers_worked_out_by_hand() {
        let rows = probabilities(&[0.5, 0.25, 0.25, 0.125, 0.75, 0.125, 0.25, 0.5, 0.25]);
        let found = classify(&rows, &[0, 1, 2]).unwrap();
        assert_eq!((found.accuracy.correct, found.accuracy.count), (2, 3));
        assert_eq!(found.confusion.counts, [[1, 0, 0], [0, 1, 0], [0, 1, 0]]);
        assert_eq!(
            found
                .confusion
                .recall()
                .iter()
                .map(|r| r.correct)
                .collect::<Vec<_>>(),
            [1, 1, 0]
        );
        let log = (0.5f64.ln() + 0.75f64.ln() + 0.25f64.ln()) / 3.0;
        assert!((found.log_p_true_class.mean - log).abs() < 1e-12);
        let brier =
            ((0.25 + 0.0625 + 0.0625) + (0.0625 + 2.0 * 0.015625) + (0.0625 + 0.25 + 0.5625)) / 3.0;
        assert!((found.brier_score.mean - brier).abs() < 1e-12);
        let gaps = (0.5f64 + 0.5 - 1.0).abs() + (1.0f64 - 0.75).abs();
        assert!((found.calibration.expected_calibration_error - gaps / 3.0).abs() < 1e-12);
    }

    #[test]
    fn a_true_class_of_probability_zero_is_infinitely_surprising() {
        let found = classify(&probabilities(&[1.0, 0.0, 0.0, 1.0, 0.0, 0.0]), &[0, 2]).unwrap();
        assert_eq!(found.log_p_true_class.mean, f64::NEG_INFINITY);
        assert!((found.brier_score.mean - 1.0).abs() < 1e-12);
    }

    #[test]
    fn uniform_probabilities_have_the_entropy_of_the_classes() {
        let found = classify(
            &probabilities(&[1.0 / 3.0; 30]),
            &[0, 1, 2, 0, 1, 2, 0, 1, 2, 0],
        )
        .unwrap();
        assert!((found.log_p_true_class.mean + 3f64.ln()).abs() < 1e-6);
        assert!(found.log_p_true_class.standard_error < 1e-12);
    }

    #[test]
    fn what_is_no_classification_is_refused_by_row() {
        let good = probabilities(&[1.0, 0.0, 0.0, 0.0, 1.0, 0.0]);
        let logits = probabilities(&[1.0, 0.0, 0.0, 3.0, -1.0, -1.0]);
        let images = Observations::new(
            vec![1.0; 3],
            EventKind::Image {
                channels: 1,
                height: 1,
                width: 3,
            },
        )
        .unwrap();
        assert!(matches!(
            classify(&good, &[0]),
            Err(EvalError::Mismatch {
                expected: 2,
                found: 1,
                ..
            })
        ));
        assert!(matches!(
            classify(&good, &[0, 3]),
            Err(EvalError::UnknownIndex {
                row: 1,
                index: 3,
                ..
            })
        ));
        assert!(matches!(
            classify(&logits, &[0, 1]),
            Err(EvalError::NotProbabilities { row: 1, .. })
        ));
        assert!(matches!(
            classify(&images, &[0]),
            Err(EvalError::NotClasses { .. })
        ));
        assert!(matches!(
            classify(&probabilities(&[]), &[]),
            Err(EvalError::Empty { .. })
        ));
    }
}
