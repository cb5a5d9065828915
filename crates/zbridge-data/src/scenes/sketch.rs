//! Geometry and texture of a scene.

use std::f32::consts::{FRAC_1_SQRT_2, TAU};
use zbridge_core::RandomStream;

/// Signed distance of a point to the edge of a shape of radius about `size` around the origin, negative inside; y points
/// down.
pub(super) fn distance(shape: usize, [x, y]: [f32; 2], size: f32) -> f32 {
    match shape {
        0 => square([x, y], 0.8 * size),
        1 => ellipse([x, y], [1.1 * size, 0.62 * size]),
        _ => heart([x, y], size / 1.55),
    }
}

fn square([x, y]: [f32; 2], half: f32) -> f32 {
    let (dx, dy) = (x.abs() - half, y.abs() - half);
    dx.max(0.0).hypot(dy.max(0.0)) + dx.max(dy).min(0.0)
}

/// To first order in the distance: exact where it matters, at the edge.
fn ellipse([x, y]: [f32; 2], [a, b]: [f32; 2]) -> f32 {
    let level = (x / a).hypot(y / b);
    let slope = (x / (a * a)).hypot(y / (b * b));
    if slope < 1e-6 { -a.min(b) } else { level * (level - 1.0) / slope }
}

/// A square that stands on its corner, with a circle over each upper edge.
fn heart([x, y]: [f32; 2], half: f32) -> f32 {
    let y = y + 0.15 * half;
    let turned = [(x + y) * FRAC_1_SQRT_2, (y - x) * FRAC_1_SQRT_2];
    let lobe = |side: f32| (x - side * half * FRAC_1_SQRT_2).hypot(y + half * FRAC_1_SQRT_2) - half;
    square(turned, half).min(lobe(-1.0)).min(lobe(1.0))
}

/// A few waves over a tone: what backgrounds look like.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Texture {
    tone: [f32; 3],
    waves: Vec<Wave>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Wave {
    frequency: [f32; 2],
    phase: f32,
    strength: f32,
}

impl Texture {
    /// A light or a dark one.
    pub(super) fn drawn(light: bool, stream: &mut RandomStream) -> Self {
        let brightness = if light { 0.80 } else { 0.17 } + 0.05 * (2.0 * stream.uniform() - 1.0);
        let tone = [0; 3].map(|_| brightness + 0.03 * (2.0 * stream.uniform() - 1.0));
        let waves = (0..4).map(|_| Wave::drawn(stream)).collect();
        Self { tone, waves }
    }

    /// Red, green and blue at a pixel, in 0..1.
    pub(super) fn at(&self, [x, y]: [f32; 2]) -> [f32; 3] {
        let height: f32 = self.waves.iter().map(|wave| wave.at([x, y])).sum();
        self.tone.map(|tone| (tone + height).clamp(0.0, 1.0))
    }
}

impl Wave {
    /// Of a length between 8 and 24 pixels.
    fn drawn(stream: &mut RandomStream) -> Self {
        let (turn, length) = (TAU * stream.uniform(), 8.0 + 16.0 * stream.uniform());
        let frequency = [turn.cos(), turn.sin()].map(|part| TAU * part / length);
        Self { frequency, phase: TAU * stream.uniform(), strength: 0.015 + 0.02 * stream.uniform() }
    }

    fn at(&self, [x, y]: [f32; 2]) -> f32 {
        self.strength * (self.frequency[0] * x + self.frequency[1] * y + self.phase).sin()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_negative_inside_and_rise_by_one_a_pixel_at_the_edge() {
        for shape in 0..3 {
            assert!(distance(shape, [0.0, 0.0], 10.0) < -3.0);
            for turn in 0..12 {
                let direction = [(turn as f32).cos(), (turn as f32).sin()];
                let along = |r: f32| distance(shape, direction.map(|part| part * r), 10.0);
                let edge = (1..400).map(|i| i as f32 * 0.05).find(|&r| along(r) > 0.0).unwrap();
                assert!((5.0..14.0).contains(&edge), "shape {shape}: edge at {edge}");
                let slope = (along(edge + 0.5) - along(edge - 0.5)).abs();
                assert!((0.4..1.05).contains(&slope), "shape {shape}, turn {turn}: slope {slope}");
            }
        }
    }

    #[test]
    fn textures_are_light_or_dark_everywhere() {
        for seed in 0..50 {
            let mut stream = RandomStream::named(seed, "texture");
            let (light, dark) = (Texture::drawn(true, &mut stream), Texture::drawn(false, &mut stream));
            for pixel in (0..64).map(|i| [i as f32, (7 * i % 64) as f32]) {
                let mean = |texture: &Texture| texture.at(pixel).iter().sum::<f32>() / 3.0;
                assert!(mean(&light) > 0.55 && mean(&dark) < 0.42);
            }
        }
    }
}
