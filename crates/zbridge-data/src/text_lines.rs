use crate::{DataError, read_bytes};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use zbridge_core::{EventKind, Observations, TextUnit, Vocabulary, VocabularyError};

/// The lines of a text file, each a text; blank lines are none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextLines {
    path: PathBuf,
    lines: Vec<Line>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Line {
    /// From 1, blank lines counted.
    number: usize,
    text: String,
}

impl TextLines {
    /// The lines of the UTF-8 file at `path`; a byte order mark is left out.
    ///
    /// # Errors
    /// [`DataError::Read`]; [`DataError::NotUtf8`] with line and byte; [`DataError::NoTexts`].
    pub fn read(path: &Path) -> Result<Self, DataError> {
        let bytes = read_bytes(path)?;
        let text = std::str::from_utf8(&bytes)
            .map_err(|error| not_utf8(path, &bytes, error.valid_up_to()))?;
        let numbered = text.trim_start_matches('\u{feff}').lines().enumerate();
        let lines = numbered.map(|(index, text)| Line {
            number: index + 1,
            text: text.to_owned(),
        });
        let lines: Vec<Line> = lines.filter(|line| !line.text.trim().is_empty()).collect();
        if lines.is_empty() {
            return Err(DataError::NoTexts {
                path: path.to_owned(),
            });
        }
        Ok(Self {
            path: path.to_owned(),
            lines,
        })
    }

    /// The texts.
    pub fn texts(&self) -> impl ExactSizeIterator<Item = &str> {
        self.lines.iter().map(|line| line.text.as_str())
    }

    /// The ids of the texts: the numbers of their lines, from 1, blank lines counted.
    pub fn ids(&self) -> Vec<String> {
        self.lines
            .iter()
            .map(|line| line.number.to_string())
            .collect()
    }

    /// The vocabulary of the texts, the most frequent symbols first, of at most `limit` symbols
    /// with the empty one. Where there are more, the rarest share [`Vocabulary::UNKNOWN`], which
    /// comes last; where there are not, a model of this vocabulary refuses what it does not know.
    ///
    /// # Errors
    /// [`DataError::VocabularyLimit`] below 3; [`DataError::SingleCharacters`] when no word is
    /// longer than a character, for such a vocabulary would cut texts into characters.
    pub fn vocabulary(&self, unit: TextUnit, limit: usize) -> Result<Vocabulary, DataError> {
        if limit < 3 {
            return Err(DataError::VocabularyLimit { limit });
        }
        let mut symbols = self.by_frequency(unit);
        let all = symbols.len() < limit;
        symbols.truncate(if all { limit } else { limit - 2 });
        symbols.insert(0, String::new());
        if !all {
            symbols.push(Vocabulary::UNKNOWN.to_owned());
        }
        match Vocabulary::new(symbols) {
            Ok(vocabulary) if vocabulary.unit() == unit => Ok(vocabulary),
            _ => Err(DataError::SingleCharacters {
                path: self.path.clone(),
            }),
        }
    }

    /// Every symbol but the unknown one, the most frequent first, equally frequent ones in the
    /// order of their characters.
    fn by_frequency(&self, unit: TextUnit) -> Vec<String> {
        let mut counts: HashMap<&str, usize> = HashMap::new();
        for symbol in self
            .texts()
            .flat_map(|text| unit.cut(text))
            .filter(|symbol| *symbol != Vocabulary::UNKNOWN)
        {
            *counts.entry(symbol).or_default() += 1;
        }
        let mut symbols: Vec<(&str, usize)> = counts.into_iter().collect();
        symbols.sort_unstable_by(|(a, often), (b, more)| more.cmp(often).then(a.cmp(b)));
        symbols
            .into_iter()
            .map(|(symbol, _)| symbol.to_owned())
            .collect()
    }

    /// How many symbols the longest text has.
    pub fn longest(&self, unit: TextUnit) -> usize {
        self.texts()
            .map(|text| unit.cut(text).len())
            .max()
            .unwrap_or(0)
    }

    /// The texts one-hot, `[texts, length · symbols]`, for a given `event`: that of a model, or
    /// [`Vocabulary::event`]. They take 4 · length · symbols bytes a text.
    ///
    /// # Errors
    /// [`DataError::Text`] with the line that is too long or holds an unknown symbol.
    ///
    /// # Panics
    /// When the event is not of texts, or its vocabulary is none.
    pub fn observations(&self, event: &EventKind) -> Result<Observations, DataError> {
        let EventKind::Text { length, vocabulary } = event else {
            panic!("lines are texts, not {}", event.in_words())
        };
        let vocabulary =
            Vocabulary::new(vocabulary.clone()).expect("the vocabulary of an event is one");
        let mut symbols = Vec::with_capacity(self.lines.len() * length);
        for line in &self.lines {
            let row = line.encode(&vocabulary, *length);
            let wrong = |reason| DataError::Text {
                path: self.path.clone(),
                line: line.number,
                reason,
            };
            symbols.extend(row.map_err(wrong)?);
        }
        let observations =
            Observations::of_symbols(&symbols, *length, vocabulary.symbols().to_vec());
        Ok(observations.expect("symbols of the vocabulary, in whole rows"))
    }
}

impl Line {
    /// Its symbols, filled up.
    fn encode(
        &self,
        vocabulary: &Vocabulary,
        length: usize,
    ) -> Result<Vec<usize>, VocabularyError> {
        let mut symbols = vocabulary.encode(&self.text)?;
        if symbols.len() > length {
            return Err(VocabularyError::TextTooLong {
                symbols: symbols.len(),
                length,
            });
        }
        symbols.resize(length, 0);
        Ok(symbols)
    }
}

fn not_utf8(path: &Path, bytes: &[u8], valid: usize) -> DataError {
    let line = bytes[..valid].iter().filter(|&&byte| byte == b'\n').count() + 1;
    DataError::NotUtf8 {
        path: path.to_owned(),
        line,
        byte: valid,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(bytes: &[u8]) -> Result<TextLines, DataError> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        TextLines::read(file.path())
    }

    #[test]
    fn lines_are_texts_and_their_numbers_are_ids() {
        let lines = read(b"\xef\xbb\xbfa red heart\r\n\r\n  \na heart\n").unwrap();
        assert_eq!(lines.ids(), ["1", "4"]);
        assert_eq!(lines.longest(TextUnit::Words), 3);
        let vocabulary = lines.vocabulary(TextUnit::Words, 100).unwrap();
        assert_eq!(vocabulary.symbols(), ["", "a", "heart", "red"]);
        let observations = lines.observations(&vocabulary.event(4)).unwrap();
        assert_eq!(observations.texts().unwrap(), ["a red heart", "a heart"]);
    }

    #[test]
    fn rare_symbols_share_the_unknown_one() {
        let lines = read("bb ü ü bb bb c".as_bytes()).unwrap();
        let words = lines.vocabulary(TextUnit::Words, 4).unwrap();
        assert_eq!(words.symbols(), ["", "bb", "ü", "c"]);
        let words = lines.vocabulary(TextUnit::Words, 3).unwrap();
        assert_eq!(words.symbols(), ["", "bb", Vocabulary::UNKNOWN]);
        let texts = lines
            .observations(&words.event(6))
            .unwrap()
            .texts()
            .unwrap();
        assert_eq!(texts, ["bb <unk> <unk> bb bb <unk>"]);
        let characters = lines.vocabulary(TextUnit::Characters, 100).unwrap();
        assert_eq!(characters.symbols(), ["", "b", " ", "ü", "c"]);
        assert!(matches!(
            lines.vocabulary(TextUnit::Words, 2),
            Err(DataError::VocabularyLimit { limit: 2 })
        ));
        assert!(matches!(
            read(b"a b").unwrap().vocabulary(TextUnit::Words, 9),
            Err(DataError::SingleCharacters { .. })
        ));
    }

    #[test]
    fn what_is_wrong_with_a_line_is_said_with_its_place() {
        assert!(matches!(
            read(b"a\nb\xff\n"),
            Err(DataError::NotUtf8 {
                line: 2,
                byte: 3,
                ..
            })
        ));
        assert!(matches!(read(b"\n \n"), Err(DataError::NoTexts { .. })));
        assert!(matches!(
            TextLines::read(Path::new("no/such.txt")),
            Err(DataError::Read { .. })
        ));
        let known = read(b"red heart")
            .unwrap()
            .vocabulary(TextUnit::Words, 9)
            .unwrap();
        let error = read(b"heart\n\nred hart")
            .unwrap()
            .observations(&known.event(2))
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("line 3, column 5: \"hart\"") && error.contains("\"heart\"?"),
            "{error}"
        );
        let error = read(b"red\nred red red")
            .unwrap()
            .observations(&known.event(2))
            .unwrap_err()
            .to_string();
        assert!(error.contains("line 2, 3 symbols"), "{error}");
    }

    proptest! {
        #[test]
        fn texts_come_back_as_they_were(texts in prop::collection::vec("[a-zäß]{2,4}( [a-z]{1,3}){0,3}", 1..6)) {
            let lines = read(texts.join("\n").as_bytes()).unwrap();
            for unit in [TextUnit::Words, TextUnit::Characters] {
                let event = lines.vocabulary(unit, 1000).unwrap().event(lines.longest(unit) + 1);
                prop_assert_eq!(lines.observations(&event).unwrap().texts().unwrap(), texts.clone());
            }
        }
    }
}
