use crate::{EventKind, Observations, ShapeError, VocabularyError};
use std::collections::HashMap;

/// What the symbols of a text are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TextUnit {
    /// Words, with white space between them; how much of it is not kept.
    Words,
    /// Unicode characters, white space among them.
    Characters,
}

impl TextUnit {
    /// The symbols of `text` in their order.
    pub fn cut(self, text: &str) -> Vec<&str> {
        match self {
            Self::Words => text.split_whitespace().collect(),
            Self::Characters => text
                .char_indices()
                .map(|(at, c)| &text[at..at + c.len_utf8()])
                .collect(),
        }
    }

    /// What stands between two symbols.
    fn separator(self) -> &'static str {
        match self {
            Self::Words => " ",
            Self::Characters => "",
        }
    }
}

/// The symbols that texts are made of, and both ways between texts and symbols.
///
/// Symbol 0 is the empty string: it fills a text up, and the first one ends it. Where every other
/// symbol is a single character, texts are cut into characters, otherwise into words. Where
/// [`UNKNOWN`](Self::UNKNOWN) is a symbol, it stands for all that are not; where it is none, such a
/// text is an error.
///
/// ```
/// use zbridge_core::Vocabulary;
///
/// let vocabulary = Vocabulary::new(["", "small", "red", "heart"].map(str::to_owned).to_vec())?;
/// let symbols = vocabulary.encode("small  heart")?;
/// assert_eq!((symbols.clone(), vocabulary.decode(&symbols)), (vec![1, 3], "small heart".to_owned()));
/// let observations = vocabulary.observations(&["red heart", "heart"], 4)?;
/// assert_eq!(observations.texts().unwrap(), ["red heart", "heart"]);
/// # Ok::<(), zbridge_core::VocabularyError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vocabulary {
    symbols: Vec<String>,
    places: HashMap<String, usize>,
    unit: TextUnit,
}

impl Vocabulary {
    /// The symbol for whatever is no symbol.
    pub const UNKNOWN: &'static str = "<unk>";

    /// The vocabulary of these symbols, the empty one first.
    ///
    /// # Errors
    /// [`VocabularyError::Symbol`] when the first is not empty or there is no other, when a symbol
    /// comes twice, or when a word is empty or holds white space.
    pub fn new(symbols: Vec<String>) -> Result<Self, VocabularyError> {
        let unit = unit_of(&symbols);
        let mut places = HashMap::new();
        for (place, symbol) in symbols.iter().enumerate() {
            let reason = fault(place, symbol, unit)
                .or(places.insert(symbol.clone(), place).map(|_| "comes twice"));
            if let Some(reason) = reason {
                return Err(VocabularyError::Symbol {
                    place,
                    symbol: symbol.clone(),
                    reason,
                });
            }
        }
        if symbols.len() < 2 {
            let reason = "is missing: a vocabulary is the empty symbol and at least one more";
            return Err(VocabularyError::Symbol {
                place: symbols.len(),
                symbol: String::new(),
                reason,
            });
        }
        Ok(Self {
            symbols,
            places,
            unit,
        })
    }

    /// Its symbols, by number.
    pub fn symbols(&self) -> &[String] {
        &self.symbols
    }

    /// What its symbols are.
    pub fn unit(&self) -> TextUnit {
        self.unit
    }

    /// Texts of up to `length` of its symbols, as a kind of observations.
    pub fn event(&self, length: usize) -> EventKind {
        EventKind::Text {
            length,
            vocabulary: self.symbols.clone(),
        }
    }

    /// The symbols of `text` by number, nothing behind them.
    ///
    /// # Errors
    /// [`VocabularyError::UnknownSymbol`] with the first that is none, and the known one that is most
    /// like it.
    pub fn encode(&self, text: &str) -> Result<Vec<usize>, VocabularyError> {
        let unknown = self.places.get(Self::UNKNOWN).copied();
        let place = |symbol: &str| match self.places.get(symbol).copied().or(unknown) {
            Some(place) => Ok(place),
            None => Err(self.unknown_symbol(text, symbol)),
        };
        self.unit.cut(text).into_iter().map(place).collect()
    }

    /// The text of these symbols, as far as the first 0.
    ///
    /// # Panics
    /// When a number is not that of a symbol.
    pub fn decode(&self, symbols: &[usize]) -> String {
        let shown = symbols
            .iter()
            .take_while(|&&symbol| symbol != 0)
            .map(|&symbol| self.symbols[symbol].as_str());
        shown.collect::<Vec<_>>().join(self.unit.separator())
    }

    /// The texts one-hot, filled up to `length` symbols: `[texts, length · symbols]`.
    ///
    /// # Errors
    /// [`VocabularyError::UnknownSymbol`]; [`VocabularyError::TextTooLong`].
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
        Ok(Observations::of_symbols(
            &symbols,
            length,
            self.symbols.clone(),
        )?)
    }

    fn unknown_symbol(&self, text: &str, symbol: &str) -> VocabularyError {
        // The cut gives slices of the text, so that the place of one is a difference of addresses.
        let byte = symbol.as_ptr() as usize - text.as_ptr() as usize;
        let column = text[..byte].chars().count() + 1;
        VocabularyError::UnknownSymbol {
            column,
            symbol: symbol.to_owned(),
            nearest: self.nearest(symbol),
        }
    }

    /// Returns the most similar symbol, by Levenshtein distance without regard to case, if at most
    /// a third of the characters differ.
    fn nearest(&self, symbol: &str) -> Option<String> {
        let wanted = symbol.to_lowercase();
        let length = wanted.chars().count();
        // A single character is always within a third of another one: allow no change there.
        let largest = length.div_ceil(3) - usize::from(length == 1);
        let distance = |known: &String| strsim::levenshtein(&wanted, &known.to_lowercase());
        self.symbols[1..]
            .iter()
            .map(|known| (distance(known), known))
            .filter(|(distance, _)| *distance <= largest)
            .min()
            .map(|(_, known)| known.clone())
    }
}

impl Observations {
    /// Texts one-hot from the numbers of their symbols, `[texts, length]`.
    ///
    /// # Errors
    /// [`ShapeError::Ragged`] when they are no whole number of texts, [`ShapeError::UnknownClass`]
    /// with the text and the number that is no symbol's.
    pub fn of_symbols(
        symbols: &[usize],
        length: usize,
        vocabulary: Vec<String>,
    ) -> Result<Self, ShapeError> {
        let classes = vocabulary.len();
        let mut values = vec![0.0; symbols.len() * classes];
        for (i, &class) in symbols.iter().enumerate() {
            if class >= classes {
                return Err(ShapeError::UnknownClass {
                    row: i / length.max(1),
                    class,
                    classes,
                });
            }
            values[i * classes + class] = 1.0;
        }
        Self::new(values, EventKind::Text { length, vocabulary })
    }

    /// The most probable symbol at every place, `[rows, length]`, 0 from the first 0 on; none when
    /// they are no texts.
    pub fn symbols(&self) -> Option<Vec<usize>> {
        let EventKind::Text { length, vocabulary } = self.kind() else {
            return None;
        };
        let mut symbols: Vec<usize> = self
            .values()
            .chunks_exact(vocabulary.len())
            .map(most_probable)
            .collect();
        for row in symbols.chunks_exact_mut(*length) {
            let end = row
                .iter()
                .position(|&symbol| symbol == 0)
                .unwrap_or(*length);
            row[end..].fill(0);
        }
        Some(symbols)
    }

    /// What they say, text by text; none when they are no texts or their vocabulary is not one.
    pub fn texts(&self) -> Option<Vec<String>> {
        let EventKind::Text { length, vocabulary } = self.kind() else {
            return None;
        };
        let vocabulary = Vocabulary::new(vocabulary.clone()).ok()?;
        Some(
            self.symbols()?
                .chunks_exact(*length)
                .map(|row| vocabulary.decode(row))
                .collect(),
        )
    }
}

/// The first place of the largest value.
fn most_probable(values: &[f32]) -> usize {
    (0..values.len())
        .rev()
        .max_by(|&a, &b| values[a].total_cmp(&values[b]))
        .unwrap_or(0)
}

fn unit_of(symbols: &[String]) -> TextUnit {
    let mut others = symbols
        .iter()
        .skip(1)
        .filter(|&symbol| symbol != Vocabulary::UNKNOWN);
    if others.all(|symbol| symbol.chars().count() == 1) {
        TextUnit::Characters
    } else {
        TextUnit::Words
    }
}

/// What is wrong with the symbol at `place` by itself.
fn fault(place: usize, symbol: &str, unit: TextUnit) -> Option<&'static str> {
    match (place, unit) {
        (0, _) if !symbol.is_empty() => {
            Some("is the first: it must be empty, for it fills texts up")
        }
        (0, _) => None,
        _ if symbol.is_empty() => Some("is empty: only the first may be"),
        (_, TextUnit::Words) if symbol.contains(char::is_whitespace) => {
            Some("is no word: it holds white space")
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vocabulary(symbols: &[&str]) -> Result<Vocabulary, VocabularyError> {
        Vocabulary::new(symbols.iter().map(|&symbol| symbol.to_owned()).collect())
    }

    #[test]
    fn texts_become_symbols_and_texts_again() {
        let words = vocabulary(&["", "small", "red", "heart", "a"]).unwrap();
        assert_eq!(words.unit(), TextUnit::Words);
        assert_eq!(words.encode(" small\tred  heart ").unwrap(), [1, 2, 3]);
        assert_eq!(words.decode(&[2, 3, 0, 1]), "red heart");
        let characters = vocabulary(&["", "a", "ü", " "]).unwrap();
        assert_eq!(characters.encode("ü a").unwrap(), [2, 3, 1]);
        let observations = characters.observations(&["ü a", ""], 3).unwrap();
        assert_eq!(observations.kind(), &characters.event(3));
        assert_eq!(observations.symbols().unwrap(), [2, 3, 1, 0, 0, 0]);
        assert_eq!(observations.texts().unwrap(), ["ü a", ""]);
        assert_eq!(Observations::one_hot(&[1], 2).unwrap().texts(), None);
    }

    #[test]
    fn nothing_counts_behind_the_end() {
        let names = ["", "a", "b"].map(str::to_owned).to_vec();
        let observations = Observations::of_symbols(&[1, 0, 2, 0, 2, 1], 3, names).unwrap();
        assert_eq!(observations.symbols().unwrap(), [1, 0, 0, 0, 0, 0]);
    }

    #[test]
    fn an_unknown_word_is_named_with_its_column_and_the_nearest_known_one() {
        let words = vocabulary(&["", "small", "red", "heart"]).unwrap();
        let error = words.encode("süß small  hart").unwrap_err();
        assert!(
            matches!(
                error,
                VocabularyError::UnknownSymbol {
                    column: 1,
                    nearest: None,
                    ..
                }
            ),
            "{error}"
        );
        let error = words.encode("small  Hart").unwrap_err();
        let expected = VocabularyError::UnknownSymbol {
            column: 8,
            symbol: "Hart".into(),
            nearest: Some("heart".into()),
        };
        assert_eq!(error, expected);
        let characters = vocabulary(&["", "a", "b"]).unwrap();
        let error = characters.encode("aBa").unwrap_err();
        assert!(error.to_string().contains("\"b\""), "{error}");
        assert!(matches!(
            characters.encode("ac"),
            Err(VocabularyError::UnknownSymbol {
                nearest: None,
                column: 2,
                ..
            })
        ));
    }

    #[test]
    fn a_vocabulary_that_knows_the_unknown_takes_every_word() {
        let words = vocabulary(&["", "red", "heart", Vocabulary::UNKNOWN]).unwrap();
        assert_eq!(words.encode("red lion").unwrap(), [1, 3]);
        assert_eq!(words.decode(&[1, 3]), "red <unk>");
    }

    #[test]
    fn what_is_no_vocabulary_is_refused() {
        for wrong in [
            &["a", "b"][..],
            &["", "aa", "aa"],
            &["", "ab", ""],
            &["", "a b", "cd"],
            &[""],
            &[],
        ] {
            assert!(
                matches!(vocabulary(wrong), Err(VocabularyError::Symbol { .. })),
                "{wrong:?}"
            );
        }
    }

    #[test]
    fn a_text_must_fit() {
        let words = vocabulary(&["", "red", "heart"]).unwrap();
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
