use crate::checks::at_row;
use crate::target_density::checked_log_prob;
use crate::{
    DrawableDensity, EvalError, LogWeights, PosteriorDensity, Proposal, Proposed, RowProposal,
};
use zbridge_core::{DiagonalGaussian, Latents, RandomStream};

/// Draws from p(z|x) and from other densities, a fixed share of them from each: multiple importance
/// sampling.
///
/// A weight is divided by the density of the whole mixture, r(z) = Σ_c (n_c/K) r_c(z), whichever
/// part the draw came from (the balance heuristic), with n_c draws of part c, fixed beforehand. So
/// Σ w/K is unbiased for p(x|context) if any part covers what the others miss, and a weight is at
/// most K/n_c times what it would be from part c alone: with the target as a part,
/// p(x|z)·p_t(z)/r(z) ≤ p(x|z)·K/n_t never explodes. The price is the share of the draws.
///
/// All targets share the draws and the decoder evaluations. A target that is also a part evaluates
/// its density twice.
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
/// // Three quarters of the draws come from p(z|x).
/// let proposal = MixtureProposal::new(&posterior).with(0.25, &prior)?;
/// assert_eq!(proposal.extent(), (100, 8));
/// # Ok::<(), zbridge_eval::EvalError>(())
/// ```
pub struct MixtureProposal<'a> {
    posterior: PosteriorDensity<'a>,
    others: Vec<&'a dyn DrawableDensity>,
    /// The share of the posterior, then those of the others.
    shares: Vec<f64>,
}

impl<'a> MixtureProposal<'a> {
    /// Returns the proposal with all draws from `posterior`.
    pub fn new(posterior: &'a DiagonalGaussian) -> Self {
        Self {
            posterior: PosteriorDensity::new("p(z|x)", posterior),
            others: vec![],
            shares: vec![1.0],
        }
    }

    /// Returns the same proposal with this share of the draws from `part`, taken from those of the
    /// posterior.
    ///
    /// # Errors
    /// [`EvalError::Setting`] unless the share is above 0 and leaves some to the posterior.
    pub fn with(mut self, share: f64, part: &'a dyn DrawableDensity) -> Result<Self, EvalError> {
        let left = self.shares[0] - share;
        // Written so that a share of NaN is refused.
        if !(share > 0.0 && left > 0.0) {
            return Err(EvalError::Setting {
                name: "share",
                value: share,
                range: "a share above 0 is needed, and all shares together must be below 1",
            });
        }
        self.shares[0] = left;
        self.shares.push(share);
        self.others.push(part);
        Ok(self)
    }

    /// Returns the posterior and the other parts.
    fn parts(&self) -> Vec<&dyn DrawableDensity> {
        let mut parts: Vec<&dyn DrawableDensity> = vec![&self.posterior];
        parts.extend(&self.others);
        parts
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
        let parts = self.parts();
        // How many draws each part gets in the end is part of every weight, from the first on.
        let mut all_draws = Allocation::new(&self.shares);
        all_draws.advance(draws);
        Ok(Box::new(MixtureRow {
            row,
            log_shares: all_draws.log_shares(),
            streams: (0..parts.len() as u64)
                .map(|part| stream.child(part))
                .collect(),
            allocation: Allocation::new(&self.shares),
            parts,
        }))
    }
}

/// The number of draws from each part: the next one is always from the part that is furthest behind
/// its share.
struct Allocation<'a> {
    shares: &'a [f64],
    taken: Vec<usize>,
}

impl<'a> Allocation<'a> {
    fn new(shares: &'a [f64]) -> Self {
        let taken = vec![0; shares.len()];
        Self { shares, taken }
    }

    /// Returns the number of draws so far.
    fn total(&self) -> usize {
        self.taken.iter().sum()
    }

    /// Returns log (n_c/K) of each part.
    fn log_shares(&self) -> Vec<f64> {
        let total = self.total() as f64;
        let log_share = |&taken: &usize| (taken as f64 / total).ln();
        self.taken.iter().map(log_share).collect()
    }

    /// Adds `count` draws.
    fn advance(&mut self, count: usize) {
        for _ in 0..count {
            let next = self.next_part();
            self.taken[next] += 1;
        }
    }

    fn next_part(&self) -> usize {
        let mut next = 0;
        for part in 1..self.shares.len() {
            if self.draws_behind(part) > self.draws_behind(next) {
                next = part;
            }
        }
        next
    }

    /// Returns how many draws a part would lack if the next one were from another part.
    fn draws_behind(&self, part: usize) -> f64 {
        let total = (self.total() + 1) as f64;
        self.shares[part] * total - self.taken[part] as f64
    }
}

/// The draws for one observation, with a stream for each part.
struct MixtureRow<'a> {
    parts: Vec<&'a dyn DrawableDensity>,
    row: usize,
    /// log (n_c/K).
    log_shares: Vec<f64>,
    streams: Vec<RandomStream>,
    allocation: Allocation<'a>,
}

impl RowProposal for MixtureRow<'_> {
    fn strata(&self) -> usize {
        self.parts.len()
    }

    fn draw(&mut self, count: usize) -> Result<Proposed, EvalError> {
        let before = self.allocation.taken.clone();
        let first = self.allocation.total();
        self.allocation.advance(count);
        let (mut values, mut strata, mut dim) = (Vec::new(), Vec::new(), 1);
        for (part, density) in self.parts.iter().enumerate() {
            let draws = before[part]..self.allocation.taken[part];
            if draws.is_empty() {
                continue;
            }
            strata.extend(std::iter::repeat_n(part, draws.len()));
            let points = density.draw(self.row, draws, &mut self.streams[part])?;
            dim = points.dim();
            values.extend(points.into_vec());
        }
        let points = Latents::from_vec(values, dim).map_err(at_row(self.row))?;
        Ok(Proposed {
            log_densities_nats: self.log_densities(first, &points)?,
            points,
            strata,
        })
    }
}

impl MixtureRow<'_> {
    /// Returns log Σ_c (n_c/K) r_c(z) of each point; `first` is the number of the first one.
    ///
    /// # Errors
    /// [`EvalError::NotALogDensity`] if that is −∞: every point was drawn from one of the parts.
    fn log_densities(&self, first: usize, points: &Latents) -> Result<Vec<f64>, EvalError> {
        let mut sums = vec![LogWeights::default(); points.rows()];
        for (part, &log_share) in self.parts.iter().zip(&self.log_shares) {
            // A part without draws has no share, and its density need not be evaluated.
            if log_share == f64::NEG_INFINITY {
                continue;
            }
            let nats = checked_log_prob(*part, self.row, first, points)?;
            for (sum, nats) in sums.iter_mut().zip(nats) {
                sum.push(log_share + nats);
            }
        }
        let totals: Vec<f64> = sums.iter().map(LogWeights::log_sum).collect();
        match totals.iter().position(|total| !total.is_finite()) {
            None => Ok(totals),
            Some(place) => Err(EvalError::NotALogDensity {
                quantity: "density of the mixture proposal".to_owned(),
                row: self.row,
                draw: first + place,
                value: totals[place],
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
        let mut allocation = Allocation::new(&[0.5, 0.3, 0.2]);
        for number in 1..200 {
            allocation.advance(1);
            for (taken, share) in allocation.taken.iter().zip(allocation.shares) {
                assert!(
                    (*taken as f64 - share * f64::from(number)).abs() <= 1.0,
                    "{:?}",
                    allocation.taken
                );
            }
        }
    }

    #[test]
    fn the_density_is_the_mixture_by_the_numbers_of_draws() {
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
    fn shares_that_leave_nothing_for_the_posterior_are_errors() {
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
