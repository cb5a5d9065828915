use super::{Attribute, Level, PICTURE, Scene};
use ndarray::{Array3, ArrayViewMut1, Axis};
use zbridge_core::{Observations, RandomStream, ShapeError};

/// Shares of the levels in a mixture, in twentieths: levels with more attributes need more
/// examples.
const SHARES: [usize; 5] = [1, 2, 3, 6, 8];
/// Widest blur, as the standard deviation in pixels.
const BLUR: f32 = 1.5;
/// Strongest noise, as the standard deviation of a value.
const NOISE: f32 = 0.05;

/// Returns `count` scenes of all levels; scene `i` and its level are drawn from `stream.child(i)`.
pub fn mixed_scenes(count: usize, stream: &RandomStream) -> Vec<Scene> {
    scenes_of(&Level::ALL, count, stream)
}

/// Returns examples to train a classifier of an attribute on: pictures of the levels that name the
/// attribute, `[count, 3 · 64 · 64]`, and its classes, `[count]`.
///
/// Every other picture is blurred and noisy, as a generated one may be.
///
/// # Errors
/// None in practice: every picture has all of its values, and they are finite.
pub fn examples(
    attribute: Attribute,
    count: usize,
    stream: &RandomStream,
) -> Result<(Observations, Vec<u8>), ShapeError> {
    let levels = &Level::ALL[attribute as usize..];
    let mut values = Vec::with_capacity(count * PICTURE.size());
    let mut labels = Vec::with_capacity(count);
    for (row, scene) in scenes_of(levels, count, stream).iter().enumerate() {
        let class = scene.attributes().class(attribute);
        labels.push(class.expect("the levels name the attribute"));
        let mut picture = scene.picture();
        if row % 2 == 1 {
            // A stream of its own, so that the scenes are those of `mixed_scenes`.
            degrade(&mut picture, &mut stream.child(row as u64).child(0));
        }
        values.extend(picture);
    }
    Ok((Observations::new(values, PICTURE)?, labels))
}

fn scenes_of(levels: &[Level], count: usize, stream: &RandomStream) -> Vec<Scene> {
    let mut scenes = Vec::with_capacity(count);
    for row in 0..count as u64 {
        let mut stream = stream.child(row);
        let level = draw_level(levels, &mut stream);
        scenes.push(Scene::draw(level, &mut stream));
    }
    scenes
}

fn draw_level(levels: &[Level], stream: &mut RandomStream) -> Level {
    // A level has as many tickets as its share.
    let mut tickets = Vec::new();
    for &level in levels {
        tickets.extend(vec![level; SHARES[level.number() - 1]]);
    }
    tickets[stream.below(tickets.len())]
}

/// Blurs a picture and adds noise, each of a random strength.
fn degrade(picture: &mut Array3<f32>, stream: &mut RandomStream) {
    let (blur, noise) = (BLUR * stream.uniform(), NOISE * stream.uniform());
    apply_blur(picture, blur);
    let mut draws = vec![0.0; picture.len()];
    stream.fill_standard_normal(&mut draws);
    for (value, draw) in picture.iter_mut().zip(&draws) {
        *value = (*value + noise * draw).clamp(0.0, 1.0);
    }
}

/// Blurs a picture by a Gaussian of this standard deviation, in pixels.
fn apply_blur(picture: &mut Array3<f32>, deviation: f32) {
    let weights = half_gaussian(deviation);
    // Along x, then along y: a Gaussian is the product of two of one dimension.
    for axis in [Axis(2), Axis(1)] {
        for line in picture.lanes_mut(axis) {
            smooth(line, &weights);
        }
    }
}

/// Returns the right half of a Gaussian of this standard deviation, from its centre on; the weights
/// of both halves together have the sum 1.
fn half_gaussian(deviation: f32) -> Vec<f32> {
    let reach = (3.0 * deviation).ceil() as usize;
    // Without a blur, the centre has all the weight.
    let deviation = deviation.max(1e-3);
    let mut weights = Vec::with_capacity(reach + 1);
    for x in 0..=reach {
        weights.push((-0.5 * (x as f32 / deviation).powi(2)).exp());
    }
    // The centre belongs to both halves.
    let sum = 2.0 * weights.iter().sum::<f32>() - 1.0;
    weights.iter_mut().for_each(|weight| *weight /= sum);
    weights
}

/// Replaces each value of a line by the weighted mean of itself and its neighbours; beyond the ends
/// the last value goes on.
fn smooth(mut line: ArrayViewMut1<'_, f32>, weights: &[f32]) {
    let before = line.to_vec();
    let last = before.len() - 1;
    for (place, value) in line.iter_mut().enumerate() {
        let mut neighbours = 0.0;
        for (offset, weight) in weights.iter().enumerate().skip(1) {
            let right = before[(place + offset).min(last)];
            let left = before[place.saturating_sub(offset)];
            neighbours += weight * (right + left);
        }
        *value = weights[0] * before[place] + neighbours;
    }
}

#[cfg(test)]
mod tests {
    use super::super::SIDE;
    use super::*;

    #[test]
    fn examples_have_all_classes() {
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
                pictures.row(row) == scene.picture().as_slice().unwrap(),
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
    fn blur_spreads_the_light_of_a_picture_and_keeps_its_sum() {
        let mut picture = Array3::zeros((3, SIDE, SIDE));
        picture[[1, 32, 32]] = 1.0;
        let blurred = |picture: &Array3<f32>, deviation: f32| {
            let mut picture = picture.clone();
            apply_blur(&mut picture, deviation);
            picture
        };
        let wide = blurred(&picture, 1.2);
        assert!((wide.sum() - 1.0).abs() < 1e-5);
        assert!(wide[[1, 32, 32]] < 0.2);
        assert_eq!(blurred(&wide, 0.0), wide);
    }
}
