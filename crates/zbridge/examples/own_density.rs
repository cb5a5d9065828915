//! A conditional density of your own goes wherever one of zbridge's does.
//!
//! `cargo run --release -p zbridge --example own_density`
#![allow(clippy::print_stdout)]

use zbridge::{
    ConditionalDensity, DensityError, DiagonalGaussian, Error, LatentDistribution, Latents,
    Posterior, RandomStream, translate,
};

/// q(z_y|z_x) = N(2 z_x, 0.1² I): known without any pair.
struct Doubling {
    dim: usize,
}

impl ConditionalDensity for Doubling {
    fn dims(&self) -> (usize, usize) {
        (self.dim, self.dim)
    }

    fn given(&self, source: &Latents) -> Result<Box<dyn LatentDistribution + '_>, DensityError> {
        source.expect_shape("the source", source.rows(), self.dim)?;
        let mean = Latents::new(&source.view() * 2.0)?;
        let log_var = Latents::filled(source.rows(), self.dim, 2.0 * 0.1_f32.ln());
        Ok(Box::new(DiagonalGaussian::new(mean, log_var)?))
    }
}

/// Runs the example.
pub fn main() -> Result<(), Error> {
    let x: Posterior = DiagonalGaussian::standard(3, 2).into();
    let mut stream = RandomStream::named(1, "draws");
    let draws = translate(&Doubling { dim: 2 }, &x, 4, &mut stream)?;
    println!("{} draws in {} dimensions", draws.rows(), draws.dim());
    let point = Latents::from_vec(vec![1.0, 0.0], 2)?;
    let doubled = Latents::from_vec(vec![2.0, 0.0], 2)?;
    let nats = Doubling { dim: 2 }.given(&point)?.log_prob(&doubled)?;
    println!("log q((2, 0) | (1, 0)) = {:.3} nats", nats[0]);
    Ok(())
}
