use crate::EvalError;
use crate::checks::{expect_count, expect_items, expect_setting};
use zbridge_core::{ConditionalDensity, Latents, Posterior, RandomStream};

/// A point of each latent space for each held-out pair: the data on which a conditional density is
/// evaluated in latent space, without the given models.
///
/// ```
/// use zbridge_core::{DiagonalGaussian, Posterior};
/// use zbridge_eval::LatentPairs;
///
/// let x = Posterior::from(DiagonalGaussian::standard(100, 8));
/// let y = Posterior::from(DiagonalGaussian::standard(100, 2));
/// let pairs = LatentPairs::draw(&x, &y, 7)?;
/// assert_eq!((pairs.count(), pairs.sources().dim(), pairs.targets().dim()), (100, 8, 2));
/// assert_eq!(pairs.at_most(30, 7)?.count(), 30);
/// # Ok::<(), zbridge_eval::EvalError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct LatentPairs {
    sources: Latents,
    targets: Latents,
}

impl LatentPairs {
    /// Returns these pairs, row by row.
    ///
    /// # Shapes
    /// `sources` `[n, source dim]`, `targets` `[n, target dim]`.
    ///
    /// # Errors
    /// [`EvalError::Mismatch`] if the two differ in number, [`EvalError::TooFew`] with fewer than
    /// two pairs: a single one cannot be compared with others.
    pub fn new(sources: Latents, targets: Latents) -> Result<Self, EvalError> {
        expect_count(
            "target latents, one per source",
            sources.rows(),
            targets.rows(),
        )?;
        expect_items("held-out pairs", 2, sources.rows())?;
        Ok(Self { sources, targets })
    }

    /// Returns a draw of z ~ p(z|observation) on both sides of each pair.
    ///
    /// Pair `i` uses the streams `("evaluate/pairs/source", seed).child(i)` and
    /// `("evaluate/pairs/target", seed).child(i)`, so that its latents do not depend on the other
    /// pairs.
    ///
    /// # Errors
    /// Those of [`new`](Self::new).
    pub fn draw(sources: &Posterior, targets: &Posterior, seed: u64) -> Result<Self, EvalError> {
        Self::new(
            draw_each(sources, &RandomStream::named(seed, "evaluate/pairs/source"))?,
            draw_each(targets, &RandomStream::named(seed, "evaluate/pairs/target"))?,
        )
    }

    /// Returns the same with what `density` is to be given of each source, if that is not a draw.
    ///
    /// # Errors
    /// Those of [`new`](Self::new).
    pub fn for_density(
        density: &dyn ConditionalDensity,
        sources: &Posterior,
        targets: &Posterior,
        seed: u64,
    ) -> Result<Self, EvalError> {
        let streams = RandomStream::named(seed, "evaluate/pairs/source");
        let read =
            |source: &Posterior, stream: &mut RandomStream| density.sources(source, 1, stream);
        Self::new(
            point_of_each(sources, &streams, read)?,
            draw_each(targets, &RandomStream::named(seed, "evaluate/pairs/target"))?,
        )
    }

    /// Returns all pairs, or `most` of them taken at random (stream `("evaluate/candidates",
    /// seed)`), in their order.
    ///
    /// # Errors
    /// [`EvalError::Setting`] if `most` is below two.
    pub fn at_most(&self, most: usize, seed: u64) -> Result<Self, EvalError> {
        expect_setting("most", 2, most)?;
        let mut rows = RandomStream::named(seed, "evaluate/candidates").permutation(self.count());
        rows.truncate(most);
        // In their own order: few pairs come out unchanged.
        rows.sort_unstable();
        Ok(Self {
            sources: self.sources.select(&rows),
            targets: self.targets.select(&rows),
        })
    }

    /// Returns the pairs with sources and targets exchanged, for the density of the other
    /// direction.
    pub fn swapped(&self) -> Self {
        Self {
            sources: self.targets.clone(),
            targets: self.sources.clone(),
        }
    }

    /// Returns the number of pairs.
    pub fn count(&self) -> usize {
        self.sources.rows()
    }

    /// Returns the sources, `[n, source dim]`.
    pub fn sources(&self) -> &Latents {
        &self.sources
    }

    /// Returns the targets, `[n, target dim]`.
    pub fn targets(&self) -> &Latents {
        &self.targets
    }

    /// Checks that the pairs lie in the latent spaces that a density joins.
    ///
    /// # Errors
    /// [`EvalError::Mismatch`] otherwise.
    pub(crate) fn expect_dims_of(&self, density: &dyn ConditionalDensity) -> Result<(), EvalError> {
        let (source, target) = (density.source_width(), density.dims().1);
        expect_count("dimensions of the sources", source, self.sources.dim())?;
        expect_count("dimensions of the targets", target, self.targets.dim())
    }
}

/// Returns a draw from each posterior, each with the child of its row.
fn draw_each(posterior: &Posterior, streams: &RandomStream) -> Result<Latents, EvalError> {
    point_of_each(posterior, streams, Posterior::sample)
}

/// Returns what `point_of` makes of each posterior, each with the child of its row.
fn point_of_each(
    posterior: &Posterior,
    streams: &RandomStream,
    point_of: impl Fn(&Posterior, &mut RandomStream) -> Latents,
) -> Result<Latents, EvalError> {
    let mut values = Vec::with_capacity(posterior.rows() * posterior.dim());
    for row in 0..posterior.rows() {
        let mut stream = streams.child(row as u64);
        let point = point_of(&posterior.select(&[row]), &mut stream);
        values.extend_from_slice(point.row_values(0));
    }
    let width = values.len() / posterior.rows().max(1);
    Ok(Latents::from_vec(values, width)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use zbridge_core::DiagonalGaussian;

    fn posterior(rows: usize) -> Posterior {
        DiagonalGaussian::standard(rows, 3).into()
    }

    #[test]
    fn a_pair_does_not_depend_on_the_others() {
        let many = LatentPairs::draw(&posterior(9), &posterior(9), 5).unwrap();
        let few = LatentPairs::draw(&posterior(4), &posterior(4), 5).unwrap();
        assert_eq!(many.sources().select(&[0, 1, 2, 3]), *few.sources());
        assert_ne!(few.sources(), few.targets());
        assert_ne!(
            few,
            LatentPairs::draw(&posterior(4), &posterior(4), 6).unwrap()
        );
        assert_eq!(few.swapped().sources(), few.targets());
    }

    #[test]
    fn a_selection_keeps_partners_and_order() {
        let column = |from: usize| {
            Latents::from_vec((from..from + 50).map(|i| i as f32).collect(), 1).unwrap()
        };
        let pairs = LatentPairs::new(column(0), column(100))
            .unwrap()
            .at_most(10, 1)
            .unwrap();
        assert_eq!(pairs.count(), 10);
        let (sources, targets) = (pairs.sources().values(), pairs.targets().values());
        assert!(sources.iter().zip(targets).all(|(s, t)| s + 100.0 == *t) && sources.is_sorted());
    }

    #[test]
    fn pairs_that_do_not_match_are_refused() {
        assert!(LatentPairs::draw(&posterior(3), &posterior(2), 1).is_err());
        assert!(matches!(
            LatentPairs::draw(&posterior(1), &posterior(1), 1),
            Err(EvalError::TooFew { .. })
        ));
        assert!(
            LatentPairs::draw(&posterior(3), &posterior(3), 1)
                .unwrap()
                .at_most(1, 1)
                .is_err()
        );
    }
}
