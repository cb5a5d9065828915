use crate::checks::{expect_count, expect_indices, expect_items};
use crate::{Accuracy, EvalError};
use serde::{Deserialize, Serialize};

/// How often a judge assigns generated observations to the condition they were generated for.
///
/// The judge errs too: its own accuracy on real observations is the ceiling of a coherence.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Coherence {
    /// Share of all generated observations that the judge assigns to their condition.
    pub overall: Accuracy,
    /// The same for each condition, from 0; with a count of 0 for conditions without observations.
    pub per_condition: Vec<ConditionCoherence>,
    /// The judge's own accuracy on real observations.
    pub judge_accuracy: Accuracy,
}

/// Coherence of the observations that were generated for one condition.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ConditionCoherence {
    /// The condition, from 0.
    pub condition: usize,
    /// Share that the judge assigns to it.
    pub accuracy: Accuracy,
}

/// Returns the share of generated observations that the judge classifies as their condition,
/// overall and per condition.
///
/// # Shapes
/// `judged` (the judge's classes, [`Observations::argmax`](zbridge_core::Observations::argmax) of
/// its probabilities) and `conditions` (those of the generated observations) `[n]`.
///
/// # Errors
/// [`EvalError::Mismatch`] if the two differ in number, [`EvalError::TooFew`] without observations,
/// [`EvalError::UnknownIndex`] if one of them is not below `classes`.
///
/// ```
/// use zbridge_eval::{Accuracy, coherence};
///
/// let judge = Accuracy::from_counts(98, 2);
/// let found = coherence(&[0, 1, 1, 1], &[0, 0, 1, 1], 2, judge)?;
/// assert_eq!(found.overall.share, 0.75);
/// assert_eq!(found.per_condition[0].accuracy.share, 0.5);
/// # Ok::<(), zbridge_eval::EvalError>(())
/// ```
pub fn coherence(
    judged: &[usize],
    conditions: &[u8],
    classes: usize,
    judge_accuracy: Accuracy,
) -> Result<Coherence, EvalError> {
    expect_count(
        "judged classes, one per condition",
        conditions.len(),
        judged.len(),
    )?;
    expect_items("generated observations", 1, judged.len())?;
    let conditions: Vec<usize> = conditions.iter().map(|&c| usize::from(c)).collect();
    expect_indices("condition", conditions.iter().copied(), classes)?;
    expect_indices("class", judged.iter().copied(), classes)?;
    // The overall share counts every observation once, whatever its condition.
    let counts = AgreementCounts::of(judged, &conditions, classes);
    Ok(Coherence {
        overall: Accuracy::from_counts(counts.right.iter().sum(), counts.wrong.iter().sum()),
        per_condition: (0..classes)
            .map(|condition| counts.of_condition(condition))
            .collect(),
        judge_accuracy,
    })
}

/// The numbers of right and wrong judgements for each condition.
struct AgreementCounts {
    right: Vec<usize>,
    wrong: Vec<usize>,
}

impl AgreementCounts {
    fn of(judged: &[usize], conditions: &[usize], classes: usize) -> Self {
        let (mut right, mut wrong) = (vec![0; classes], vec![0; classes]);
        for (&condition, &judged) in conditions.iter().zip(judged) {
            let counts = if judged == condition {
                &mut right
            } else {
                &mut wrong
            };
            counts[condition] += 1;
        }
        Self { right, wrong }
    }

    fn of_condition(&self, condition: usize) -> ConditionCoherence {
        let (right, wrong) = (self.right[condition], self.wrong[condition]);
        ConditionCoherence {
            condition,
            accuracy: Accuracy::from_counts(right, wrong),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agreements_are_counted_overall_and_per_condition() {
        let judge = Accuracy::from_counts(98, 2);
        let found = coherence(&[0, 1, 1, 2, 2], &[0, 0, 1, 2, 2], 4, judge).unwrap();
        assert_eq!((found.overall.correct, found.overall.count), (4, 5));
        let parts: Vec<_> = found
            .per_condition
            .iter()
            .map(|c| (c.accuracy.correct, c.accuracy.count))
            .collect();
        assert_eq!(parts, [(1, 2), (1, 1), (2, 2), (0, 0)]);
        assert_eq!(found.judge_accuracy, judge);
    }

    #[test]
    fn shuffled_conditions_agree_by_chance_only() {
        let conditions: Vec<u8> = (0..5000).map(|i| (i % 10) as u8).collect();
        let order = zbridge_core::RandomStream::named(1, "shuffle").permutation(5000);
        let judged: Vec<usize> = order.iter().map(|&i| usize::from(conditions[i])).collect();
        let found = coherence(&judged, &conditions, 10, Accuracy::from_counts(1, 0)).unwrap();
        assert!((found.overall.share - 0.1).abs() < 4.0 * (0.09f64 / 5000.0).sqrt());
    }

    #[test]
    fn conditions_and_classes_must_exist() {
        let judge = Accuracy::from_counts(1, 0);
        assert!(matches!(
            coherence(&[0], &[0, 1], 2, judge),
            Err(EvalError::Mismatch { .. })
        ));
        assert!(matches!(
            coherence(&[0], &[2], 2, judge),
            Err(EvalError::UnknownIndex {
                what: "condition",
                ..
            })
        ));
        assert!(matches!(
            coherence(&[2], &[0], 2, judge),
            Err(EvalError::UnknownIndex { what: "class", .. })
        ));
        assert!(matches!(
            coherence(&[], &[], 2, judge),
            Err(EvalError::TooFew { .. })
        ));
    }
}
