use crate::mel_bands::MelBands;
use crate::short_time_fourier::ShortTimeFourier;
use crate::{SoundError, Waveform};
use ndarray::{Array1, Array2, ArrayView2, Axis, Slice};
use std::ops::Range;
use zbridge_core::Spectrogram;

/// Windows that are quieter than the loudest by more than this are silence at either end.
const SILENCE_DECIBELS: f32 = 32.0;
/// Windows of silence that stay before the first sound and after the last.
const MARGIN: usize = 2;

/// Returns the log-mel spectrogram of a sound, `[bands, frames]` in 0..1: 1 is the loudest band of
/// the sound, and 0 is `kind.decibels` below it or less. Silence before and after the sound is cut
/// off. A sound that is longer than the frames is cut, and a shorter one ends in silence.
///
/// # Errors
/// [`SoundError::Silent`] for a sound without energy.
pub fn spectrogram(sound: &Waveform, kind: &Spectrogram) -> Result<Array2<f32>, SoundError> {
    let energies = energies(sound, kind);
    // `sum_axis` would add in another order, and round to other numbers.
    let loudness = energies.map_axis(Axis(1), |bands| bands.iter().sum::<f32>());
    let windows = loud_windows(&loudness).ok_or_else(|| SoundError::Silent {
        sound: "the sound".to_owned(),
        samples: sound.samples.len(),
    })?;
    let end = windows.end.min(windows.start + kind.frames);
    let kept = energies.slice_axis(Axis(0), Slice::from(windows.start..end));
    Ok(levels(kept, kind))
}

/// Returns the energies of the bands in all windows of a sound, `[windows, bands]`.
fn energies(sound: &Waveform, kind: &Spectrogram) -> Array2<f32> {
    let whole = Spectrogram {
        // Windows up to the last sample: how many are kept is decided by their loudness.
        frames: sound.samples.len().div_ceil(kind.hop) + 1,
        ..*kind
    };
    let transform = ShortTimeFourier::new(&whole);
    let bands = MelBands::new(kind, transform.bins());
    let mut energies = Array2::zeros((whole.frames, kind.bands));
    let spectra = transform.spectra(&sound.samples);
    for (spectrum, mut energies) in spectra.outer_iter().zip(energies.outer_iter_mut()) {
        let powers = spectrum.mapv(|value| value.norm_sqr());
        energies.assign(&bands.energies(powers.view()));
    }
    energies
}

/// Returns the windows from the first loud one to the last, with a margin; `None` if all are
/// silent.
fn loud_windows(loudness: &Array1<f32>) -> Option<Range<usize>> {
    let loudest = largest(loudness.iter());
    // Nothing is louder than the threshold of a silent sound, which is 0.
    let threshold = loudest * 10f32.powf(-SILENCE_DECIBELS / 10.0);
    let is_loud: Vec<bool> = loudness.iter().map(|&energy| energy > threshold).collect();
    let first = is_loud.iter().position(|&is_loud| is_loud)?;
    let last = is_loud.iter().rposition(|&is_loud| is_loud)?;
    let end = (last + MARGIN + 1).min(is_loud.len());
    Some(first.saturating_sub(MARGIN)..end)
}

fn largest<'a>(energies: impl Iterator<Item = &'a f32>) -> f32 {
    energies.copied().fold(0.0, f32::max)
}

/// Returns the levels of energies, `[windows, bands]`, as `[bands, frames]`.
fn levels(energies: ArrayView2<'_, f32>, kind: &Spectrogram) -> Array2<f32> {
    let loudest = largest(energies.iter());
    let mut levels = Array2::zeros((kind.bands, kind.frames));
    for ((frame, band), energy) in energies.indexed_iter() {
        levels[[band, frame]] = level(energy / loudest, kind);
    }
    levels
}

/// Returns the level of an energy, relative to the loudest.
fn level(energy: f32, kind: &Spectrogram) -> f32 {
    // The logarithm of 0 becomes a number that is below every level as well.
    let decibels = 10.0 * energy.max(1e-30).log10();
    (1.0 + decibels / kind.decibels as f32).clamp(0.0, 1.0)
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
    fn a_tone_is_loudest_in_its_band_whatever_silence_is_around_it() {
        for (hertz, silence) in [(500.0, 0), (500.0, 3000), (2000.0, 700)] {
            let values = spectrogram(&padded_tone(hertz, silence, 2000), &KIND).unwrap();
            let level = |band: usize| values[[band, 8]];
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
            let end = values.column(31).iter().copied().fold(0.0, f32::max);
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
