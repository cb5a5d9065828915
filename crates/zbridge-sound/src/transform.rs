//! The short-time Fourier transform and its inverse.

use realfft::num_complex::Complex32;
use realfft::{ComplexToReal, RealFftPlanner, RealToComplex};
use std::f32::consts::TAU;
use std::sync::Arc;
use zbridge_core::Spectrogram;

/// Windows of a sound, each as the spectrum of its samples under a Hann window. The transform is
/// twice as long as the window, so that there are two frequencies for each that the window tells
/// apart.
pub(crate) struct Transform {
    window: Vec<f32>,
    hop: usize,
    frames: usize,
    forward: Arc<dyn RealToComplex<f32>>,
    inverse: Arc<dyn ComplexToReal<f32>>,
}

impl Transform {
    pub(crate) fn new(kind: &Spectrogram) -> Self {
        let window = (0..kind.window)
            .map(|t| 0.5 - 0.5 * (TAU * t as f32 / kind.window as f32).cos())
            .collect();
        let mut planner = RealFftPlanner::new();
        let length = 2 * kind.window;
        let (forward, inverse) = (
            planner.plan_fft_forward(length),
            planner.plan_fft_inverse(length),
        );
        Self {
            window,
            hop: kind.hop,
            frames: kind.frames,
            forward,
            inverse,
        }
    }

    /// Frequencies of a spectrum.
    pub(crate) fn bins(&self) -> usize {
        self.window.len() + 1
    }

    /// Spectra of all windows, `[frames, bins]`: the first is centred on the sound's first sample.
    pub(crate) fn spectra(&self, samples: &[f32]) -> Vec<Complex32> {
        let mut spectra = vec![Complex32::default(); self.frames * self.bins()];
        let mut buffer = self.forward.make_input_vec();
        let mut scratch = self.forward.make_scratch_vec();
        for (frame, spectrum) in spectra.chunks_exact_mut(self.bins()).enumerate() {
            buffer.fill(0.0);
            for (t, (value, weight)) in buffer.iter_mut().zip(&self.window).enumerate() {
                *value = weight
                    * self
                        .place(frame, t)
                        .and_then(|at| samples.get(at))
                        .copied()
                        .unwrap_or(0.0);
            }
            // Lengths are the plan's own.
            let _ = self
                .forward
                .process_with_scratch(&mut buffer, spectrum, &mut scratch);
        }
        spectra
    }

    /// The sound whose windows' spectra are nearest to these, in least squares (Griffin and Lim
    /// 1984, eq. 6).
    pub(crate) fn samples(&self, spectra: &[Complex32]) -> Vec<f32> {
        let length = self.frames * self.hop;
        let (mut samples, mut weights) = (vec![0.0f32; length], vec![1e-8f32; length]);
        let mut spectrum = self.inverse.make_input_vec();
        let mut buffer = self.inverse.make_output_vec();
        let mut scratch = self.inverse.make_scratch_vec();
        let scale = 1.0 / buffer.len() as f32;
        for (frame, source) in spectra.chunks_exact(self.bins()).enumerate() {
            spectrum.copy_from_slice(source);
            // A real sound has real spectra at both ends.
            spectrum[0].im = 0.0;
            spectrum[self.bins() - 1].im = 0.0;
            let _ = self
                .inverse
                .process_with_scratch(&mut spectrum, &mut buffer, &mut scratch);
            for (t, weight) in self.window.iter().enumerate() {
                if let Some(at) = self.place(frame, t).filter(|at| *at < length) {
                    samples[at] += scale * weight * buffer[t];
                    weights[at] += weight * weight;
                }
            }
        }
        samples
            .iter_mut()
            .zip(weights)
            .for_each(|(sample, weight)| *sample /= weight.max(1e-3));
        samples
    }

    /// The sample under place `t` of a window; none before the beginning.
    fn place(&self, frame: usize, t: usize) -> Option<usize> {
        (frame * self.hop + t).checked_sub(self.window.len() / 2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sound_comes_back_from_its_spectra() {
        let kind = Spectrogram {
            sample_rate: 8000,
            window: 64,
            hop: 16,
            bands: 8,
            frames: 40,
            decibels: 60,
        };
        let transform = Transform::new(&kind);
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
