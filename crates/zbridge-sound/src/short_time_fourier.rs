use ndarray::{Array2, ArrayView1};
use realfft::num_complex::Complex32;
use realfft::{ComplexToReal, RealFftPlanner, RealToComplex};
use std::f32::consts::TAU;
use std::sync::Arc;
use zbridge_core::Spectrogram;

/// Samples are divided by no smaller weight than this: windows hardly cover those at the ends.
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
        let mut planner = RealFftPlanner::new();
        let length = 2 * kind.window;
        Self {
            window: hann_window(kind.window),
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
            self.weigh_samples(samples, frame, &mut buffer);
            let spectrum = spectrum.as_slice_mut().expect("a row is contiguous");
            let plan = &self.forward;
            let transformed = plan.process_with_scratch(&mut buffer, spectrum, &mut scratch);
            transformed.expect(SAME_LENGTH);
        }
        spectra
    }

    /// Writes the weighted samples under a window, and zeros after them.
    fn weigh_samples(&self, samples: &[f32], frame: usize, buffer: &mut [f32]) {
        buffer.fill(0.0);
        for (t, weight) in self.window.iter().enumerate() {
            let sample = self.place(frame, t).and_then(|place| samples.get(place));
            buffer[t] = weight * sample.copied().unwrap_or(0.0);
        }
    }

    /// Returns the sound whose spectra are nearest to these, `[frames, bins]`, in least squares.
    ///
    /// # Source
    /// Griffin and Lim 1984, eq. 6.
    pub(crate) fn samples(&self, spectra: &Array2<Complex32>) -> Vec<f32> {
        let mut inverse = Inverse::new(self);
        let mut sums = WeightedSums::new(self.frames * self.hop);
        // The library does not normalise the inverse.
        let scale = 1.0 / inverse.samples.len() as f32;
        for (frame, spectrum) in spectra.outer_iter().enumerate() {
            let samples = inverse.transform(spectrum);
            for (t, weight) in self.window.iter().enumerate() {
                if let Some(place) = self.place(frame, t) {
                    sums.add(place, scale * weight * samples[t], *weight);
                }
            }
        }
        sums.means()
    }

    /// Returns the sample at place `t` of a window; `None` before the first sample.
    fn place(&self, frame: usize, t: usize) -> Option<usize> {
        (frame * self.hop + t).checked_sub(self.window.len() / 2)
    }
}

fn hann_window(length: usize) -> Vec<f32> {
    let weight = |t: usize| 0.5 - 0.5 * (TAU * t as f32 / length as f32).cos();
    (0..length).map(weight).collect()
}

/// The inverse transform of one spectrum after the other.
struct Inverse {
    plan: Arc<dyn ComplexToReal<f32>>,
    spectrum: Vec<Complex32>,
    samples: Vec<f32>,
    scratch: Vec<Complex32>,
}

impl Inverse {
    fn new(transform: &ShortTimeFourier) -> Self {
        let plan = &transform.inverse;
        Self {
            spectrum: plan.make_input_vec(),
            samples: plan.make_output_vec(),
            scratch: plan.make_scratch_vec(),
            plan: plan.clone(),
        }
    }

    /// Returns the samples under a window, times their number.
    fn transform(&mut self, spectrum: ArrayView1<'_, Complex32>) -> &[f32] {
        let spectrum = spectrum.to_slice().expect("a row is contiguous");
        self.spectrum.copy_from_slice(spectrum);
        // The spectrum of real samples is real at its first and last frequency.
        self.spectrum[0].im = 0.0;
        self.spectrum[spectrum.len() - 1].im = 0.0;
        let Self {
            spectrum,
            samples,
            scratch,
            ..
        } = self;
        let transformed = self.plan.process_with_scratch(spectrum, samples, scratch);
        transformed.expect(SAME_LENGTH);
        samples
    }
}

/// The weighted means of samples that several windows cover.
struct WeightedSums {
    sums: Vec<f32>,
    weights: Vec<f32>,
}

impl WeightedSums {
    fn new(length: usize) -> Self {
        Self {
            sums: vec![0.0; length],
            // Not 0: a sample that no window covers is divided by its weight as well.
            weights: vec![1e-8; length],
        }
    }

    /// Adds a weighted sample of a window; those after the end of the sound are left out.
    fn add(&mut self, place: usize, weighted: f32, weight: f32) {
        if place < self.sums.len() {
            self.sums[place] += weighted;
            self.weights[place] += weight * weight;
        }
    }

    fn means(mut self) -> Vec<f32> {
        for (sum, weight) in self.sums.iter_mut().zip(&self.weights) {
            *sum /= weight.max(LEAST_WEIGHT);
        }
        self.sums
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
