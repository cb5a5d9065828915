//! Gradients of every kind of layer, and of the recurrent unit, against central differences.
//!
//! The differences are taken of a plain forward pass in double precision ([`reference`]), where a
//! small step is exact enough and does not cross the kinks of activations. The same pass checks the
//! outputs.
#![allow(clippy::unwrap_used)] // the helpers of a test file are tests too

mod reference;

use zbridge_core::RandomStream;
use zbridge_nn::{Convolution, Gradients, Gru, GruTape, InputGradient, Layer, Mode, Network, Tape};

const ROWS: usize = 6;
const STEP: f64 = 1e-5;

/// Returns the derivative of `f` at each place of `values`.
fn central_differences(values: &[f64], f: impl Fn(&[f64]) -> f64) -> Vec<f64> {
    let mut moved = values.to_vec();
    let mut at = |place: usize, step: f64| {
        moved[place] = values[place] + step;
        let result = f(&moved);
        moved[place] = values[place];
        result
    };
    (0..values.len())
        .map(|place| (at(place, STEP) - at(place, -STEP)) / (2.0 * STEP))
        .collect()
}

/// Compares with central differences, to a thousandth.
fn assert_gradient(what: &str, ours: &[f32], numeric: &[f64]) {
    assert_eq!(ours.len(), numeric.len(), "{what}");
    // Entries near zero are sums that cancel, in which single precision has less digits.
    let largest = numeric.iter().fold(0.0f64, |a, b| a.max(b.abs()));
    for (place, (&ours, numeric)) in ours.iter().zip(numeric).enumerate() {
        let difference = (f64::from(ours) - numeric).abs();
        assert!(
            difference <= 1e-3 * numeric.abs() + 1e-5 * largest.max(1.0),
            "{what} [{place}]: {ours}, by differences {numeric}"
        );
    }
}

fn convolution(
    input: [usize; 3],
    channels: usize,
    kernel: usize,
    stride: usize,
    padding: usize,
) -> Convolution {
    Convolution {
        input,
        channels,
        kernel,
        stride,
        padding,
    }
}

fn linear(inputs: usize, outputs: usize) -> Layer {
    Layer::Linear { inputs, outputs }
}

/// Every kind of layer alone, and in the company that changes how it is computed.
fn networks() -> Vec<(&'static str, Vec<Layer>)> {
    let narrow = convolution([6, 5, 2], 3, 4, 2, 1);
    let upward = convolution([3, 2, 3], 2, 4, 2, 1);
    vec![
        ("linear", vec![linear(5, 4)]),
        ("wide linear", vec![linear(70, 20), linear(20, 3)]),
        ("convolution", vec![Layer::Conv(narrow)]),
        (
            "convolution of stride 1",
            vec![Layer::Conv(convolution([4, 5, 2], 3, 3, 1, 1))],
        ),
        ("transposed convolution", vec![Layer::ConvTranspose(upward)]),
        (
            "cropped transposed convolution",
            vec![Layer::ConvTranspose(convolution([2, 2, 3], 2, 6, 2, 2))],
        ),
        (
            "grids",
            vec![
                Layer::Conv(narrow),
                Layer::Silu,
                Layer::ConvTranspose(upward),
                Layer::Silu,
                Layer::Conv(convolution([6, 4, 2], 1, 3, 1, 1)),
            ],
        ),
        ("batch norm", vec![Layer::BatchNorm { width: 4 }]),
        (
            "batch norm with a leaky activation",
            vec![
                Layer::BatchNorm { width: 5 },
                Layer::LeakyRelu { slope: 0.2 },
            ],
        ),
        (
            "batch norm above a linear layer",
            vec![
                linear(5, 6),
                Layer::BatchNorm { width: 6 },
                Layer::LeakyRelu { slope: 0.2 },
                linear(6, 4),
                Layer::BatchNorm { width: 4 },
                Layer::Silu,
                linear(4, 2),
            ],
        ),
        (
            "leaky relu",
            vec![linear(4, 5), Layer::LeakyRelu { slope: 0.1 }, linear(5, 2)],
        ),
        ("silu", vec![linear(4, 5), Layer::Silu, linear(5, 2)]),
        (
            "dropout",
            vec![linear(4, 9), Layer::Dropout { rate: 0.25 }, linear(9, 2)],
        ),
        (
            "transposes",
            vec![
                Layer::Transpose {
                    rows: 2,
                    columns: 30,
                },
                Layer::Conv(narrow),
                Layer::Silu,
                Layer::Transpose {
                    rows: 6,
                    columns: 3,
                },
            ],
        ),
    ]
}

/// A network with parameters, a batch, and the c of the objective Σ c·y.
struct Case {
    name: &'static str,
    network: Network,
    parameters: Vec<f32>,
    input: Vec<f32>,
    coefficients: Vec<f32>,
    tape: Tape,
}

impl Case {
    fn all() -> Vec<Self> {
        let new = |(name, layers)| Self::new(name, layers);
        networks().into_iter().map(new).collect()
    }

    fn new(name: &'static str, layers: Vec<Layer>) -> Self {
        let network = Network::new(layers).unwrap();
        let mut stream = RandomStream::named(5, name);
        let mut draw = |length: usize| {
            let mut values = vec![0.0; length];
            stream.fill_standard_normal(&mut values);
            values
        };
        // Twice the usual size: activations bend.
        let mut parameters: Vec<f32> = network
            .initial_parameters(&mut RandomStream::named(6, name))
            .iter()
            .map(|parameter| 2.0 * parameter)
            .collect();
        for tensor in network.tensors() {
            let noise = draw(tensor.range.len());
            for (parameter, noise) in parameters[tensor.range.clone()].iter_mut().zip(noise) {
                *parameter += 0.1 * noise;
            }
        }
        let mut tape = Tape::default();
        tape.draw_dropout_from(RandomStream::named(7, name));
        Self {
            name,
            parameters,
            input: draw(ROWS * network.inputs()),
            coefficients: draw(ROWS * network.outputs()),
            network,
            tape,
        }
    }

    fn forward(&mut self) -> Vec<f32> {
        let Self {
            network,
            parameters,
            input,
            tape,
            ..
        } = self;
        network
            .forward(parameters, input, Mode::Training, tape)
            .to_vec()
    }

    /// Gradients of the parameters and of the input.
    fn backward(&mut self) -> (Vec<f32>, Vec<f32>) {
        let mut gradients = vec![0.0; self.parameters.len()];
        let at_input = self.network.backward(
            &self.parameters,
            &self.coefficients,
            Gradients::Add(&mut gradients),
            InputGradient::Wanted,
            &mut self.tape,
        );
        let at_input = at_input.to_vec();
        (gradients, at_input)
    }

    /// The outputs in double precision, with the factors of the last pass in place of dropout.
    fn reference(&self, parameters: &[f64], input: &[f64]) -> Vec<f64> {
        reference::forward(&self.network, parameters, input, &self.tape)
    }

    fn reference_objective(&self, parameters: &[f64], input: &[f64]) -> f64 {
        let outputs = self.reference(parameters, input);
        let pairs = outputs.iter().zip(&self.coefficients);
        pairs.map(|(y, &c)| y * f64::from(c)).sum()
    }
}

fn doubles(values: &[f32]) -> Vec<f64> {
    values.iter().copied().map(f64::from).collect()
}

#[test]
fn outputs_equal_those_in_double_precision() {
    for mut case in Case::all() {
        let ours = case.forward();
        let exact = case.reference(&doubles(&case.parameters), &doubles(&case.input));
        for (ours, exact) in ours.iter().zip(&exact) {
            let close = (f64::from(*ours) - exact).abs() < 1e-5 * exact.abs().max(1.0);
            assert!(close, "{}: {ours} for {exact}", case.name);
        }
    }
}

#[test]
fn gradients_of_networks_equal_central_differences() {
    for mut case in Case::all() {
        case.forward();
        let (gradients, at_input) = case.backward();
        let (parameters, input) = (doubles(&case.parameters), doubles(&case.input));
        let by_parameters =
            central_differences(&parameters, |moved| case.reference_objective(moved, &input));
        let by_input =
            central_differences(&input, |moved| case.reference_objective(&parameters, moved));
        for tensor in case.network.tensors() {
            let name = format!("{}, {}", case.name, tensor.name);
            let ours = &gradients[tensor.range.clone()];
            // In training no output depends on running statistics.
            assert_gradient(&name, ours, &by_parameters[tensor.range.clone()]);
        }
        assert_gradient(&format!("{}, input", case.name), &at_input, &by_input);
    }
}

#[test]
fn gradients_of_the_recurrent_unit_equal_central_differences() {
    let (gru, rows, steps) = (
        Gru {
            inputs: 3,
            units: 5,
        },
        4,
        6,
    );
    let mut stream = RandomStream::named(3, "gru");
    let parameters: Vec<f32> = gru
        .initial_parameters(&mut stream)
        .iter()
        .map(|parameter| 2.0 * parameter)
        .collect();
    let mut inputs = vec![0.0; steps * rows * gru.inputs];
    let mut coefficients = vec![0.0; steps * rows * gru.units];
    stream.fill_standard_normal(&mut inputs);
    stream.fill_standard_normal(&mut coefficients);
    let (mut tape, mut gradients) = (GruTape::default(), vec![0.0; parameters.len()]);
    let states = gru.forward(&parameters, &inputs, rows, &mut tape).to_vec();
    let at_inputs = gru
        .backward(&parameters, &coefficients, &mut gradients, &mut tape)
        .to_vec();

    let objective = |parameters: &[f64], inputs: &[f64]| -> f64 {
        let states = reference::gru(&gru, parameters, inputs, rows);
        states
            .iter()
            .zip(&coefficients)
            .map(|(h, &c)| h * f64::from(c))
            .sum()
    };
    let (parameters, inputs) = (doubles(&parameters), doubles(&inputs));
    let exact = reference::gru(&gru, &parameters, &inputs, rows);
    let close = |(ours, exact): (&f32, &f64)| (f64::from(*ours) - exact).abs() < 1e-6;
    assert!(states.iter().zip(&exact).all(close), "states");
    let by_parameters = central_differences(&parameters, |moved| objective(moved, &inputs));
    let by_inputs = central_differences(&inputs, |moved| objective(&parameters, moved));
    assert_gradient("parameters", &gradients, &by_parameters);
    assert_gradient("inputs", &at_inputs, &by_inputs);
}
