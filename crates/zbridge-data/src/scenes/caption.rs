use super::{Attributes, Scene};
use zbridge_core::{EventKind, Observations, ShapeError, Vocabulary, VocabularyError};

/// Symbols of a caption: eight words at most, and one that fills up behind the longest.
const LENGTH: usize = 9;

/// The words of all captions; the first fills up behind the end.
const WORDS: [&str; 19] = [
    "", "small", "big", "red", "green", "blue", "yellow", "pink", "square", "ellipse", "heart",
    "at", "top", "bottom", "left", "right", "on", "light", "dark",
];

/// What a caption is: a text of nine symbols out of nineteen words.
pub fn caption_kind() -> EventKind {
    EventKind::Text {
        length: LENGTH,
        vocabulary: WORDS.map(String::from).to_vec(),
    }
}

/// The captions of `scenes`, `[scenes, 9 · 19]`, one-hot.
///
/// # Errors
/// None in practice: every caption has all of its values, and they are finite.
pub fn captions(scenes: &[Scene]) -> Result<Observations, VocabularyError> {
    captions_of(scenes.iter().map(Scene::attributes))
}

/// The captions of attributes, `[attributes, 9 · 19]`, one-hot.
///
/// # Errors
/// None in practice, like [`captions`].
pub fn captions_of<'a>(
    attributes: impl IntoIterator<Item = &'a Attributes>,
) -> Result<Observations, VocabularyError> {
    let captions: Vec<String> = attributes.into_iter().map(Attributes::caption).collect();
    Vocabulary::new(WORDS.map(String::from).to_vec())?.observations(&captions, LENGTH)
}

/// What each caption says, by the most probable word of each place; none where that is not word by
/// word a caption.
///
/// # Errors
/// [`ShapeError::Mismatch`] when the observations are no captions of scenes.
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

/// The most probable word of each place; a gap between words stays as a second space, which no
/// caption has.
fn words(row: &[f32]) -> String {
    let best = |place: &[f32]| {
        (0..place.len())
            .max_by(|&a, &b| place[a].total_cmp(&place[b]))
            .unwrap_or(0)
    };
    let words: Vec<&str> = row
        .chunks_exact(WORDS.len())
        .map(|place| WORDS[best(place)])
        .collect();
    let end = words
        .iter()
        .rposition(|word| !word.is_empty())
        .map_or(0, |last| last + 1);
    words[..end].join(" ")
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
    fn every_word_is_said_and_no_other() {
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
    fn a_gap_between_words_is_no_caption() {
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
    fn other_observations_are_no_captions() {
        let classes = Observations::one_hot(&[0], 3).unwrap();
        assert!(
            read_captions(&classes)
                .unwrap_err()
                .to_string()
                .contains("captions of scenes")
        );
    }
}
