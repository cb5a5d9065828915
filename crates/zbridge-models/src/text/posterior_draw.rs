use zbridge_core::RandomStream;

/// A draw z = μ + σ ε from each of a few posteriors, and the way back through it.
pub(super) struct PosteriorDraw {
    dim: usize,
    /// Means and log-variances, `[rows, 2 · dim]`.
    posterior: Vec<f32>,
    noise: Vec<f32>,
    latents: Vec<f32>,
}

/// The price of what a posterior says, per dimension.
#[derive(Debug, Clone, Copy)]
pub(super) struct KlPrice {
    /// Weight of a nat.
    pub(super) weight: f32,
    /// Nats of a dimension that cost nothing.
    pub(super) free_nats: f32,
}

impl PosteriorDraw {
    /// One draw from each posterior, as an encoder's outputs `[rows, 2 · dim]` describe it.
    pub(super) fn new(posterior: &[f32], dim: usize, stream: &mut RandomStream) -> Self {
        let mut noise = vec![0.0; posterior.len() / 2];
        stream.fill_standard_normal(&mut noise);
        let rows = posterior.chunks_exact(2 * dim).zip(noise.chunks_exact(dim));
        let latents = rows.flat_map(|(posterior, noise)| {
            let (mean, log_var) = posterior.split_at(dim);
            let draw = |i: usize| mean[i] + (0.5 * log_var[i]).exp() * noise[i];
            (0..dim).map(draw)
        });
        Self {
            dim,
            latents: latents.collect(),
            posterior: posterior.to_vec(),
            noise,
        }
    }

    /// The draws, `[rows, dim]`.
    pub(super) fn latents(&self) -> &[f32] {
        &self.latents
    }

    /// What the posteriors cost, in nats, and the gradient of scale · cost plus that handed in at
    /// the draws, at the encoder's outputs, `[rows, 2 · dim]`.
    pub(super) fn backward(
        &self,
        at_latents: &[f32],
        price: KlPrice,
        scale: f32,
    ) -> (f64, Vec<f32>) {
        let (mut cost, mut gradient) = (0.0, vec![0.0; self.posterior.len()]);
        for (row, (posterior, gradient)) in self
            .posterior
            .chunks_exact(2 * self.dim)
            .zip(gradient.chunks_exact_mut(2 * self.dim))
            .enumerate()
        {
            for i in 0..self.dim {
                let (mean, log_var, place) =
                    (posterior[i], posterior[self.dim + i], row * self.dim + i);
                let kl = 0.5 * (mean * mean + log_var.exp() - log_var - 1.0);
                let weight = if kl < price.free_nats {
                    0.0
                } else {
                    price.weight * scale
                };
                cost += f64::from(price.weight * (kl - price.free_nats).max(0.0));
                let at_scale = at_latents[place] * self.noise[place] * (0.5 * log_var).exp();
                gradient[i] = at_latents[place] + weight * mean;
                gradient[self.dim + i] = 0.5 * (at_scale + weight * (log_var.exp() - 1.0));
            }
        }
        (cost, gradient)
    }
}
