//! Every kernel computes the same on every instruction set that the processor has, up to rounding.
//!
//! The set that kernels run with is one for the whole process, so each test takes it in turn.
#![allow(clippy::unwrap_used)] // the helpers of a test file are tests too

use std::sync::{Mutex, PoisonError};
use zbridge_core::RandomStream;
use zbridge_nn::{
    Adam, Convolution, Gradients, Gru, GruTape, InputGradient, InstructionSet, Layer, Likelihood,
    Mode, Network, PackedWeights, Tape, exponentials,
};

/// What one instruction set computed, by name.
type Results = Vec<(String, Vec<f32>)>;

/// Compares what `compute` returns on each set with what it returns on the narrowest: each number
/// within 1e-5 of the largest of its kind.
fn agree(compute: impl Fn() -> Results) {
    static IN_TURN: Mutex<()> = Mutex::new(());
    let turn = IN_TURN.lock().unwrap_or_else(PoisonError::into_inner);
    InstructionSet::Scalar.limit_to();
    let expected = compute();
    for set in InstructionSet::available().skip(1) {
        set.limit_to();
        for ((name, found), (_, expected)) in compute().iter().zip(&expected) {
            assert_eq!(found.len(), expected.len());
            let largest = expected
                .iter()
                .fold(1e-30f32, |largest, x| largest.max(x.abs()));
            for (i, (found, expected)) in found.iter().zip(expected).enumerate() {
                let gap = (found - expected).abs();
                assert!(
                    gap <= 1e-5 * largest,
                    "{name} on {set}: {found} for {expected} at {i}"
                );
            }
        }
    }
    InstructionSet::best().limit_to();
    drop(turn);
}

fn numbers(count: usize, name: &str) -> Vec<f32> {
    let mut numbers = vec![0.0; count];
    RandomStream::named(1, name).fill_standard_normal(&mut numbers);
    numbers
}

fn linear(inputs: usize, outputs: usize) -> Layer {
    Layer::Linear { inputs, outputs }
}

fn convolution(
    input: [usize; 3],
    channels: usize,
    [kernel, stride, padding]: [usize; 3],
) -> Convolution {
    Convolution {
        input,
        channels,
        kernel,
        stride,
        padding,
    }
}

/// Networks that together have every kind of layer, in sizes that fill no vector, and that do.
fn networks() -> Vec<Network> {
    let layers = [
        vec![linear(70, 130), Layer::Silu, linear(130, 5)],
        vec![
            linear(64, 128),
            Layer::BatchNorm { width: 128 },
            Layer::LeakyRelu { slope: 0.2 },
            linear(128, 33),
            Layer::LeakyRelu { slope: 0.1 },
            Layer::BatchNorm { width: 33 },
        ],
        vec![
            Layer::Transpose {
                rows: 3,
                columns: 64,
            },
            Layer::Conv(convolution([8, 8, 3], 17, [4, 2, 1])),
            Layer::Silu,
            Layer::ConvTranspose(convolution([4, 4, 17], 2, [4, 2, 1])),
            Layer::Dropout { rate: 0.25 },
            linear(128, 9),
        ],
    ];
    layers.map(|layers| Network::new(layers).unwrap()).into()
}

/// Both passes of a network, with weights packed before and not.
fn passes(network: &Network, rows: usize, results: &mut Results) {
    let name = format!("{:?}, {rows} rows", network.layers());
    let parameters = network.initial_parameters(&mut RandomStream::named(2, "parameters"));
    let input = numbers(rows * network.inputs(), "input");
    let mut packed = PackedWeights::default();
    packed.pack(network, &parameters);
    for (weights, mode) in [
        (&PackedWeights::default(), Mode::Inference),
        (&packed, Mode::Inference),
        (&packed, Mode::Training),
    ] {
        let mut tape = Tape::default();
        tape.draw_dropout_from(RandomStream::named(3, "dropout"));
        let outputs = network
            .forward_with(&parameters, weights, &input, mode, &mut tape)
            .to_vec();
        results.push((format!("outputs of {name} in {mode:?}"), outputs));
        if mode == Mode::Training {
            let mut gradients = vec![0.0; parameters.len()];
            let output_gradient = numbers(rows * network.outputs(), "output gradient");
            let at_input = network.backward(
                &parameters,
                &output_gradient,
                Gradients::Overwrite(&mut gradients),
                InputGradient::Wanted,
                &mut tape,
            );
            results.push((format!("input gradient of {name}"), at_input.to_vec()));
            results.push((format!("gradients of {name}"), gradients));
        }
    }
}

#[test]
fn layers_agree() {
    agree(|| {
        let mut results = vec![];
        for network in networks() {
            for rows in [1, 5, 40] {
                passes(&network, rows, &mut results);
            }
        }
        results
    });
}

#[test]
fn likelihoods_agree() {
    let observation: Vec<f32> = numbers(60, "x")
        .iter()
        .map(|x| (0.3 * x).clamp(0.0, 1.0))
        .collect();
    let outputs = numbers(60, "outputs");
    agree(|| {
        let mut results = vec![];
        for likelihood in [
            Likelihood::Bernoulli,
            Likelihood::Categorical,
            Likelihood::Categoricals { classes: 6 },
            Likelihood::Gaussian { sd: 0.4 },
            Likelihood::DiscretisedLogistic {
                scale: 0.2,
                levels: 256,
            },
        ] {
            let nats = likelihood.log_likelihood_nats(&outputs, &observation);
            let (mut gradient, mut means) = (outputs.clone(), outputs.clone());
            let again = likelihood.backward(&mut gradient, &observation, 0.5);
            likelihood.means(&mut means);
            results.push((
                format!("log-likelihoods under {likelihood:?}"),
                vec![nats, again],
            ));
            results.push((format!("gradient of {likelihood:?}"), gradient));
            results.push((format!("means of {likelihood:?}"), means));
        }
        results
    });
}

#[test]
fn a_recurrent_unit_agrees() {
    let unit = Gru {
        inputs: 19,
        units: 37,
    };
    let (steps, rows) = (4, 18);
    agree(|| {
        let parameters = unit.initial_parameters(&mut RandomStream::named(4, "gru"));
        let inputs = numbers(steps * rows * unit.inputs, "inputs");
        let mut tape = GruTape::default();
        let states = unit.forward(&parameters, &inputs, rows, &mut tape).to_vec();
        let mut gradients = vec![0.0; parameters.len()];
        let at_inputs = unit.backward(&parameters, &states, &mut gradients, &mut tape);
        vec![
            ("input gradient".to_owned(), at_inputs.to_vec()),
            ("states".to_owned(), states),
            ("gradients".to_owned(), gradients),
        ]
    });
}

#[test]
fn elementwise_loops_agree() {
    agree(|| {
        let inputs = numbers(1000, "elements");
        let mut exponents = vec![0.0; inputs.len()];
        exponentials(&inputs, &mut exponents);
        let (mut parameters, mut adam) = (inputs.clone(), Adam::new(inputs.len()));
        for _ in 0..3 {
            let gradients = parameters.clone();
            adam.step(&mut parameters, &gradients, 1e-2);
        }
        vec![
            ("exponentials".to_owned(), exponents),
            ("Adam's parameters".to_owned(), parameters),
        ]
    });
}
