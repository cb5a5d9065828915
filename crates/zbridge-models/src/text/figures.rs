use super::text_vae::TextVae;
use super::texts::Texts;
use serde::{Deserialize, Serialize};
use zbridge_core::{
    Elbo, Estimate, LatentModel, LatentModelError, Latents, Moments, Observations, RandomStream,
};

/// What a text VAE keeps of texts, and whether its posteriors have collapsed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TextFigures {
    /// The evidence lower bound and its two terms, one posterior draw each.
    #[serde(flatten)]
    pub elbo: Elbo,
    /// Share of texts that come back whole from a posterior draw, decoded greedily.
    pub texts_kept: Estimate,
    /// Share of the symbols of a text, its end among them, that stand at their place again; mean
    /// over texts.
    pub symbols_kept: Estimate,
    /// Variance over the texts of each dimension's posterior mean, `[latent_dim]`.
    pub mean_variances: Vec<f64>,
    /// Dimensions where this variance is above 0.01: the others have collapsed to the prior.
    ///
    /// # Source
    /// Active units, Burda et al. 2016, section 5.
    pub active_dimensions: usize,
}

/// Above this variance of its posterior mean, a dimension counts as active.
const ACTIVE_ABOVE: f64 = 0.01;

impl TextFigures {
    /// The figures of `model` on `observations`.
    ///
    /// # Errors
    /// [`LatentModelError`] if the observations are not of the model's event.
    pub fn of(
        model: &TextVae,
        observations: &Observations,
        stream: &mut RandomStream,
    ) -> Result<Self, LatentModelError> {
        let elbo = model.elbo(observations, stream)?;
        let posterior = model.posterior(observations)?;
        let decoded = model.decode(&posterior.sample(stream))?;
        let kept = symbols_kept(observations, &decoded);
        let mean_variances = mean_variances(posterior.moments().mean());
        let active_dimensions = mean_variances
            .iter()
            .filter(|variance| **variance > ACTIVE_ABOVE)
            .count();
        let texts_kept = Estimate::of(kept.iter().map(|share| f64::from(u8::from(*share == 1.0))));
        Ok(Self {
            elbo,
            texts_kept,
            symbols_kept: Estimate::of(kept),
            mean_variances,
            active_dimensions,
        })
    }
}

/// For each text, the share of its symbols that `decoded` has at the same places.
fn symbols_kept(observations: &Observations, decoded: &Observations) -> Vec<f64> {
    let (Some(texts), Some(decoded)) = (Texts::of(observations), Texts::of(decoded)) else {
        return vec![];
    };
    let share = |row: usize| {
        let counted = texts.counted(row);
        let pairs = texts.row(row)[..counted].iter().zip(decoded.row(row));
        pairs
            .filter(|(true_symbol, symbol)| true_symbol == symbol)
            .count() as f64
            / counted as f64
    };
    (0..observations.rows()).map(share).collect()
}

/// The variance over rows of each column of the means, `[dim]`.
fn mean_variances(means: &Latents) -> Vec<f64> {
    let variance = |column: usize| {
        let mut moments = Moments::default();
        (0..means.rows()).for_each(|row| moments.push(f64::from(means.row(row)[column])));
        moments.variance()
    };
    (0..means.dim()).map(variance).collect()
}
