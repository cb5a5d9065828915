use ndarray::{Array1, ArrayView1, Zip};
use zbridge_core::Spectrogram;

/// Iterations of [`MelBands::powers`].
const ITERATIONS: usize = 30;
/// Keeps quotients and powers above zero.
const TINY: f32 = 1e-12;

/// Triangular filters from 0 Hz to half the sample rate, evenly spaced on the mel scale, each of
/// height 1.
///
/// # Source
/// O'Shaughnessy 1987: 2595 log₁₀(1 + f / 700) mel.
pub(crate) struct MelBands {
    bands: Vec<Band>,
    bins: usize,
}

/// A filter: its weights from bin `first` on.
struct Band {
    first: usize,
    weights: Vec<f32>,
}

fn hertz_of(mel: f64) -> f64 {
    700.0 * (10f64.powf(mel / 2595.0) - 1.0)
}

fn mel_of(hertz: f64) -> f64 {
    2595.0 * (1.0 + hertz / 700.0).log10()
}

impl MelBands {
    /// Returns the filters over a spectrum of `bins` frequencies.
    pub(crate) fn new(kind: &Spectrogram, bins: usize) -> Self {
        let highest = kind.sample_rate as f64 / 2.0;
        // The edges of the bands, in bins; a band reaches from the edge before its centre to the
        // one after it.
        let edge = |i: usize| {
            let hertz = hertz_of(mel_of(highest) * i as f64 / (kind.bands + 1) as f64);
            hertz / highest * (bins - 1) as f64
        };
        let band = |i: usize| Band::new([i, i + 1, i + 2].map(edge), bins);
        Self {
            bands: (0..kind.bands).map(band).collect(),
            bins,
        }
    }

    /// Returns the energies of the bands, `[bands]`, from the powers of the frequencies, `[bins]`.
    pub(crate) fn energies(&self, powers: ArrayView1<'_, f32>) -> Array1<f32> {
        self.bands.iter().map(|band| band.energy(powers)).collect()
    }

    /// Returns powers of the frequencies, `[bins]`, none below zero, that give these energies,
    /// `[bands]`, as nearly as possible.
    ///
    /// # Source
    /// Lee and Seung 2001: multiplicative updates.
    pub(crate) fn powers(&self, energies: ArrayView1<'_, f32>) -> Array1<f32> {
        let mut powers = self.first_guess(energies);
        let wanted = self.transpose(energies);
        for _ in 0..ITERATIONS {
            let found = self.transpose(self.energies(powers.view()).view());
            Zip::from(&mut powers)
                .and(&wanted)
                .and(&found)
                .for_each(|power, wanted, found| *power *= wanted / (found + TINY));
        }
        powers
    }

    /// Returns for each frequency the mean of the powers of its bands, if the power of a band were
    /// spread evenly over its frequencies.
    fn first_guess(&self, energies: ArrayView1<'_, f32>) -> Array1<f32> {
        let even = Array1::ones(self.bins);
        // The energy of a band if all powers are 1.
        let widths = self.energies(even.view());
        let ratios = Zip::from(energies)
            .and(&widths)
            .map_collect(|energy, width| energy / (width + TINY));
        let sums = self.transpose(ratios.view());
        let weights = self.transpose(Array1::ones(self.bands.len()).view());
        Zip::from(&sums)
            .and(&weights)
            .map_collect(|sum, weight| sum / (weight + TINY) + TINY)
    }

    /// Returns the product of the transposed filters and values of the bands: `[bins]`.
    fn transpose(&self, values: ArrayView1<'_, f32>) -> Array1<f32> {
        let mut sums = Array1::zeros(self.bins);
        for (Band { first, weights }, value) in self.bands.iter().zip(values) {
            for (sum, weight) in sums.iter_mut().skip(*first).zip(weights) {
                *sum += weight * value;
            }
        }
        sums
    }
}

impl Band {
    fn energy(&self, powers: ArrayView1<'_, f32>) -> f32 {
        let powers = powers.iter().skip(self.first);
        let weighted = powers
            .zip(&self.weights)
            .map(|(power, weight)| power * weight);
        weighted.sum()
    }

    /// Returns the filter that rises from `low` to `centre` and falls to `high`, in bins.
    fn new([low, centre, high]: [f64; 3], bins: usize) -> Self {
        let weight = |bin: usize| {
            let bin = bin as f64;
            let weight = if bin < centre {
                (bin - low) / (centre - low)
            } else {
                (high - bin) / (high - centre)
            };
            weight.max(0.0) as f32
        };
        let first = low.ceil() as usize;
        let last = (high.floor() as usize).min(bins - 1);
        Self {
            first,
            weights: (first..=last).map(weight).collect(),
        }
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
    fn bands_overlap_and_leave_no_frequency_out() {
        let bands = MelBands::new(&KIND, 257);
        let widths = bands.energies(Array1::ones(257).view());
        assert!(widths.iter().all(|width| *width > 0.5), "{widths}");
        let weights = bands.transpose(Array1::ones(48).view());
        let mut inner = weights.iter().take(250).skip(3);
        assert!(inner.all(|weight| (0.5..1.5).contains(weight)));
    }

    #[test]
    fn powers_give_the_energies_they_were_made_from() {
        let bands = MelBands::new(&KIND, 257);
        let spectrum = Array1::from_shape_fn(257, |i| 1.0 + (i as f32 * 0.2).sin());
        let energies = bands.energies(spectrum.view());
        let powers = bands.powers(energies.view());
        let again = bands.energies(powers.view());
        for (a, b) in energies.iter().zip(&again) {
            assert!((a - b).abs() < 0.02 * a.abs().max(0.1), "{a} became {b}");
        }
    }
}
