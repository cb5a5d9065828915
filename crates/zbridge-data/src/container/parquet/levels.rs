/// How the values of a column are nested.
///
/// # Source
/// Apache Parquet, nested encoding: the repetition and definition levels of Dremel (Melnik et al.
/// 2010).
#[derive(Debug, Default)]
pub(super) struct Levels {
    /// For each value, the level of lists at which it begins a new entry; 0 begins a new row.
    pub(super) repetitions: Vec<i16>,
    /// For each value, how many of the optional parts on the way to it are there.
    pub(super) definitions: Vec<i16>,
}

/// Why a column is not an array.
#[derive(Debug, PartialEq)]
pub(super) enum Irregularity {
    /// A value of this row, or its list, is null.
    Null { row: usize },
    /// The lists of this row are not as long as those of the first.
    Ragged { row: usize },
}

/// Returns the lengths of the lists of the first row, the outermost first, as if all lists of a
/// level were equally long.
pub(super) fn lengths(repetitions: &[i16], depth: i16) -> Vec<usize> {
    let row = &repetitions[..next_entry(repetitions, 0)];
    // The number of values in the first entry of each level.
    let sizes: Vec<usize> = (0..depth).map(|level| next_entry(row, level)).collect();
    let mut lengths = Vec::with_capacity(sizes.len());
    for (level, size) in sizes.iter().enumerate() {
        // An entry of this level is made of entries of the next one, or of values.
        lengths.push(size / sizes.get(level + 1).unwrap_or(&1));
    }
    lengths
}

/// Returns the place of the first value, after the first, that begins an entry of this level or
/// of one above it; their number if there is none.
fn next_entry(repetitions: &[i16], level: i16) -> usize {
    let mut others = repetitions.iter().skip(1);
    match others.position(|&found| found <= level) {
        Some(place) => place + 1,
        None => repetitions.len(),
    }
}

impl Levels {
    /// Returns an error unless every row has lists of these lengths and no value is null.
    ///
    /// `full` is the definition level of a value; `empty` is that of an empty list, which is not
    /// null.
    pub(super) fn expect_regular(
        &self,
        lengths: &[usize],
        full: i16,
        empty: Option<i16>,
    ) -> Result<(), Irregularity> {
        // A null takes a place among the levels, so that it is looked for before the lengths.
        if let Some(place) = self.definitions.iter().position(|&level| level < full) {
            let row = self.row_of(place);
            let is_empty = empty == Some(self.definitions[place]);
            return Err(match is_empty {
                true => Irregularity::Ragged { row },
                false => Irregularity::Null { row },
            });
        }
        for (place, &level) in self.repetitions.iter().enumerate() {
            if level != expected_level(place, lengths) {
                // A row that begins too early makes the one before it too short.
                let row = self.row_of(place).saturating_sub(usize::from(level == 0));
                return Err(Irregularity::Ragged { row });
            }
        }
        Ok(())
    }

    /// Returns the row of a value.
    fn row_of(&self, place: usize) -> usize {
        // Columns without lists have no repetition levels.
        if self.repetitions.is_empty() {
            return place;
        }
        // A value of level 0 begins a row.
        let begun = self.repetitions[..=place]
            .iter()
            .filter(|&&level| level == 0);
        begun.count().saturating_sub(1)
    }
}

/// Returns the repetition level of a value if all lists have these lengths.
fn expected_level(place: usize, lengths: &[usize]) -> i16 {
    let mut size = lengths.iter().product::<usize>().max(1);
    let mut level = 0;
    for length in lengths {
        // A value begins a new entry wherever a whole number of entries is after it.
        if place.is_multiple_of(size) {
            return level;
        }
        size /= (*length).max(1);
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
            Err(Irregularity::Ragged { row: 1 })
        );
        let long = levels(&[0, 1, 0, 1, 1]);
        assert_eq!(
            long.expect_regular(&[2], 3, None),
            Err(Irregularity::Ragged { row: 1 })
        );
        let mut holed = levels(&[0, 1, 0, 1]);
        holed.definitions[3] = 2;
        assert_eq!(
            holed.expect_regular(&[2], 3, Some(1)),
            Err(Irregularity::Null { row: 1 })
        );
        holed.definitions[3] = 1;
        assert_eq!(
            holed.expect_regular(&[2], 3, Some(1)),
            Err(Irregularity::Ragged { row: 1 })
        );
    }
}
