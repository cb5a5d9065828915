//! Networks, optimisers, the recurrent unit and likelihoods against values that PyTorch computed in
//! double precision. `peers/goldens.py` writes the fixture; its metadata has the version.
#![allow(clippy::unwrap_used)] // the helpers of a test file are tests too

use std::path::Path;
use zbridge_core::RandomStream;
use zbridge_nn::{
    Adam, Gradients, Gru, GruTape, InputGradient, Layer, Likelihood, Mode, Network, Optimiser,
    ParameterTensor, StoredTensor, Tape, WeightsFile,
};

const NETWORKS: [&str; 8] = [
    "linear",
    "silu",
    "leaky_relu",
    "batch_norm",
    "convolution",
    "transposed_convolution",
    "grids",
    "fused",
];
/// Largest difference, as a share of the largest entry of a tensor.
const TOLERANCE: f32 = 1e-5;
/// Steps of the optimisers.
const STEPS: usize = 5;

struct Goldens(WeightsFile);

impl Goldens {
    fn read() -> Self {
        let path = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/tests/goldens/networks.safetensors"
        );
        Self(WeightsFile::read(Path::new(path)).unwrap())
    }

    fn tensor(&self, name: &str) -> &StoredTensor {
        let found = self.0.tensors.get(name);
        found.unwrap_or_else(|| panic!("the fixture has `{name}`"))
    }

    fn values(&self, name: &str) -> &[f32] {
        &self.tensor(name).values
    }

    /// Compares with the tensor `name`.
    fn expect(&self, name: &str, ours: &[f32]) {
        let theirs = self.values(name);
        let largest = theirs
            .iter()
            .fold(0.0f32, |largest, x| largest.max(x.abs()));
        self.expect_within(name, ours, TOLERANCE * largest);
    }

    fn expect_within(&self, name: &str, ours: &[f32], tolerance: f32) {
        let theirs = self.values(name);
        assert_eq!(ours.len(), theirs.len(), "{name}");
        for (place, (ours, theirs)) in ours.iter().zip(theirs).enumerate() {
            assert!(
                (ours - theirs).abs() <= tolerance,
                "{name} [{place}]: {ours}, PyTorch {theirs}"
            );
        }
    }
}

/// A network of the fixture.
struct Case<'g> {
    name: &'static str,
    goldens: &'g Goldens,
    network: Network,
    parameters: Vec<f32>,
}

impl<'g> Case<'g> {
    fn all(goldens: &'g Goldens) -> Vec<Self> {
        NETWORKS.map(|name| Self::new(name, goldens)).into()
    }

    fn new(name: &'static str, goldens: &'g Goldens) -> Self {
        let path = Path::new("goldens");
        let layers: Vec<Layer> = goldens
            .0
            .parsed_metadata(&format!("{name}.layers"), path)
            .unwrap();
        let network = Network::new(layers).unwrap();
        let prefix = format!("{name}.parameters");
        let parameters = goldens
            .0
            .network_parameters(&prefix, &network, path)
            .unwrap();
        Self {
            name,
            goldens,
            network,
            parameters,
        }
    }

    fn golden(&self, what: &str) -> &'g [f32] {
        self.goldens.values(&format!("{}.{what}", self.name))
    }

    fn expect(&self, what: &str, ours: &[f32]) {
        self.goldens.expect(&format!("{}.{what}", self.name), ours);
    }

    /// The parameters that are learned.
    fn learned(&self) -> impl Iterator<Item = &ParameterTensor> {
        let tensors = self.network.tensors().iter();
        tensors.filter(|tensor| tensor.role.is_learned())
    }

    /// Gradients of the parameters and of the input, for the objective of the fixture.
    fn gradients(&self, parameters: &[f32], tape: &mut Tape) -> (Vec<f32>, Vec<f32>) {
        let input = self.golden("input");
        self.network
            .forward(parameters, input, Mode::Training, tape);
        let mut gradients = vec![0.0; parameters.len()];
        let at_input = self.network.backward(
            parameters,
            self.golden("output_gradient"),
            Gradients::Overwrite(&mut gradients),
            InputGradient::Wanted,
            tape,
        );
        let at_input = at_input.to_vec();
        (gradients, at_input)
    }
}

#[test]
fn the_fixture_names_the_program_that_computed_it() {
    let metadata = Goldens::read().0.metadata;
    assert_eq!(metadata["program"], "peers/goldens.py");
    assert!(metadata["torch"].starts_with(|first: char| first.is_ascii_digit()));
}

#[test]
fn outputs_of_networks_agree() {
    let goldens = Goldens::read();
    for case in Case::all(&goldens) {
        for (mode, golden) in [(Mode::Training, "output"), (Mode::Inference, "inference")] {
            let mut tape = Tape::default();
            let input = case.golden("input");
            let output = case
                .network
                .forward(&case.parameters, input, mode, &mut tape);
            case.expect(golden, output);
        }
    }
}

#[test]
fn running_statistics_agree() {
    let goldens = Goldens::read();
    for case in Case::all(&goldens) {
        let (mut parameters, mut tape) = (case.parameters.clone(), Tape::default());
        let input = case.golden("input");
        case.network
            .forward(&parameters, input, Mode::Training, &mut tape);
        case.network
            .update_running_statistics(&mut parameters, &tape);
        let tensors = case.network.tensors().iter();
        for tensor in tensors.filter(|tensor| !tensor.role.is_learned()) {
            let golden = format!("after.{}", tensor.name);
            case.expect(&golden, &parameters[tensor.range.clone()]);
        }
    }
}

#[test]
fn gradients_of_networks_agree() {
    let goldens = Goldens::read();
    for case in Case::all(&goldens) {
        let (gradients, at_input) = case.gradients(&case.parameters, &mut Tape::default());
        case.expect("input_gradient", &at_input);
        for tensor in case.learned() {
            let golden = format!("gradient.{}", tensor.name);
            let ours = &gradients[tensor.range.clone()];
            if case.golden(&golden).iter().all(|g| g.abs() < 1e-12) {
                // A normalisation takes this bias away: what is left is rounding.
                let name = format!("{}.{golden}", case.name);
                goldens.expect_within(&name, ours, TOLERANCE);
            } else {
                case.expect(&golden, ours);
            }
        }
    }
}

#[test]
fn five_steps_of_adam_agree() {
    let goldens = Goldens::read();
    for case in Case::all(&goldens) {
        // Adam would magnify the rounding that is left of biases below a normalisation.
        if case.name == "fused" {
            continue;
        }
        let (mut parameters, mut tape) = (case.parameters.clone(), Tape::default());
        let mut adam = Adam::new(parameters.len());
        for _ in 0..STEPS {
            let (gradients, _) = case.gradients(&parameters, &mut tape);
            adam.step(&mut parameters, &gradients, 1e-2);
        }
        for tensor in case.learned() {
            let ours = &parameters[tensor.range.clone()];
            case.expect(&format!("adam.{}", tensor.name), ours);
        }
    }
}

#[test]
fn optimisers_with_other_settings_agree() {
    let goldens = Goldens::read();
    let start = goldens.values("optimiser.start");
    let steps = goldens.values("optimiser.gradients").chunks(start.len());
    let mut parameters = start.to_vec();
    let mut adam = Adam::new(start.len()).with_decays(0.5, 0.99);
    for gradients in steps.clone() {
        adam.step(&mut parameters, gradients, 1e-2);
    }
    goldens.expect("optimiser.decays", &parameters);

    let mut parameters = start.to_vec();
    let mut optimiser = Optimiser::new(start.len(), 0.3, 2.0);
    for gradients in steps {
        optimiser.step(&mut parameters, &mut gradients.to_vec(), 1e-2);
    }
    goldens.expect("optimiser.clipped", &parameters);
}

#[test]
fn the_recurrent_unit_agrees() {
    let goldens = Goldens::read();
    let [_, rows, inputs] = goldens.tensor("gru.input").shape[..] else {
        panic!("[steps, rows, inputs]")
    };
    let units = goldens.tensor("gru.states").shape[2];
    let gru = Gru { inputs, units };
    let names = gru.parameters().map(|(name, _)| name);
    let parameters = names
        .map(|name| goldens.values(&format!("gru.parameters.{name}")))
        .concat();
    let mut tape = GruTape::default();
    let states = gru.forward(&parameters, goldens.values("gru.input"), rows, &mut tape);
    goldens.expect("gru.states", states);
    let mut gradients = vec![0.0; parameters.len()];
    let at_states = goldens.values("gru.output_gradient");
    let at_inputs = gru.backward(&parameters, at_states, &mut gradients, &mut tape);
    goldens.expect("gru.input_gradient", at_inputs);
    let mut rest = &gradients[..];
    for name in names {
        let golden = format!("gru.gradient.{name}");
        let (own, others) = rest.split_at(goldens.values(&golden).len());
        goldens.expect(&golden, own);
        rest = others;
    }
}

#[test]
fn likelihoods_agree() {
    let goldens = Goldens::read();
    let likelihoods = [
        ("bernoulli", Likelihood::Bernoulli),
        ("categorical", Likelihood::Categorical),
        ("categoricals", Likelihood::Categoricals { classes: 3 }),
        ("gaussian", Likelihood::Gaussian { sd: 0.4 }),
        (
            "discretised_logistic",
            Likelihood::DiscretisedLogistic {
                scale: 0.3,
                levels: 11,
            },
        ),
    ];
    let outputs = goldens.values("likelihood.outputs").chunks(6);
    for (name, likelihood) in likelihoods {
        let observations = goldens.values(&format!("likelihood.{name}.x")).chunks(6);
        let (mut nats, mut from_backward, mut gradients) = (vec![], vec![], vec![]);
        for (outputs, x) in outputs.clone().zip(observations) {
            let mut outputs = outputs.to_vec();
            nats.push(likelihood.log_likelihood_nats(&outputs, x));
            from_backward.push(likelihood.backward(&mut outputs, x, 0.7));
            gradients.extend(outputs);
        }
        goldens.expect(&format!("likelihood.{name}.nats"), &nats);
        goldens.expect(&format!("likelihood.{name}.nats"), &from_backward);
        goldens.expect(&format!("likelihood.{name}.gradient"), &gradients);
    }
}

#[test]
fn initial_parameters_have_the_spread_of_pytorch() {
    // Uniform in ±1/√fan-in, for linear layers and convolutions.
    let network = Network::new(vec![Layer::Linear {
        inputs: 64,
        outputs: 512,
    }])
    .unwrap();
    let parameters = network.initial_parameters(&mut RandomStream::named(1, "initial"));
    let largest = parameters.iter().fold(0.0f32, |a, b| a.max(b.abs()));
    let mean_square = parameters.iter().map(|p| p * p).sum::<f32>() / parameters.len() as f32;
    assert!(largest <= 0.125 && largest > 0.1249);
    assert!((mean_square * 3.0 * 64.0 - 1.0).abs() < 0.02);
}
