//! Two models exported to ONNX, joined by pairs: an observation of x becomes one of y.
//!
//! `cargo run --release -p zbridge --example two_onnx_models X_MODEL Y_MODEL`, each a folder with
//! `encoder.onnx` and `decoder.onnx`. Without arguments, two small models of the tests are used.

use zbridge::{
    Bridge, BridgeConfig, Error, FitData, GivenModel, Observations, RandomStream, Unobserved,
    generate,
};

fn main() -> Result<(), Error> {
    let fixture = |name: &str| format!("{}/examples/models/{name}", env!("CARGO_MANIFEST_DIR"));
    let mut arguments = std::env::args().skip(1);
    let x_model = GivenModel::open(arguments.next().unwrap_or_else(|| fixture("x")))?.model;
    let y_model = GivenModel::open(arguments.next().unwrap_or_else(|| fixture("y")))?.model;

    // In place of your pairs: noise that both models see the same first numbers of.
    let (rows, mut stream) = (300, RandomStream::named(1, "pairs"));
    let mut shared = vec![0.0; rows * x_model.event().size().max(y_model.event().size())];
    shared.fill_with(|| stream.uniform());
    let observations = |event: &zbridge::EventKind| {
        let numbers = shared[..rows * event.size()].to_vec();
        Observations::new(numbers, event.clone())
    };
    let x = x_model.posterior(&observations(x_model.event())?)?;
    let y = y_model.posterior(&observations(y_model.event())?)?;

    let config = BridgeConfig::family("linear-gaussian".parse()?).check()?;
    let bridge = Bridge::fit(&FitData::pairs(&x, &y), &config, &Unobserved)?;
    let made = generate(bridge.x_to_y(), &x.select(&[0]), &*y_model, 4, &mut stream)?;
    println!("4 {} made from the first x", made.kind().in_words());
    Ok(())
}
