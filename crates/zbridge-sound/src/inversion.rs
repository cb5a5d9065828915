use crate::Waveform;
use crate::mel::MelBands;
use crate::transform::Transform;
use rayon::prelude::*;
use realfft::num_complex::Complex32;
use zbridge_core::{RandomStream, Spectrogram};

/// Rounds of the search for phases.
const ROUNDS: usize = 48;
/// How far a round goes beyond its own result (Perraudin et al. 2013).
const MOMENTUM: f32 = 0.99;
/// Levels below this one are silence. A model's expected level of silence is a little above 0, and
/// so much in every band of every window is heard as noise that hides where the sound begins.
const SILENCE: f32 = 0.1;
/// The loudest sample of what comes back.
const PEAK: f32 = 0.7;

/// A sound that has this spectrogram, `[bands, frames]` as [`spectrogram`](crate::spectrogram)
/// gives it: powers of frequencies by non-negative least squares, phases by the fast algorithm of
/// Griffin and Lim (Perraudin, Balazs and Søndergaard 2013). `stream` draws the phases that it
/// starts from.
///
/// # Panics
/// When `values` has another length than the kind says.
pub fn to_waveform(values: &[f32], kind: &Spectrogram, stream: &mut RandomStream) -> Waveform {
    assert_eq!(
        values.len(),
        kind.bands * kind.frames,
        "values of a spectrogram"
    );
    let transform = Transform::new(kind);
    let magnitudes = magnitudes(values, kind, transform.bins());
    let mut samples = with_phases(&transform, &magnitudes, stream);
    let loudest = samples
        .iter()
        .fold(0.0f32, |loudest, sample| loudest.max(sample.abs()));
    samples
        .iter_mut()
        .for_each(|sample| *sample *= PEAK / loudest.max(1e-9));
    Waveform {
        sample_rate: kind.sample_rate,
        samples,
    }
}

/// The sounds of many spectrograms, `[rows, bands · frames]`; row i draws from `stream.child(i)`.
pub fn to_waveforms(values: &[f32], kind: &Spectrogram, stream: &RandomStream) -> Vec<Waveform> {
    let rows = values
        .par_chunks_exact(kind.bands * kind.frames)
        .enumerate();
    rows.map(|(row, values)| to_waveform(values, kind, &mut stream.child(row as u64)))
        .collect()
}

/// `[frames, bins]`.
fn magnitudes(values: &[f32], kind: &Spectrogram, bins: usize) -> Vec<f32> {
    let bands = MelBands::new(kind, bins);
    let energy = |value: f32| {
        if value < SILENCE {
            0.0
        } else {
            10f32.powf((value - 1.0) * kind.decibels as f32 / 10.0)
        }
    };
    let of_frame = |frame: usize| -> Vec<f32> {
        let energies = (0..kind.bands)
            .map(|band| energy(values[band * kind.frames + frame]))
            .collect::<Vec<_>>();
        bands.powers(&energies).into_iter().map(f32::sqrt).collect()
    };
    (0..kind.frames).flat_map(of_frame).collect()
}

fn with_phases(transform: &Transform, magnitudes: &[f32], stream: &mut RandomStream) -> Vec<f32> {
    let mut guess: Vec<Complex32> = magnitudes
        .iter()
        .map(|magnitude| {
            Complex32::from_polar(*magnitude, std::f32::consts::TAU * stream.uniform())
        })
        .collect();
    let mut before: Vec<Complex32> = vec![];
    for _ in 0..ROUNDS {
        let consistent = transform.spectra(&transform.samples(&guess));
        for (place, (guess, now)) in guess.iter_mut().zip(&consistent).enumerate() {
            let last = before.get(place).copied().unwrap_or(*now);
            let ahead = now + (now - last) * MOMENTUM;
            *guess = ahead * (magnitudes[place] / ahead.norm().max(1e-9));
        }
        before = consistent;
    }
    transform.samples(&guess)
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
    fn a_chirp_survives_the_way_there_and_back() {
        let seen = spectrogram(&chirp(), &KIND).unwrap();
        let sound = to_waveform(&seen, &KIND, &mut RandomStream::named(1, "chirp"));
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
        let many = to_waveforms(&[seen.clone(), seen.clone()].concat(), &KIND, &stream);
        assert_eq!(many[1], to_waveform(&seen, &KIND, &mut stream.child(1)));
        assert_ne!(many[0], many[1]);
    }

    #[test]
    fn a_little_level_everywhere_is_silence() {
        let seen = spectrogram(&chirp(), &KIND).unwrap();
        let lifted: Vec<f32> = seen.iter().map(|level| level.max(0.9 * SILENCE)).collect();
        let cut: Vec<f32> = seen
            .iter()
            .map(|&level| if level < SILENCE { 0.0 } else { level })
            .collect();
        let sound =
            |values: &[f32]| to_waveform(values, &KIND, &mut RandomStream::named(3, "silence"));
        assert_eq!(sound(&lifted), sound(&cut));
    }
}
