use crate::Error;
use std::fmt;
use std::ops::Range;
use std::str::FromStr;

/// One of several equal parts of a job: `n` machines, each with its own shard, do the work of one,
/// and what they write, one behind the other, is what one would have written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shard {
    /// Which one, from 0.
    index: usize,
    of: usize,
}

impl Shard {
    /// The whole job.
    pub const WHOLE: Self = Self { index: 0, of: 1 };

    /// This shard of `rows` rows, cut where a multiple of `unit` rows ends: rows of a unit share a
    /// random stream.
    pub fn of_rows(self, rows: usize, unit: usize) -> Range<usize> {
        let units = rows.div_ceil(unit.max(1));
        // Wide enough for any number of rows and shards.
        let cut =
            |index: usize| (units as u128 * index as u128 / self.of as u128) as usize * unit.max(1);
        cut(self.index).min(rows)..cut(self.index + 1).min(rows)
    }

    /// Whether it is all there is.
    pub fn is_whole(self) -> bool {
        self == Self::WHOLE
    }
}

impl FromStr for Shard {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let parts = text
            .split_once('/')
            .and_then(|(index, of)| Some((index.parse().ok()?, of.parse().ok()?)));
        match parts {
            Some((index, of)) if (1..=of).contains(&index) => Ok(Self {
                index: index - 1,
                of,
            }),
            _ => Err(Error::usage(format!(
                "`{text}`: a shard is 1/4, 2/4, 3/4 or 4/4, say: which one of how many"
            ))),
        }
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index + 1, self.of)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_are_all_rows_once_and_in_order() {
        for rows in [0, 1, 255, 256, 1000, 10_000] {
            for of in [1, 2, 3, 7, 100] {
                let shards =
                    (1..=of).map(|index| format!("{index}/{of}").parse::<Shard>().unwrap());
                let mut next = 0;
                for range in shards.map(|shard| shard.of_rows(rows, 256)) {
                    assert_eq!(range.start, next);
                    assert!(range.start.is_multiple_of(256) || range.start == rows);
                    next = range.end;
                }
                assert_eq!(next, rows);
            }
        }
    }

    #[test]
    fn shards_are_alike() {
        let sizes: Vec<usize> = (1..=4)
            .map(|index| {
                format!("{index}/4")
                    .parse::<Shard>()
                    .unwrap()
                    .of_rows(1 << 20, 256)
                    .len()
            })
            .collect();
        assert_eq!(sizes, [1 << 18; 4]);
    }

    #[test]
    fn what_is_no_shard_is_told_so() {
        for text in ["0/4", "5/4", "1", "a/b", "1/0", ""] {
            assert!(
                matches!(text.parse::<Shard>(), Err(Error::Usage { .. })),
                "{text}"
            );
        }
    }
}
