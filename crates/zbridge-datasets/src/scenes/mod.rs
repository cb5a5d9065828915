//! Synthetic scenes: pictures of coloured shapes on 64 × 64 pixels, and captions that describe
//! them.
//!
//! There are five levels, each of which names one attribute more: shape, size, colour, place,
//! background. An attribute that a level does not name is the same in all of its scenes, apart from
//! small random changes. Scenes are drawn from a [`RandomStream`]: nothing is downloaded, and every
//! machine has the same ones.
//!
//! ```
//! use zbridge_core::RandomStream;
//! use zbridge_datasets::scenes::{Attributes, Level, captions, pictures, scenes};
//!
//! let scenes = scenes(Level::L4, 10, &RandomStream::named(1, "scenes"));
//! assert_eq!(pictures(&scenes)?.rows(), captions(&scenes)?.rows());
//! let caption = scenes[0].attributes().caption();
//! assert_eq!(Attributes::of_caption(&caption).as_ref(), Some(scenes[0].attributes()));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Source
//! The idea is that of CdSprites+ (Sejnova, Vavrecka and Stepanova 2024), whose pictures and code
//! are not used.

mod attributes;
mod caption;
mod examples;
mod outline;
mod scene;
mod texture;

pub use attributes::{Attribute, Attributes, Level};
pub use caption::{caption_kind, captions, captions_of, read_captions};
pub use examples::{examples, mixed_scenes};
pub use scene::Scene;

use zbridge_core::{EventKind, Observations, RandomStream, ShapeError};

/// Pixels of a side.
pub const SIDE: usize = 64;

/// The kind of pictures: `[3, 64, 64]`, values in 0..1.
pub const PICTURE: EventKind = EventKind::Image {
    channels: 3,
    height: SIDE,
    width: SIDE,
};

/// Returns `count` scenes of one level; scene `i` is drawn from `stream.child(i)`.
pub fn scenes(level: Level, count: usize, stream: &RandomStream) -> Vec<Scene> {
    (0..count as u64)
        .map(|row| Scene::draw(level, &mut stream.child(row)))
        .collect()
}

/// Returns the pictures of `scenes`, `[scenes, 3 · 64 · 64]`.
///
/// # Errors
/// None in practice: every picture has all of its values, and they are finite.
pub fn pictures(scenes: &[Scene]) -> Result<Observations, ShapeError> {
    let values = scenes.iter().flat_map(Scene::picture).collect();
    Observations::new(values, PICTURE)
}
