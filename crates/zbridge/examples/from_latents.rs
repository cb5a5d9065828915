//! From two latents files to draws across a bridge.
//!
//! `cargo run --release -p zbridge --example from_latents [x.safetensors y.safetensors]`
#![allow(clippy::print_stdout, dead_code)]

use zbridge::{
    Bridge, BridgeConfig, DiagonalGaussian, Error, FitData, Latents, LatentsFile, Posterior,
    RandomStream, Unobserved, translate,
};

fn main() -> Result<(), Error> {
    run(&std::env::args().skip(1).collect::<Vec<_>>())
}

/// Runs the example with these arguments.
pub fn run(paths: &[String]) -> Result<(), Error> {
    let read = |path: &String| LatentsFile::read(path.as_ref());
    let (x, y) = match paths {
        [x, y] => (read(x)?.posterior, read(y)?.posterior),
        _ => invented_pairs()?,
    };
    let config = BridgeConfig::family("linear-gaussian".parse()?).check()?;
    let bridge = Bridge::fit(&FitData::pairs(&x, &y), &config, &Unobserved)?;
    let draws = translate(bridge.x_to_y(), &x, 3, &mut RandomStream::named(1, "draws"))?;
    let first = draws.select(&[0, 1, 2]);
    println!("3 draws of y for the first x:\n{:.2}", first.view());
    bridge.write(&std::env::temp_dir().join("example.bridge"))?;
    Ok(())
}

/// 200 pairs of posteriors whose means are z and (z₁ + z₂, z₁ − z₂).
fn invented_pairs() -> Result<(Posterior, Posterior), Error> {
    let z = DiagonalGaussian::standard(200, 2).sample(&mut RandomStream::named(1, "z"));
    let turned = Latents::new(z.view().dot(&ndarray::array![[1.0, 1.0], [1.0, -1.0]]))?;
    let posterior = |mean: Latents| DiagonalGaussian::new(mean, Latents::filled(200, 2, -4.0));
    Ok((posterior(z)?.into(), posterior(turned)?.into()))
}
