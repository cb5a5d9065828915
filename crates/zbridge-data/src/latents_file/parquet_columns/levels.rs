/// How a column's values nest: for each, at which level of lists it begins a new entry (0: a new
/// row), and how much of the way to a value is there.
///
/// # Source
/// Apache Parquet, nested encoding (Dremel's repetition and definition levels).
#[derive(Debug, Default)]
pub(super) struct Levels {
    pub(super) repetitions: Vec<i16>,
    pub(super) definitions: Vec<i16>,
}

/// Why a column is no array.
#[derive(Debug, PartialEq)]
pub(super) enum Irregular {
    /// A value, or the list itself, is null in this row.
    Null { row: usize },
    /// The lists of this row are not as long as those of the first.
    Ragged { row: usize },
}

/// The lengths of the lists of the first row, the outermost first: as if they were equal at each
/// level.
pub(super) fn lengths(repetitions: &[i16], depth: i16) -> Vec<usize> {
    let end = repetitions
        .iter()
        .skip(1)
        .position(|&level| level == 0)
        .map_or(repetitions.len(), |place| place + 1);
    let row = &repetitions[..end];
    // How many values stand before one that begins a new entry at this level.
    let before = |level: i16| {
        row.iter()
            .skip(1)
            .position(|&found| found <= level)
            .map_or(row.len(), |place| place + 1)
    };
    let runs: Vec<usize> = (0..depth).map(before).collect();
    (0..runs.len())
        .map(|level| runs[level] / runs.get(level + 1).copied().unwrap_or(1))
        .collect()
}

impl Levels {
    /// Nothing, when every row has lists of these lengths and no value is null.
    ///
    /// `full` is the definition level of a value; `empty` is that of an empty list, which is no
    /// null.
    pub(super) fn expect_regular(
        &self,
        lengths: &[usize],
        full: i16,
        empty: Option<i16>,
    ) -> Result<(), Irregular> {
        let row_of = |place: usize| {
            let starts = self
                .repetitions
                .iter()
                .take(place + 1)
                .filter(|&&level| level == 0)
                .count();
            if self.repetitions.is_empty() {
                place
            } else {
                starts.saturating_sub(1)
            }
        };
        if let Some(place) = self.definitions.iter().position(|&level| level < full) {
            let row = row_of(place);
            let is_null = empty != Some(self.definitions[place]);
            return Err(if is_null {
                Irregular::Null { row }
            } else {
                Irregular::Ragged { row }
            });
        }
        let expected = |place: usize| level_at(place, lengths);
        let wrong =
            (0..self.repetitions.len()).find(|&place| self.repetitions[place] != expected(place));
        match wrong {
            // A row that begins too early makes the one before it short.
            Some(place) if self.repetitions[place] == 0 => Err(Irregular::Ragged {
                row: row_of(place).saturating_sub(1),
            }),
            Some(place) => Err(Irregular::Ragged { row: row_of(place) }),
            None => Ok(()),
        }
    }
}

/// The level at which value `place` begins something new, when lists have these lengths.
fn level_at(place: usize, lengths: &[usize]) -> i16 {
    let mut values = lengths.iter().product::<usize>().max(1);
    let mut level = 0;
    for length in lengths {
        if place.is_multiple_of(values) {
            return level;
        }
        values /= (*length).max(1);
        level += 1;
    }
    level
}

#[cfg(test)]
mod tests {
    use super::*;

    fn levels(repetitions: &[i16]) -> Levels {
        Levels {
            repetitions: repetitions.to_vec(),
            definitions: vec![3; repetitions.len()],
        }
    }

    #[test]
    fn lists_of_lists_have_lengths_level_by_level() {
        let two_by_three = [0, 2, 2, 1, 2, 2, 0, 2, 2, 1, 2, 2];
        assert_eq!(lengths(&two_by_three, 2), [2, 3]);
        assert_eq!(
            levels(&two_by_three).expect_regular(&[2, 3], 3, None),
            Ok(())
        );
        assert_eq!(lengths(&[0, 1, 1, 0, 1, 1], 1), [3]);
        assert_eq!(lengths(&[0], 1), [1]);
        assert_eq!(lengths(&[], 1), [0]);
    }

    #[test]
    fn short_long_and_null_rows_are_named() {
        let short = levels(&[0, 1, 1, 0, 1, 0, 1, 1]);
        assert_eq!(
            short.expect_regular(&[3], 3, None),
            Err(Irregular::Ragged { row: 1 })
        );
        let long = levels(&[0, 1, 0, 1, 1]);
        assert_eq!(
            long.expect_regular(&[2], 3, None),
            Err(Irregular::Ragged { row: 1 })
        );
        let mut holed = levels(&[0, 1, 0, 1]);
        holed.definitions[3] = 2;
        assert_eq!(
            holed.expect_regular(&[2], 3, Some(1)),
            Err(Irregular::Null { row: 1 })
        );
        holed.definitions[3] = 1;
        assert_eq!(
            holed.expect_regular(&[2], 3, Some(1)),
            Err(Irregular::Ragged { row: 1 })
        );
    }
}
