use crate::Waveform;
use crate::mel_bands::MelBands;
use crate::short_time_fourier::ShortTimeFourier;
use ndarray::{Array2, ArrayView2, Axis, Zip};
use rayon::prelude::*;
use realfft::num_complex::Complex32;
use std::f32::consts::TAU;
use zbridge_core::{RandomStream, Spectrogram};

/// Iterations of the search for phases.
const ITERATIONS: usize = 48;
/// Weight of the extrapolation beyond each iteration's result (Perraudin et al. 2013).
const MOMENTUM: f32 = 0.99;
/// Lower levels are silence. The expected level that a model gives to silence is a little above 0;
/// in every band of every window, that is heard as noise.
const SILENCE: f32 = 0.1;
/// The loudest sample of a sound.
const PEAK: f32 = 0.7;

/// Returns a sound that has this spectrogram, `[bands, frames]` as
/// [`spectrogram`](crate::spectrogram) returns it. `stream` draws the phases with which the search
/// begins.
///
/// # Source
/// Powers of frequencies by non-negative least squares (Lee and Seung 2001); phases by the fast
/// Griffin-Lim algorithm (Perraudin, Balazs and Søndergaard 2013).
///
/// # Panics
/// If `levels` does not have the shape of the kind.
pub fn to_waveform(
    levels: ArrayView2<'_, f32>,
    kind: &Spectrogram,
    stream: &mut RandomStream,
) -> Waveform {
    assert_eq!(levels.dim(), (kind.bands, kind.frames));
    let transform = ShortTimeFourier::new(kind);
    let magnitudes = magnitudes(levels, kind, transform.bins());
    let samples = find_phases(&transform, &magnitudes, stream);
    Waveform {
        sample_rate: kind.sample_rate,
        samples: normalised(samples),
    }
}

/// Returns the samples with the loudest at `PEAK`; silence stays silence.
fn normalised(mut samples: Vec<f32>) -> Vec<f32> {
    let loudest = samples
        .iter()
        .fold(0.0f32, |loudest, s| loudest.max(s.abs()));
    let gain = PEAK / loudest.max(1e-9);
    samples.iter_mut().for_each(|sample| *sample *= gain);
    samples
}

/// Returns the sounds of many spectrograms, `[rows, bands · frames]`; row `i` draws from
/// `stream.child(i)`.
///
/// # Panics
/// If `values` is not a whole number of spectrograms.
pub fn to_waveforms(values: &[f32], kind: &Spectrogram, stream: &RandomStream) -> Vec<Waveform> {
    let size = kind.bands * kind.frames;
    assert!(values.len().is_multiple_of(size));
    let rows = values.par_chunks_exact(size).enumerate();
    let to_sound = |(row, values): (usize, &[f32])| {
        let levels = ArrayView2::from_shape((kind.bands, kind.frames), values);
        let levels = levels.expect("a row is one spectrogram");
        to_waveform(levels, kind, &mut stream.child(row as u64))
    };
    rows.map(to_sound).collect()
}

/// Returns the magnitudes of the spectra, `[frames, bins]`.
fn magnitudes(levels: ArrayView2<'_, f32>, kind: &Spectrogram, bins: usize) -> Array2<f32> {
    let bands = MelBands::new(kind, bins);
    let mut magnitudes = Array2::zeros((kind.frames, bins));
    let frames = levels.axis_iter(Axis(1));
    for (levels, mut magnitudes) in frames.zip(magnitudes.outer_iter_mut()) {
        let energies = levels.mapv(|level| energy(level, kind));
        let powers = bands.powers(energies.view());
        magnitudes.assign(&powers.mapv(f32::sqrt));
    }
    magnitudes
}

/// Returns the energy of a level, where 1 is the energy of the level 1.
fn energy(level: f32, kind: &Spectrogram) -> f32 {
    if level < SILENCE {
        return 0.0;
    }
    10f32.powf((level - 1.0) * kind.decibels as f32 / 10.0)
}

/// Returns the samples of a sound whose spectra have these magnitudes, `[frames, bins]`.
fn find_phases(
    transform: &ShortTimeFourier,
    magnitudes: &Array2<f32>,
    stream: &mut RandomStream,
) -> Vec<f32> {
    let mut spectra = with_random_phases(magnitudes, stream);
    let mut previous: Option<Array2<Complex32>> = None;
    for _ in 0..ITERATIONS {
        // The spectra of a sound: those of overlapping windows agree with each other.
        let consistent = transform.spectra(&transform.samples(&spectra));
        // The first iteration has no direction to go on in.
        let last = previous.as_ref().unwrap_or(&consistent);
        Zip::from(&mut spectra)
            .and(&consistent)
            .and(last)
            .and(magnitudes)
            .for_each(|spectrum, now, last, magnitude| {
                *spectrum = with_magnitude(now + (now - last) * MOMENTUM, *magnitude);
            });
        previous = Some(consistent);
    }
    transform.samples(&spectra)
}

fn with_random_phases(magnitudes: &Array2<f32>, stream: &mut RandomStream) -> Array2<Complex32> {
    let mut spectra = Array2::zeros(magnitudes.dim());
    // In the order of frames, then bins: it decides which phase each of them draws.
    for (spectrum, magnitude) in spectra.iter_mut().zip(magnitudes) {
        *spectrum = Complex32::from_polar(*magnitude, TAU * stream.uniform());
    }
    spectra
}

/// Returns the number with the same phase and another magnitude.
fn with_magnitude(value: Complex32, magnitude: f32) -> Complex32 {
    value * (magnitude / value.norm().max(1e-9))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spectrogram;

    const KIND: Spectrogram = Spectrogram {
        sample_rate: 8000,
        window: 256,
        hop: 128,
        bands: 48,
        frames: 40,
        decibels: 60,
    };

    /// A rising tone that comes and goes.
    fn chirp() -> Waveform {
        let length = 4000;
        let sample = |t: usize| {
            let x = t as f32 / length as f32;
            let phase =
                std::f32::consts::TAU * (300.0 * x + 500.0 * x * x) * length as f32 / 8000.0;
            (std::f32::consts::PI * x).sin() * phase.sin()
        };
        Waveform {
            sample_rate: 8000,
            samples: (0..length).map(sample).collect(),
        }
    }

    #[test]
    fn a_chirp_has_its_spectrogram_again() {
        let seen = spectrogram(&chirp(), &KIND).unwrap();
        let sound = to_waveform(seen.view(), &KIND, &mut RandomStream::named(1, "chirp"));
        let again = spectrogram(&sound, &KIND).unwrap();
        let loud = seen.iter().zip(&again).filter(|(a, _)| **a > 0.5);
        let (mut total, mut count) = (0.0, 0);
        loud.for_each(|(a, b)| {
            total += (a - b).abs();
            count += 1;
        });
        let decibels = 60.0 * total / count as f32;
        assert!(decibels < 4.0, "off by {decibels} dB where it is loud");
    }

    #[test]
    fn the_same_stream_gives_the_same_sound() {
        let seen = spectrogram(&chirp(), &KIND).unwrap();
        let stream = RandomStream::named(2, "same");
        let values: Vec<f32> = seen.iter().chain(&seen).copied().collect();
        let many = to_waveforms(&values, &KIND, &stream);
        assert_eq!(
            many[1],
            to_waveform(seen.view(), &KIND, &mut stream.child(1))
        );
        assert_ne!(many[0], many[1]);
    }

    #[test]
    fn a_little_level_everywhere_is_silence() {
        let seen = spectrogram(&chirp(), &KIND).unwrap();
        let lifted = seen.mapv(|level| level.max(0.9 * SILENCE));
        let cut = seen.mapv(|level| if level < SILENCE { 0.0 } else { level });
        let sound = |levels: &Array2<f32>| {
            to_waveform(levels.view(), &KIND, &mut RandomStream::named(3, "silence"))
        };
        assert_eq!(sound(&lifted), sound(&cut));
    }
}
