use serde::{Deserialize, Serialize};
use zbridge_core::Estimate;

/// How well the true partner is found among held-out candidates, with what chance would give.
///
/// Ranks start at 1; candidates of equal density count half, so that a density that ignores its
/// source has the mean rank of chance. All values depend on the number of candidates: compare those
/// of equal numbers only.
///
/// Retrieving targets by log q(t|s) favours targets of high density under every source: it asks for
/// more than a conditional must know, and a good conditional may have less than a perfect rank
/// where pairs are not one to one (ten labels for a thousand images).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Retrieval {
    /// How many candidates there are for each query, the true one included.
    pub candidates: usize,
    /// Mean of 1/rank.
    pub mean_reciprocal_rank: Estimate,
    /// The median rank; the mean of the middle two for an even number of queries.
    pub median_rank: f64,
    /// Share of queries whose true partner is among the first 1, 5 and 10.
    pub recall: Vec<RecallAt>,
    /// Mean of 1/rank by chance: Σ_{r ≤ M} 1/(r M).
    pub chance_mean_reciprocal_rank: f64,
    /// Median rank by chance: (M + 1)/2.
    pub chance_median_rank: f64,
}

/// Share of queries whose true partner is among the first few.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct RecallAt {
    /// How many candidates are looked at.
    pub first: usize,
    /// The share.
    pub share: Estimate,
    /// By chance: min(first / M, 1).
    pub chance: f64,
}

/// Where recall is looked at.
const FIRST: [usize; 3] = [1, 5, 10];

impl Retrieval {
    /// From the rank of the true partner for each query, each among `candidates`.
    pub(crate) fn of(ranks: impl IntoIterator<Item = f64>, candidates: usize) -> Self {
        let mut ranks: Vec<f64> = ranks.into_iter().collect();
        ranks.sort_unstable_by(f64::total_cmp);
        let count = candidates as f64;
        let recall = |first: usize| RecallAt {
            first,
            share: Estimate::of(
                ranks
                    .iter()
                    .map(|&rank| f64::from(u8::from(rank <= first as f64))),
            ),
            chance: (first as f64 / count).min(1.0),
        };
        Self {
            candidates,
            mean_reciprocal_rank: Estimate::of(ranks.iter().map(|rank| 1.0 / rank)),
            median_rank: 0.5 * (ranks[(ranks.len() - 1) / 2] + ranks[ranks.len() / 2]),
            recall: FIRST.map(recall).to_vec(),
            chance_mean_reciprocal_rank: (1..=candidates)
                .map(|rank| 1.0 / rank as f64)
                .sum::<f64>()
                / count,
            chance_median_rank: 0.5 * (count + 1.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::CrossDensities;
    use zbridge_core::RandomStream;

    #[test]
    fn three_pairs_worked_out_by_hand() {
        // Rows are targets, columns sources. Own targets by column: 1st, 3rd, 1st. Own sources by
        // row: 1st, 2nd, 2nd.
        let densities =
            CrossDensities::from_nats(vec![5.0, 4.0, 0.0, 1.0, 0.5, 0.0, 2.0, 3.0, 2.5], 3);
        let targets = densities.retrieve_targets();
        assert!((targets.mean_reciprocal_rank.mean - (1.0 + 1.0 / 3.0 + 1.0) / 3.0).abs() < 1e-12);
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
        let mut nats = vec![0.0; 200 * 200];
        RandomStream::named(1, "retrieval").fill_standard_normal(&mut nats);
        let noise = CrossDensities::from_nats(nats.into_iter().map(f64::from).collect(), 200)
            .retrieve_targets();
        let reciprocal = noise.mean_reciprocal_rank;
        assert!(
            (reciprocal.mean - noise.chance_mean_reciprocal_rank).abs()
                < 3.0 * reciprocal.standard_error
        );
        assert!((noise.recall[2].share.mean - 0.05).abs() < 0.05);
        let ties = CrossDensities::from_nats(vec![1.0; 9], 3).retrieve_targets();
        assert_eq!(ties.median_rank, ties.chance_median_rank);
    }
}
