use crate::error::AtPath;
use crate::files::read_bytes;
use crate::{DataError, TextError};
use std::cmp::Reverse;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use zbridge_core::{EventKind, Observations, TextUnit, Vocabulary, VocabularyError};

/// The lines of a text file, each a text; blank lines are not texts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextLines {
    path: PathBuf,
    lines: Vec<Line>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Line {
    /// Its index among all lines of the file, from 0.
    index: usize,
    text: String,
}

impl TextLines {
    /// Returns the lines of the UTF-8 file at `path`, without a byte order mark.
    ///
    /// # Errors
    /// [`FileError::Read`](crate::FileError::Read); [`TextError::NotUtf8`] with line and byte;
    /// [`TextError::Empty`].
    pub fn read(path: &Path) -> Result<Self, DataError> {
        let bytes = read_bytes(path)?;
        Ok(Self {
            path: path.to_owned(),
            lines: lines(&bytes).at(path)?,
        })
    }

    /// Returns the texts.
    pub fn texts(&self) -> impl ExactSizeIterator<Item = &str> {
        self.lines.iter().map(|line| line.text.as_str())
    }

    /// Returns the ids of the texts: the indices of their lines, from 0. Blank lines are counted,
    /// so that line `i` belongs to row `i` of another file although a line before it is blank.
    pub fn ids(&self) -> Vec<String> {
        let indices = self.lines.iter().map(|line| line.index);
        indices.map(|index| index.to_string()).collect()
    }

    /// Returns the vocabulary of the texts, the most frequent symbols first, of at most `limit`
    /// symbols including the empty one. If there are more, the rarest share
    /// [`Vocabulary::UNKNOWN`], which is the last; if not, a model of this vocabulary refuses other
    /// symbols.
    ///
    /// # Errors
    /// [`TextError::VocabularyLimit`] below 3; [`TextError::SingleCharacters`] if no word is longer
    /// than a character: such a vocabulary would split texts into characters.
    pub fn vocabulary(&self, unit: TextUnit, limit: usize) -> Result<Vocabulary, DataError> {
        if limit < 3 {
            return Err(TextError::VocabularyLimit { limit }).at(&self.path);
        }
        let mut symbols = self.by_frequency(unit);
        // The empty symbol is the first of every vocabulary.
        symbols.insert(0, String::new());
        if symbols.len() > limit {
            symbols.truncate(limit - 1);
            symbols.push(Vocabulary::UNKNOWN.to_owned());
        }
        let vocabulary = Vocabulary::new(symbols).map_err(TextError::Vocabulary);
        let vocabulary = vocabulary.at(&self.path)?;
        // A vocabulary of single characters is one of characters, whatever was asked for.
        if vocabulary.unit() != unit {
            return Err(TextError::SingleCharacters).at(&self.path);
        }
        Ok(vocabulary)
    }

    /// Returns every symbol but the unknown one, the most frequent first, equally frequent ones in
    /// the order of their characters.
    fn by_frequency(&self, unit: TextUnit) -> Vec<String> {
        let mut counts: Vec<(&str, usize)> = self.counts(unit).into_iter().collect();
        // A hash map has no order; the vocabulary of the same texts must be the same.
        counts.sort_unstable_by_key(|(symbol, count)| (Reverse(*count), *symbol));
        let symbols = counts.into_iter().map(|(symbol, _)| symbol);
        symbols
            .filter(|symbol| *symbol != Vocabulary::UNKNOWN)
            .map(str::to_owned)
            .collect()
    }

    fn counts(&self, unit: TextUnit) -> HashMap<&str, usize> {
        let mut counts = HashMap::new();
        for symbol in self.texts().flat_map(|text| unit.cut(text)) {
            *counts.entry(symbol).or_default() += 1;
        }
        counts
    }

    /// Returns the number of symbols of the longest text.
    pub fn longest(&self, unit: TextUnit) -> usize {
        let lengths = self.texts().map(|text| unit.cut(text).len());
        // There is at least one text.
        lengths.max().unwrap_or(0)
    }

    /// Returns the texts one-hot, `[texts, length · symbols]`, for an `event` such as
    /// [`Vocabulary::event`] or that of a model. They take 4 · length · symbols bytes a text.
    ///
    /// # Errors
    /// [`TextError::Line`] with the line that is too long or has an unknown symbol.
    ///
    /// # Panics
    /// If the event is not of texts, or its vocabulary is not valid.
    pub fn observations(&self, event: &EventKind) -> Result<Observations, DataError> {
        let EventKind::Text { length, vocabulary } = event else {
            panic!("lines are texts, not {}", event.in_words())
        };
        let vocabulary = Vocabulary::new(vocabulary.clone()).expect("an event of texts");
        let mut symbols = Vec::with_capacity(self.lines.len() * length);
        for line in &self.lines {
            let row = line.encode(&vocabulary, *length);
            symbols.extend(row.map_err(|reason| line.error(reason)).at(&self.path)?);
        }
        let names = vocabulary.symbols().to_vec();
        let observations = Observations::of_symbols(&symbols, *length, names);
        Ok(observations.expect("symbols of the vocabulary, in whole rows"))
    }
}

impl Line {
    /// Returns the numbers of its symbols, `[length]`; 0 fills up a short text.
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

    fn error(&self, reason: VocabularyError) -> TextError {
        TextError::Line {
            line: self.index + 1,
            reason,
        }
    }
}

fn lines(bytes: &[u8]) -> Result<Vec<Line>, TextError> {
    let text = std::str::from_utf8(bytes);
    let text = text.map_err(|error| not_utf8(bytes, error.valid_up_to()))?;
    let mut lines = Vec::new();
    // Editors on Windows begin a file with a byte order mark.
    for (index, text) in text.trim_start_matches('\u{feff}').lines().enumerate() {
        if !text.trim().is_empty() {
            let text = text.to_owned();
            lines.push(Line { index, text });
        }
    }
    if lines.is_empty() {
        return Err(TextError::Empty);
    }
    Ok(lines)
}

fn not_utf8(bytes: &[u8], valid: usize) -> TextError {
    let breaks = bytes[..valid].iter().filter(|&&byte| byte == b'\n');
    TextError::NotUtf8 {
        line: breaks.count() + 1,
        byte: valid,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::FileError;
    use proptest::prelude::*;

    fn read(bytes: &[u8]) -> Result<TextLines, DataError> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        TextLines::read(file.path())
    }

    fn fault<T>(result: Result<T, DataError>) -> TextError {
        match result.map(drop).unwrap_err() {
            DataError::File {
                fault: FileError::Text(fault),
                ..
            } => fault,
            other => panic!("{other}"),
        }
    }

    #[test]
    fn lines_are_texts_and_their_indices_are_ids() {
        let lines = read(b"\xef\xbb\xbfa red heart\r\n\r\n  \na heart\n").unwrap();
        assert_eq!(lines.ids(), ["0", "3"]);
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
            fault(lines.vocabulary(TextUnit::Words, 2)),
            TextError::VocabularyLimit { limit: 2 }
        ));
        assert!(matches!(
            fault(read(b"a b").unwrap().vocabulary(TextUnit::Words, 9)),
            TextError::SingleCharacters
        ));
    }

    #[test]
    fn faults_of_a_line_have_its_number() {
        assert!(matches!(
            fault(read(b"a\nb\xff\n")),
            TextError::NotUtf8 { line: 2, byte: 3 }
        ));
        assert!(matches!(fault(read(b"\n \n")), TextError::Empty));
        assert!(matches!(
            TextLines::read(Path::new("no/such.txt"))
                .unwrap_err()
                .fault(),
            Some(FileError::Read(_))
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
        assert!(error.contains("line 2, the text has 3 symbols"), "{error}");
    }

    proptest! {
        #[test]
        fn texts_are_decoded_as_they_were(
            texts in prop::collection::vec("[a-zäß]{2,4}( [a-z]{1,3}){0,3}", 1..6),
        ) {
            let lines = read(texts.join("\n").as_bytes()).unwrap();
            for unit in [TextUnit::Words, TextUnit::Characters] {
                let vocabulary = lines.vocabulary(unit, 1000).unwrap();
                let event = vocabulary.event(lines.longest(unit) + 1);
                let observations = lines.observations(&event).unwrap();
                prop_assert_eq!(observations.texts().unwrap(), texts.clone());
            }
        }
    }
}
