//! Scenes that zbridge draws itself, with captions: colour images and texts whose every attribute is known.
//!
//! In the manner of the benchmark CdSprites+ (Sejnova et al. 2023): five levels, each of which names one attribute more.
//! The pictures are our own: shapes, colours and textures differ from the benchmark's, and place, size and turn vary
//! continuously, so that no two pictures are equal.

mod attributes;
mod scene;
mod sketch;

pub use attributes::{ATTRIBUTES, Attributes, LEVELS};
pub use scene::{SCENE_PICTURE, Scene};

use zbridge_core::{EventKind, Observations, RandomStream, ShapeError};

/// Scenes with their pictures and captions, row by row.
#[derive(Debug, Clone)]
pub struct Scenes {
    /// What each scene shows.
    pub attributes: Vec<Attributes>,
    /// `[rows, 3 · 64 · 64]` in 0..1.
    pub pictures: Observations,
}

impl Scenes {
    /// `count` scenes of a level; row i comes from `stream.child(i)`.
    ///
    /// # Errors
    /// None that a scene can cause: [`ShapeError`] of [`Observations::new`].
    pub fn drawn(level: u8, count: usize, stream: &RandomStream) -> Result<Self, ShapeError> {
        Self::of((0..count).map(|row| Scene::drawn(level, &mut stream.child(row as u64))))
    }

    /// `count` scenes for a model of all levels: a third of them of level 5, a third of level 4, a ninth of each other.
    ///
    /// # Errors
    /// As [`drawn`](Self::drawn).
    pub fn mixed(count: usize, stream: &RandomStream) -> Result<Self, ShapeError> {
        const LEVEL_OF_NINTH: [u8; 9] = [5, 4, 3, 5, 4, 2, 5, 4, 1];
        Self::of((0..count).map(|row| Scene::drawn(LEVEL_OF_NINTH[row % 9], &mut stream.child(row as u64))))
    }

    fn of(scenes: impl Iterator<Item = Scene>) -> Result<Self, ShapeError> {
        let (mut attributes, mut values) = (Vec::new(), Vec::new());
        for scene in scenes {
            scene.paint(&mut values);
            attributes.push(scene.attributes);
        }
        Ok(Self { attributes, pictures: Observations::new(values, SCENE_PICTURE)? })
    }
}

/// What captions are, as texts: the words of all levels, and room for the longest with the end behind it.
pub fn caption_kind() -> EventKind {
    const FILLING_WORDS: [&str; 4] = ["at", "left", "right", "on"];
    let mut vocabulary = vec![String::new()];
    let words = ATTRIBUTES.iter().flat_map(|(_, values)| values.iter().flat_map(|value| value.split(' ')));
    for word in words.chain(FILLING_WORDS) {
        if !vocabulary.iter().any(|known| known == word) {
            vocabulary.push(word.to_owned());
        }
    }
    EventKind::Text { length: 9, vocabulary }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_stream_draws_the_same_scenes_row_by_row() {
        let stream = RandomStream::named(3, "scenes");
        let (few, many) = (Scenes::drawn(5, 3, &stream).unwrap(), Scenes::drawn(5, 5, &stream).unwrap());
        assert_eq!(few.pictures.values(), &many.pictures.values()[..few.pictures.values().len()]);
        assert_eq!(few.attributes, many.attributes[..3]);
    }

    #[test]
    fn every_caption_is_made_of_the_vocabulary() {
        let EventKind::Text { length, vocabulary } = caption_kind() else { panic!() };
        assert_eq!(vocabulary.len(), 19);
        for caption in (1..=LEVELS).flat_map(|level| Attributes::all(level)).map(|all| all.caption()) {
            let words: Vec<&str> = caption.split(' ').collect();
            assert!(words.len() < length && words.iter().all(|word| vocabulary.iter().any(|known| known == word)));
        }
    }
}
