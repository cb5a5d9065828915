use ndarray::Array2;
use realfft::num_complex::Complex32;
use realfft::{ComplexToReal, RealFftPlanner, RealToComplex};
use std::f32::consts::TAU;
use std::sync::Arc;
use zbridge_core::Spectrogram;

/// Samples with less weight than this are divided by it: windows hardly cover them.
const LEAST_WEIGHT: f32 = 1e-3;
const SAME_LENGTH: &str = "the buffers have the length of the transform";

/// The short-time Fourier transform and its inverse: spectra of a sound under overlapping Hann
/// windows. The transform is twice as long as the window, so that there are two frequencies for
/// each that the window can resolve.
pub(crate) struct ShortTimeFourier {
    window: Vec<f32>,
    hop: usize,
    frames: usize,
    forward: Arc<dyn RealToComplex<f32>>,
    inverse: Arc<dyn ComplexToReal<f32>>,
}

impl ShortTimeFourier {
    pub(crate) fn new(kind: &Spectrogram) -> Self {
        let mut window = Vec::with_capacity(kind.window);
        for t in 0..kind.window {
            window.push(0.5 - 0.5 * (TAU * t as f32 / kind.window as f32).cos());
        }
        let mut planner = RealFftPlanner::new();
        let length = 2 * kind.window;
        Self {
            window,
            hop: kind.hop,
            frames: kind.frames,
            forward: planner.plan_fft_forward(length),
            inverse: planner.plan_fft_inverse(length),
        }
    }

    /// Returns the number of frequencies of a spectrum.
    pub(crate) fn bins(&self) -> usize {
        self.window.len() + 1
    }

    /// Returns the spectra of all windows, `[frames, bins]`; the first window is centred on the
    /// first sample.
    pub(crate) fn spectra(&self, samples: &[f32]) -> Array2<Complex32> {
        let mut spectra = Array2::zeros((self.frames, self.bins()));
        let mut buffer = self.forward.make_input_vec();
        let mut scratch = self.forward.make_scratch_vec();
        for (frame, mut spectrum) in spectra.outer_iter_mut().enumerate() {
            self.windowed(samples, frame, &mut buffer);
            let spectrum = spectrum.as_slice_mut().expect("a row is contiguous");
            let transformed =
                self.forward
                    .process_with_scratch(&mut buffer, spectrum, &mut scratch);
            transformed.expect(SAME_LENGTH);
        }
        spectra
    }

    /// Writes the samples under a window, weighted, and zeros behind them.
    fn windowed(&self, samples: &[f32], frame: usize, buffer: &mut [f32]) {
        buffer.fill(0.0);
        for (t, weight) in self.window.iter().enumerate() {
            let sample = self.place(frame, t).and_then(|place| samples.get(place));
            buffer[t] = weight * sample.copied().unwrap_or(0.0);
        }
    }

    /// Returns the sound whose spectra are nearest to these, in least squares.
    ///
    /// # Source
    /// Griffin and Lim 1984, eq. 6.
    pub(crate) fn samples(&self, spectra: &Array2<Complex32>) -> Vec<f32> {
        let length = self.frames * self.hop;
        let (mut samples, mut weights) = (vec![0.0f32; length], vec![1e-8f32; length]);
        let mut spectrum = self.inverse.make_input_vec();
        let mut buffer = self.inverse.make_output_vec();
        let mut scratch = self.inverse.make_scratch_vec();
        // The inverse transform of the library is not normalised.
        let scale = 1.0 / buffer.len() as f32;
        for (frame, source) in spectra.outer_iter().enumerate() {
            spectrum.copy_from_slice(source.as_slice().expect("a row is contiguous"));
            // The spectrum of real samples is real at its first and last frequency.
            spectrum[0].im = 0.0;
            spectrum[self.bins() - 1].im = 0.0;
            let transformed =
                self.inverse
                    .process_with_scratch(&mut spectrum, &mut buffer, &mut scratch);
            transformed.expect(SAME_LENGTH);
            for (t, weight) in self.window.iter().enumerate() {
                if let Some(place) = self.place(frame, t).filter(|place| *place < length) {
                    samples[place] += scale * weight * buffer[t];
                    weights[place] += weight * weight;
                }
            }
        }
        for (sample, weight) in samples.iter_mut().zip(weights) {
            *sample /= weight.max(LEAST_WEIGHT);
        }
        samples
    }

    /// Returns the sample at place `t` of a window; `None` before the first sample.
    fn place(&self, frame: usize, t: usize) -> Option<usize> {
        (frame * self.hop + t).checked_sub(self.window.len() / 2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_inverse_of_spectra_is_the_sound() {
        let kind = Spectrogram {
            sample_rate: 8000,
            window: 64,
            hop: 16,
            bands: 8,
            frames: 40,
            decibels: 60,
        };
        let transform = ShortTimeFourier::new(&kind);
        let sound: Vec<f32> = (0..640)
            .map(|t| (0.3 * t as f32).sin() + 0.2 * (1.1 * t as f32).cos())
            .collect();
        let back = transform.samples(&transform.spectra(&sound));
        let worst = (0..600)
            .map(|t| (back[t] - sound[t]).abs())
            .fold(0.0, f32::max);
        assert!(worst < 1e-4, "off by {worst}");
    }
}
