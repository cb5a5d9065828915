use crate::checks::expect_index;
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
            expect_index("class", row, truth, classes)?;
            expect_index("class", row, predicted, classes)?;
            counts[truth][predicted] += 1;
        }
        Ok(Self { counts })
    }

    /// Returns the share of each true class that was recognised.
    pub fn recall(&self) -> Vec<Accuracy> {
        let classes = 0..self.counts.len();
        classes.map(|class| self.recall_of(class)).collect()
    }

    fn recall_of(&self, class: usize) -> Accuracy {
        let of_class = &self.counts[class];
        let all: usize = of_class.iter().sum();
        Accuracy::from_counts(of_class[class], all - of_class[class])
    }
}
