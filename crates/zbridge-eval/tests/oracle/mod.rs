//! A linear-Gaussian model, observations of it, and proposals that are known to be wrong.

use zbridge_core::{DiagonalGaussian, LatentModel, Latents, Observations, RandomStream};
use zbridge_eval::LinearGaussianModel;

/// Three latents, five pixels.
pub fn model() -> LinearGaussianModel {
    let columns = [
        [1.0, 1.0, 0.0, 0.0, 0.5],
        [1.0, -1.0, 0.7, 0.0, 0.0],
        [0.0, 0.0, 0.0, 1.5, 0.0],
    ];
    LinearGaussianModel::new(columns.concat(), vec![0.1, 0.0, -0.2, 0.3, 0.0], 0.6).unwrap()
}

/// `n` observations drawn from the model.
pub fn images(model: &LinearGaussianModel, n: usize) -> Observations {
    let mut stream = RandomStream::named(11, "images");
    let clean = model
        .decode(&DiagonalGaussian::standard(n, 3).sample(&mut stream))
        .unwrap();
    let mut noise = vec![0.0; clean.values().len()];
    stream.fill_standard_normal(&mut noise);
    model
        .observations(
            clean
                .values()
                .iter()
                .zip(noise)
                .map(|(x, e)| x + 0.6 * e)
                .collect(),
        )
        .unwrap()
}

/// The posterior with `factor` times its standard deviation: a proposal that is known to be wrong.
pub fn wider(posterior: &DiagonalGaussian, factor: f32) -> DiagonalGaussian {
    let log_var = posterior
        .log_var()
        .values()
        .iter()
        .map(|v| v + 2.0 * factor.ln())
        .collect();
    DiagonalGaussian::new(
        posterior.mean().clone(),
        Latents::from_vec(log_var, posterior.dim()).unwrap(),
    )
    .unwrap()
}
