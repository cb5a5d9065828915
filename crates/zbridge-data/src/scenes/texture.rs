use super::SIDE;
use std::f32::consts::TAU;
use zbridge_core::RandomStream;

/// A background: black, or a tone about which smooth waves rise and fall.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Texture {
    /// Red, green and blue.
    tone: [f32; 3],
    waves: Vec<Wave>,
}

/// A wave over the picture, the same in all colours.
#[derive(Debug, Clone, PartialEq)]
struct Wave {
    /// Radians a pixel, along x and y.
    frequency: [f32; 2],
    phase: f32,
    height: f32,
}

/// Tones of the classes of [`Attribute::Background`](super::Attribute::Background): light, dark.
const TONES: [f32; 2] = [0.83, 0.17];
/// Largest departure from the tone in any one colour.
const TINT: f32 = 0.03;
const WAVES: usize = 6;
/// Sum of the heights of all waves: with the tint, values stay in 0..1.
const TOTAL_HEIGHT: f32 = 0.14;
/// Pixels from crest to crest.
const WAVELENGTHS: [f32; 2] = [12.0, 48.0];

impl Texture {
    pub(super) const BLACK: Self = Self {
        tone: [0.0; 3],
        waves: vec![],
    };

    /// A texture of a class of [`Attribute::Background`](super::Attribute::Background).
    pub(super) fn drawn(class: u8, stream: &mut RandomStream) -> Self {
        let tone = std::array::from_fn(|_| {
            TONES[usize::from(class)] + TINT * (2.0 * stream.uniform() - 1.0)
        });
        let mut waves: Vec<Wave> = (0..WAVES).map(|_| Wave::drawn(stream)).collect();
        let total: f32 = waves.iter().map(|wave| wave.height).sum();
        waves
            .iter_mut()
            .for_each(|wave| wave.height *= TOTAL_HEIGHT / total);
        Self { tone, waves }
    }

    /// Red, green and blue at `[x, y]`.
    pub(super) fn at(&self, point: [f32; 2]) -> [f32; 3] {
        let risen: f32 = self.waves.iter().map(|wave| wave.at(point)).sum();
        self.tone.map(|tone| tone + risen)
    }
}

impl Wave {
    /// A wave of any direction; longer ones are higher, as in clouds.
    fn drawn(stream: &mut RandomStream) -> Self {
        let [shortest, longest] = WAVELENGTHS;
        let wavelength = shortest * (longest / shortest).powf(stream.uniform());
        let (sin, cos) = (TAU * stream.uniform()).sin_cos();
        let frequency = [TAU / wavelength * cos, TAU / wavelength * sin];
        Self {
            frequency,
            phase: TAU * stream.uniform(),
            height: wavelength / SIDE as f32,
        }
    }

    fn at(&self, [x, y]: [f32; 2]) -> f32 {
        self.height * (self.frequency[0] * x + self.frequency[1] * y + self.phase).sin()
    }
}
