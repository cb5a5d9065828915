//! A linear-Gaussian model, observations of it, and proposals that are known to be wrong.

use ndarray::{Array2, array};
use zbridge_core::{DiagonalGaussian, LatentModel, Latents, Observations, RandomStream};
use zbridge_eval::LinearGaussianModel;

/// Three latents, five pixels.
pub fn model() -> LinearGaussianModel {
    let columns = array![
        [1.0, 1.0, 0.0, 0.0, 0.5],
        [1.0, -1.0, 0.7, 0.0, 0.0],
        [0.0, 0.0, 0.0, 1.5, 0.0],
    ];
    LinearGaussianModel::new(columns, array![0.1, 0.0, -0.2, 0.3, 0.0], 0.6).unwrap()
}

/// `n` observations drawn from the model.
pub fn images(model: &LinearGaussianModel, n: usize) -> Observations {
    let mut stream = RandomStream::named(11, "images");
    let latents = DiagonalGaussian::standard(n, 3).sample(&mut stream);
    let clean = model.decode(&latents).unwrap().into_array();
    let mut noise = Array2::zeros(clean.dim());
    stream.fill_standard_normal(noise.as_slice_mut().unwrap());
    model.observations(clean + 0.6 * noise).unwrap()
}

/// The posterior with `factor` times its standard deviation: a proposal that is known to be wrong.
pub fn wider(posterior: &DiagonalGaussian, factor: f32) -> DiagonalGaussian {
    let log_var = posterior.log_var().view().mapv(|v| v + 2.0 * factor.ln());
    DiagonalGaussian::new(posterior.mean().clone(), Latents::new(log_var).unwrap()).unwrap()
}
