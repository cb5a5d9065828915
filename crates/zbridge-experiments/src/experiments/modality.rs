use std::sync::Arc;
use zbridge_core::{LatentModel, Observations, Posterior, RandomStream};
use zbridge_tasks::Error;

/// One side of an experiment: a given model, what it says of its data, and who reads what it makes.
pub(super) struct Modality {
    /// What it is in a word: "image".
    pub(super) name: &'static str,
    pub(super) model: Arc<dyn LatentModel>,
    /// SHA-256 of the model's file.
    pub(super) digest: String,
    /// What pairs are made of.
    pub(super) pool: Rows,
    /// What neither pairs nor the given model have seen.
    pub(super) held_out: Rows,
    /// Posteriors of observations whose keys nobody uses; beside them, those of the pool that are
    /// in no pair.
    pub(super) unpaired: Option<Posterior>,
    /// Whether the pool holds observations without partners at all: ten labels, or every caption,
    /// are known anyway.
    pub(super) is_collection: bool,
    pub(super) reader: Box<dyn Reader>,
}

impl Modality {
    /// Several of them in a word: "images"; speech is heard as sounds.
    pub(super) fn plural(&self) -> String {
        match self.name {
            "speech" => "sounds".into(),
            name => format!("{name}s"),
        }
    }
}

/// Posteriors with what each shows.
pub(super) struct Rows {
    pub(super) posterior: Posterior,
    /// What the two sides of a pair share: a digit, a caption.
    pub(super) keys: Vec<u16>,
}

/// Who reads observations: a classifier that no bridge has seen, or a rule.
pub(super) trait Reader: Send + Sync {
    /// What each observation shows; none where it shows nothing that there is.
    fn keys(&self, observations: &Observations) -> Result<Vec<Option<u16>>, Error>;

    /// Who it is and how good, for tables: "judge, right on 98.0 % of real recordings".
    fn name(&self) -> String;

    /// What a key is called: a digit, a caption.
    fn in_words(&self, key: u16) -> String {
        key.to_string()
    }

    /// The attributes that a key consists of, each with its value; none where it is one thing.
    fn attributes(&self, _key: u16) -> Vec<(&'static str, usize)> {
        vec![]
    }
}

impl Rows {
    pub(super) fn select(&self, rows: &[usize]) -> Self {
        Self {
            posterior: self.posterior.select(rows),
            keys: rows.iter().map(|&row| self.keys[row]).collect(),
        }
    }

    pub(super) fn count(&self) -> usize {
        self.keys.len()
    }
}

/// `count` pairs of rows that share their keys: rows of x without replacement, in random order,
/// each with a row of y that comes again only once all of its key have come.
pub(super) fn pairs(
    x: &Rows,
    y: &Rows,
    count: usize,
    seed: u64,
) -> Result<(Vec<usize>, Vec<usize>), Error> {
    let mut partners = Partners::of(y, seed);
    let order = RandomStream::named(seed, "experiment/pairs/x").permutation(x.count());
    let found = order
        .into_iter()
        .filter_map(|row| Some((row, partners.next(x.keys[row])?)));
    let (rows, partners): (Vec<usize>, Vec<usize>) = found.take(count).unzip();
    if rows.len() == count {
        return Ok((rows, partners));
    }
    Err(Error::usage(format!(
        "--pairs {count}: the data has only {} observations that find a partner",
        rows.len()
    )))
}

/// The rows of each key in random order, handed out in turn.
struct Partners {
    by_key: Vec<Vec<usize>>,
    taken: Vec<usize>,
}

impl Partners {
    fn of(rows: &Rows, seed: u64) -> Self {
        let keys = rows
            .keys
            .iter()
            .max()
            .map_or(0, |&key| usize::from(key) + 1);
        let mut by_key = vec![Vec::new(); keys];
        for row in RandomStream::named(seed, "experiment/pairs/y").permutation(rows.count()) {
            by_key[usize::from(rows.keys[row])].push(row);
        }
        Self {
            taken: vec![0; keys],
            by_key,
        }
    }

    fn next(&mut self, key: u16) -> Option<usize> {
        let rows = self
            .by_key
            .get(usize::from(key))
            .filter(|rows| !rows.is_empty())?;
        // Each row once, then from the first one again.
        let taken = &mut self.taken[usize::from(key)];
        *taken += 1;
        Some(rows[(*taken - 1) % rows.len()])
    }
}

/// Those of `all` rows that are not among `taken`.
pub(super) fn others(all: usize, taken: &[usize]) -> Vec<usize> {
    let mut free = vec![true; all];
    taken.iter().for_each(|&row| free[row] = false);
    (0..all).filter(|&row| free[row]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use zbridge_core::DiagonalGaussian;

    fn rows(keys: &[u16]) -> Rows {
        Rows {
            posterior: DiagonalGaussian::standard(keys.len(), 1).into(),
            keys: keys.to_vec(),
        }
    }

    #[test]
    fn pairs_share_their_keys_and_partners_come_again_last() {
        let (x, y) = (rows(&[0, 1, 0, 1, 2, 0, 7]), rows(&[1, 0, 0, 2]));
        let (x_rows, y_rows) = pairs(&x, &y, 6, 1).unwrap();
        assert!(
            x_rows
                .iter()
                .zip(&y_rows)
                .all(|(&a, &b)| x.keys[a] == y.keys[b])
        );
        let zeros = y_rows.iter().filter(|&&row| y.keys[row] == 0).count();
        assert_eq!(zeros, 3);
        let mut seen = x_rows.clone();
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen, [0, 1, 2, 3, 4, 5], "key 7 has no partner");
        assert!(pairs(&x, &y, 7, 1).is_err());
        assert_eq!(others(4, &[2, 0]), [1, 3]);
    }
}
