//! Rows a second of zbridge on ONNX files: the counterpart of `peers/foreign/onnx_speed.py`.
//!
//! `cargo run --release -p zbridge-foreign --example onnx_speed -- FILE... [--rows N]`; a file
//! whose name has `decoder` in it is run as one.

use std::path::Path;
use std::time::Instant;
use zbridge_core::{LatentModel, Latents, Observations};
use zbridge_foreign::{ForeignModel, open};

const REPEATS: usize = 7;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    let rows = match arguments.iter().position(|argument| argument == "--rows") {
        None => 256,
        Some(place) => arguments
            .drain(place..)
            .nth(1)
            .ok_or("--rows needs a number")?
            .parse()?,
    };
    for path in arguments {
        let model = open(Path::new(&path))?;
        let speed = rows_per_second(&model, rows)?;
        eprintln!("{path}: {speed:.0} rows/s");
    }
    Ok(())
}

/// The best of the repeats.
fn rows_per_second(model: &ForeignModel, rows: usize) -> Result<f64, Box<dyn std::error::Error>> {
    let numbers = |size: usize| {
        (0..rows * size)
            .map(|i| (i * 37 % 101) as f32 / 101.0)
            .collect::<Vec<_>>()
    };
    let x = Observations::new(numbers(model.event().size()), model.event().clone())?;
    let z = Latents::from_vec(numbers(model.latent_dim()), model.latent_dim())?;
    let mut best = f64::INFINITY;
    for _ in 0..REPEATS {
        let start = Instant::now();
        if model.encodes() {
            model.posterior(&x)?;
        } else {
            model.decode(&z)?;
        }
        best = best.min(start.elapsed().as_secs_f64());
    }
    Ok(rows as f64 / best)
}
