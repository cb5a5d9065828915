use crate::{Accuracy, EvalError};
use serde::{Deserialize, Serialize};

/// How often observations of each true class were assigned to each class.
///
/// ```
/// use zbridge_eval::ConfusionMatrix;
///
/// // (true class, predicted class) of four observations.
/// let matrix = ConfusionMatrix::of(2, [(0, 0), (0, 1), (1, 1), (1, 1)])?;
/// assert_eq!(matrix.counts, [[1, 1], [0, 2]]);
/// assert_eq!(matrix.recall()[0].share, 0.5);
/// # Ok::<(), zbridge_eval::EvalError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfusionMatrix {
    /// `counts[true class][predicted class]`.
    pub counts: Vec<Vec<usize>>,
}

impl ConfusionMatrix {
    /// Returns the matrix of (true, predicted) pairs over `classes` classes.
    ///
    /// # Errors
    /// [`EvalError::UnknownIndex`] if a class is not below `classes`.
    pub fn of(
        classes: usize,
        pairs: impl IntoIterator<Item = (usize, usize)>,
    ) -> Result<Self, EvalError> {
        let mut counts = vec![vec![0; classes]; classes];
        for (row, (truth, predicted)) in pairs.into_iter().enumerate() {
            for index in [truth, predicted] {
                if index >= classes {
                    return Err(EvalError::UnknownIndex {
                        what: "class",
                        row,
                        index,
                        available: classes,
                    });
                }
            }
            counts[truth][predicted] += 1;
        }
        Ok(Self { counts })
    }

    /// Returns the share of each true class that was recognised.
    pub fn recall(&self) -> Vec<Accuracy> {
        let mut recall = Vec::with_capacity(self.counts.len());
        for (class, of_class) in self.counts.iter().enumerate() {
            let (right, all) = (of_class[class], of_class.iter().sum::<usize>());
            recall.push(Accuracy::from_counts(right, all - right));
        }
        recall
    }
}
