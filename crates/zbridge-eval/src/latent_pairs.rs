use crate::EvalError;
use zbridge_core::{Latents, Posterior, RandomStream};

/// One point of each latent space for each held-out pair: what a conditional density is evaluated
/// on where no given model can be opened.
#[derive(Debug, Clone, PartialEq)]
pub struct LatentPairs {
    sources: Latents,
    targets: Latents,
}

impl LatentPairs {
    /// These pairs, row by row.
    ///
    /// # Shapes
    /// `sources` `[n, source dim]`, `targets` `[n, target dim]`.
    ///
    /// # Errors
    /// [`EvalError::Mismatch`] when the two differ in number, [`EvalError::Empty`] with fewer than
    /// two pairs: nothing can be compared with a single one.
    pub fn new(sources: Latents, targets: Latents) -> Result<Self, EvalError> {
        EvalError::expect_count(
            "target latents, one per source",
            sources.rows(),
            targets.rows(),
        )?;
        match sources.rows() {
            0 | 1 => Err(EvalError::Empty {
                what: "held-out pairs: at least two are needed; a second pair",
            }),
            _ => Ok(Self { sources, targets }),
        }
    }

    /// A draw of z ~ p(z|observation) on both sides of each pair.
    ///
    /// Pair `i` uses the streams `("evaluate/pairs/source", seed).child(i)` and
    /// `("evaluate/pairs/target", seed).child(i)`, so that it has the same latents whatever other
    /// pairs are there.
    ///
    /// # Errors
    /// Those of [`new`](Self::new).
    pub fn draw(sources: &Posterior, targets: &Posterior, seed: u64) -> Result<Self, EvalError> {
        Self::new(
            draw_each(sources, &RandomStream::named(seed, "evaluate/pairs/source"))?,
            draw_each(targets, &RandomStream::named(seed, "evaluate/pairs/target"))?,
        )
    }

    /// All pairs, or `most` of them taken at random (stream `("evaluate/candidates", seed)`), in
    /// their order.
    ///
    /// # Errors
    /// [`EvalError::Setting`] when fewer than two may stay.
    pub fn at_most(&self, most: usize, seed: u64) -> Result<Self, EvalError> {
        crate::rows::expect_at_least("most", 2, most)?;
        let mut rows = RandomStream::named(seed, "evaluate/candidates").permutation(self.count());
        rows.truncate(most);
        rows.sort_unstable();
        Ok(Self {
            sources: self.sources.select(&rows),
            targets: self.targets.select(&rows),
        })
    }

    /// The pairs as seen from the other side, for the other direction's density.
    pub fn swapped(&self) -> Self {
        Self {
            sources: self.targets.clone(),
            targets: self.sources.clone(),
        }
    }

    /// How many pairs.
    pub fn count(&self) -> usize {
        self.sources.rows()
    }

    /// `[n, source dim]`.
    pub fn sources(&self) -> &Latents {
        &self.sources
    }

    /// `[n, target dim]`.
    pub fn targets(&self) -> &Latents {
        &self.targets
    }

    /// Errors unless the pairs lie in these latent spaces.
    pub(crate) fn expect_dims(&self, (source, target): (usize, usize)) -> Result<(), EvalError> {
        EvalError::expect_count("dimensions of the sources", source, self.sources.dim())?;
        EvalError::expect_count("dimensions of the targets", target, self.targets.dim())
    }
}

fn draw_each(posterior: &Posterior, streams: &RandomStream) -> Result<Latents, EvalError> {
    let draw = |row: usize| {
        posterior
            .select(&[row])
            .sample(&mut streams.child(row as u64))
            .into_vec()
    };
    Ok(Latents::from_vec(
        (0..posterior.rows()).flat_map(draw).collect(),
        posterior.dim(),
    )?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use zbridge_core::DiagonalGaussian;

    fn posterior(rows: usize) -> Posterior {
        DiagonalGaussian::standard(rows, 3).into()
    }

    #[test]
    fn a_pair_does_not_notice_the_others() {
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
            Err(EvalError::Empty { .. })
        ));
        assert!(
            LatentPairs::draw(&posterior(3), &posterior(3), 1)
                .unwrap()
                .at_most(1, 1)
                .is_err()
        );
    }
}
