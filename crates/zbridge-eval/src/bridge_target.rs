use crate::{EvalError, LatentSampler, LogWeights, TargetDensity};
use zbridge_core::{ConditionalDensity, Latents, RandomStream};

/// The conditional of any bridge, with the source latent averaged out over fixed draws:
/// q(z|y) = (1/S) Σ_s q(z|z_y^s).
///
/// For families without a closed mixture (flows); it evaluates the bridge S times for every point.
/// A Gaussian or a mixture of Gaussians is the same density as a
/// [`ConditionalTarget`](crate::ConditionalTarget), at a fraction of the cost.
pub struct BridgeTarget<'a> {
    name: String,
    bridge: &'a (dyn ConditionalDensity + Sync),
    sources: &'a [Latents],
    context_of_row: Vec<usize>,
}

impl<'a> BridgeTarget<'a> {
    /// The target called `name`; `sources[c]` holds the draws z_y^s of context `c`, and
    /// `context_of_row[i]` is the context of observation `i`.
    ///
    /// # Shapes
    /// Each of `sources` `[S, source dim]`, with an S of its own.
    ///
    /// # Errors
    /// [`EvalError::Empty`] for a context without draws, [`EvalError::Mismatch`] when a source has
    /// another dimension than the bridge, [`EvalError::UnknownIndex`] when a row names a context
    /// that is not there.
    pub fn new(
        name: impl Into<String>,
        bridge: &'a (dyn ConditionalDensity + Sync),
        sources: &'a [Latents],
        context_of_row: Vec<usize>,
    ) -> Result<Self, EvalError> {
        for context in sources {
            EvalError::expect_count(
                "dimensions of the bridge's source",
                bridge.dims().0,
                context.dim(),
            )?;
            if context.rows() == 0 {
                return Err(EvalError::Empty {
                    what: "source draws of a context",
                });
            }
        }
        EvalError::expect_indices("context", context_of_row.iter().copied(), sources.len())?;
        Ok(Self {
            name: name.into(),
            bridge,
            sources,
            context_of_row,
        })
    }

    fn sources_of(&self, row: usize) -> Result<&Latents, EvalError> {
        Ok(
            &self.sources
                [*EvalError::entry_of_row("the bridge target", &self.context_of_row, row)?],
        )
    }
}

impl TargetDensity for BridgeTarget<'_> {
    fn name(&self) -> &str {
        &self.name
    }

    fn log_prob(&self, row: usize, points: &Latents) -> Result<Vec<f64>, EvalError> {
        let sources = self.sources_of(row)?;
        let mut mixtures = vec![LogWeights::default(); points.rows()];
        for s in 0..sources.rows() {
            let same_source = sources.select(&vec![s; points.rows()]);
            let component = self
                .bridge
                .given(&same_source)
                .and_then(|q| q.log_prob(points));
            let component = component.map_err(EvalError::at_row(row))?;
            mixtures
                .iter_mut()
                .zip(component)
                .for_each(|(mixture, log_prob)| mixture.push(log_prob));
        }
        Ok(mixtures.iter().map(LogWeights::log_mean).collect())
    }
}

/// Draw `k` comes from q(z|z_y^s) with s = k mod S: every source is used equally often.
impl LatentSampler for BridgeTarget<'_> {
    fn draw(
        &self,
        row: usize,
        first: usize,
        count: usize,
        stream: &mut RandomStream,
    ) -> Result<Latents, EvalError> {
        let sources = self.sources_of(row)?;
        let in_turn: Vec<usize> = (first..first + count).map(|k| k % sources.rows()).collect();
        let conditional = self
            .bridge
            .given(&sources.select(&in_turn))
            .map_err(EvalError::at_row(row))?;
        conditional
            .sample_each(1, stream)
            .map_err(EvalError::at_row(row))
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
        let whole = target.draw(0, 0, 5, &mut stream()).unwrap();
        let mut parts = stream();
        let (left, right) = (
            target.draw(0, 0, 2, &mut parts).unwrap(),
            target.draw(0, 2, 3, &mut parts).unwrap(),
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
