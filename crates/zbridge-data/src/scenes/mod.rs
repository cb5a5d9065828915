//! Scenes that zbridge draws itself: coloured shapes on 64 × 64 pixels, and captions that say what
//! is seen.
//!
//! There are five levels, each of which names one attribute more: shape, size, colour, place,
//! background. What a level does not name is the same in all of its scenes but for jitter.
//! Everything is drawn from a [`RandomStream`], so there is nothing to download, and nothing that
//! two machines could have in different versions.
//!
//! ```
//! use zbridge_core::RandomStream;
//! use zbridge_data::scenes::{Attributes, Level, captions, pictures, scenes};
//!
//! let scenes = scenes(Level::L4, 10, &RandomStream::named(1, "scenes"));
//! assert_eq!(pictures(&scenes)?.rows(), captions(&scenes)?.rows());
//! let caption = scenes[0].attributes().caption();
//! assert_eq!(Attributes::of_caption(&caption).as_ref(), Some(scenes[0].attributes()));
//! # Ok::<(), zbridge_core::ShapeError>(())
//! ```
//!
//! # Source
//! In the manner of CdSprites+ (Sejnova, Vavrecka and Stepanova 2024), whose pictures and code are
//! not used.

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

/// What a picture is: `[3, 64, 64]`, values in 0..1.
pub const PICTURE: EventKind = EventKind::Image {
    channels: 3,
    height: SIDE,
    width: SIDE,
};

/// `count` scenes of one level; scene `i` comes from `stream.child(i)`.
pub fn scenes(level: Level, count: usize, stream: &RandomStream) -> Vec<Scene> {
    (0..count as u64)
        .map(|row| Scene::drawn(level, &mut stream.child(row)))
        .collect()
}

/// The pictures of `scenes`, `[scenes, 3 · 64 · 64]`.
///
/// # Errors
/// None in practice: every picture has all of its values, and they are finite.
pub fn pictures(scenes: &[Scene]) -> Result<Observations, ShapeError> {
    Observations::new(scenes.iter().flat_map(Scene::picture).collect(), PICTURE)
}
