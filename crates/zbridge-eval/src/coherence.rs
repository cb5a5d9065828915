use crate::{Accuracy, EvalError};
use serde::{Deserialize, Serialize};

/// How often what was generated is judged to be what was asked for.
///
/// The judge errs too: with its own accuracy on real observations beside it, a coherence can be
/// read against the ceiling that this judge allows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Coherence {
    /// Share of all generated observations that the judge assigns to their condition.
    pub overall: Accuracy,
    /// The same for each condition, from 0; with a count of 0 where nothing was generated.
    pub per_condition: Vec<ConditionCoherence>,
    /// The judge's own accuracy on real observations.
    pub judge_accuracy: Accuracy,
}

/// Coherence of what was generated under one condition.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ConditionCoherence {
    /// The condition, from 0.
    pub condition: usize,
    /// Share that the judge assigns to it.
    pub accuracy: Accuracy,
}

/// Share of generated observations that the judge classifies as their condition, overall and per
/// condition.
///
/// # Shapes
/// `judged` (the judge's classes, [`Observations::argmax`](zbridge_core::Observations::argmax) of
/// its probabilities) and `conditions` (what was asked for) `[n]`.
///
/// # Errors
/// [`EvalError::Mismatch`] when the two differ in number, [`EvalError::Empty`] without
/// observations, [`EvalError::UnknownIndex`] when one of them is not below `classes`.
pub fn coherence(
    judged: &[usize],
    conditions: &[u8],
    classes: usize,
    judge_accuracy: Accuracy,
) -> Result<Coherence, EvalError> {
    EvalError::expect_count(
        "judged classes, one per condition",
        conditions.len(),
        judged.len(),
    )?;
    if judged.is_empty() {
        return Err(EvalError::Empty {
            what: "generated observations",
        });
    }
    let asked = || conditions.iter().map(|&condition| usize::from(condition));
    EvalError::expect_indices("condition", asked(), classes)?;
    EvalError::expect_indices("class", judged.iter().copied(), classes)?;
    let of_condition = |condition: usize| {
        let own = asked().zip(judged).filter(|&(asked, _)| asked == condition);
        ConditionCoherence {
            condition,
            accuracy: Accuracy::of(own.map(|(asked, &judged)| asked == judged)),
        }
    };
    Ok(Coherence {
        overall: Accuracy::of(asked().zip(judged).map(|(asked, &judged)| asked == judged)),
        per_condition: (0..classes).map(of_condition).collect(),
        judge_accuracy,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_agreements_overall_and_per_condition() {
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
    fn a_judge_that_sees_shuffled_conditions_agrees_by_chance_only() {
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
            Err(EvalError::Empty { .. })
        ));
    }
}
