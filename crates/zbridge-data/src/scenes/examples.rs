use super::{Attribute, Level, PICTURE, SIDE, Scene};
use zbridge_core::{Observations, RandomStream, ShapeError};

/// Shares of the levels in a mixture, in twentieths: the more there is to see, the more there is to
/// learn.
const SHARES: [usize; 5] = [1, 2, 3, 6, 8];
/// Widest blur, as the standard deviation in pixels.
const BLUR: f32 = 1.5;
/// Strongest noise, as the standard deviation of a value.
const NOISE: f32 = 0.05;

/// `count` scenes of all levels; scene `i` and its level come from `stream.child(i)`.
pub fn mixed_scenes(count: usize, stream: &RandomStream) -> Vec<Scene> {
    scenes_of(&Level::ALL, count, stream)
}

/// What the judge of an attribute is trained on: pictures of the levels that name it, and the class
/// that each shows.
///
/// Every other picture is out of focus and noisy, as far as a generated one may be.
///
/// # Errors
/// None in practice: every picture has all of its values, and they are finite.
pub fn examples(
    attribute: Attribute,
    count: usize,
    stream: &RandomStream,
) -> Result<(Observations, Vec<u8>), ShapeError> {
    let levels = &Level::ALL[attribute as usize..];
    let scenes = scenes_of(levels, count, stream);
    let labels = scenes
        .iter()
        .filter_map(|scene| scene.attributes().class(attribute))
        .collect();
    let mut values = Vec::with_capacity(count * PICTURE.size());
    for (row, scene) in scenes.iter().enumerate() {
        let mut picture = scene.picture();
        if row % 2 == 1 {
            spoil(&mut picture, &mut stream.child(row as u64).child(0));
        }
        values.append(&mut picture);
    }
    Ok((Observations::new(values, PICTURE)?, labels))
}

fn scenes_of(levels: &[Level], count: usize, stream: &RandomStream) -> Vec<Scene> {
    let drawn = |row| {
        let mut stream = stream.child(row);
        let level = drawn_level(levels, &mut stream);
        Scene::drawn(level, &mut stream)
    };
    (0..count as u64).map(drawn).collect()
}

fn drawn_level(levels: &[Level], stream: &mut RandomStream) -> Level {
    let tickets: Vec<Level> = levels
        .iter()
        .flat_map(|&level| vec![level; SHARES[level.number() - 1]])
        .collect();
    tickets[stream.below(tickets.len())]
}

/// Blurs a picture and adds noise, by a random amount each.
fn spoil(picture: &mut [f32], stream: &mut RandomStream) {
    let (blur, noise) = (BLUR * stream.uniform(), NOISE * stream.uniform());
    let weights = bell(blur);
    for plane in picture.chunks_exact_mut(SIDE * SIDE) {
        smooth(plane, &weights, 1);
        smooth(plane, &weights, SIDE);
    }
    let mut draws = vec![0.0; picture.len()];
    stream.fill_standard_normal(&mut draws);
    picture
        .iter_mut()
        .zip(&draws)
        .for_each(|(value, draw)| *value = (*value + noise * draw).clamp(0.0, 1.0));
}

/// Half a normal curve of this standard deviation, from its middle outwards, whose whole has sum 1.
fn bell(deviation: f32) -> Vec<f32> {
    let reach = (3.0 * deviation).ceil() as usize;
    let heights: Vec<f32> = (0..=reach)
        .map(|x| (-0.5 * (x as f32 / deviation.max(1e-3)).powi(2)).exp())
        .collect();
    let sum = 2.0 * heights.iter().sum::<f32>() - 1.0;
    heights.iter().map(|height| height / sum).collect()
}

/// Weighs each value of a plane with its neighbours `step` apart; beyond the border the last value
/// goes on.
fn smooth(plane: &mut [f32], weights: &[f32], step: usize) {
    let before = plane.to_vec();
    for (place, value) in plane.iter_mut().enumerate() {
        let along = place / step % SIDE;
        let start = place - along * step;
        let at = |offset: isize| {
            before[start + along.saturating_add_signed(offset).min(SIDE - 1) * step]
        };
        let sides = weights
            .iter()
            .zip(0..)
            .skip(1)
            .map(|(weight, offset)| weight * (at(offset) + at(-offset)));
        *value = weights[0] * at(0) + sides.sum::<f32>();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn examples_show_what_their_labels_say() {
        let stream = RandomStream::named(1, "examples");
        for attribute in Attribute::ALL {
            let (pictures, labels) = examples(attribute, 60, &stream).unwrap();
            assert_eq!((pictures.rows(), labels.len()), (60, 60));
            assert!(
                pictures
                    .values()
                    .iter()
                    .all(|value| (0.0..=1.0).contains(value))
            );
            let mut seen = labels.clone();
            seen.sort_unstable();
            seen.dedup();
            assert_eq!(seen, (0..attribute.classes() as u8).collect::<Vec<_>>());
        }
    }

    #[test]
    fn every_other_example_is_a_scene_as_it_is() {
        let stream = RandomStream::named(2, "examples");
        let (pictures, _) = examples(Attribute::Shape, 4, &stream).unwrap();
        for (row, scene) in mixed_scenes(4, &stream).iter().enumerate() {
            assert_eq!(
                pictures.row(row) == scene.picture(),
                row % 2 == 0,
                "row {row}"
            );
        }
    }

    #[test]
    fn a_mixture_has_its_shares_of_all_levels() {
        let scenes = mixed_scenes(2000, &RandomStream::named(3, "mixture"));
        for level in Level::ALL {
            let count = scenes
                .iter()
                .filter(|scene| scene.attributes().level() == level)
                .count();
            let expected = 100 * SHARES[level.number() - 1];
            assert!(
                count.abs_diff(expected) < 90,
                "{count} of {level:?}, {expected} expected"
            );
        }
    }

    #[test]
    fn blur_keeps_the_light_of_a_plane_and_spreads_it() {
        let mut plane = vec![0.0; SIDE * SIDE];
        plane[32 * SIDE + 32] = 1.0;
        smooth(&mut plane, &bell(1.2), 1);
        smooth(&mut plane, &bell(1.2), SIDE);
        assert!((plane.iter().sum::<f32>() - 1.0).abs() < 1e-5);
        assert!(plane[32 * SIDE + 32] < 0.2);
        let mut same = plane.clone();
        smooth(&mut same, &bell(0.0), SIDE);
        assert_eq!(same, plane);
    }
}
