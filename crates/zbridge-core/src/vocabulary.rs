use crate::{EventKind, VocabularyError};
use std::collections::HashMap;

/// What the symbols of a text are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TextUnit {
    /// Words separated by white space; the amount of white space is not kept.
    Words,
    /// Unicode characters, white space among them.
    Characters,
}

impl TextUnit {
    /// Returns the symbols of `text` in their order.
    pub fn cut(self, text: &str) -> Vec<&str> {
        match self {
            Self::Words => text.split_whitespace().collect(),
            Self::Characters => text
                .char_indices()
                .map(|(start, c)| &text[start..start + c.len_utf8()])
                .collect(),
        }
    }

    /// Returns the string that separates two symbols of a text.
    fn separator(self) -> &'static str {
        match self {
            Self::Words => " ",
            Self::Characters => "",
        }
    }
}

/// The symbols of texts, with a number for each; translates both ways between texts and numbers.
///
/// Symbol 0 is the empty string: it pads texts, and its first occurrence ends a text. If every
/// other symbol is a single character, texts are cut into characters, otherwise into words. If
/// [`UNKNOWN`](Self::UNKNOWN) is a symbol, it stands for every symbol that is not in the
/// vocabulary; if it is not, such a text is an error.
///
/// ```
/// use zbridge_core::Vocabulary;
///
/// let vocabulary = Vocabulary::new(["", "small", "red", "heart"].map(str::to_owned).to_vec())?;
/// assert_eq!(vocabulary.encode("small  heart")?, [1, 3]);
/// assert_eq!(vocabulary.decode(&[1, 3, 0, 2]), "small heart");
/// let observations = vocabulary.observations(&["red heart", "heart"], 4)?;
/// assert_eq!(observations.texts().unwrap(), ["red heart", "heart"]);
/// # Ok::<(), zbridge_core::VocabularyError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vocabulary {
    symbols: Vec<String>,
    /// The number of each symbol.
    numbers: HashMap<String, usize>,
    unit: TextUnit,
}

impl Vocabulary {
    /// The symbol that stands for every unknown symbol.
    pub const UNKNOWN: &'static str = "<unk>";

    /// Returns the vocabulary of these symbols, of which the first must be empty.
    ///
    /// # Errors
    /// [`VocabularyError::Symbol`] if the first symbol is not empty, if there is no second one, if
    /// a symbol occurs twice, or if a word is empty or contains white space.
    pub fn new(symbols: Vec<String>) -> Result<Self, VocabularyError> {
        // What is allowed in a symbol depends on the unit: a word has no white space, a character
        // may be a space.
        let unit = unit_of(&symbols);
        let mut numbers = HashMap::new();
        for (number, symbol) in symbols.iter().enumerate() {
            if let Some(reason) = fault(number, symbol, unit) {
                return Err(faulty(number, symbol, reason));
            }
            if numbers.insert(symbol.clone(), number).is_some() {
                return Err(faulty(number, symbol, "occurs twice"));
            }
        }
        if symbols.len() < 2 {
            let reason = "is missing: a vocabulary has the empty symbol and at least one more";
            return Err(faulty(symbols.len(), "", reason));
        }
        Ok(Self {
            symbols,
            numbers,
            unit,
        })
    }

    /// Returns the symbols in the order of their numbers.
    pub fn symbols(&self) -> &[String] {
        &self.symbols
    }

    /// Returns what the symbols are.
    pub fn unit(&self) -> TextUnit {
        self.unit
    }

    /// Returns the kind of observations that are texts of up to `length` symbols.
    pub fn event(&self, length: usize) -> EventKind {
        EventKind::Text {
            length,
            vocabulary: self.symbols.clone(),
        }
    }

    /// Returns the numbers of the symbols of `text`, without padding.
    ///
    /// # Errors
    /// [`VocabularyError::UnknownSymbol`] with the first symbol that is not in the vocabulary, and
    /// the most similar one that is.
    pub fn encode(&self, text: &str) -> Result<Vec<usize>, VocabularyError> {
        let unknown = self.numbers.get(Self::UNKNOWN);
        let mut encoded = Vec::new();
        for symbol in self.unit.cut(text) {
            match self.numbers.get(symbol).or(unknown) {
                Some(&number) => encoded.push(number),
                None => return Err(self.unknown_symbol(text, symbol)),
            }
        }
        Ok(encoded)
    }

    /// Returns the text of these numbers, up to the first 0.
    ///
    /// # Panics
    /// If a number has no symbol.
    pub fn decode(&self, numbers: &[usize]) -> String {
        let text = numbers.iter().take_while(|&&number| number != 0);
        let symbols: Vec<&str> = text.map(|&number| self.symbols[number].as_str()).collect();
        symbols.join(self.unit.separator())
    }

    fn unknown_symbol(&self, text: &str, symbol: &str) -> VocabularyError {
        // `symbol` is a slice of `text`, so that its place is a difference of addresses.
        let byte = symbol.as_ptr() as usize - text.as_ptr() as usize;
        VocabularyError::UnknownSymbol {
            column: text[..byte].chars().count() + 1,
            symbol: symbol.to_owned(),
            nearest: self.nearest(symbol).cloned(),
        }
    }

    /// Returns the most similar symbol, by Levenshtein distance without regard to case; `None` if
    /// more than a third of the characters differ in all of them.
    fn nearest(&self, symbol: &str) -> Option<&String> {
        let wanted = symbol.to_lowercase();
        let length = wanted.chars().count();
        // A single character is always within a third of another one: allow no change there.
        let largest = length.div_ceil(3) - usize::from(length == 1);
        let mut nearest = None;
        for known in &self.symbols[1..] {
            let distance = strsim::levenshtein(&wanted, &known.to_lowercase());
            // Symbols of equal distance are compared themselves, so that their order is irrelevant.
            if distance <= largest && nearest.is_none_or(|best| (distance, known) < best) {
                nearest = Some((distance, known));
            }
        }
        nearest.map(|(_, known)| known)
    }
}

/// Returns characters if every symbol but the padding and the unknown one is a single character.
fn unit_of(symbols: &[String]) -> TextUnit {
    let mut ordinary = symbols
        .iter()
        .skip(1)
        .filter(|&symbol| symbol != Vocabulary::UNKNOWN);
    if ordinary.all(|symbol| symbol.chars().count() == 1) {
        TextUnit::Characters
    } else {
        TextUnit::Words
    }
}

/// Returns what is wrong with symbol `number` by itself, if anything is.
fn fault(number: usize, symbol: &str, unit: TextUnit) -> Option<&'static str> {
    if number == 0 {
        let reason = "is the first: it must be empty, because it pads texts";
        return (!symbol.is_empty()).then_some(reason);
    }
    if symbol.is_empty() {
        return Some("is empty: only the first may be");
    }
    let spaced = unit == TextUnit::Words && symbol.contains(char::is_whitespace);
    spaced.then_some("is no word: it contains white space")
}

fn faulty(number: usize, symbol: &str, reason: &'static str) -> VocabularyError {
    VocabularyError::Symbol {
        place: number,
        symbol: symbol.to_owned(),
        reason,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vocabulary(symbols: &[&str]) -> Result<Vocabulary, VocabularyError> {
        Vocabulary::new(symbols.iter().map(|&symbol| symbol.to_owned()).collect())
    }

    #[test]
    fn texts_become_numbers_and_texts_again() {
        let words = vocabulary(&["", "small", "red", "heart", "a"]).unwrap();
        assert_eq!(words.unit(), TextUnit::Words);
        assert_eq!(words.encode(" small\tred  heart ").unwrap(), [1, 2, 3]);
        assert_eq!(words.decode(&[2, 3, 0, 1]), "red heart");
        let characters = vocabulary(&["", "a", "ü", " "]).unwrap();
        assert_eq!(characters.encode("ü a").unwrap(), [2, 3, 1]);
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
    fn a_vocabulary_with_the_unknown_symbol_takes_every_word() {
        let words = vocabulary(&["", "red", "heart", Vocabulary::UNKNOWN]).unwrap();
        assert_eq!(words.encode("red lion").unwrap(), [1, 3]);
        assert_eq!(words.decode(&[1, 3]), "red <unk>");
    }

    #[test]
    fn a_list_that_is_no_vocabulary_is_refused() {
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
}
