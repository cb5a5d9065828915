use crate::checks::{at_row, entry_of_row, expect_count, expect_indices, expect_items};
use crate::gaussian_mixture::GaussianMixture;
use crate::{EvalError, LatentSampler, TargetDensity};
use std::ops::Range;
use zbridge_core::{DiagonalGaussian, Latents, RandomStream};

/// The conditional of a Gaussian bridge, with the source latent averaged out over fixed draws:
/// q(z|y) = (1/S) Σ_s q(z|z_y^s), z_y^s ~ p(z_y|y).
///
/// It is exact for the mixture over these S draws. Rows share contexts, of labels for instance, so
/// the S Gaussians of a context are prepared once; a point then costs S · dim operations. With S =
/// 1 it is q(z|z_y) at one draw or at the mean.
///
/// ```
/// use zbridge_core::{DiagonalGaussian, Latents};
/// use zbridge_eval::{ConditionalTarget, TargetDensity};
///
/// // Two contexts of one and two Gaussians; three observations.
/// let contexts = [DiagonalGaussian::standard(1, 4), DiagonalGaussian::standard(2, 4)];
/// let target = ConditionalTarget::new("log p(x|y)", &contexts, vec![0, 1, 0])?;
/// let points = Latents::filled(5, 4, 0.3);
/// assert_eq!(target.log_prob(2, &points)?.len(), 5);
/// # Ok::<(), zbridge_eval::EvalError>(())
/// ```
#[derive(Debug, Clone)]
pub struct ConditionalTarget {
    name: String,
    contexts: Vec<GaussianMixture>,
    context_of_row: Vec<usize>,
}

impl ConditionalTarget {
    /// Returns the target called `name`; `contexts[c]` holds the Gaussians q(z|z_y^s) of context
    /// `c`, all of equal weight, and `context_of_row[i]` is the context of observation `i`.
    ///
    /// # Shapes
    /// Each context `[S, dim]`, with one `dim` and an S of its own.
    ///
    /// # Errors
    /// [`EvalError::TooFew`] without contexts or with one that has no components,
    /// [`EvalError::Mismatch`] if their dimensions differ, [`EvalError::UnknownIndex`] if a row has
    /// a context that does not exist.
    pub fn new(
        name: impl Into<String>,
        contexts: &[DiagonalGaussian],
        context_of_row: Vec<usize>,
    ) -> Result<Self, EvalError> {
        let equal: Vec<_> = contexts.iter().map(equal_log_weights).collect();
        Self::weighted(name, contexts, &equal, context_of_row)
    }

    /// Returns the same with components of unequal weight, for a bridge that is itself a mixture:
    /// `log_weights[c][s]`, up to a constant in each context. −∞ excludes a component.
    ///
    /// # Errors
    /// Those of [`new`](Self::new); [`EvalError::Mismatch`] if weights and components differ in
    /// number.
    pub fn weighted(
        name: impl Into<String>,
        contexts: &[DiagonalGaussian],
        log_weights: &[Vec<f64>],
        context_of_row: Vec<usize>,
    ) -> Result<Self, EvalError> {
        expect_items("contexts of a conditional target", 1, contexts.len())?;
        expect_count(
            "lists of log weights, one per context",
            contexts.len(),
            log_weights.len(),
        )?;
        expect_indices("context", context_of_row.iter().copied(), contexts.len())?;
        let dim = contexts[0].dim();
        let mut mixtures = Vec::with_capacity(contexts.len());
        for (components, log_weights) in contexts.iter().zip(log_weights) {
            expect_count(
                "dimensions of each context's Gaussians",
                dim,
                components.dim(),
            )?;
            mixtures.push(GaussianMixture::new(components, log_weights)?);
        }
        Ok(Self {
            name: name.into(),
            contexts: mixtures,
            context_of_row,
        })
    }

    fn context_of(&self, row: usize) -> Result<&GaussianMixture, EvalError> {
        let owner = "the conditional target";
        let context = entry_of_row(owner, &self.context_of_row, row)?;
        Ok(&self.contexts[*context])
    }
}

fn equal_log_weights(components: &DiagonalGaussian) -> Vec<f64> {
    vec![0.0; components.rows()]
}

impl TargetDensity for ConditionalTarget {
    fn name(&self) -> &str {
        &self.name
    }

    fn log_prob(&self, row: usize, points: &Latents) -> Result<Vec<f64>, EvalError> {
        let mixture = self.context_of(row)?;
        expect_count(
            "dimensions of the points under a conditional target",
            mixture.dim(),
            points.dim(),
        )?;
        Ok(mixture.log_prob(points))
    }
}

/// Each draw is one of the mixture: first a component, then a point of it.
impl LatentSampler for ConditionalTarget {
    fn draw(
        &self,
        row: usize,
        draws: Range<usize>,
        stream: &mut RandomStream,
    ) -> Result<Latents, EvalError> {
        let mixture = self.context_of(row)?;
        let mut values = vec![0.0; draws.len() * mixture.dim()];
        for cells in values.chunks_exact_mut(mixture.dim()) {
            // A fixed number of random numbers per draw, so that draws do not depend on chunks.
            mixture.fill_draw(cells, stream);
        }
        Latents::from_vec(values, mixture.dim()).map_err(at_row(row))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use zbridge_core::LatentDistribution;

    fn normal(rows: usize, dim: usize, seed: u64) -> Latents {
        DiagonalGaussian::standard(rows, dim).sample(&mut RandomStream::named(seed, "test"))
    }

    /// Two contexts with 7 and 3 components.
    fn contexts(dim: usize) -> [DiagonalGaussian; 2] {
        [7, 3].map(|s| DiagonalGaussian::new(normal(s, dim, 1), normal(s, dim, s as u64)).unwrap())
    }

    /// log Σ_s w_s N(point; s) term by term, without shared arithmetic.
    fn brute_force(components: &DiagonalGaussian, weights: &[f64], point: &[f32]) -> f64 {
        let row = Latents::from_vec(point.to_vec(), point.len()).unwrap();
        let density = |s: usize| components.select(&[s]).log_prob(&row).unwrap()[0].exp();
        let total: f64 = weights.iter().sum();
        weights
            .iter()
            .enumerate()
            .map(|(s, w)| w / total * density(s))
            .sum::<f64>()
            .ln()
    }

    #[test]
    fn agrees_with_brute_force_in_every_context_and_dimension() {
        for dim in [1, 2, 8, 13] {
            let contexts = contexts(dim);
            let target = ConditionalTarget::new("q", &contexts, vec![1, 0]).unwrap();
            let points = normal(20, dim, 99);
            for (row, context) in [(0, 1), (1, 0)] {
                let equal = vec![1.0; contexts[context].rows()];
                let found = target.log_prob(row, &points).unwrap();
                for (k, value) in found.into_iter().enumerate() {
                    let expected = brute_force(&contexts[context], &equal, points.row_values(k));
                    assert!(
                        (value - expected).abs() < 1e-9 * (1.0 + expected.abs()),
                        "{value} against {expected}"
                    );
                }
            }
        }
    }

    #[test]
    fn unequal_weights_agree_with_brute_force_and_minus_infinity_is_no_weight() {
        let contexts = contexts(3);
        let weights = [vec![0.1, 0.0, 3.0, 1.0, 0.5, 0.0, 2.0], vec![1.0, 2.0, 4.0]];
        let logs = weights
            .each_ref()
            .map(|list| list.iter().map(|w: &f64| w.ln()).collect::<Vec<f64>>());
        let target = ConditionalTarget::weighted("q", &contexts, &logs, vec![0, 1]).unwrap();
        let points = normal(20, 3, 5);
        for row in 0..2 {
            let found = target.log_prob(row, &points).unwrap();
            for (k, value) in found.into_iter().enumerate() {
                let expected = brute_force(&contexts[row], &weights[row], points.row_values(k));
                assert!((value - expected).abs() < 1e-9 * (1.0 + expected.abs()));
            }
        }
    }

    #[test]
    fn draws_have_the_moments_of_the_mixture() {
        let components = DiagonalGaussian::new(
            Latents::from_vec(vec![-3.0, 5.0], 1).unwrap(),
            Latents::from_vec(vec![0.0, (4.0f32).ln()], 1).unwrap(),
        );
        let logs = [vec![0.25f64.ln(), 0.75f64.ln()]];
        let target =
            ConditionalTarget::weighted("q", &[components.unwrap()], &logs, vec![0]).unwrap();
        let n = 100_000;
        let draws = target
            .draw(0, 0..n, &mut RandomStream::named(2, "test"))
            .unwrap();
        let mut moments = zbridge_core::Moments::default();
        for &z in draws.values() {
            moments.push(f64::from(z));
        }
        let variance = 0.25 * (1.0 + 36.0) + 0.75 * (4.0 + 4.0);
        assert!((moments.mean() - 3.0).abs() < 4.0 * (variance / n as f64).sqrt());
        assert!((moments.variance() / variance - 1.0).abs() < 0.03);
    }

    #[test]
    fn a_density_that_is_far_below_the_smallest_float_stays_finite() {
        let target = ConditionalTarget::new("q", &contexts(4), vec![0]).unwrap();
        let far = target.log_prob(0, &Latents::filled(1, 4, 1e4)).unwrap()[0];
        assert!(far.is_finite() && far < -1e6);
    }

    #[test]
    fn contexts_rows_and_dimensions_that_do_not_belong_together_are_refused() {
        let one = |dim| DiagonalGaussian::standard(1, dim);
        let build = |contexts: &[DiagonalGaussian], rows| {
            ConditionalTarget::new("q", contexts, rows).map(|_| ())
        };
        assert_eq!(
            build(&[one(2)], vec![0, 1]),
            Err(EvalError::UnknownIndex {
                what: "context",
                row: 1,
                index: 1,
                available: 1
            })
        );
        assert!(matches!(
            build(&[one(2), one(3)], vec![0]),
            Err(EvalError::Mismatch {
                expected: 2,
                found: 3,
                ..
            })
        ));
        assert!(matches!(build(&[], vec![]), Err(EvalError::TooFew { .. })));
        assert!(matches!(
            build(&[DiagonalGaussian::standard(0, 2)], vec![0]),
            Err(EvalError::TooFew { .. })
        ));
        let target = ConditionalTarget::new("q", &[one(2)], vec![0]).unwrap();
        assert!(matches!(
            target.log_prob(0, &normal(1, 3, 1)),
            Err(EvalError::Mismatch { .. })
        ));
        assert!(matches!(
            target.log_prob(1, &normal(1, 2, 1)),
            Err(EvalError::UnknownRow {
                row: 1,
                available: 1,
                ..
            })
        ));
    }
}
