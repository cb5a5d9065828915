//! Texts as one-hot observations, and back.

use crate::{EventKind, Observations, ShapeError, Vocabulary, VocabularyError};
use ndarray::{Array2, ArrayView1};

impl Vocabulary {
    /// Returns the texts as one-hot observations, padded to `length` symbols:
    /// `[texts, length · symbols]`.
    ///
    /// # Errors
    /// [`VocabularyError::UnknownSymbol`] as [`encode`](Self::encode),
    /// [`VocabularyError::TextTooLong`] if a text has more than `length` symbols.
    pub fn observations(
        &self,
        texts: &[impl AsRef<str>],
        length: usize,
    ) -> Result<Observations, VocabularyError> {
        let mut symbols = Vec::with_capacity(texts.len() * length);
        for text in texts {
            let mut row = self.encode(text.as_ref())?;
            if row.len() > length {
                return Err(VocabularyError::TextTooLong {
                    symbols: row.len(),
                    length,
                });
            }
            row.resize(length, 0);
            symbols.extend(row);
        }
        let vocabulary = self.symbols().to_vec();
        Ok(Observations::of_symbols(&symbols, length, vocabulary)?)
    }
}

impl Observations {
    /// Returns texts as one-hot observations, given the numbers of their symbols in row-major
    /// order, `[texts, length]`.
    ///
    /// # Errors
    /// [`ShapeError::Ragged`] if `symbols` is not a whole number of texts,
    /// [`ShapeError::UnknownClass`] with the first text that has a number without a symbol.
    pub fn of_symbols(
        symbols: &[usize],
        length: usize,
        vocabulary: Vec<String>,
    ) -> Result<Self, ShapeError> {
        let classes = vocabulary.len();
        let mut one_hot = Array2::zeros((symbols.len(), classes));
        for (place, &class) in symbols.iter().enumerate() {
            if class >= classes {
                return Err(ShapeError::UnknownClass {
                    row: place / length.max(1),
                    class,
                    classes,
                });
            }
            one_hot[[place, class]] = 1.0;
        }
        let values = one_hot.into_raw_vec_and_offset().0;
        Self::new(values, EventKind::Text { length, vocabulary })
    }

    /// Returns the most probable symbol at every place in row-major order, `[rows, length]`, with 0
    /// from the first 0 of a text on; `None` if the observations are not texts.
    pub fn symbols(&self) -> Option<Vec<usize>> {
        let EventKind::Text { length, vocabulary } = self.kind() else {
            return None;
        };
        let mut symbols = Vec::with_capacity(self.rows() * length);
        for text in self.view().outer_iter() {
            // What a model writes after the end of a text means nothing.
            let mut ended = false;
            for place in text.exact_chunks(vocabulary.len()) {
                let symbol = first_largest(place);
                ended |= symbol == 0;
                symbols.push(if ended { 0 } else { symbol });
            }
        }
        Some(symbols)
    }

    /// Returns the texts in words; `None` if the observations are not texts, or if the list of
    /// their symbols is not a [`Vocabulary`].
    pub fn texts(&self) -> Option<Vec<String>> {
        let EventKind::Text { length, vocabulary } = self.kind() else {
            return None;
        };
        let vocabulary = Vocabulary::new(vocabulary.clone()).ok()?;
        let symbols = self.symbols()?;
        let rows = symbols.chunks_exact(*length);
        Some(rows.map(|row| vocabulary.decode(row)).collect())
    }
}

/// Returns the first place of the largest value.
fn first_largest(values: ArrayView1<f32>) -> usize {
    // `max_by` returns the last of several largest, so look from the end.
    (0..values.len())
        .rev()
        .max_by(|&a, &b| values[a].total_cmp(&values[b]))
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vocabulary(symbols: &[&str]) -> Vocabulary {
        Vocabulary::new(symbols.iter().map(|&symbol| symbol.to_owned()).collect()).unwrap()
    }

    #[test]
    fn texts_become_observations_and_texts_again() {
        let characters = vocabulary(&["", "a", "ü", " "]);
        let observations = characters.observations(&["ü a", ""], 3).unwrap();
        assert_eq!(observations.kind(), &characters.event(3));
        assert_eq!(observations.symbols().unwrap(), [2, 3, 1, 0, 0, 0]);
        assert_eq!(observations.texts().unwrap(), ["ü a", ""]);
        assert_eq!(Observations::one_hot(&[1], 2).unwrap().texts(), None);
    }

    #[test]
    fn symbols_after_the_end_of_a_text_are_ignored() {
        let names = ["", "a", "b"].map(str::to_owned).to_vec();
        let observations = Observations::of_symbols(&[1, 0, 2, 0, 2, 1], 3, names).unwrap();
        assert_eq!(observations.symbols().unwrap(), [1, 0, 0, 0, 0, 0]);
    }

    #[test]
    fn a_text_must_fit() {
        let words = vocabulary(&["", "red", "heart"]);
        let error = words
            .observations(&["red", "red red heart"], 2)
            .unwrap_err();
        assert_eq!(
            error,
            VocabularyError::TextTooLong {
                symbols: 3,
                length: 2
            }
        );
    }
}
