use super::attributes::{ATTRIBUTES, Attributes};
use super::sketch::{Texture, distance};
use zbridge_core::{EventKind, RandomStream};

/// Pixels of a side.
const SIDE: usize = 64;
/// What a scene's picture is.
pub const SCENE_PICTURE: EventKind = EventKind::Image { channels: 3, height: SIDE, width: SIDE };

/// Red, green, blue, yellow, pink.
const COLOURS: [[f32; 3]; 5] =
    [[0.86, 0.12, 0.12], [0.10, 0.66, 0.20], [0.14, 0.26, 0.88], [0.95, 0.84, 0.10], [0.98, 0.48, 0.78]];
const WHITE: [f32; 3] = [0.97, 0.97, 0.97];
const BLACK: [f32; 3] = [0.0, 0.0, 0.0];

/// A shape on a ground: what a picture shows, with all that its caption does not say.
#[derive(Debug, Clone, PartialEq)]
pub struct Scene {
    /// What the caption says.
    pub attributes: Attributes,
    centre: [f32; 2],
    size: f32,
    /// Radians, clockwise.
    turn: f32,
    colour: [f32; 3],
    texture: Option<Texture>,
}

impl Scene {
    /// A scene of a level, its attributes evenly drawn. What the level does not name is white, middle-sized, in the
    /// middle and on black, but for the jitter, which never makes an attribute ambiguous.
    pub fn drawn(level: u8, stream: &mut RandomStream) -> Self {
        let values = ATTRIBUTES[..usize::from(level)].iter().map(|(_, values)| stream.below(values.len()));
        Self::showing(Attributes::new(values.collect()), stream)
    }

    /// A scene that shows these attributes.
    pub fn showing(attributes: Attributes, stream: &mut RandomStream) -> Self {
        let mut jitter = |width: f32| width * (2.0 * stream.uniform() - 1.0);
        let value = |place: usize| attributes.values().get(place).copied();
        let size = match value(1) {
            Some(0) => 6.5 + jitter(0.8),
            Some(_) => 12.5 + jitter(1.2),
            None => 9.5 + jitter(1.0),
        };
        let centre = match value(3) {
            Some(place) => [[20.0, 43.0][place % 2] + jitter(2.5), [20.0, 43.0][place / 2] + jitter(2.5)],
            None => [31.5 + jitter(4.0), 31.5 + jitter(4.0)],
        };
        let turn = jitter(0.4);
        let shade = jitter(0.04);
        let colour = value(2).map_or(WHITE, |colour| COLOURS[colour]).map(|part| (part + shade).clamp(0.0, 1.0));
        let texture = value(4).map(|ground| Texture::drawn(ground == 0, stream));
        Self { centre, size, turn, colour, texture, attributes }
    }

    /// Appends the picture, `[3, 64, 64]`.
    pub(super) fn paint(&self, out: &mut Vec<f32>) {
        let start = out.len();
        out.resize(start + 3 * SIDE * SIDE, 0.0);
        let picture = &mut out[start..];
        for place in 0..SIDE * SIDE {
            let pixel = [(place % SIDE) as f32, (place / SIDE) as f32];
            for (channel, value) in self.pixel(pixel).into_iter().enumerate() {
                picture[channel * SIDE * SIDE + place] = value;
            }
        }
    }

    fn pixel(&self, [x, y]: [f32; 2]) -> [f32; 3] {
        let (sin, cos) = self.turn.sin_cos();
        let (dx, dy) = (x - self.centre[0], y - self.centre[1]);
        let inside = [cos * dx + sin * dy, cos * dy - sin * dx];
        let covered = (0.5 - distance(self.attributes.values()[0], inside, self.size)).clamp(0.0, 1.0);
        let ground = self.texture.as_ref().map_or(BLACK, |texture| texture.at([x, y]));
        [0, 1, 2].map(|channel| covered * self.colour[channel] + (1.0 - covered) * ground[channel])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn painted(scene: &Scene) -> Vec<f32> {
        let mut picture = Vec::new();
        scene.paint(&mut picture);
        picture
    }

    /// (area in pixels, centre) of what is not ground, on black ground.
    fn ink(picture: &[f32]) -> (f32, [f32; 2]) {
        let (mut area, mut moments) = (0.0, [0.0; 2]);
        for place in 0..SIDE * SIDE {
            let brightest = (0..3).map(|channel| picture[channel * SIDE * SIDE + place]).fold(0.0, f32::max);
            area += brightest;
            moments[0] += brightest * (place % SIDE) as f32;
            moments[1] += brightest * (place / SIDE) as f32;
        }
        (area, moments.map(|moment| moment / area))
    }

    #[test]
    fn nothing_touches_the_border_and_places_and_sizes_keep_apart() {
        for seed in 0..300 {
            let scene = Scene::drawn(4, &mut RandomStream::named(seed, "scene"));
            let picture = painted(&scene);
            let border = (0..SIDE).flat_map(|i| [i, i * SIDE, (SIDE - 1) * SIDE + i, i * SIDE + SIDE - 1]);
            assert!(
                border.into_iter().all(|place| (0..3).all(|channel| picture[channel * SIDE * SIDE + place] == 0.0))
            );
            let (ink, [x, y]) = ink(&picture);
            let area = ink / scene.colour.into_iter().fold(0.0, f32::max);
            let [_, size, _, place] = scene.attributes.values()[..] else { panic!() };
            assert_eq!((x > 32.0, y > 32.0), (place % 2 == 1, place / 2 == 1), "{scene:?}");
            assert!(if size == 0 { area < 180.0 } else { area > 230.0 }, "{area}: {scene:?}");
        }
    }

    #[test]
    fn values_lie_between_black_and_white() {
        let scene = Scene::drawn(5, &mut RandomStream::named(1, "scene"));
        assert!(painted(&scene).iter().all(|value| (0.0..=1.0).contains(value)));
    }
}
