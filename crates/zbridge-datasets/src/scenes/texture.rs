use super::SIDE;
use std::f32::consts::TAU;
use zbridge_core::RandomStream;

/// A background: black, or smooth waves around a tone.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Texture {
    /// Red, green and blue.
    tone: [f32; 3],
    waves: Vec<Wave>,
}

/// A plane wave, the same in all colours.
#[derive(Debug, Clone, PartialEq)]
struct Wave {
    /// Radians per pixel, along x and y.
    frequency: [f32; 2],
    phase: f32,
    amplitude: f32,
}

/// Tones of the classes of [`Attribute::Background`](super::Attribute::Background): light, dark.
const TONES: [f32; 2] = [0.83, 0.17];
/// Largest difference from the tone in each colour.
const TINT: f32 = 0.03;
const WAVES: usize = 6;
/// Sum of the amplitudes of all waves: with the tint, values stay in 0..1.
const TOTAL_AMPLITUDE: f32 = 0.14;
/// Shortest and longest wavelength, in pixels.
const WAVELENGTHS: [f32; 2] = [12.0, 48.0];

impl Texture {
    pub(super) const BLACK: Self = Self {
        tone: [0.0; 3],
        waves: vec![],
    };

    /// Returns a texture of a class of [`Attribute::Background`](super::Attribute::Background).
    pub(super) fn draw(class: u8, stream: &mut RandomStream) -> Self {
        let tone = std::array::from_fn(|_| {
            TONES[usize::from(class)] + TINT * (2.0 * stream.uniform() - 1.0)
        });
        let mut waves: Vec<Wave> = (0..WAVES).map(|_| Wave::draw(stream)).collect();
        let total: f32 = waves.iter().map(|wave| wave.amplitude).sum();
        for wave in &mut waves {
            wave.amplitude *= TOTAL_AMPLITUDE / total;
        }
        Self { tone, waves }
    }

    /// Returns red, green and blue at `[x, y]`.
    pub(super) fn at(&self, point: [f32; 2]) -> [f32; 3] {
        let waves: f32 = self.waves.iter().map(|wave| wave.at(point)).sum();
        self.tone.map(|tone| tone + waves)
    }
}

impl Wave {
    /// Returns a wave of any direction; longer ones are higher, as in clouds.
    fn draw(stream: &mut RandomStream) -> Self {
        let [shortest, longest] = WAVELENGTHS;
        // Uniform in the logarithm, as there is no reason to prefer a scale.
        let wavelength = shortest * (longest / shortest).powf(stream.uniform());
        let (sin, cos) = (TAU * stream.uniform()).sin_cos();
        let frequency = [TAU / wavelength * cos, TAU / wavelength * sin];
        Self {
            frequency,
            phase: TAU * stream.uniform(),
            amplitude: wavelength / SIDE as f32,
        }
    }

    fn at(&self, [x, y]: [f32; 2]) -> f32 {
        self.amplitude * (self.frequency[0] * x + self.frequency[1] * y + self.phase).sin()
    }
}
