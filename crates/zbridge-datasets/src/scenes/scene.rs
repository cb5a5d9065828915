use super::outline::Outline;
use super::texture::Texture;
use super::{Attribute, Attributes, Level, SIDE};
use ndarray::Array3;
use zbridge_core::RandomStream;

/// A shape on a background: the attributes that its caption names, and everything else.
#[derive(Debug, Clone, PartialEq)]
pub struct Scene {
    attributes: Attributes,
    /// `[x, y]` in pixels from the upper left corner.
    centre: [f32; 2],
    /// Distance of the furthest point of the shape from its centre, in pixels.
    reach: f32,
    /// Radians.
    rotation: f32,
    /// Red, green and blue of the shape.
    ink: [f32; 3],
    background: Texture,
}

/// Lowest and highest reaches, in pixels, of small and big shapes.
const REACHES: [[f32; 2]; 2] = [[7.0, 8.0], [11.5, 12.8]];
/// Reaches if no size is named.
const MIDDLE_REACHES: [f32; 2] = [9.0, 10.0];
/// Largest rotation, each way, in radians: 20 degrees.
const ROTATION: f32 = 0.35;
/// Distance of the centres of the quarters from the middle of the picture, along each axis.
const QUARTER: f32 = SIDE as f32 / 4.0;
/// Largest distance from the centre of a quarter, along each axis: the largest shape stays in its
/// quarter.
const JITTER: f32 = 2.5;
/// Largest distance from the middle of the picture if no place is named.
const MIDDLE_JITTER: f32 = 4.0;
const WHITE: [f32; 3] = [1.0; 3];
/// Red, green, blue, yellow, pink.
const INKS: [[f32; 3]; 5] = [
    [0.88, 0.1, 0.1],
    [0.1, 0.7, 0.2],
    [0.14, 0.28, 0.92],
    [0.93, 0.83, 0.1],
    [0.95, 0.36, 0.72],
];
/// Largest difference from an ink in each colour.
const INK_JITTER: f32 = 0.05;

impl Scene {
    /// Returns a scene with a uniform draw of the attributes that `level` names.
    pub fn draw(level: Level, stream: &mut RandomStream) -> Self {
        Self::of(Attributes::draw(level, stream), stream)
    }

    /// Returns a scene with these attributes; everything else is drawn.
    pub fn of(attributes: Attributes, stream: &mut RandomStream) -> Self {
        let class = |attribute| attributes.class(attribute).map(usize::from);
        // The fields are drawn in this order: another one would give other scenes.
        Self {
            attributes,
            reach: draw_reach(class(Attribute::Size), stream),
            rotation: draw_within(ROTATION, stream),
            centre: draw_centre(class(Attribute::Place), stream),
            ink: draw_ink(class(Attribute::Colour), stream),
            background: match attributes.class(Attribute::Background) {
                Some(class) => Texture::draw(class, stream),
                None => Texture::BLACK,
            },
        }
    }

    /// Returns the attributes that its caption names.
    pub fn attributes(&self) -> &Attributes {
        &self.attributes
    }

    /// Returns its picture, `[3, 64, 64]`, values in 0..1: the colour of the shape weighted with
    /// the share of the pixel that it covers, over the background.
    pub fn picture(&self) -> Array3<f32> {
        let mut picture = Array3::zeros((3, SIDE, SIDE));
        for y in 0..SIDE {
            for x in 0..SIDE {
                let centre = [x as f32 + 0.5, y as f32 + 0.5];
                let (background, share) = (self.background.at(centre), self.coverage(centre));
                for channel in 0..3 {
                    picture[[channel, y, x]] =
                        background[channel] + share * (self.ink[channel] - background[channel]);
                }
            }
        }
        picture
    }

    /// Returns the share of the pixel at `[x, y]` that the shape covers.
    fn coverage(&self, [x, y]: [f32; 2]) -> f32 {
        let (x, y) = (x - self.centre[0], y - self.centre[1]);
        // The point in the coordinates of the upright shape.
        let (sin, cos) = self.rotation.sin_cos();
        let point = [cos * x + sin * y, cos * y - sin * x];
        // Across an outline, the share falls from 1 to 0 within one pixel.
        (0.5 - self.outline().distance(point, self.reach)).clamp(0.0, 1.0)
    }

    fn outline(&self) -> Outline {
        Outline::of_class(self.attributes.class(Attribute::Shape).unwrap_or(0))
    }
}

/// Returns a uniform draw from −`limit` to `limit`.
fn draw_within(limit: f32, stream: &mut RandomStream) -> f32 {
    limit * (2.0 * stream.uniform() - 1.0)
}

fn draw_reach(size: Option<usize>, stream: &mut RandomStream) -> f32 {
    let [lowest, highest] = size.map_or(MIDDLE_REACHES, |size| REACHES[size]);
    lowest + (highest - lowest) * stream.uniform()
}

fn draw_ink(colour: Option<usize>, stream: &mut RandomStream) -> [f32; 3] {
    match colour {
        Some(colour) => INKS[colour].map(|c| c + draw_within(INK_JITTER, stream)),
        None => WHITE,
    }
}

/// Returns the centre of a shape in a quarter of the picture, or near the middle.
fn draw_centre(place: Option<usize>, stream: &mut RandomStream) -> [f32; 2] {
    let (offset, jitter) = match place {
        Some(quarter) => (
            [[-1.0, -1.0], [1.0, -1.0], [-1.0, 1.0], [1.0, 1.0]][quarter],
            JITTER,
        ),
        None => ([0.0, 0.0], MIDDLE_JITTER),
    };
    offset.map(|side: f32| SIDE as f32 / 2.0 + side * QUARTER + draw_within(jitter, stream))
}

#[cfg(test)]
mod tests {
    use super::super::scenes;
    use super::*;

    fn every_level(count: usize) -> impl Iterator<Item = Scene> {
        let drawn = move |level: Level| {
            scenes(
                level,
                count,
                &RandomStream::named(level.number() as u64, "scene"),
            )
        };
        Level::ALL.into_iter().flat_map(drawn)
    }

    /// Returns the centre of mass of a shape, its area, and its second moment over its squared
    /// area.
    fn measured(scene: &Scene) -> ([f32; 2], f32, f32) {
        let points = (0..SIDE * SIDE)
            .map(|pixel| [(pixel % SIDE) as f32 + 0.5, (pixel / SIDE) as f32 + 0.5]);
        let covered: Vec<([f32; 2], f32)> =
            points.map(|point| (point, scene.coverage(point))).collect();
        let area: f32 = covered.iter().map(|(_, share)| share).sum();
        let mean = |axis: usize| {
            covered
                .iter()
                .map(|(point, share)| point[axis] * share)
                .sum::<f32>()
                / area
        };
        let centre = [mean(0), mean(1)];
        let distance = |p: &[f32; 2]| (p[0] - centre[0]).hypot(p[1] - centre[1]);
        let spread = covered
            .iter()
            .map(|(point, share)| distance(point).powi(2) * share)
            .sum::<f32>()
            / area
            / area;
        (centre, area, spread)
    }

    #[test]
    fn size_and_place_agree_with_the_geometry() {
        for scene in every_level(60) {
            let (centre, area, _) = measured(&scene);
            match scene.attributes.class(Attribute::Size) {
                Some(0) => assert!((85.0..140.0).contains(&area), "{scene:?} has {area}"),
                Some(_) => assert!((240.0..345.0).contains(&area), "{scene:?} has {area}"),
                None => assert!((150.0..215.0).contains(&area), "{scene:?} has {area}"),
            }
            if let Some(place) = scene.attributes.class(Attribute::Place) {
                let quarter = u8::from(centre[0] > 32.0) + 2 * u8::from(centre[1] > 32.0);
                assert_eq!(quarter, place, "{scene:?}");
                assert!(
                    centre.iter().all(|side| (side - 32.0).abs() > 10.0),
                    "{scene:?}"
                );
            }
        }
    }

    /// The second moment over the squared area is 1/6 for a square, and larger for what is longer.
    #[test]
    fn ellipses_are_longer_than_squares() {
        for scene in every_level(60) {
            let (_, _, spread) = measured(&scene);
            let expected = match scene.outline() {
                Outline::Square => 0.164..0.172,
                Outline::Ellipse => 0.175..0.185,
                Outline::Heart => 0.160..0.175,
            };
            assert!(expected.contains(&spread), "{scene:?}: {spread}");
        }
    }

    #[test]
    fn the_nearest_ink_is_the_one_that_is_named() {
        for scene in every_level(60) {
            let Some(colour) = scene.attributes.class(Attribute::Colour) else {
                continue;
            };
            let gap = |ink: &[f32; 3]| {
                ink.iter()
                    .zip(&scene.ink)
                    .map(|(a, b)| (a - b).powi(2))
                    .sum::<f32>()
                    .sqrt()
            };
            let gaps = INKS.map(|ink| gap(&ink));
            let others = (0..5)
                .filter(|other| *other != usize::from(colour))
                .map(|other| gaps[other]);
            assert!(
                others.fold(f32::INFINITY, f32::min) > 3.0 * gaps[usize::from(colour)],
                "{scene:?}"
            );
        }
    }

    #[test]
    fn a_shape_stands_out_and_stays_inside() {
        for scene in every_level(60) {
            for pixel in 0..SIDE * SIDE {
                let point = [(pixel % SIDE) as f32 + 0.5, (pixel / SIDE) as f32 + 0.5];
                let share = scene.coverage(point);
                let border = [point[0], point[1]]
                    .iter()
                    .any(|side| !(1.0..=SIDE as f32 - 1.0).contains(side));
                assert!(!border || share < 0.5, "{scene:?} at {point:?}");
                let background = scene.background.at(point);
                let contrast = background
                    .iter()
                    .zip(&scene.ink)
                    .map(|(a, b)| (a - b).abs())
                    .fold(0.0, f32::max);
                assert!(share == 0.0 || contrast > 0.25, "{scene:?}: {contrast}");
            }
        }
    }

    #[test]
    fn values_are_in_range_and_backgrounds_light_or_dark() {
        for scene in every_level(20) {
            assert!(
                scene
                    .picture()
                    .iter()
                    .all(|value| (0.0..=1.0).contains(value)),
                "{scene:?}"
            );
            let corner = scene.background.at([0.0, 0.0]);
            match scene.attributes.class(Attribute::Background) {
                Some(0) => assert!(corner.iter().all(|value| *value > 0.6)),
                Some(_) => assert!(corner.iter().all(|value| *value < 0.4)),
                None => assert_eq!(corner, [0.0; 3]),
            }
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_pictures_one_by_one_or_together() {
        let stream = RandomStream::named(3, "scenes");
        let (few, many) = (scenes(Level::L5, 2, &stream), scenes(Level::L5, 5, &stream));
        assert_eq!(few, many[..2]);
        assert_eq!(few[1], Scene::draw(Level::L5, &mut stream.child(1)));
        assert_ne!(many[0].picture(), many[1].picture());
        assert_ne!(few, scenes(Level::L5, 2, &RandomStream::named(4, "scenes")));
    }
}
