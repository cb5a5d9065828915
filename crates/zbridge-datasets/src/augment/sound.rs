use super::draw_within;
use ndarray::{Array2, ArrayView2};
use zbridge_core::RandomStream;

/// Largest change of speed, as a logarithm: 15 %.
const SPEED: f32 = 0.15;
/// Largest change of pitch and of the speaker's size, as a logarithm of places on the mel scale:
/// 6 %.
const PITCH: f32 = 0.06;
/// Largest shift in windows, each way.
const SHIFT: f32 = 2.0;
/// Largest change of level from the lowest band to the highest, as a share of the range.
const TILT: f32 = 0.08;

/// A small change of a spectrogram.
pub(super) struct SoundTransform {
    /// Windows of the sound for each of the view.
    speed: f32,
    /// Bands of the sound for each of the view.
    pitch: f32,
    /// Windows by which the view begins later.
    shift: f32,
    tilt: f32,
}

impl SoundTransform {
    pub(super) fn draw(stream: &mut RandomStream) -> Self {
        Self {
            speed: draw_within(SPEED, stream).exp(),
            pitch: draw_within(PITCH, stream).exp(),
            shift: draw_within(SHIFT, stream),
            tilt: draw_within(TILT, stream),
        }
    }

    /// Returns the view of a spectrogram, `[bands, frames]`. Silence stays silence.
    pub(super) fn apply(&self, levels: ArrayView2<'_, f32>) -> Array2<f32> {
        let bands = levels.nrows() as f32;
        Array2::from_shape_fn(levels.dim(), |(band, frame)| {
            let (band, frame) = (band as f32, frame as f32);
            let place = [band * self.pitch, (frame - self.shift) * self.speed];
            let level = interpolate(levels, place);
            // The tilt must not lift silence to noise.
            if level > 0.0 {
                (level + self.tilt * (band / bands - 0.5)).clamp(0.0, 1.0)
            } else {
                0.0
            }
        })
    }
}

/// Returns the bilinear interpolation between the four levels around a place. There is silence
/// before and after the sound; above the highest band, its level goes on.
fn interpolate(levels: ArrayView2<'_, f32>, [band, frame]: [f32; 2]) -> f32 {
    let (low, early) = (band.floor(), frame.floor());
    let (up, later) = (band - low, frame - early);
    let at = |band: f32, frame: f32| {
        let band = (band as usize).min(levels.nrows() - 1);
        if (0.0..levels.ncols() as f32).contains(&frame) {
            levels[[band, frame as usize]]
        } else {
            0.0
        }
    };
    let in_band = |band: f32| (1.0 - later) * at(band, early) + later * at(band, early + 1.0);
    (1.0 - up) * in_band(low) + up * in_band(low + 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Axis;

    #[test]
    fn without_a_change_the_view_is_the_sound() {
        let sound = Array2::from_shape_fn((20, 30), |(band, frame)| {
            let is_loud = (6..12).contains(&band) && (8..20).contains(&frame);
            0.8 * f32::from(u8::from(is_loud))
        });
        let unchanged = SoundTransform {
            speed: 1.0,
            pitch: 1.0,
            shift: 0.0,
            tilt: 0.0,
        };
        assert_eq!(unchanged.apply(sound.view()), sound);
        let later = SoundTransform {
            shift: 1.0,
            ..unchanged
        };
        let view = later.apply(sound.view());
        let band = sound.index_axis(Axis(0), 6);
        for frame in 9..21 {
            assert_eq!(view[[6, frame]], band[frame - 1]);
        }
    }
}
