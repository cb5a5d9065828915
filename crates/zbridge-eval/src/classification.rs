use crate::checks::{expect_count, expect_indices, expect_items};
use crate::{Accuracy, Calibration, ConfusionMatrix, EvalError};
use ndarray::ArrayView1;
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
    /// Mean log probability of the true class in nats; −∞ if one of them has probability 0.
    pub log_p_true_class: Estimate,
    /// Mean Brier score Σ_c (p_c − [c is true])², 0 (sure and right) … 2 (sure and wrong).
    pub brier_score: Estimate,
    /// Reliability of the probability of the most probable class.
    pub calibration: Calibration,
}

/// Returns accuracy, confusion matrix, log p(true class), Brier score and calibration of class
/// probabilities.
///
/// If several classes are equally probable, the last of them is the prediction
/// ([`Observations::argmax`]).
///
/// # Shapes
/// `probabilities` `[n, classes]`, `labels` `[n]`.
///
/// # Errors
/// [`EvalError::NotClasses`] for observations of another kind, [`EvalError::Mismatch`] if the two
/// differ in number, [`EvalError::TooFew`] without rows, [`EvalError::UnknownIndex`] for a label
/// without a class, [`EvalError::NotProbabilities`] with the row.
///
/// # Source
/// Brier (1950), *Verification of forecasts expressed in terms of probability*, eq. 2.
///
/// ```
/// use ndarray::array;
/// use zbridge_core::{EventKind, Observations};
/// use zbridge_eval::classify;
///
/// let probabilities = array![[0.75, 0.25], [0.5, 0.5], [0.25, 0.75]];
/// let probabilities = Observations::from_array(probabilities, EventKind::Class { classes: 2 })?;
/// let found = classify(&probabilities, &[0, 0, 1])?;
/// assert_eq!((found.accuracy.correct, found.accuracy.count), (2, 3));
/// assert!((found.log_p_true_class.mean - (0.75f64.ln() * 2.0 + 0.5f64.ln()) / 3.0).abs() < 1e-12);
/// # Ok::<(), zbridge_eval::EvalError>(())
/// ```
pub fn classify(probabilities: &Observations, labels: &[u8]) -> Result<Classification, EvalError> {
    let classes = checked_classes(probabilities, labels)?;
    let answers = answers(probabilities, labels);
    // A probability of 0 has the logarithm −∞, which makes the mean −∞ and not NaN.
    let true_logs = answers.iter().map(|answer| answer.true_probability.ln());
    let brier_scores = answers.iter().map(|answer| answer.brier_score);
    Ok(Classification {
        accuracy: Accuracy::of(answers.iter().map(Answer::is_correct)),
        confusion: ConfusionMatrix::of(classes, answers.iter().map(Answer::classes))?,
        log_p_true_class: Estimate::of_log_densities(true_logs),
        brier_score: Estimate::of(brier_scores),
        calibration: Calibration::of(answers.iter().map(Answer::graded)),
    })
}

/// What the probabilities of one observation say.
struct Answer {
    truth: usize,
    prediction: usize,
    /// The probability of the prediction.
    confidence: f64,
    true_probability: f64,
    brier_score: f64,
}

impl Answer {
    /// Returns (true class, predicted class).
    fn classes(&self) -> (usize, usize) {
        (self.truth, self.prediction)
    }

    /// Returns the confidence, with whether the prediction is right.
    fn graded(&self) -> (f64, bool) {
        (self.confidence, self.is_correct())
    }

    fn is_correct(&self) -> bool {
        self.truth == self.prediction
    }
}

fn answers(probabilities: &Observations, labels: &[u8]) -> Vec<Answer> {
    let mut answers = Vec::with_capacity(labels.len());
    let rows = probabilities.view();
    for (row, prediction) in probabilities.argmax().into_iter().enumerate() {
        let (probabilities, truth) = (rows.row(row), usize::from(labels[row]));
        answers.push(Answer {
            truth,
            prediction,
            confidence: f64::from(probabilities[prediction]),
            true_probability: f64::from(probabilities[truth]),
            brier_score: brier_score(probabilities, truth),
        });
    }
    answers
}

/// Returns Σ_c (p_c − [c = truth])².
fn brier_score(probabilities: ArrayView1<f32>, truth: usize) -> f64 {
    let mut score = 0.0;
    for (class, &probability) in probabilities.iter().enumerate() {
        let gap = f64::from(probability) - f64::from(u8::from(class == truth));
        score += gap.powi(2);
    }
    score
}

/// Returns the number of classes, after checking everything that [`classify`] needs.
fn checked_classes(probabilities: &Observations, labels: &[u8]) -> Result<usize, EvalError> {
    let EventKind::Class { classes } = *probabilities.kind() else {
        return Err(EvalError::NotClasses {
            found: probabilities.kind().clone(),
        });
    };
    expect_count(
        "labels, one per row of probabilities",
        probabilities.rows(),
        labels.len(),
    )?;
    expect_items("rows of class probabilities", 1, labels.len())?;
    let labels = labels.iter().map(|&label| usize::from(label));
    expect_indices("class", labels, classes)?;
    for (row, probabilities) in probabilities.view().outer_iter().enumerate() {
        expect_probabilities(row, probabilities)?;
    }
    Ok(classes)
}

/// Checks that the values are ≥ 0 and sum to one.
///
/// # Errors
/// [`EvalError::NotProbabilities`] otherwise.
fn expect_probabilities(row: usize, probabilities: ArrayView1<f32>) -> Result<(), EvalError> {
    // In f64, so that rounding stays far below the tolerance.
    let (mut sum, mut smallest) = (0.0, f64::INFINITY);
    for &probability in probabilities {
        sum += f64::from(probability);
        smallest = smallest.min(f64::from(probability));
    }
    if smallest >= 0.0 && (sum - 1.0).abs() <= SUM_TOLERANCE {
        return Ok(());
    }
    Err(EvalError::NotProbabilities { row, sum, smallest })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn probabilities(values: &[f32]) -> Observations {
        Observations::new(values.to_vec(), EventKind::Class { classes: 3 }).unwrap()
    }

    #[test]
    fn three_answers_computed_by_hand() {
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
    fn wrong_probabilities_and_labels_are_errors() {
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
            Err(EvalError::TooFew { .. })
        ));
    }
}
