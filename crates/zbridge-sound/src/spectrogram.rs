use crate::mel::MelBands;
use crate::transform::Transform;
use crate::{SoundError, Waveform};
use std::path::Path;
use zbridge_core::Spectrogram;

/// Frames quieter than the loudest by more than this are silence at either end.
const SILENCE_DECIBELS: f32 = 32.0;
/// Windows of silence that stay before the first sound.
const LEAD_IN: usize = 2;

/// The log-mel spectrogram of a sound, `[bands, frames]` in 0..1: 1 is the loudest band of the
/// sound, 0 so many decibels below or less. Silence before and behind is cut off; what is longer
/// than the frames is cut, what is shorter ends in silence.
///
/// # Errors
/// [`SoundError::Silent`] for a sound without a sample other than zero.
pub fn spectrogram(sound: &Waveform, kind: &Spectrogram) -> Result<Vec<f32>, SoundError> {
    let whole = Spectrogram {
        frames: sound.samples.len().div_ceil(kind.hop) + 1,
        ..*kind
    };
    let energies = energies(sound, &whole);
    let loudness: Vec<f32> = energies.iter().map(|bands| bands.iter().sum()).collect();
    let loudest = loudness.iter().copied().fold(0.0, f32::max);
    if loudest <= 0.0 {
        return Err(SoundError::Silent {
            path: Path::new("the sound").to_owned(),
            samples: sound.samples.len(),
        });
    }
    let threshold = loudest * 10f32.powf(-SILENCE_DECIBELS / 10.0);
    let first = loudness
        .iter()
        .position(|&energy| energy > threshold)
        .unwrap_or(0)
        .saturating_sub(LEAD_IN);
    let last = loudness
        .iter()
        .rposition(|&energy| energy > threshold)
        .unwrap_or(0)
        + LEAD_IN;
    let kept = &energies[first..energies.len().min(last + 1).min(first + kind.frames)];
    Ok(levels(kept, kind))
}

/// Energies of the bands in each window.
fn energies(sound: &Waveform, kind: &Spectrogram) -> Vec<Vec<f32>> {
    let transform = Transform::new(kind);
    let bands = MelBands::new(kind, transform.bins());
    let spectra = transform.spectra(&sound.samples);
    let of_window = |spectrum: &[realfft::num_complex::Complex32]| {
        bands.energies(
            &spectrum
                .iter()
                .map(|value| value.norm_sqr())
                .collect::<Vec<_>>(),
        )
    };
    spectra
        .chunks_exact(transform.bins())
        .map(of_window)
        .collect()
}

fn levels(energies: &[Vec<f32>], kind: &Spectrogram) -> Vec<f32> {
    let loudest = energies.iter().flatten().copied().fold(0.0, f32::max);
    let mut values = vec![0.0; kind.bands * kind.frames];
    for (frame, bands) in energies.iter().enumerate() {
        for (band, energy) in bands.iter().enumerate() {
            let decibels = 10.0 * (energy / loudest).max(1e-30).log10();
            values[band * kind.frames + frame] =
                (1.0 + decibels / kind.decibels as f32).clamp(0.0, 1.0);
        }
    }
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    const KIND: Spectrogram = Spectrogram {
        sample_rate: 8000,
        window: 256,
        hop: 128,
        bands: 40,
        frames: 32,
        decibels: 60,
    };

    fn padded_tone(hertz: f32, silence: usize, length: usize) -> Waveform {
        let phase = |t: usize| std::f32::consts::TAU * hertz * t as f32 / 8000.0;
        let tone = (0..length).map(|t| 0.3 * phase(t).sin());
        let silence = vec![0.0; silence];
        Waveform {
            sample_rate: 8000,
            samples: silence
                .iter()
                .copied()
                .chain(tone)
                .chain(silence.clone())
                .collect(),
        }
    }

    #[test]
    fn a_tone_lands_in_its_band_whatever_silence_is_around_it() {
        for (hertz, silence) in [(500.0, 0), (500.0, 3000), (2000.0, 700)] {
            let values = spectrogram(&padded_tone(hertz, silence, 2000), &KIND).unwrap();
            let level = |band: usize| values[band * KIND.frames + 8];
            let loudest = (0..KIND.bands)
                .max_by(|a, b| level(*a).total_cmp(&level(*b)))
                .unwrap();
            let expected =
                41.0 * (1.0 + hertz / 700.0f32).log10() / (1.0 + 4000.0 / 700.0f32).log10() - 1.0;
            assert!(
                (loudest as f32 - expected).abs() < 1.0,
                "band {loudest}, expected {expected}"
            );
            assert!(values.iter().all(|value| (0.0..=1.0).contains(value)));
            let end = (0..KIND.bands)
                .map(|band| values[band * KIND.frames + 31])
                .fold(0.0, f32::max);
            assert_eq!(end, 0.0, "2000 samples end in silence");
        }
    }

    #[test]
    fn loudness_does_not_matter() {
        let loud = padded_tone(700.0, 500, 1500);
        let quiet = Waveform {
            samples: loud.samples.iter().map(|s| 0.01 * s).collect(),
            ..loud.clone()
        };
        let (a, b) = (
            spectrogram(&loud, &KIND).unwrap(),
            spectrogram(&quiet, &KIND).unwrap(),
        );
        assert!(a.iter().zip(&b).all(|(a, b)| (a - b).abs() < 1e-3));
    }
}
