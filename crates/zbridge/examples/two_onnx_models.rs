//! Two models exported to ONNX, joined by pairs: an observation of x becomes one of y.
//!
//! `cargo run --release -p zbridge --example two_onnx_models [X_MODEL Y_MODEL]`, each a folder with
//! `encoder.onnx` and `decoder.onnx`. Without arguments, two small untrained models are used.
#![allow(clippy::print_stdout, dead_code)]

use zbridge::{
    Bridge, BridgeConfig, Error, EventKind, FitData, GivenModel, Observations, RandomStream,
    Unobserved, generate,
};

fn main() -> Result<(), Error> {
    run(&std::env::args().skip(1).collect::<Vec<_>>())
}

/// Runs the example with these arguments.
pub fn run(paths: &[String]) -> Result<(), Error> {
    let small =
        ["x", "y"].map(|name| format!("{}/examples/models/{name}", env!("CARGO_MANIFEST_DIR")));
    let paths = if paths.len() == 2 { paths } else { &small };
    let [x_model, y_model] = [&paths[0], &paths[1]].map(GivenModel::open);
    let (x_model, y_model) = (x_model?.model, y_model?.model);

    // In place of your pairs: noise that both models see the same first numbers of.
    let (rows, mut stream) = (300, RandomStream::named(1, "pairs"));
    let mut shared = vec![0.0; rows * x_model.event().size().max(y_model.event().size())];
    shared.fill_with(|| stream.uniform());
    let observations = |event: &EventKind| {
        Observations::new(shared[..rows * event.size()].to_vec(), event.clone())
    };
    let x = x_model.posterior(&observations(x_model.event())?)?;
    let y = y_model.posterior(&observations(y_model.event())?)?;

    let config = BridgeConfig::family("linear-gaussian".parse()?).check()?;
    let bridge = Bridge::fit(&FitData::pairs(&x, &y), &config, &Unobserved)?;
    let made = generate(bridge.x_to_y(), &x.select(&[0]), &*y_model, 4, &mut stream)?;
    println!("4 {} made from the first x", made.kind().in_words());
    Ok(())
}
