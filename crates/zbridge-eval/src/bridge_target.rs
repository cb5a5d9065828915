use crate::checks::{at_draw, at_row, entry_of_row, expect_count, expect_indices, expect_items};
use crate::{EvalError, LatentSampler, LogWeights, TargetDensity};
use std::ops::Range;
use zbridge_core::{ConditionalDensity, Latents, RandomStream};

/// The conditional of any bridge, with the source latent averaged out over fixed draws:
/// q(z|y) = (1/S) Σ_s q(z|z_y^s).
///
/// It is for families without a closed mixture, such as flows: the bridge is evaluated S times for
/// every point. A Gaussian or a mixture of Gaussians has the same density as a
/// [`ConditionalTarget`](crate::ConditionalTarget), at a fraction of the cost.
///
/// ```
/// # use zbridge_core::{ConditionalDensity, DensityError, DiagonalGaussian, LatentDistribution};
/// use zbridge_core::Latents;
/// use zbridge_eval::{BridgeTarget, TargetDensity};
/// # struct Copying;
/// # impl ConditionalDensity for Copying {
/// #     fn dims(&self) -> (usize, usize) { (2, 2) }
/// #     fn given(
/// #         &self, source: &Latents,
/// #     ) -> Result<Box<dyn LatentDistribution + '_>, DensityError> {
/// #         let log_var = Latents::filled(source.rows(), 2, 0.0);
/// #         Ok(Box::new(DiagonalGaussian::new(source.clone(), log_var)?))
/// #     }
/// # }
/// # let bridge = Copying; // q(t|s) = N(s, I)
///
/// // Four draws z_y^s of the only context; two observations share it.
/// let sources = [Latents::filled(4, 2, 0.5)];
/// let target = BridgeTarget::new("log p(x|y)", &bridge, &sources, vec![0, 0])?;
/// let nats = target.log_prob(1, &Latents::filled(1, 2, 0.5))?;
/// assert!((nats[0] + (2.0 * std::f64::consts::PI).ln()).abs() < 1e-12);
/// # Ok::<(), zbridge_eval::EvalError>(())
/// ```
pub struct BridgeTarget<'a> {
    name: String,
    bridge: &'a (dyn ConditionalDensity + Sync),
    sources: &'a [Latents],
    context_of_row: Vec<usize>,
}

impl<'a> BridgeTarget<'a> {
    /// Returns the target called `name`; `sources[c]` holds the draws z_y^s of context `c`, and
    /// `context_of_row[i]` is the context of observation `i`.
    ///
    /// # Shapes
    /// Each of `sources` `[S, source dim]`, with an S of its own.
    ///
    /// # Errors
    /// [`EvalError::TooFew`] for a context without draws, [`EvalError::Mismatch`] if a source has
    /// another dimension than the bridge, [`EvalError::UnknownIndex`] if a row has a context that
    /// does not exist.
    pub fn new(
        name: impl Into<String>,
        bridge: &'a (dyn ConditionalDensity + Sync),
        sources: &'a [Latents],
        context_of_row: Vec<usize>,
    ) -> Result<Self, EvalError> {
        let source_dim = bridge.source_width();
        for draws in sources {
            expect_count("dimensions of the bridge's source", source_dim, draws.dim())?;
            expect_items("source draws of a context", 1, draws.rows())?;
        }
        expect_indices("context", context_of_row.iter().copied(), sources.len())?;
        Ok(Self {
            name: name.into(),
            bridge,
            sources,
            context_of_row,
        })
    }

    fn sources_of(&self, row: usize) -> Result<&Latents, EvalError> {
        let owner = "the bridge target";
        let context = entry_of_row(owner, &self.context_of_row, row)?;
        Ok(&self.sources[*context])
    }
}

impl TargetDensity for BridgeTarget<'_> {
    fn name(&self) -> &str {
        &self.name
    }

    fn log_prob(&self, row: usize, points: &Latents) -> Result<Vec<f64>, EvalError> {
        let sources = self.sources_of(row)?;
        // Sums of logarithms: densities of distant points underflow.
        let mut mixtures = vec![LogWeights::default(); points.rows()];
        // Source by source, so that a density computes what depends on its source only once.
        for source in 0..sources.rows() {
            let same_source = sources.select(&vec![source; points.rows()]);
            let component = self
                .bridge
                .given(&same_source)
                .and_then(|conditional| conditional.log_prob(points))
                .map_err(at_draw(&self.name, row, 0))?;
            for (mixture, log_prob) in mixtures.iter_mut().zip(component) {
                mixture.push(log_prob);
            }
        }
        Ok(mixtures.iter().map(LogWeights::log_mean).collect())
    }
}

/// Draw `k` comes from q(z|z_y^s) with s = k mod S: every source is used equally often.
impl LatentSampler for BridgeTarget<'_> {
    fn draw(
        &self,
        row: usize,
        draws: Range<usize>,
        stream: &mut RandomStream,
    ) -> Result<Latents, EvalError> {
        let sources = self.sources_of(row)?;
        // In turn rather than at random: the sources of a chunk do not depend on earlier ones.
        let in_turn: Vec<usize> = draws.map(|draw| draw % sources.rows()).collect();
        let sources = sources.select(&in_turn);
        self.bridge
            .given(&sources)
            .and_then(|conditional| conditional.sample_each(1, stream))
            .map_err(at_row(row))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ConditionalTarget;
    use zbridge_core::{DensityError, DiagonalGaussian, LatentDistribution, ShapeError};

    /// q(z|s) = N((s, −s), I).
    struct Mirror;

    impl ConditionalDensity for Mirror {
        fn dims(&self) -> (usize, usize) {
            (1, 2)
        }

        fn given(
            &self,
            source: &Latents,
        ) -> Result<Box<dyn LatentDistribution + '_>, DensityError> {
            Ok(Box::new(mirror(source)?))
        }
    }

    fn mirror(source: &Latents) -> Result<DiagonalGaussian, ShapeError> {
        let means = source.values().iter().flat_map(|&s| [s, -s]).collect();
        DiagonalGaussian::new(
            Latents::from_vec(means, 2)?,
            Latents::filled(source.rows(), 2, 0.0),
        )
    }

    fn sources() -> [Latents; 2] {
        [vec![0.5, 2.0, -1.0], vec![3.0]].map(|draws| Latents::from_vec(draws, 1).unwrap())
    }

    #[test]
    fn a_gaussian_bridge_has_the_density_of_the_conditional_target() {
        let (sources, rows) = (sources(), vec![1, 0]);
        let gaussians = sources.each_ref().map(|context| mirror(context).unwrap());
        let fast = ConditionalTarget::new("q", &gaussians, rows.clone()).unwrap();
        let general = BridgeTarget::new("q", &Mirror, &sources, rows).unwrap();
        let points =
            DiagonalGaussian::standard(30, 2).sample(&mut RandomStream::named(4, "points"));
        for row in 0..2 {
            let (a, b) = (
                fast.log_prob(row, &points).unwrap(),
                general.log_prob(row, &points).unwrap(),
            );
            assert!(a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-10));
        }
    }

    #[test]
    fn draws_do_not_depend_on_chunks() {
        let sources = sources();
        let target = BridgeTarget::new("q", &Mirror, &sources, vec![0]).unwrap();
        let stream = || RandomStream::named(4, "draws");
        let whole = target.draw(0, 0..5, &mut stream()).unwrap();
        let mut parts = stream();
        let (left, right) = (
            target.draw(0, 0..2, &mut parts).unwrap(),
            target.draw(0, 2..5, &mut parts).unwrap(),
        );
        assert_eq!(whole.values(), [left.values(), right.values()].concat());
    }

    #[test]
    fn a_row_without_a_context_is_refused() {
        let sources = sources();
        assert!(matches!(
            BridgeTarget::new("q", &Mirror, &sources, vec![2]).err(),
            Some(EvalError::UnknownIndex { index: 2, .. })
        ));
        let target = BridgeTarget::new("q", &Mirror, &sources, vec![0]).unwrap();
        assert!(matches!(
            target.log_prob(1, &Latents::filled(1, 2, 0.0)),
            Err(EvalError::UnknownRow { row: 1, .. })
        ));
    }
}
