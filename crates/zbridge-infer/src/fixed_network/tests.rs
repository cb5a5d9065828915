use super::*;
use ndarray::{Array2, Axis};
use zbridge_core::RandomStream;
use zbridge_nn::{Mode, Tape};

fn conv(
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

/// Every kind of layer, in sizes that fill no vector and no tile, and that do.
fn networks() -> Vec<Network> {
    let convolutions = [
        (conv([7, 5, 3], 2, 3, 1, 1), conv([7, 5, 3], 2, 3, 2, 1)),
        (conv([6, 6, 2], 9, 4, 2, 1), conv([6, 6, 2], 16, 4, 2, 1)),
        (conv([9, 4, 1], 1, 5, 3, 2), conv([9, 4, 1], 1, 6, 2, 2)),
        (conv([3, 3, 5], 8, 1, 1, 0), conv([3, 3, 5], 3, 2, 3, 0)),
        (conv([8, 8, 2], 3, 2, 3, 0), conv([4, 3, 2], 10, 5, 3, 1)),
        // A window in the corner that sees nothing, and outputs that no input reaches.
        (conv([3, 2, 4], 9, 1, 1, 1), conv([3, 2, 4], 9, 1, 2, 0)),
        (conv([1, 1, 4], 4, 3, 1, 1), conv([1, 2, 4], 1, 4, 1, 1)),
    ];
    let alone = convolutions
        .iter()
        .flat_map(|(c, t)| [vec![Layer::Conv(*c)], vec![Layer::ConvTranspose(*t)]]);
    let dense = vec![
        Layer::Linear {
            inputs: 5,
            outputs: 13,
        },
        Layer::BatchNorm { width: 13 },
        Layer::LeakyRelu { slope: 0.2 },
        Layer::Dropout { rate: 0.5 },
        Layer::Linear {
            inputs: 13,
            outputs: 3,
        },
        Layer::Silu,
        Layer::LeakyRelu { slope: 0.1 },
    ];
    let decoder = vec![
        Layer::Linear {
            inputs: 6,
            outputs: 3 * 3 * 8,
        },
        Layer::Silu,
        Layer::ConvTranspose(conv([3, 3, 8], 8, 4, 2, 1)),
        Layer::Silu,
        Layer::ConvTranspose(conv([6, 6, 8], 1, 6, 2, 2)),
    ];
    // Windows in several pieces: of one band, of several, of a transposed convolution.
    let large = vec![
        Layer::Linear {
            inputs: 300,
            outputs: 5 * 4 * 60,
        },
        Layer::Silu,
        Layer::Conv(conv([5, 4, 60], 7, 3, 1, 1)),
        Layer::LeakyRelu { slope: 0.3 },
        Layer::ConvTranspose(conv([5, 4, 7], 40, 3, 2, 1)),
        Layer::ConvTranspose(conv([9, 7, 40], 3, 5, 2, 2)),
    ];
    let colours = vec![
        Layer::Transpose {
            rows: 3,
            columns: 35,
        },
        Layer::Conv(conv([7, 5, 3], 2, 3, 1, 1)),
        Layer::Transpose {
            rows: 35,
            columns: 2,
        },
        Layer::Silu,
    ];
    alone
        .chain([dense, decoder, large, colours])
        .map(|layers| Network::new(layers).unwrap())
        .collect()
}

/// A network, parameters of which no running statistic is trivial, and rows.
struct Case {
    network: Network,
    parameters: Vec<f32>,
    input: Array2<f32>,
}

fn cases(rows: usize) -> impl Iterator<Item = Case> {
    networks()
        .into_iter()
        .enumerate()
        .map(move |(index, network)| {
            let mut stream = RandomStream::named(index as u64, "fixed");
            let mut parameters = network.initial_parameters(&mut stream);
            for tensor in network
                .tensors()
                .iter()
                .filter(|tensor| tensor.name.contains("running"))
            {
                for value in &mut parameters[tensor.range.clone()] {
                    *value = 0.5 + stream.uniform();
                }
            }
            let mut input = Array2::zeros((rows, network.inputs()));
            stream.fill_standard_normal(input.as_slice_mut().expect("a new array is contiguous"));
            Case {
                network,
                parameters,
                input,
            }
        })
}

impl Case {
    fn fixed(&self, set: InstructionSet) -> FixedNetwork {
        FixedNetwork::with_instruction_set(set, &self.network, &self.parameters)
    }
}

#[test]
fn outputs_are_those_of_the_layers_on_every_instruction_set() {
    let (mut tape, mut workspace) = (Tape::default(), Workspace::default());
    for rows in [0, 1, 7, 16, 17, 31, 32, 33, 70] {
        for case in cases(rows) {
            let (network, input) = (&case.network, case.input.as_slice().unwrap());
            let plain = network.forward(&case.parameters, input, Mode::Inference, &mut tape);
            for set in InstructionSet::available() {
                let fixed = case.fixed(set);
                let found = fixed.forward(case.input.view(), &mut workspace);
                assert_eq!(found.dim(), (rows, network.outputs()));
                for (i, (found, plain)) in found.iter().zip(&*plain).enumerate() {
                    assert!(
                        (*found - *plain).abs() < 2e-6,
                        "{found} for {plain} at {i} on {set}, {rows} rows, {:?}",
                        network.layers()
                    );
                }
            }
        }
    }
}

/// Fused sums are rounded alike however many are computed at once.
#[test]
fn sets_with_fused_sums_have_the_same_bits() {
    let mut workspace = Workspace::default();
    let fused = || InstructionSet::available().filter(|set| *set > InstructionSet::Scalar);
    for case in cases(45) {
        let outputs = fused().map(|set| {
            let outputs = case
                .fixed(set)
                .forward(case.input.view(), &mut workspace)
                .to_owned();
            outputs.mapv(f32::to_bits)
        });
        let outputs: Vec<Array2<u32>> = outputs.collect();
        assert!(
            outputs.windows(2).all(|pair| pair[0] == pair[1]),
            "{:?}",
            case.network.layers()
        );
    }
}

#[test]
fn a_row_has_the_same_bits_in_every_batch() {
    let mut workspace = Workspace::default();
    for case in cases(45) {
        for set in InstructionSet::available() {
            let fixed = case.fixed(set);
            let batch = fixed.forward(case.input.view(), &mut workspace).to_owned();
            for rows in [1, 5, 20] {
                for (part, expected) in case
                    .input
                    .axis_chunks_iter(Axis(0), rows)
                    .zip(batch.axis_chunks_iter(Axis(0), rows))
                {
                    let found = fixed.forward(part, &mut workspace);
                    let layers = case.network.layers();
                    assert!(
                        found == expected,
                        "{rows} rows at a time on {set}, {layers:?}"
                    );
                }
            }
        }
    }
}
