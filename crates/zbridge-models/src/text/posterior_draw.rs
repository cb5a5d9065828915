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

impl KlPrice {
    fn cost(self, kl: f32) -> f32 {
        self.weight * (kl - self.free_nats).max(0.0)
    }

    /// d cost / d kl. A dimension within its free nats is not drawn towards the prior.
    fn slope(self, kl: f32) -> f32 {
        if kl < self.free_nats {
            0.0
        } else {
            self.weight
        }
    }
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
        let dim = self.dim;
        let (mut cost, mut gradient) = (0.0, vec![0.0; self.posterior.len()]);
        let posteriors = self.posterior.chunks_exact(2 * dim);
        let rows = posteriors.zip(gradient.chunks_exact_mut(2 * dim));
        for (row, (posterior, gradient)) in rows.enumerate() {
            for i in 0..dim {
                let (mean, log_var) = (posterior[i], posterior[dim + i]);
                let variance = log_var.exp();
                // KL(N(μ, σ²) ‖ N(0, 1)) of one dimension.
                let kl = 0.5 * (mean * mean + variance - log_var - 1.0);
                cost += f64::from(price.cost(kl));
                let weight = price.slope(kl) * scale;
                let dz = at_latents[row * dim + i];
                // dz/d log σ² = ½ σ ε.
                let by_scale = dz * self.noise[row * dim + i] * (0.5 * log_var).exp();
                gradient[i] = dz + weight * mean;
                gradient[dim + i] = 0.5 * (by_scale + weight * (variance - 1.0));
            }
        }
        (cost, gradient)
    }
}
