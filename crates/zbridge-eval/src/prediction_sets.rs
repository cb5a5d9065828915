use crate::{EvalError, LatentPairs, PitSettings, density_levels};
use zbridge_core::{ConditionalDensity, Observer};

/// Returns how much of its own mass a density's set of highest density must hold, so that it holds
/// this share of new targets: `None` if pairs are too few for it, of which at least `share / (1 −
/// share)` are needed.
///
/// The guarantee is that of conformal prediction: whatever the density is, sets of this mass hold
/// at least this share of the targets of new pairs, on average over pairs, if these are drawn like
/// the given ones, which the density must not have seen.
///
/// # Errors
/// Those of [`density_levels`].
///
/// # Source
/// Vovk, Gammerman & Shafer 2005; Romano, Sesia & Candès 2020 for scores by a density's own mass.
pub fn conformal_mass(
    density: &(dyn ConditionalDensity + Sync),
    pairs: &LatentPairs,
    share: f64,
    settings: &PitSettings,
    observer: &dyn Observer,
) -> Result<Option<f64>, EvalError> {
    let levels = density_levels(density, pairs, settings, observer)?;
    // The smallest set that holds a target has all mass of higher density.
    let masses = levels.into_iter().map(|level| 1.0 - level).collect();
    Ok(conformal_quantile(masses, share))
}

/// Returns the score below which a new one lies with probability `share` at least, if it is
/// exchangeable with these: the ⌈(n + 1) · share⌉-th smallest of n; `None` if there is no such.
pub fn conformal_quantile(mut scores: Vec<f64>, share: f64) -> Option<f64> {
    scores.sort_by(f64::total_cmp);
    let place = ((scores.len() + 1) as f64 * share).ceil().max(1.0) as usize;
    scores.get(place - 1).copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use zbridge_core::{DensityError, DiagonalGaussian, LatentDistribution, Latents, Unobserved};

    #[test]
    fn a_quantile_counts_the_new_score_too() {
        let scores: Vec<f64> = (1..=9).rev().map(f64::from).collect();
        assert_eq!(conformal_quantile(scores.clone(), 0.9), Some(9.0));
        assert_eq!(conformal_quantile(scores.clone(), 0.5), Some(5.0));
        assert_eq!(conformal_quantile(scores[1..].to_vec(), 0.9), None);
        assert_eq!(conformal_quantile(vec![], 0.5), None);
    }

    /// A density that is twice as narrow as its targets are.
    struct TooNarrow;

    impl ConditionalDensity for TooNarrow {
        fn dims(&self) -> (usize, usize) {
            (2, 2)
        }

        fn given(
            &self,
            source: &Latents,
        ) -> Result<Box<dyn LatentDistribution + '_>, DensityError> {
            let rows = source.rows();
            let narrow = Latents::filled(rows, 2, 0.25f32.ln());
            Ok(Box::new(DiagonalGaussian::new(
                Latents::filled(rows, 2, 0.0),
                narrow,
            )?))
        }
    }

    #[test]
    fn a_density_that_is_too_narrow_needs_sets_of_more_mass() {
        let standard = zbridge_core::Posterior::from(DiagonalGaussian::standard(600, 2));
        let pairs = |seed| LatentPairs::draw(&standard, &standard, seed).unwrap();
        let settings = PitSettings { draws: 99, seed: 1 };
        let mass = conformal_mass(&TooNarrow, &pairs(1), 0.8, &settings, &Unobserved);
        let mass = mass.unwrap().unwrap();
        // In two dimensions a disc of half the variance holds 1 − exp(−r²/2) of the one, and of the
        // other 1 − exp(−2r²): 0.8 and 0.9984.
        assert!(mass > 0.98, "{mass}");
        let levels = density_levels(&TooNarrow, &pairs(2), &settings, &Unobserved).unwrap();
        let inside = levels.iter().filter(|level| 1.0 - **level <= mass).count() as f64 / 600.0;
        assert!((inside - 0.8).abs() < 0.06, "{inside}");
    }
}
