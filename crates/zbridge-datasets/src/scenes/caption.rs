use super::{Attributes, Scene};
use zbridge_core::{EventKind, Observations, ShapeError, Vocabulary, VocabularyError};

/// Symbols of a caption: at most eight words, and the empty one that fills it up.
const LENGTH: usize = 9;

/// The words of all captions, after the empty one.
const WORDS: [&str; 19] = [
    "", "small", "big", "red", "green", "blue", "yellow", "pink", "square", "ellipse", "heart",
    "at", "top", "bottom", "left", "right", "on", "light", "dark",
];

/// Returns the kind of captions: texts of nine symbols out of nineteen.
pub fn caption_kind() -> EventKind {
    EventKind::Text {
        length: LENGTH,
        vocabulary: WORDS.map(String::from).to_vec(),
    }
}

/// Returns the captions of `scenes` one-hot, `[scenes, 9 · 19]`.
///
/// # Errors
/// None in practice: every caption has all of its values, and they are finite.
pub fn captions(scenes: &[Scene]) -> Result<Observations, VocabularyError> {
    captions_of(scenes.iter().map(Scene::attributes))
}

/// Returns the captions of attributes one-hot, `[attributes, 9 · 19]`.
///
/// # Errors
/// None in practice, like [`captions`].
pub fn captions_of<'a>(
    attributes: impl IntoIterator<Item = &'a Attributes>,
) -> Result<Observations, VocabularyError> {
    let captions: Vec<String> = attributes.into_iter().map(Attributes::caption).collect();
    Vocabulary::new(WORDS.map(String::from).to_vec())?.observations(&captions, LENGTH)
}

/// Returns what each caption says by the most probable word of each place; `None` where these words
/// are not a caption.
///
/// # Errors
/// [`ShapeError::Mismatch`] if the observations are not captions of scenes.
pub fn read_captions(captions: &Observations) -> Result<Vec<Option<Attributes>>, ShapeError> {
    let (kind, rows) = (caption_kind(), captions.rows());
    if captions.kind() != &kind {
        let found = (rows, captions.kind().size());
        return Err(ShapeError::Mismatch {
            what: "captions of scenes",
            expected: (rows, kind.size()),
            found,
        });
    }
    Ok((0..rows)
        .map(|row| Attributes::of_caption(&words(captions.row(row))))
        .collect())
}

/// Returns the most probable words. An empty word between others becomes a second space, which no
/// caption has.
fn words(caption: &[f32]) -> String {
    let mut words = Vec::with_capacity(LENGTH);
    for probabilities in caption.chunks_exact(WORDS.len()) {
        words.push(WORDS[most_probable(probabilities)]);
    }
    // The empty word fills a caption up.
    while words.last() == Some(&"") {
        words.pop();
    }
    words.join(" ")
}

/// Returns the index of the largest value, the last one of several.
fn most_probable(probabilities: &[f32]) -> usize {
    let indices = 0..probabilities.len();
    let most = indices.max_by(|&a, &b| probabilities[a].total_cmp(&probabilities[b]));
    most.expect("there are words")
}

#[cfg(test)]
mod tests {
    use super::super::{Attribute, Level, scenes};
    use super::*;
    use zbridge_core::RandomStream;

    #[test]
    fn captions_as_observations_are_read_back() {
        for level in Level::ALL {
            let scenes = scenes(level, 40, &RandomStream::named(1, "captions"));
            let read = read_captions(&captions(&scenes).unwrap()).unwrap();
            assert!(
                read.iter()
                    .zip(&scenes)
                    .all(|(read, scene)| read.as_ref() == Some(scene.attributes()))
            );
        }
    }

    #[test]
    fn the_vocabulary_has_the_words_of_all_phrases() {
        let phrases = Attribute::ALL.into_iter().flat_map(Attribute::phrases);
        let mut said: Vec<&str> = phrases
            .flat_map(|phrase| phrase.split(' '))
            .chain([""])
            .collect();
        let mut known = WORDS.to_vec();
        said.sort_unstable();
        said.dedup();
        known.sort_unstable();
        assert_eq!(said, known);
    }

    #[test]
    fn a_caption_has_no_gap_between_words() {
        let words = Vocabulary::new(WORDS.map(String::from).to_vec()).unwrap();
        let mut values = words
            .observations(&["small heart"; 2], LENGTH)
            .unwrap()
            .values()
            .to_vec();
        values.copy_within(19..38, 38);
        values[19..38].fill(0.0);
        values[19] = 1.0;
        let read = read_captions(&Observations::new(values, caption_kind()).unwrap()).unwrap();
        assert_eq!(
            read.iter().map(Option::is_some).collect::<Vec<_>>(),
            [false, true]
        );
    }

    #[test]
    fn other_observations_are_an_error() {
        let classes = Observations::one_hot(&[0], 3).unwrap();
        assert!(
            read_captions(&classes)
                .unwrap_err()
                .to_string()
                .contains("captions of scenes")
        );
    }
}
