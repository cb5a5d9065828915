//! Laws of the passes through networks.
#![allow(clippy::unwrap_used)] // the helpers of a test file are tests too

use zbridge_core::RandomStream;
use zbridge_nn::{Convolution, Gradients, InputGradient, Layer, Mode, Network, Tape};

fn grid(
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

fn networks() -> Vec<Network> {
    let conv = grid([6, 6, 2], 3, 4, 2, 1);
    let up = grid([3, 3, 3], 2, 4, 2, 1);
    let layers = [
        vec![
            Layer::Linear {
                inputs: 5,
                outputs: 4,
            },
            Layer::Silu,
            Layer::Linear {
                inputs: 4,
                outputs: 3,
            },
        ],
        vec![
            Layer::Conv(conv),
            Layer::Silu,
            Layer::ConvTranspose(up),
            Layer::Silu,
            Layer::Conv(grid([6, 6, 2], 1, 3, 1, 1)),
        ],
        vec![
            Layer::Linear {
                inputs: 5,
                outputs: 6,
            },
            Layer::BatchNorm { width: 6 },
            Layer::LeakyRelu { slope: 0.2 },
            Layer::Linear {
                inputs: 6,
                outputs: 2,
            },
        ],
        vec![
            Layer::Transpose {
                rows: 2,
                columns: 36,
            },
            Layer::Conv(conv),
            Layer::Silu,
            Layer::Transpose {
                rows: 9,
                columns: 3,
            },
        ],
    ];
    layers
        .into_iter()
        .map(|layers| Network::new(layers).unwrap())
        .collect()
}

#[test]
fn gradients_anew_are_those_added_to_zeros() {
    for network in networks() {
        let mut stream = RandomStream::named(7, "anew");
        let parameters = network.initial_parameters(&mut stream);
        let (mut input, mut c) = (
            vec![0.0; 4 * network.inputs()],
            vec![0.0; 4 * network.outputs()],
        );
        stream.fill_standard_normal(&mut input);
        stream.fill_standard_normal(&mut c);
        let (mut tape, unused) = (Tape::default(), InputGradient::Unused);
        network.forward(&parameters, &input, Mode::Training, &mut tape);
        let (mut added, mut anew) = (vec![0.0; parameters.len()], vec![9.0; parameters.len()]);
        network.backward(
            &parameters,
            &c,
            Gradients::Add(&mut added),
            unused,
            &mut tape,
        );
        network.backward(
            &parameters,
            &c,
            Gradients::Overwrite(&mut anew),
            unused,
            &mut tape,
        );
        assert_eq!(added, anew);
    }
}

#[test]
fn dropout_keeps_the_mean_in_training_and_is_an_identity_at_inference() {
    let network = Network::new(vec![
        Layer::Linear {
            inputs: 1,
            outputs: 1,
        },
        Layer::Dropout { rate: 0.25 },
        Layer::Linear {
            inputs: 1,
            outputs: 1,
        },
    ]);
    let (network, parameters, rows) = (network.unwrap(), [1.0, 0.0, 1.0, 0.0], 20_000);
    let mut tape = Tape::default();
    tape.draw_dropout_from(RandomStream::named(1, "dropout"));
    let input = vec![1.0; rows];
    assert!(
        network
            .forward(&parameters, &input, Mode::Inference, &mut tape)
            .iter()
            .all(|y| *y == 1.0)
    );
    let output = network
        .forward(&parameters, &input, Mode::Training, &mut tape)
        .to_vec();
    let zeros = output.iter().filter(|y| **y == 0.0).count() as f64 / rows as f64;
    assert!((zeros - 0.25).abs() < 0.01, "{zeros} dropped");
    assert!(
        output
            .iter()
            .all(|y| *y == 0.0 || (y - 4.0 / 3.0).abs() < 1e-6)
    );
    let mut gradients = vec![0.0; 4];
    let below = network.backward(
        &parameters,
        &vec![1.0; rows],
        Gradients::Add(&mut gradients),
        InputGradient::Wanted,
        &mut tape,
    );
    assert!(
        below.iter().zip(&output).all(|(g, y)| (g - y).abs() < 1e-6),
        "the mask on the way back"
    );
}

#[test]
fn inference_on_a_batch_equals_row_by_row() {
    for network in networks() {
        let mut stream = RandomStream::named(6, "rows");
        let parameters = network.initial_parameters(&mut stream);
        let mut input = vec![0.0; 3 * network.inputs()];
        stream.fill_standard_normal(&mut input);
        let batch = network
            .forward(&parameters, &input, Mode::Inference, &mut Tape::default())
            .to_vec();
        let rows = input.chunks_exact(network.inputs());
        let one_by_one: Vec<f32> = rows
            .flat_map(|row| {
                network
                    .forward(&parameters, row, Mode::Inference, &mut Tape::default())
                    .to_vec()
            })
            .collect();
        for (a, b) in batch.iter().zip(&one_by_one) {
            assert!((a - b).abs() < 1e-5, "{a} against {b}");
        }
    }
}
