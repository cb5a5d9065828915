use crate::{LOW_EFFECTIVE_SAMPLE_SIZE, RowEstimate, TargetEstimate};
use serde::{Deserialize, Serialize};

/// An estimate is warned about if more than this share of its observations has a low effective
/// sample size.
pub const LOW_SHARE_WORTH_A_WARNING: f64 = 0.05;

/// A reason not to trust an estimate from weights.
///
/// It is displayed as a sentence with the fault, what follows from it and what to do.
///
/// ```
/// let warning = zbridge_eval::EstimateWarning::NoWeight {
///     name: "log p(x)".to_owned(),
///     rows: 3,
///     observations: 100,
/// };
/// assert!(warning.to_string().starts_with("log p(x): 3 of 100 observations have no draw"));
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "kebab-case", tag = "kind")]
#[non_exhaustive]
pub enum EstimateWarning {
    /// The estimates of too many observations rest on a few draws.
    #[error(
        "{name}: {low} of {observations} observations have an effective sample size below \
         {limit} of {draws} draws (median {median:.1}); their estimates rest \
         on a handful of draws, are most likely too low, and their standard errors cannot be \
         believed; take more draws, draw a share from the target itself (mixture proposal), or \
         anneal",
        limit = LOW_EFFECTIVE_SAMPLE_SIZE
    )]
    LowEffectiveSampleSize {
        /// The name of the estimate.
        name: String,
        /// The number of observations below [`LOW_EFFECTIVE_SAMPLE_SIZE`].
        low: usize,
        /// The number of all observations.
        observations: usize,
        /// Median over all observations.
        median: f64,
        /// K.
        draws: usize,
    },
    /// The weights of annealed chains are too uneven for too many observations.
    #[error(
        "{name}: {low} of {observations} observations have an effective sample size below \
         {limit} of {chains} annealed chains (median {median:.1}); their \
         estimates rest on a handful of chains and are most likely too low; take more \
         temperatures or transitions, start nearer to the posterior, or take more chains",
        limit = LOW_EFFECTIVE_SAMPLE_SIZE
    )]
    UnevenChains {
        /// The name of the estimate.
        name: String,
        /// The number of observations below [`LOW_EFFECTIVE_SAMPLE_SIZE`].
        low: usize,
        /// The number of all observations.
        observations: usize,
        /// Median over all observations.
        median: f64,
        /// K.
        chains: usize,
    },
    /// Annealed chains hardly moved for some observation.
    #[error(
        "{name}: on some observation annealed chains accepted only {:.1} % of their transitions; \
         a chain that stays where it began gives a naive estimate, which is most likely too low; \
         take more temperatures, transitions or pilot chains",
        100.0 * least_acceptance
    )]
    StuckChains {
        /// The name of the estimate.
        name: String,
        /// The smallest share of accepted transitions of an observation.
        least_acceptance: f64,
    },
    /// Every weight of some observations is zero: their estimate is −∞.
    #[error(
        "{name}: {rows} of {observations} observations have no draw with a positive weight, so \
         that their log likelihood is estimated as −∞ and so is the mean; draw a share from the \
         target itself (mixture proposal), or anneal"
    )]
    NoWeight {
        /// The name of the estimate.
        name: String,
        /// The number of such observations.
        rows: usize,
        /// The number of all observations.
        observations: usize,
    },
}

impl TargetEstimate {
    /// Returns a reason not to trust this estimate; `None` if there is none.
    pub fn warning(&self) -> Option<EstimateWarning> {
        let (name, observations) = (self.name.clone(), self.per_row.len());
        let rows = count(&self.per_row, |row| row.log_mean_nats == f64::NEG_INFINITY);
        // First: their effective sample size is 0, which the other warning would count as well.
        if rows > 0 {
            return Some(EstimateWarning::NoWeight {
                name,
                rows,
                observations,
            });
        }
        let low = count(&self.per_row, |row| {
            row.effective_sample_size < LOW_EFFECTIVE_SAMPLE_SIZE
        });
        if low as f64 <= LOW_SHARE_WORTH_A_WARNING * observations as f64 {
            return None;
        }
        Some(EstimateWarning::LowEffectiveSampleSize {
            name,
            low,
            observations,
            median: self.effective_sample_size.median,
            draws: self.draws,
        })
    }
}

fn count(rows: &[RowEstimate], test: impl Fn(&RowEstimate) -> bool) -> usize {
    rows.iter().filter(|row| test(row)).count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::estimate;

    #[test]
    fn a_warning_names_the_fault_and_the_remedy() {
        let warning = estimate(&[500.0, 3.0, 200.0, 400.0]).warning().unwrap();
        assert_eq!(
            warning.to_string(),
            "log p(x|y): 1 of 4 observations have an effective sample size below 10 of 1000 draws \
             (median 200.0); their estimates rest on a handful of draws, are most likely too low, \
             and their standard errors cannot be believed; take more draws, draw a share from the \
             target itself (mixture proposal), or anneal"
        );
        let mut sizes = vec![100.0; 100];
        sizes[0] = 1.0;
        assert_eq!(estimate(&sizes).warning(), None);
    }

    #[test]
    fn rows_without_weight_are_named_first() {
        let mut impossible = estimate(&[500.0, 0.0]);
        impossible.per_row[1].log_mean_nats = f64::NEG_INFINITY;
        assert!(matches!(
            impossible.warning(),
            Some(EstimateWarning::NoWeight {
                rows: 1,
                observations: 2,
                ..
            })
        ));
    }
}
