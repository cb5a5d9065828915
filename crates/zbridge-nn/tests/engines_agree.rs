//! The native engine against burn and its automatic derivatives: two independent readings of one
//! network.
#![cfg(feature = "flex")]
#![allow(clippy::unwrap_used)] // the helpers of a test file are tests too

use zbridge_core::RandomStream;
use zbridge_nn::burn_engine::{BurnAdam, BurnDevice, BurnNetwork, Tensor};
use zbridge_nn::{
    Adam, Convolution, Device, Gradients, InputGradient, Layer, Likelihood, Mode, Network, Tape,
};

/// Enough that every unit is on either side of zero on some row.
const ROWS: usize = 48;

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

/// Activations come before normalisations, and bend on some row: a normalisation takes away a bias
/// that reaches it straight, whose gradient is then rounding alone, which Adam would blow up.
fn networks() -> Vec<(&'static str, Network)> {
    let dense = vec![
        Layer::Linear {
            inputs: 7,
            outputs: 9,
        },
        Layer::LeakyRelu { slope: 0.1 },
        Layer::BatchNorm { width: 9 },
        Layer::Linear {
            inputs: 9,
            outputs: 4,
        },
    ];
    let grids = vec![
        Layer::Conv(conv([8, 6, 2], 5, 4, 2, 1)),
        Layer::Silu,
        Layer::ConvTranspose(conv([4, 3, 5], 3, 4, 2, 1)),
        Layer::Silu,
        Layer::Conv(conv([8, 6, 3], 2, 3, 1, 1)),
        Layer::Silu,
        Layer::BatchNorm { width: 8 * 6 * 2 },
        Layer::Linear {
            inputs: 8 * 6 * 2,
            outputs: 12,
        },
        // The twelve numbers read as another grid than the one before.
        Layer::ConvTranspose(conv([2, 2, 3], 2, 6, 2, 2)),
    ];
    let colours = vec![
        Layer::Transpose {
            rows: 3,
            columns: 30,
        },
        Layer::Conv(conv([6, 5, 3], 4, 3, 1, 1)),
        Layer::Silu,
        Layer::Transpose {
            rows: 30,
            columns: 4,
        },
    ];
    let network = |layers| Network::new(layers).unwrap();
    vec![
        ("dense", network(dense)),
        ("grids", network(grids)),
        ("colours", network(colours)),
    ]
}

/// A network's parameters, a batch, and the output gradient c of the objective Σ c·y.
struct Case {
    network: Network,
    parameters: Vec<f32>,
    input: Vec<f32>,
    output_gradient: Vec<f32>,
}

impl Case {
    fn new(name: &str, network: Network) -> Self {
        let mut stream = RandomStream::named(11, name);
        // Twice the initial size: activations then bend, and normalisations leave the biases a
        // gradient.
        let parameters = network
            .initial_parameters(&mut stream)
            .iter()
            .map(|value| 2.0 * value)
            .collect();
        let mut input = vec![0.0; ROWS * network.inputs()];
        let mut output_gradient = vec![0.0; ROWS * network.outputs()];
        stream.fill_standard_normal(&mut input);
        stream.fill_standard_normal(&mut output_gradient);
        Self {
            network,
            parameters,
            input,
            output_gradient,
        }
    }

    /// Every case on every device, with a name for errors.
    fn all() -> impl Iterator<Item = (String, Self, BurnDevice)> {
        networks().into_iter().flat_map(|(name, network)| {
            let named = move |device: BurnDevice| format!("{name} on {}", device.device());
            devices().into_iter().map(move |device| {
                (
                    named(device.clone()),
                    Self::new(name, network.clone()),
                    device,
                )
            })
        })
    }

    /// Gradients by the native engine, and the statistics of the batch folded into the running
    /// ones.
    fn native_step(&self, parameters: &mut [f32], tape: &mut Tape) -> Vec<f32> {
        let mut gradients = vec![0.0; parameters.len()];
        self.network
            .forward(parameters, &self.input, Mode::Training, tape);
        self.network.backward(
            parameters,
            &self.output_gradient,
            Gradients::Add(&mut gradients),
            InputGradient::Unused,
            tape,
        );
        self.network.update_running_statistics(parameters, tape);
        gradients
    }

    /// The same by burn.
    fn burn_step(&self, network: &mut BurnNetwork, device: &BurnDevice) -> Tensor<1> {
        let input = device.tensor(self.input.clone(), [ROWS, self.network.inputs()]);
        let weights = device.tensor(self.output_gradient.clone(), [ROWS, self.network.outputs()]);
        let (output, statistics) = network.forward_measured(input);
        let mut gradients = (output * weights).sum().backward();
        let flat = network.gradients(&mut gradients);
        network.update_running_statistics(statistics);
        flat
    }
}

/// Burn on the processor, and on whatever else this build and this machine have.
fn devices() -> Vec<BurnDevice> {
    let others = [Device::Cuda(0), Device::Wgpu(0)]
        .into_iter()
        .filter_map(|device| BurnDevice::open(device).ok());
    std::iter::once(BurnDevice::open(Device::Flex).unwrap())
        .chain(others)
        .collect()
}

/// Both within `tolerance` of each other, relative to the largest of the values.
fn assert_close(what: &str, native: &[f32], burn: &[f32], tolerance: f32) {
    assert_eq!(native.len(), burn.len(), "{what}");
    let scale = native
        .iter()
        .fold(1e-6f32, |largest, value| largest.max(value.abs()));
    for (i, (native, burn)) in native.iter().zip(burn).enumerate() {
        assert!(
            (native - burn).abs() <= tolerance * scale,
            "{what} [{i}]: native {native}, burn {burn}"
        );
    }
}

#[test]
fn outputs_agree() {
    for (name, case, device) in Case::all() {
        let network = BurnNetwork::new(&case.network, &case.parameters, &device);
        for mode in [Mode::Training, Mode::Inference] {
            let input = device.tensor(case.input.clone(), [ROWS, case.network.inputs()]);
            let burn = device.read(network.forward(input, mode)).unwrap();
            let mut tape = Tape::default();
            let native = case
                .network
                .forward(&case.parameters, &case.input, mode, &mut tape);
            assert_close(&format!("{name}, {mode:?}"), native, &burn, 1e-4);
        }
    }
}

#[test]
fn gradients_agree() {
    for (name, case, device) in Case::all() {
        let mut network = BurnNetwork::new(&case.network, &case.parameters, &device).trainable();
        let burn = device.read(case.burn_step(&mut network, &device)).unwrap();
        let native = case.native_step(&mut case.parameters.clone(), &mut Tape::default());
        for tensor in case.network.tensors() {
            let (native, burn) = (&native[tensor.range.clone()], &burn[tensor.range.clone()]);
            assert!(
                native.iter().any(|g| *g != 0.0) != tensor.name.contains("running"),
                "{name} {}",
                tensor.name
            );
            assert_close(&format!("{name} {}", tensor.name), native, burn, 1e-4);
        }
    }
}

#[test]
fn five_steps_of_adam_agree() {
    for (name, case, device) in Case::all() {
        let mut network = BurnNetwork::new(&case.network, &case.parameters, &device).trainable();
        let mut native = case.parameters.clone();
        let (mut adam, mut tape) = (Adam::new(native.len()), Tape::default());
        let mut burn_adam = BurnAdam::new(&adam, &device);
        for _ in 0..5 {
            let gradients = case.native_step(&mut native, &mut tape);
            adam.step(&mut native, &gradients, 1e-2);
            let movement = burn_adam.movement(case.burn_step(&mut network, &device), 1e-2);
            network.move_by(&movement);
        }
        let burn = network.parameters().unwrap();
        for tensor in case.network.tensors() {
            let (native, burn) = (&native[tensor.range.clone()], &burn[tensor.range.clone()]);
            assert_close(&format!("{name} {}", tensor.name), native, burn, 1e-4);
        }
        assert_eq!(burn_adam.native(&device).unwrap().state().2, 5);
    }
}

const LIKELIHOODS: [Likelihood; 5] = [
    Likelihood::Bernoulli,
    Likelihood::Categorical,
    Likelihood::Categoricals { classes: 3 },
    Likelihood::Gaussian { sd: 0.4 },
    Likelihood::DiscretisedLogistic {
        scale: 0.3,
        levels: 11,
    },
];

#[test]
fn likelihoods_agree() {
    let (rows, size) = (3, 6);
    let mut outputs = vec![0.0; rows * size];
    RandomStream::named(12, "outputs").fill_standard_normal(&mut outputs);
    outputs[0] = 60.0;
    outputs[1] = -60.0;
    let observations: Vec<f32> = (0..rows * size).map(|i| (i % size) as f32 / 10.0).collect();
    for (device, likelihood) in devices()
        .into_iter()
        .flat_map(|device| LIKELIHOODS.map(|l| (device.clone(), l)))
    {
        let on_device = |values: &[f32]| device.tensor(values.to_vec(), [rows, size]);
        let burn =
            likelihood.log_likelihood_nats_of_rows(on_device(&outputs), on_device(&observations));
        let pairs = outputs.chunks(size).zip(observations.chunks(size));
        let native: Vec<f32> = pairs
            .map(|(outputs, x)| likelihood.log_likelihood_nats(outputs, x))
            .collect();
        assert_close("log-likelihood", &native, &device.read(burn).unwrap(), 1e-5);
        let burn = device
            .read(likelihood.means_of_rows(on_device(&outputs)))
            .unwrap();
        let mut native = outputs.clone();
        native
            .chunks_mut(size)
            .for_each(|row| likelihood.means(row));
        assert_close("means", &native, &burn, 1e-5);
    }
}

#[test]
fn the_native_device_is_not_burns() {
    assert!(
        BurnDevice::open(Device::Cpu)
            .unwrap_err()
            .to_string()
            .contains("flex")
    );
    assert!(Device::Flex.available().is_ok());
}
