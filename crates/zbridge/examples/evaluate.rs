//! The figures of a bridge on pairs that it was not fitted on, beside those of shuffled pairs.
//!
//! `cargo run --release -p zbridge --example evaluate`
#![allow(clippy::print_stdout)]

use zbridge::{
    Bridge, BridgeConfig, DiagonalGaussian, Error, FitData, Latents, Posterior, RandomStream,
    Unobserved, evaluate,
};

/// Runs the example.
pub fn main() -> Result<(), Error> {
    let mut stream = RandomStream::named(1, "pairs");
    let z = DiagonalGaussian::standard(600, 2).sample(&mut stream);
    let noise = DiagonalGaussian::standard(600, 2).sample(&mut stream);
    let target = Latents::new(&z.view() * 2.0 + &noise.view() * 0.3)?;
    let posterior = |mean| DiagonalGaussian::new(mean, Latents::filled(600, 2, -4.0));
    let x: Posterior = posterior(z)?.into();
    let y: Posterior = posterior(target)?.into();

    let (fitted, held_out): (Vec<usize>, Vec<usize>) = (0..600).partition(|row| *row < 400);
    let shuffled: Vec<usize> = stream.permutation(400);
    let config = BridgeConfig::family("linear-gaussian".parse()?).check()?;
    for (name, partners) in [("pairs", fitted.clone()), ("shuffled pairs", shuffled)] {
        let (pair_x, pair_y) = (x.select(&fitted), y.select(&partners));
        let bridge = Bridge::fit(&FitData::pairs(&pair_x, &pair_y), &config, &Unobserved)?;
        let held_x = x.select(&held_out);
        let figures = evaluate(&bridge, &held_x, &y.select(&held_out), 1, &Unobserved)?.x_to_y;
        let gain = figures.gain_over_marginal_nats;
        let (mean, error) = (gain.mean, gain.standard_error);
        println!("{name}: knowing x is worth {mean:.2} ± {error:.2} nats");
    }
    Ok(())
}
