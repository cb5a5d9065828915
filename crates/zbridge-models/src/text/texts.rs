use zbridge_core::{EventKind, Observations};

/// Texts as the numbers of their symbols, `[rows, length]`, 0 behind the end.
#[derive(Debug, Clone)]
pub(super) struct Texts {
    length: usize,
    symbols: Vec<usize>,
}

/// Some of them, time-major `[steps, rows]`, as many steps as the longest needs.
#[derive(Debug, Default)]
pub(super) struct TextBatch {
    pub(super) rows: usize,
    pub(super) symbols: Vec<usize>,
    /// How many symbols of each text count: its own, and the 0 that ends it if there is room for
    /// one.
    pub(super) counted: Vec<usize>,
}

impl Texts {
    /// The most probable texts; none when the observations are no texts.
    pub(super) fn of(observations: &Observations) -> Option<Self> {
        let EventKind::Text { length, .. } = observations.kind() else {
            return None;
        };
        Some(Self {
            length: *length,
            symbols: observations.symbols()?,
        })
    }

    pub(super) fn row(&self, row: usize) -> &[usize] {
        &self.symbols[row * self.length..][..self.length]
    }

    /// How many symbols of text `row` count.
    pub(super) fn counted(&self, row: usize) -> usize {
        self.row(row)
            .iter()
            .position(|&symbol| symbol == 0)
            .map_or(self.length, |end| end + 1)
    }

    /// The texts named by `rows`, in that order.
    pub(super) fn batch(&self, rows: &[usize]) -> TextBatch {
        let counted: Vec<usize> = rows.iter().map(|&row| self.counted(row)).collect();
        // Not the length of the architecture: most texts are shorter, and steps cost time.
        let steps = 0..counted.iter().copied().max().unwrap_or(0);
        let symbols = steps
            .flat_map(|step| rows.iter().map(move |&row| self.row(row)[step]))
            .collect();
        TextBatch {
            rows: rows.len(),
            symbols,
            counted,
        }
    }
}

impl TextBatch {
    /// What a decoder is given at each step: the symbol before, at first 0, which never stands
    /// before another.
    pub(super) fn before(&self) -> Vec<usize> {
        // Time-major: all symbols move on by one step, which is `rows` places.
        let kept = self.symbols.len().saturating_sub(self.rows);
        let mut before = vec![0; self.symbols.len() - kept];
        before.extend_from_slice(&self.symbols[..kept]);
        before
    }

    /// The symbol that a decoder should give for row `row` at step `step`; none behind the end.
    pub(super) fn target(&self, step: usize, row: usize) -> Option<usize> {
        (step < self.counted[row]).then(|| self.symbols[step * self.rows + row])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_as_long_as_its_longest_text_and_its_end() {
        let vocabulary = ["", "a", "b"].map(str::to_owned).to_vec();
        let symbols = [1, 2, 0, 0, 2, 0, 0, 0, 1, 1, 1, 1, 0, 0, 0, 0];
        let texts = Texts::of(&Observations::of_symbols(&symbols, 4, vocabulary).unwrap()).unwrap();
        let batch = texts.batch(&[1, 0]);
        assert_eq!(
            (batch.symbols.as_slice(), batch.counted.as_slice()),
            (&[2, 1, 0, 2, 0, 0][..], &[2, 3][..])
        );
        assert_eq!(batch.before(), [0, 0, 2, 1, 0, 2]);
        assert_eq!(
            (batch.target(1, 0), batch.target(2, 0), batch.target(2, 1)),
            (Some(0), None, Some(0))
        );
        assert_eq!(texts.batch(&[2, 3]).counted, [4, 1]);
    }
}
