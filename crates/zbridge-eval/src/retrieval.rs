use serde::{Deserialize, Serialize};
use zbridge_core::Estimate;

/// The numbers of candidates at which recall is computed.
const RECALL_AT: [usize; 3] = [1, 5, 10];

/// How well the true partner is found among held-out candidates, compared with chance.
///
/// Ranks start at 1. Candidates of equal density count half, so that a density that ignores its
/// source has the mean rank of chance. All values depend on the number of candidates: compare those
/// of equal numbers only.
///
/// Retrieving targets by log q(t|s) favours targets of high density under every source: a true
/// conditional need not have perfect ranks. Neither can there be perfect ranks if pairs are not one
/// to one (ten labels for a thousand images).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Retrieval {
    /// The number of candidates for each query, the true one included.
    pub candidates: usize,
    /// Mean of 1/rank.
    pub mean_reciprocal_rank: Estimate,
    /// The median rank; the mean of the middle two for an even number of queries.
    pub median_rank: f64,
    /// Share of the other candidates that stand before the true one: 0 at best, ½ by chance. It is
    /// FOSCTTM, the fraction of samples closer than the true match, by ranks in place of distances.
    pub share_before: Estimate,
    /// Share of queries whose true partner is among the first 1, 5 and 10.
    pub recall: Vec<RecallAt>,
    /// Mean of 1/rank by chance: Σ_{r ≤ M} 1/(r M).
    pub chance_mean_reciprocal_rank: f64,
    /// Median rank by chance: (M + 1)/2.
    pub chance_median_rank: f64,
}

/// Share of queries whose true partner is among the first few candidates.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct RecallAt {
    /// The number of first candidates.
    pub first: usize,
    /// The share.
    pub share: Estimate,
    /// By chance: min(first / M, 1).
    pub chance: f64,
}

impl Retrieval {
    /// Returns the figures from the rank of the true partner for each query, each among
    /// `candidates`. There is at least one query.
    pub(crate) fn of(mut ranks: Vec<f64>, candidates: usize) -> Self {
        ranks.sort_unstable_by(f64::total_cmp);
        let others = (candidates - 1).max(1) as f64;
        let recall = RECALL_AT.map(|first| RecallAt::of(&ranks, first, candidates));
        Self {
            candidates,
            mean_reciprocal_rank: Estimate::of(ranks.iter().map(|rank| 1.0 / rank)),
            median_rank: median(&ranks),
            share_before: Estimate::of(ranks.iter().map(|rank| (rank - 1.0) / others)),
            recall: recall.to_vec(),
            chance_mean_reciprocal_rank: chance_mean_reciprocal_rank(candidates),
            chance_median_rank: 0.5 * (candidates as f64 + 1.0),
        }
    }
}

/// Returns the median of sorted values; the mean of the middle two for an even number.
fn median(sorted: &[f64]) -> f64 {
    0.5 * (sorted[(sorted.len() - 1) / 2] + sorted[sorted.len() / 2])
}

/// Returns Σ_{r ≤ M} 1/(r M).
fn chance_mean_reciprocal_rank(candidates: usize) -> f64 {
    let reciprocals = (1..=candidates).map(|rank| 1.0 / rank as f64);
    reciprocals.sum::<f64>() / candidates as f64
}

impl RecallAt {
    fn of(ranks: &[f64], first: usize, candidates: usize) -> Self {
        // A rank between two numbers, from ties, counts as the larger one.
        let found = ranks.iter().map(|&rank| rank <= first as f64);
        Self {
            first,
            share: Estimate::of(found.map(|found| f64::from(u8::from(found)))),
            chance: (first as f64 / candidates as f64).min(1.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::CrossDensities;
    use ndarray::{Array2, array};
    use zbridge_core::RandomStream;

    #[test]
    fn three_pairs_worked_out_by_hand() {
        // Rows are targets, columns sources. The log means of the rows are 4.22, 0.58 and 2.58;
        // what is left by column: own targets 1st (0.78), 2nd (−0.08 after 0.42), 1st (−0.08). Own
        // sources by row: 1st, 2nd, 2nd.
        let nats = array![[5.0, 4.0, 0.0], [1.0, 0.5, 0.0], [2.0, 3.0, 2.5]];
        let densities = CrossDensities::from_nats(nats);
        let targets = densities.retrieve_targets();
        assert!((targets.mean_reciprocal_rank.mean - (1.0 + 0.5 + 1.0) / 3.0).abs() < 1e-12);
        // One of two others stands before one of three.
        assert!((targets.share_before.mean - 0.5 / 3.0).abs() < 1e-12);
        assert_eq!(
            (
                targets.median_rank,
                targets.candidates,
                targets.chance_median_rank
            ),
            (1.0, 3, 2.0)
        );
        for (at, expected) in
            targets
                .recall
                .iter()
                .zip([(1, 2.0 / 3.0, 1.0 / 3.0), (5, 1.0, 1.0), (10, 1.0, 1.0)])
        {
            assert_eq!((at.first, at.chance), (expected.0, expected.2));
            assert!((at.share.mean - expected.1).abs() < 1e-12);
        }
        let sources = densities.retrieve_sources();
        assert!(
            sources.median_rank == 2.0 && (sources.recall[0].share.mean - 1.0 / 3.0).abs() < 1e-12
        );
    }

    #[test]
    fn noise_retrieves_by_chance_and_ties_are_in_the_middle() {
        // Under one seed 200 queries say little: those of eight seeds together.
        let of_seed = |seed: u64| {
            let mut nats = vec![0.0; 200 * 200];
            RandomStream::named(seed, "retrieval").fill_standard_normal(&mut nats);
            let nats = Array2::from_shape_vec((200, 200), nats).unwrap();
            CrossDensities::from_nats(nats.mapv(f64::from)).retrieve_targets()
        };
        let noise: Vec<_> = (0..8).map(of_seed).collect();
        let ranks = noise.iter().map(|noise| noise.mean_reciprocal_rank);
        let (mut excess, mut variance) = (0.0, 0.0);
        for (rank, noise) in ranks.zip(&noise) {
            excess += rank.mean - noise.chance_mean_reciprocal_rank;
            variance += rank.standard_error.powi(2);
        }
        assert!(excess.abs() < 3.0 * variance.sqrt(), "{excess} {variance}");
        assert!(
            noise
                .iter()
                .all(|noise| (noise.recall[2].share.mean - 0.05).abs() < 0.05)
        );
        let ties = CrossDensities::from_nats(Array2::ones((3, 3))).retrieve_targets();
        assert_eq!(ties.median_rank, ties.chance_median_rank);
    }
}
