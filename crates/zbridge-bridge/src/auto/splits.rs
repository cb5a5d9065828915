use zbridge_core::RandomStream;

/// Pairs to fit on, and held-out pairs to compare candidates by.
#[derive(Debug)]
pub(super) struct Split {
    /// Number of the split.
    pub(super) index: usize,
    /// Rows of the pairs that candidates are fitted on.
    pub(super) fit: Vec<usize>,
    /// Rows of the other pairs.
    pub(super) held_out: Vec<usize>,
}

/// Splits at most, as numbers of random streams suppose.
pub(super) const MAX_SPLITS: usize = 4;
/// Share of the pairs that a split holds out: one in four.
const ONE_IN: usize = 4;
/// Pairs that a split holds out at most.
const MAX_HELD_OUT: usize = 1024;

/// Returns the ways to hold a quarter of `pairs` out: every quarter once if pairs are few, one
/// quarter if there are many.
pub(super) fn splits(pairs: usize, stream: &mut RandomStream) -> Vec<Split> {
    let order = stream.permutation(pairs);
    let held_out = (pairs / ONE_IN).clamp(1, MAX_HELD_OUT);
    let wanted = match pairs {
        0..128 => MAX_SPLITS,
        128..8192 => 2,
        _ => 1,
    };
    let count = wanted.min(pairs / held_out);
    (0..count)
        .map(|index| {
            let begin = index * held_out;
            let end = begin + held_out;
            Split {
                index,
                fit: [&order[..begin], &order[end..]].concat(),
                held_out: order[begin..end].to_vec(),
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_split_has_every_pair_on_one_side() {
        for pairs in [2, 3, 5, 9, 127, 128, 9000] {
            let splits = splits(pairs, &mut RandomStream::named(1, "splits"));
            assert!((1..=MAX_SPLITS).contains(&splits.len()), "{pairs}");
            for (index, split) in splits.iter().enumerate() {
                assert_eq!(split.index, index);
                assert!(!split.fit.is_empty() && !split.held_out.is_empty());
                let mut all = [split.fit.clone(), split.held_out.clone()].concat();
                all.sort_unstable();
                assert_eq!(all, (0..pairs).collect::<Vec<_>>());
            }
        }
    }

    #[test]
    fn no_pair_is_held_out_twice() {
        let splits = splits(30, &mut RandomStream::named(1, "splits"));
        let mut held_out: Vec<usize> = splits
            .iter()
            .flat_map(|split| split.held_out.clone())
            .collect();
        let count = held_out.len();
        held_out.sort_unstable();
        held_out.dedup();
        assert_eq!((splits.len(), held_out.len()), (4, count));
    }
}
