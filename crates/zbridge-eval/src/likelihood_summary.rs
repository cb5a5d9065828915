use crate::accuracy::NORMAL_975;
use crate::{LOW_EFFECTIVE_SAMPLE_SIZE, RowEstimate, TargetEstimate};
use serde::{Deserialize, Serialize};
use std::fmt;
use zbridge_core::Estimate;

/// More than this share of observations with a low effective sample size is worth a warning.
pub const LOW_SHARE_WORTH_A_WARNING: f64 = 0.05;

/// What a table or a JSON file says of a mean log likelihood that rests on weights.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LikelihoodSummary {
    /// The target's name.
    pub name: String,
    /// K, draws (or chains) for each observation.
    pub draws: usize,
    /// Mean over observations in nats with the standard error between observations, which holds the
    /// noise of the draws; with one observation it is that of its draws.
    pub log_likelihood_nats: Estimate,
    /// 95 % interval of the mean under a normal approximation, in nats.
    pub interval_95_nats: (f64, f64),
    /// The part of the standard error that more draws would remove: sqrt(Σ se_i²)/n, in nats.
    pub monte_carlo_error_nats: f64,
    /// By about how much the mean is off because the logarithm of a mean is too low: −½ mean se_i²,
    /// in nats, never positive. It holds while the errors of rows are well below 1 nat; it is *not*
    /// taken off the mean.
    pub monte_carlo_bias_nats: f64,
    /// How many draws really carried the estimates.
    pub effective_sample_size: EffectiveSampleSizeRange,
    /// Why the numbers above are not to be believed, if so.
    pub warning: Option<EstimateWarning>,
}

/// Effective sample sizes over observations: the least, the lower quartile, the median, the share
/// of low ones.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct EffectiveSampleSizeRange {
    /// The smallest.
    pub least: f64,
    /// A quarter of the observations have at most this.
    pub lower_quartile: f64,
    /// The lower median.
    pub median: f64,
    /// Share of observations below [`LOW_EFFECTIVE_SAMPLE_SIZE`].
    pub low_share: f64,
}

/// A reason not to believe an estimate from weights; displayed as a sentence that says what, why
/// and what to do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
#[non_exhaustive]
pub enum EstimateWarning {
    /// Too many observations rest on a handful of draws.
    LowEffectiveSampleSize {
        /// The estimate's name.
        name: String,
        /// How many observations are below [`LOW_EFFECTIVE_SAMPLE_SIZE`].
        low: usize,
        /// Of how many.
        observations: usize,
        /// Median over all observations.
        median: f64,
        /// K.
        draws: usize,
    },
    /// The weights of annealed chains are too uneven for too many observations.
    UnevenChains {
        /// The estimate's name.
        name: String,
        /// How many observations are below [`LOW_EFFECTIVE_SAMPLE_SIZE`].
        low: usize,
        /// Of how many.
        observations: usize,
        /// Median over all observations.
        median: f64,
        /// K.
        chains: usize,
    },
    /// Annealed chains hardly moved on some observation.
    StuckChains {
        /// The estimate's name.
        name: String,
        /// The smallest share of accepted transitions of an observation.
        least_acceptance: f64,
    },
    /// Observations whose every weight is zero: their estimate is −∞.
    NoWeight {
        /// The estimate's name.
        name: String,
        /// How many observations.
        rows: usize,
        /// Of how many.
        observations: usize,
    },
}

impl fmt::Display for EstimateWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LowEffectiveSampleSize {
                name,
                low,
                observations,
                median,
                draws,
            } => write!(
                f,
                "{name}: {low} of {observations} observations have an effective sample size below \
                 {LOW_EFFECTIVE_SAMPLE_SIZE} of {draws} draws (median {median:.1}); their estimates rest on a handful \
                 of draws, are most likely too low, and their standard errors cannot be believed; take more draws, \
                 draw a share from the target itself (mixture proposal), or anneal"
            ),
            Self::UnevenChains {
                name,
                low,
                observations,
                median,
                chains,
            } => write!(
                f,
                "{name}: {low} of {observations} observations have an effective sample size below \
                 {LOW_EFFECTIVE_SAMPLE_SIZE} of {chains} annealed chains (median {median:.1}); their estimates rest on a \
                 handful of chains and are most likely too low; take more temperatures or transitions, start nearer to \
                 the posterior, or take more chains"
            ),
            Self::StuckChains {
                name,
                least_acceptance,
            } => write!(
                f,
                "{name}: on some observation annealed chains accepted only {:.1} % of their transitions; a chain that \
                 stays where it began gives a naive estimate, which is most likely too low; take more temperatures, \
                 transitions or pilot chains",
                100.0 * least_acceptance
            ),
            Self::NoWeight {
                name,
                rows,
                observations,
            } => write!(
                f,
                "{name}: {rows} of {observations} observations have no draw with a positive weight, so that their \
                 log likelihood is estimated as −∞ and so is the mean; draw a share from the target itself (mixture \
                 proposal), or anneal"
            ),
        }
    }
}

impl LikelihoodSummary {
    pub(crate) fn of(estimate: &TargetEstimate) -> Self {
        let rows = &estimate.per_row;
        let (count, squares) = (
            rows.len() as f64,
            rows.iter()
                .map(|row| row.standard_error.powi(2))
                .sum::<f64>(),
        );
        let monte_carlo_error_nats = squares.sqrt() / count;
        let standard_error = if rows.len() > 1 {
            estimate.mean.standard_error
        } else {
            monte_carlo_error_nats
        };
        let (mean, half) = (estimate.mean.mean, NORMAL_975 * standard_error);
        Self {
            name: estimate.name.clone(),
            draws: estimate.draws,
            log_likelihood_nats: Estimate {
                standard_error,
                ..estimate.mean
            },
            interval_95_nats: (mean - half, mean + half),
            monte_carlo_error_nats,
            monte_carlo_bias_nats: -0.5 * squares / count,
            effective_sample_size: EffectiveSampleSizeRange::over(rows),
            warning: EstimateWarning::about(estimate),
        }
    }
}

impl EffectiveSampleSizeRange {
    /// Over at least one row.
    fn over(rows: &[RowEstimate]) -> Self {
        let mut sizes: Vec<f64> = rows.iter().map(|row| row.effective_sample_size).collect();
        sizes.sort_unstable_by(f64::total_cmp);
        let at = |quarter: usize| sizes[(sizes.len() - 1) * quarter / 4];
        let low = sizes.partition_point(|&size| size < LOW_EFFECTIVE_SAMPLE_SIZE);
        Self {
            least: at(0),
            lower_quartile: at(1),
            median: at(2),
            low_share: low as f64 / sizes.len() as f64,
        }
    }
}

impl EstimateWarning {
    fn about(estimate: &TargetEstimate) -> Option<Self> {
        let (name, observations) = (estimate.name.clone(), estimate.per_row.len());
        let count = |test: &dyn Fn(&RowEstimate) -> bool| {
            estimate.per_row.iter().filter(|row| test(row)).count()
        };
        let rows = count(&|row| row.log_mean_nats == f64::NEG_INFINITY);
        if rows > 0 {
            return Some(Self::NoWeight {
                name,
                rows,
                observations,
            });
        }
        let low = count(&|row| row.effective_sample_size < LOW_EFFECTIVE_SAMPLE_SIZE);
        let (median, draws) = (estimate.effective_sample_size.median, estimate.draws);
        let warn = low as f64 > LOW_SHARE_WORTH_A_WARNING * observations as f64;
        warn.then_some(Self::LowEffectiveSampleSize {
            name,
            low,
            observations,
            median,
            draws,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn estimate(effective: &[f64]) -> TargetEstimate {
        let row = |(i, &effective_sample_size): (usize, &f64)| RowEstimate {
            log_mean_nats: -(i as f64),
            standard_error: 0.2,
            effective_sample_size,
        };
        TargetEstimate::new(
            "log p(x|y)",
            1000,
            effective.iter().enumerate().map(row).collect(),
        )
    }

    #[test]
    fn a_summary_says_what_a_table_needs() {
        let summary = estimate(&[500.0, 100.0, 200.0, 400.0, 300.0]).summary();
        assert_eq!(
            (
                summary.draws,
                summary.log_likelihood_nats.mean,
                summary.warning
            ),
            (1000, -2.0, None)
        );
        assert!((summary.monte_carlo_error_nats - 0.2 / 5f64.sqrt()).abs() < 1e-12);
        assert!((summary.monte_carlo_bias_nats + 0.02).abs() < 1e-12);
        let (low, high) = summary.interval_95_nats;
        assert!((high - low - 2.0 * 1.96 * 0.5f64.sqrt()).abs() < 1e-3);
        let sizes = summary.effective_sample_size;
        assert_eq!(
            (
                sizes.least,
                sizes.lower_quartile,
                sizes.median,
                sizes.low_share
            ),
            (100.0, 200.0, 300.0, 0.0)
        );
    }

    #[test]
    fn one_observation_has_the_error_of_its_draws() {
        let summary = estimate(&[500.0]).summary();
        assert_eq!(summary.log_likelihood_nats.standard_error, 0.2);
        assert!(summary.interval_95_nats.1 > 0.39);
    }

    #[test]
    fn a_warning_says_what_why_and_what_to_do() {
        let warning = estimate(&[500.0, 3.0, 200.0, 400.0]).warning().unwrap();
        assert_eq!(
            warning.to_string(),
            "log p(x|y): 1 of 4 observations have an effective sample size below 10 of 1000 draws (median 200.0); \
             their estimates rest on a handful of draws, are most likely too low, and their standard errors cannot be \
             believed; take more draws, draw a share from the target itself (mixture proposal), or anneal"
        );
        let mut sizes = vec![100.0; 100];
        sizes[0] = 1.0;
        assert_eq!(estimate(&sizes).warning(), None);
    }

    #[test]
    fn annealed_chains_have_remedies_of_their_own() {
        let annealed = |estimate, acceptance: f64| crate::AnnealedEstimate {
            estimate,
            acceptance_per_row: vec![acceptance],
            mean_acceptance: acceptance,
            least_acceptance: acceptance,
        };
        let warning = annealed(estimate(&[2.0]), 0.3).summary().warning.unwrap();
        assert!(matches!(
            warning,
            EstimateWarning::UnevenChains {
                low: 1,
                chains: 1000,
                ..
            }
        ));
        assert!(
            warning.to_string().contains("take more temperatures"),
            "{warning}"
        );
        let warning = annealed(estimate(&[200.0]), 0.011).warning().unwrap();
        assert!(
            warning
                .to_string()
                .contains("only 1.1 % of their transitions"),
            "{warning}"
        );
        assert_eq!(annealed(estimate(&[200.0]), 0.3).warning(), None);
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

    #[test]
    fn a_selection_is_the_estimate_of_its_rows() {
        let found = estimate(&[500.0, 3.0, 200.0]).select(&[2, 0]).unwrap();
        assert_eq!(
            (
                found.mean.mean,
                found.mean.count,
                found.effective_sample_size.median
            ),
            (-1.0, 2, 200.0)
        );
        assert!(estimate(&[1.0]).select(&[1]).is_err() && estimate(&[1.0]).select(&[]).is_err());
    }
}
