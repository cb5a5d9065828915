//! Augmented views: small random changes of an observation that keep what it shows.

mod image;
mod sound;

use image::ImageTransform;
use ndarray::{ArrayView2, ArrayView3};
use sound::SoundTransform;
use zbridge_core::{EventKind, Observations, RandomStream, ShapeError};

/// Returns `views` augmented views of each observation, `[n · views, event]`; the views of an
/// observation are neighbours. They depend on its row and on `stream` only.
///
/// Images are shifted, rotated and scaled a little, and strokes get thicker or thinner. Handwriting
/// keeps its meaning under these changes; whether other images do is for the caller to decide.
/// Sounds become a little faster or slower, higher or lower, earlier or later, brighter or duller.
/// The views of other observations are copies.
///
/// # Errors
/// [`ShapeError::NotFinite`] if a transform gives a value that is not finite.
pub fn augmented_views(
    observations: &Observations,
    views: usize,
    stream: &RandomStream,
) -> Result<Observations, ShapeError> {
    let kind = observations.kind();
    let mut values = Vec::with_capacity(observations.values().len() * views);
    for row in 0..observations.rows() {
        // A stream for each view, so that views do not depend on each other.
        let row_stream = stream.child(row as u64);
        for view in 0..views {
            let mut stream = row_stream.child(view as u64);
            append_view(observations.row(row), kind, &mut stream, &mut values);
        }
    }
    Observations::new(values, kind.clone())
}

fn append_view(
    observation: &[f32],
    kind: &EventKind,
    stream: &mut RandomStream,
    values: &mut Vec<f32>,
) {
    match kind {
        &EventKind::Image {
            channels,
            height,
            width,
        } => {
            let planes = ArrayView3::from_shape((channels, height, width), observation);
            let planes = planes.expect("an image has all of its pixels");
            let transform = ImageTransform::draw(stream);
            for plane in planes.outer_iter() {
                values.extend(transform.apply(plane));
            }
        }
        EventKind::Sound(kind) => {
            let levels = ArrayView2::from_shape((kind.bands, kind.frames), observation);
            let levels = levels.expect("a sound has all of its levels");
            values.extend(SoundTransform::draw(stream).apply(levels));
        }
        _ => values.extend_from_slice(observation),
    }
}

/// Returns a uniform draw from −`limit` to `limit`.
fn draw_within(limit: f32, stream: &mut RandomStream) -> f32 {
    (2.0 * stream.uniform() - 1.0) * limit
}

#[cfg(test)]
mod tests {
    use super::*;
    use zbridge_core::Spectrogram;

    /// A bright square in the middle of an image.
    fn image() -> Observations {
        let kind = EventKind::Image {
            channels: 1,
            height: 28,
            width: 28,
        };
        let is_bright = |i: usize| (10..18).contains(&(i / 28)) && (10..18).contains(&(i % 28));
        let values = (0..784).map(|i| f32::from(u8::from(is_bright(i))));
        Observations::new(values.collect(), kind).unwrap()
    }

    /// A block of sound in the middle of a spectrogram.
    fn sound() -> Observations {
        let kind = Spectrogram {
            sample_rate: 8000,
            window: 256,
            hop: 128,
            bands: 20,
            frames: 30,
            decibels: 60,
        };
        let is_loud = |i: usize| (6..12).contains(&(i / 30)) && (8..20).contains(&(i % 30));
        let values = (0..600).map(|i| 0.8 * f32::from(u8::from(is_loud(i))));
        Observations::new(values.collect(), EventKind::Sound(kind)).unwrap()
    }

    fn total(values: &[f32]) -> f32 {
        values.iter().sum()
    }

    fn distance(a: &[f32], b: &[f32]) -> f32 {
        a.iter().zip(b).map(|(a, b)| (a - b).abs()).sum()
    }

    #[test]
    fn views_differ_a_little_and_stay_in_range() {
        let stream = RandomStream::named(1, "views");
        for (original, shares) in [(image(), 30.0 / 64.0..120.0 / 64.0), (sound(), 0.7..1.4)] {
            let views = augmented_views(&original, 20, &stream).unwrap();
            assert_eq!(views.rows(), 20);
            let in_range = |value: &f32| (0.0..=1.0).contains(value);
            assert!(views.values().iter().all(in_range));
            for view in 0..20 {
                let distance = distance(views.row(view), original.row(0));
                let share = total(views.row(view)) / total(original.row(0));
                assert!(
                    distance > 1.0 && shares.contains(&share),
                    "view {view}: {distance} away, {share} of the original"
                );
            }
            assert_eq!(views, augmented_views(&original, 20, &stream).unwrap());
        }
    }

    #[test]
    fn views_do_not_depend_on_other_rows() {
        let stream = RandomStream::named(1, "views");
        for original in [image(), sound()] {
            let one = augmented_views(&original, 3, &stream).unwrap();
            let two = augmented_views(&original.select(&[0, 0]), 3, &stream).unwrap();
            assert_eq!(one.values(), &two.values()[..one.values().len()]);
        }
    }

    #[test]
    fn views_of_classes_are_copies() {
        let classes = Observations::one_hot(&[1, 0], 2).unwrap();
        let views = augmented_views(&classes, 2, &RandomStream::named(1, "views")).unwrap();
        assert_eq!(views.values(), [0.0, 1.0, 0.0, 1.0, 1.0, 0.0, 1.0, 0.0]);
    }
}
