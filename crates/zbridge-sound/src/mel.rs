//! Bands of the mel scale: as far apart as they sound.

use zbridge_core::Spectrogram;

/// Triangular filters from 0 Hz to half the sample rate, evenly spaced on the mel scale
/// (O'Shaughnessy 1987: 2595 log₁₀(1 + f / 700)), each of height 1.
pub(crate) struct MelBands {
    /// First frequency of a band, and its weights from there.
    bands: Vec<(usize, Vec<f32>)>,
    bins: usize,
}

fn hertz_of(mel: f64) -> f64 {
    700.0 * (10f64.powf(mel / 2595.0) - 1.0)
}

fn mel_of(hertz: f64) -> f64 {
    2595.0 * (1.0 + hertz / 700.0).log10()
}

impl MelBands {
    /// The bands over a spectrum of so many frequencies.
    pub(crate) fn new(kind: &Spectrogram, bins: usize) -> Self {
        let highest = kind.sample_rate as f64 / 2.0;
        let edge = |i: usize| hertz_of(mel_of(highest) * i as f64 / (kind.bands + 1) as f64);
        let bin = |hertz: f64| hertz / highest * (bins - 1) as f64;
        let band = |i: usize| {
            let (low, centre, high) = (bin(edge(i)), bin(edge(i + 1)), bin(edge(i + 2)));
            let weight = |at: usize| {
                let at = at as f64;
                let side = if at < centre {
                    (at - low) / (centre - low)
                } else {
                    (high - at) / (high - centre)
                };
                side.max(0.0) as f32
            };
            let first = low.ceil() as usize;
            (
                first,
                (first..=(high.floor() as usize).min(bins - 1))
                    .map(weight)
                    .collect(),
            )
        };
        Self {
            bands: (0..kind.bands).map(band).collect(),
            bins,
        }
    }

    /// Energies of the bands, from the powers of the frequencies.
    pub(crate) fn energies(&self, powers: &[f32]) -> Vec<f32> {
        let energy = |(first, weights): &(usize, Vec<f32>)| -> f32 {
            powers[*first..]
                .iter()
                .zip(weights)
                .map(|(power, weight)| power * weight)
                .sum()
        };
        self.bands.iter().map(energy).collect()
    }

    /// Powers of frequencies that give these energies, as nearly as possible and none below zero:
    /// multiplicative updates (Lee and Seung 2001) from an even spread.
    pub(crate) fn powers(&self, energies: &[f32]) -> Vec<f32> {
        const UPDATES: usize = 30;
        const TINY: f32 = 1e-12;
        let wanted = self.spread(energies);
        let mut powers = vec![1.0f32; self.bins];
        let totals = self.energies(&powers);
        let ratios: Vec<f32> = energies
            .iter()
            .zip(&totals)
            .map(|(energy, total)| energy / (total + TINY))
            .collect();
        let (spread, weights) = (
            self.spread(&ratios),
            self.spread(&vec![1.0; energies.len()]),
        );
        powers
            .iter_mut()
            .zip(spread.iter().zip(&weights))
            .for_each(|(power, (s, w))| *power = s / (w + TINY) + TINY);
        for _ in 0..UPDATES {
            let found = self.spread(&self.energies(&powers));
            powers
                .iter_mut()
                .zip(wanted.iter().zip(&found))
                .for_each(|(power, (w, f))| *power *= w / (f + TINY));
        }
        powers
    }

    /// The transposed filters: each band's number on its frequencies.
    fn spread(&self, values: &[f32]) -> Vec<f32> {
        let mut spread = vec![0.0; self.bins];
        for ((first, weights), value) in self.bands.iter().zip(values) {
            spread[*first..]
                .iter_mut()
                .zip(weights)
                .for_each(|(sum, weight)| *sum += weight * value);
        }
        spread
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KIND: Spectrogram = Spectrogram {
        sample_rate: 8000,
        window: 256,
        hop: 128,
        bands: 48,
        frames: 64,
        decibels: 60,
    };

    #[test]
    fn every_band_hears_something_and_neighbours_overlap() {
        let bands = MelBands::new(&KIND, 257);
        let heard = bands.energies(&[1.0; 257]);
        assert!(heard.iter().all(|energy| *energy > 0.5), "{heard:?}");
        let covered = bands.spread(&[1.0; 48]);
        assert!(
            covered[3..250]
                .iter()
                .all(|weight| (0.5..1.5).contains(weight))
        );
    }

    #[test]
    fn powers_give_the_energies_they_were_made_from() {
        let bands = MelBands::new(&KIND, 257);
        let spectrum: Vec<f32> = (0..257).map(|i| 1.0 + (i as f32 * 0.2).sin()).collect();
        let energies = bands.energies(&spectrum);
        let again = bands.energies(&bands.powers(&energies));
        for (a, b) in energies.iter().zip(&again) {
            assert!((a - b).abs() < 0.02 * a.abs().max(0.1), "{a} became {b}");
        }
    }
}
