use crate::rows::expect_log_densities;
use crate::{
    DrawableDensity, EvalError, LogWeights, PosteriorDensity, Proposal, Proposed, RowProposal,
};
use zbridge_core::{DiagonalGaussian, Latents, RandomStream};

/// Draws from p(z|x) and from other densities, a fixed share of them from each: multiple importance
/// sampling.
///
/// A weight has the density of the whole mixture below, r(z) = Σ_c (n_c/K) r_c(z), whichever part
/// the draw came from (the balance heuristic), with n_c draws of part c, fixed beforehand. So Σ w/K
/// is unbiased for p(x|context) where any part covers what the others miss, and a weight is at most
/// K/n_c times what it would be from part c alone: with the target as a part, p(x|z)·p_t(z)/r(z) ≤
/// p(x|z)·K/n_t never explodes. The price is the share of the draws.
///
/// All targets share the draws and the decoder runs. A target that is also a part evaluates its
/// density twice.
///
/// The standard error is that of a stratified sample: the spread *within* parts only. Part c needs
/// n_c ≥ 2 for it. The effective sample size is that of the pooled weights, so half the draws spent
/// on a part that contributes nothing halve it at most.
///
/// # Source
/// Veach & Guibas (1995), *Optimally combining sampling techniques for Monte Carlo rendering*, eq.
/// 9; Owen & Zhou (2000), *Safe and effective importance sampling*, section 3 (deterministic
/// mixture).
///
/// ```
/// use zbridge_core::DiagonalGaussian;
/// use zbridge_eval::{MixtureProposal, PriorTarget, Proposal};
///
/// let posterior = DiagonalGaussian::standard(100, 8);
/// let prior = PriorTarget::new("log p(x)").drawable(8);
/// let proposal = MixtureProposal::new(&posterior).with(0.25, &prior)?;     // three quarters from p(z|x)
/// assert_eq!(proposal.extent(), (100, 8));
/// # Ok::<(), zbridge_eval::EvalError>(())
/// ```
pub struct MixtureProposal<'a> {
    posterior: PosteriorDensity<'a>,
    others: Vec<&'a dyn DrawableDensity>,
    /// Of the posterior, then of the others.
    shares: Vec<f64>,
}

impl<'a> MixtureProposal<'a> {
    /// All draws from `posterior`, until other parts take their share.
    pub fn new(posterior: &'a DiagonalGaussian) -> Self {
        Self {
            posterior: PosteriorDensity::new("p(z|x)", posterior),
            others: vec![],
            shares: vec![1.0],
        }
    }

    /// The same with this share of the draws from `part`, taken from those of the posterior.
    ///
    /// # Errors
    /// [`EvalError::Setting`] unless the share is above 0 and leaves the posterior more than
    /// nothing.
    pub fn with(mut self, share: f64, part: &'a dyn DrawableDensity) -> Result<Self, EvalError> {
        let left = self.shares[0] - share;
        if !(share > 0.0 && left > 0.0) {
            let range = "a share above 0 is needed, and all shares together must be below 1";
            return Err(EvalError::Setting {
                name: "share",
                value: share,
                range,
            });
        }
        self.shares[0] = left;
        self.shares.push(share);
        self.others.push(part);
        Ok(self)
    }
}

impl Proposal for MixtureProposal<'_> {
    fn extent(&self) -> (usize, usize) {
        self.posterior.extent()
    }

    fn of_row<'a>(
        &'a self,
        row: usize,
        draws: usize,
        stream: RandomStream,
    ) -> Result<Box<dyn RowProposal + 'a>, EvalError> {
        let posterior: &dyn DrawableDensity = &self.posterior;
        let parts: Vec<_> = std::iter::once(posterior)
            .chain(self.others.iter().copied())
            .collect();
        let mut allocation = Allocation::new(self.shares.clone());
        allocation.advance(draws);
        let log_share = |&taken: &usize| (taken as f64 / draws as f64).ln();
        Ok(Box::new(MixtureRow {
            row,
            log_shares: allocation.taken.iter().map(log_share).collect(),
            streams: (0..parts.len())
                .map(|part| stream.child(part as u64))
                .collect(),
            allocation: Allocation::new(allocation.shares),
            parts,
        }))
    }
}

/// Which part the next draw comes from: always the one that is furthest behind its share.
struct Allocation {
    shares: Vec<f64>,
    taken: Vec<usize>,
}

impl Allocation {
    fn new(shares: Vec<f64>) -> Self {
        Self {
            taken: vec![0; shares.len()],
            shares,
        }
    }

    fn advance(&mut self, count: usize) {
        for _ in 0..count {
            let number = (self.taken.iter().sum::<usize>() + 1) as f64;
            let behind = |part: usize| self.shares[part] * number - self.taken[part] as f64;
            let next = (1..self.shares.len()).fold(0, |best, part| {
                if behind(part) > behind(best) {
                    part
                } else {
                    best
                }
            });
            self.taken[next] += 1;
        }
    }
}

/// The draws for one observation, with a stream for each part.
struct MixtureRow<'a> {
    parts: Vec<&'a dyn DrawableDensity>,
    row: usize,
    /// log (n_c/K).
    log_shares: Vec<f64>,
    streams: Vec<RandomStream>,
    allocation: Allocation,
}

impl RowProposal for MixtureRow<'_> {
    fn strata(&self) -> usize {
        self.parts.len()
    }

    fn draw(&mut self, count: usize) -> Result<Proposed, EvalError> {
        let first = self.allocation.taken.clone();
        let number = first.iter().sum();
        self.allocation.advance(count);
        let (mut values, mut strata, mut dim) = (Vec::new(), Vec::new(), 1);
        for (part, density) in self.parts.iter().enumerate() {
            let own = self.allocation.taken[part] - first[part];
            if own > 0 {
                let points = density.draw(self.row, first[part], own, &mut self.streams[part])?;
                dim = points.dim();
                values.extend(points.into_vec());
                strata.extend(std::iter::repeat_n(part, own));
            }
        }
        let points = Latents::from_vec(values, dim).map_err(EvalError::at_row(self.row))?;
        Ok(Proposed {
            log_densities_nats: self.log_densities(number, &points)?,
            points,
            strata,
        })
    }
}

impl MixtureRow<'_> {
    /// log Σ_c (n_c/K) r_c(z) of each point; never −∞, since every point was drawn from one of the
    /// parts.
    fn log_densities(&self, first: usize, points: &Latents) -> Result<Vec<f64>, EvalError> {
        let mut sums = vec![LogWeights::default(); points.rows()];
        let used = self
            .parts
            .iter()
            .zip(&self.log_shares)
            .filter(|(_, share)| **share > f64::NEG_INFINITY);
        for (part, log_share) in used {
            let values = part.log_prob(self.row, points)?;
            let values = expect_log_densities(part.name(), self.row, first, points.rows(), values)?;
            sums.iter_mut()
                .zip(values)
                .for_each(|(sum, value)| sum.push(log_share + value));
        }
        let totals: Vec<f64> = sums.iter().map(LogWeights::log_sum).collect();
        match totals.iter().position(|total| !total.is_finite()) {
            None => Ok(totals),
            Some(i) => Err(EvalError::NotALogDensity {
                quantity: "density of the mixture proposal".to_owned(),
                row: self.row,
                draw: first + i,
                value: totals[i],
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{PriorTarget, TargetDensity};

    #[test]
    fn shares_are_kept_to_within_one_draw_at_every_length() {
        let mut allocation = Allocation::new(vec![0.5, 0.3, 0.2]);
        for number in 1..200 {
            allocation.advance(1);
            for (taken, share) in allocation.taken.iter().zip(&allocation.shares) {
                assert!(
                    (*taken as f64 - share * f64::from(number)).abs() <= 1.0,
                    "{:?}",
                    allocation.taken
                );
            }
        }
    }

    #[test]
    fn the_density_is_the_mixture_of_the_parts_by_what_was_really_drawn() {
        let narrow =
            DiagonalGaussian::new(Latents::filled(1, 2, 1.0), Latents::filled(1, 2, -2.0)).unwrap();
        let prior = PriorTarget::new("p").drawable(2);
        let proposal = MixtureProposal::new(&narrow).with(0.4, &prior).unwrap();
        let drawn = proposal
            .of_row(0, 3, RandomStream::named(1, "x"))
            .unwrap()
            .draw(3)
            .unwrap();
        assert_eq!(drawn.strata, [0, 0, 1]);
        let posterior = PosteriorDensity::new("p(z|x)", &narrow);
        let parts: [&dyn TargetDensity; 2] = [&posterior, &prior];
        let [own, other] = parts.map(|part| part.log_prob(0, &drawn.points).unwrap());
        for (k, found) in drawn.log_densities_nats.iter().enumerate() {
            assert!((found - (2.0 / 3.0 * own[k].exp() + other[k].exp() / 3.0).ln()).abs() < 1e-9);
        }
    }

    #[test]
    fn shares_that_leave_nothing_are_refused() {
        let posterior = DiagonalGaussian::standard(1, 2);
        let prior = PriorTarget::new("p").drawable(2);
        let build = |share| MixtureProposal::new(&posterior).with(share, &prior).err();
        for share in [0.0, -0.1, 1.0, f64::NAN] {
            assert!(
                matches!(build(share), Some(EvalError::Setting { name: "share", .. })),
                "{share}"
            );
        }
        let twice = MixtureProposal::new(&posterior)
            .with(0.6, &prior)
            .unwrap()
            .with(0.6, &prior);
        assert!(twice.is_err());
    }
}
