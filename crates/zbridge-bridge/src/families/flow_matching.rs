//! A continuous normalising flow, trained by flow matching.

use super::dot::dot;
use super::mlp;
use super::transport::{REACH, Transport, Transported};
use crate::BridgeError;
use crate::learner::Learner;
use serde::{Deserialize, Serialize};
use std::f32::consts::TAU;
use std::path::Path;
use std::sync::OnceLock;
use zbridge_core::{
    ConditionalDensity, DensityError, LatentDistribution, Latents, RandomStream, ShapeError,
};
use zbridge_nn::{
    Gradients, InputGradient, Mode, Network, NnError, Tape, WeightsFile, silu_backward,
};

/// q(target|source) as standard normal noise that drifts to the target with the velocity a network
/// gives: dx/dt = v(x, t; source) from t = 0 to t = 1.
///
/// It is trained without following any path: v learns the mean direction from noise to target among
/// all straight lines that pass through a point ([`Learner::backward`]). The density is exact up to
/// the solver's steps: along a path, d log q/dt = −trace ∂v/∂x.
///
/// # Cost
/// A draw costs 4 passes through the network for each of the solver's steps. A density costs the
/// same passes and for each a product with a matrix between the two hidden layers, however many
/// dimensions the target has: twice a draw at most. With 16 steps, 95 of 100 densities of a trained
/// flow were within 0.003 nats of their limit.
///
/// # Source
/// Lipman et al. 2023, "Flow matching for generative modeling", with the conditional
/// optimal-transport path of equation 20 at σ_min = 0; Chen et al. 2018, "Neural ordinary
/// differential equations", equation 8, for the density.
#[derive(Debug, Clone, PartialEq)]
pub struct FlowMatching {
    shape: Shape,
    /// Linear → Silu → Linear → Silu → Linear of (x, features of t, source).
    network: Network,
    /// The second hidden layer to the first: what `Trace` multiplies with.
    between: Network,
    parameters: Vec<f32>,
}

/// What is to be known of a [`FlowMatching`] besides its network.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Shape {
    /// Target dimensions.
    target: usize,
    /// Steps of the solver from noise to target.
    steps: usize,
}

impl Shape {
    const STEPS: std::ops::RangeInclusive<usize> = 1..=4096;
}

/// Working space of a [`FlowMatching`].
#[derive(Debug, Default)]
pub(crate) struct FlowMatchingTape {
    network: Tape,
    inputs: Vec<f32>,
    /// The solver's points at the start of a step and at its current stage; in training, noise and
    /// points between.
    start: Vec<f32>,
    stage: Vec<f32>,
    /// v − (x₁ − x₀), in training.
    error: Vec<f32>,
    trace: TraceTape,
}

#[derive(Debug, Default)]
struct TraceTape {
    between: Tape,
    slopes: Vec<f32>,
}

/// The exact trace of ∂v/∂x, for the price of a layer.
///
/// v = W₃ σ(W₂ σ(W₁ₓ x + …) + b₂) + b₃ has the Jacobian W₃ diag(s₂) W₂ diag(s₁) W₁ₓ, where s₁ and
/// s₂ are the slopes of both activations. So its trace is s₁ᵀ P s₂ with `P[i][j] = (W₁ₓ W₃)[i][j] ·
/// W₂[j][i]`, which no point enters.
struct Trace {
    /// P, `[first hidden, second hidden]`, and as many zeros as the first hidden layer has units: a
    /// Linear layer.
    products: Vec<f32>,
}

/// Numbers that tell the network the time: t, and sin and cos of 2πt, 4πt, 6πt.
const TIME_FEATURES: usize = 7;

/// A stage of the classical Runge–Kutta method: where in the step it evaluates, what its velocity
/// counts, and how far that carries the next stage from the step's start.
struct Stage {
    at: f32,
    weight: f32,
    ahead: f32,
}

const STAGES: [Stage; 4] = [
    Stage {
        at: 0.0,
        weight: 1.0 / 6.0,
        ahead: 0.5,
    },
    Stage {
        at: 0.5,
        weight: 1.0 / 3.0,
        ahead: 0.5,
    },
    Stage {
        at: 0.5,
        weight: 1.0 / 3.0,
        ahead: 1.0,
    },
    Stage {
        at: 1.0,
        weight: 1.0 / 6.0,
        ahead: 0.0,
    },
];

impl FlowMatching {
    const DEFAULT_STEPS: usize = 16;

    /// The untrained flow.
    ///
    /// # Errors
    /// [`ShapeError::Empty`] when there are no source or target dimensions or a hidden layer has no
    /// units.
    pub(crate) fn initial(
        source: usize,
        target: usize,
        hidden: [usize; 2],
        stream: &mut RandomStream,
    ) -> Result<Self, BridgeError> {
        if source == 0 {
            return Err(ShapeError::Empty {
                what: "the source of a flow",
            }
            .into());
        }
        let network = mlp::network(target + TIME_FEATURES + source, &hidden, target)?;
        let shape = Shape {
            target,
            steps: Self::DEFAULT_STEPS,
        };
        let between = mlp::network(hidden[1], &[], hidden[0])?;
        Ok(Self {
            shape,
            parameters: mlp::initial_parameters(&network, stream),
            network,
            between,
        })
    }

    fn source(&self) -> usize {
        self.network.inputs() - TIME_FEATURES - self.shape.target
    }

    /// v at each point, `[rows, target]`; `times` are those of the points.
    fn velocity<'t>(
        &self,
        times: impl Iterator<Item = f32>,
        sources: &[f32],
        points: &[f32],
        inputs: &mut Vec<f32>,
        tape: &'t mut Tape,
    ) -> &'t [f32] {
        let within_reach = |value: &f32| value.clamp(-REACH, REACH);
        let rows = points
            .chunks_exact(self.shape.target)
            .zip(sources.chunks_exact(self.source()));
        inputs.clear();
        for ((point, source), time) in rows.zip(times) {
            inputs.extend(point.iter().map(within_reach));
            inputs.extend(time_features(time));
            inputs.extend(source.iter().map(within_reach));
        }
        self.network
            .forward(&self.parameters, inputs, Mode::Training, tape)
    }

    /// Carries points along their paths from one time to another by the classical Runge–Kutta
    /// method. Where a trace is wanted, ∫ trace ∂v/∂x dt of each point's path is added to its
    /// second part.
    fn integrate(
        &self,
        [from, to]: [f32; 2],
        sources: &[f32],
        points: &mut [f32],
        mut integral: Option<(&Trace, &mut [f64])>,
        tape: &mut FlowMatchingTape,
    ) {
        let FlowMatchingTape {
            network,
            inputs,
            start,
            stage,
            trace: trace_tape,
            ..
        } = tape;
        let step = (to - from) / self.shape.steps as f32;
        for index in 0..self.shape.steps {
            let time = from + step * index as f32;
            for points_of in [&mut *start, &mut *stage] {
                points_of.clear();
                points_of.extend_from_slice(points);
            }
            for Stage { at, weight, ahead } in STAGES {
                let velocity = self.velocity(
                    std::iter::repeat(time + at * step),
                    sources,
                    stage,
                    inputs,
                    network,
                );
                for (((point, start), stage), v) in points
                    .iter_mut()
                    .zip(&*start)
                    .zip(&mut *stage)
                    .zip(velocity)
                {
                    *point += weight * step * v;
                    *stage = start + ahead * step * v;
                }
                if let Some((trace, totals)) = &mut integral {
                    self.add_traces(trace, network, f64::from(weight * step), totals, trace_tape);
                }
            }
        }
    }

    /// `totals += factor · trace ∂v/∂x` at each point of the last forward pass on `network`.
    fn add_traces(
        &self,
        trace: &Trace,
        network: &Tape,
        factor: f64,
        totals: &mut [f64],
        tape: &mut TraceTape,
    ) {
        let (first, second) = (network.layer_output(0), network.layer_output(2));
        tape.slopes.clear();
        tape.slopes.resize(second.len(), 1.0);
        silu_backward(second, &mut tape.slopes);
        let carried = self.between.forward(
            &trace.products,
            &tape.slopes,
            Mode::Inference,
            &mut tape.between,
        );
        tape.slopes.clear();
        tape.slopes.resize(first.len(), 1.0);
        silu_backward(first, &mut tape.slopes);
        let width = self.between.outputs();
        let rows = tape
            .slopes
            .chunks_exact(width)
            .zip(carried.chunks_exact(width));
        for (total, (slopes, carried)) in totals.iter_mut().zip(rows) {
            *total += factor * f64::from(dot(slopes, carried));
        }
    }

    /// Values of the weights of linear layer `index`, row-major.
    fn weights(&self, index: usize) -> &[f32] {
        let weights = self
            .network
            .tensors()
            .get(2 * index)
            .map(|tensor| tensor.range.clone());
        &self.parameters[weights.unwrap_or_default()]
    }

    fn trace(&self) -> Trace {
        let (first, second) = (self.between.outputs(), self.between.inputs());
        let mut products = vec![0.0; self.between.parameter_count()];
        let rows = products
            .chunks_exact_mut(second)
            .zip(self.weights(0).chunks_exact(self.network.inputs()));
        for (unit, (products, from_inputs)) in rows.take(first).enumerate() {
            for (weight, to_velocity) in
                from_inputs.iter().zip(self.weights(2).chunks_exact(second))
            {
                products
                    .iter_mut()
                    .zip(to_velocity)
                    .for_each(|(product, to)| *product += weight * to);
            }
            for (product, through) in products.iter_mut().zip(self.weights(1).chunks_exact(first)) {
                *product *= through[unit];
            }
        }
        Trace { products }
    }

    pub(crate) fn put_into(&self, file: &mut WeightsFile, prefix: &str) {
        let layers = serde_json::to_string(&self.network).unwrap_or_default();
        let shape = serde_json::to_string(&self.shape).unwrap_or_default();
        file.metadata.insert(format!("{prefix}.network"), layers);
        file.metadata
            .insert(format!("{prefix}.flow-matching"), shape);
        file.put_network(prefix, &self.network, &self.parameters);
    }

    /// The flow stored under `prefix`; `path` names the file in errors.
    ///
    /// # Errors
    /// [`NnError::Weights`] when a part is missing, out of range, or does not fit the others.
    pub(crate) fn from_file(
        file: &WeightsFile,
        prefix: &str,
        path: &Path,
    ) -> Result<Self, BridgeError> {
        let shape: Shape = file.parsed_metadata(&format!("{prefix}.flow-matching"), path)?;
        let network = mlp::from_file(file, prefix, path)?;
        let known = (network.inputs().saturating_sub(TIME_FEATURES)).saturating_sub(shape.target);
        let fits =
            shape.target == network.outputs() && known > 0 && Shape::STEPS.contains(&shape.steps);
        let [first, _, second, _, _] = network.layers() else {
            return Err(misfit(prefix, path));
        };
        match (fits, first.output_width(0), second.output_width(0)) {
            (true, first, second) => {
                let between = mlp::network(second, &[], first)?;
                let parameters = file.network_parameters(prefix, &network, path)?;
                Ok(Self {
                    shape,
                    network,
                    between,
                    parameters,
                })
            }
            _ => Err(misfit(prefix, path)),
        }
    }
}

fn misfit(prefix: &str, path: &Path) -> BridgeError {
    let reason =
        format!("the flow `{prefix}` has a network or steps that do not fit it; get the file anew");
    NnError::Weights {
        path: path.to_owned(),
        reason,
    }
    .into()
}

/// t, and sin and cos of 2πt, 4πt, 6πt: the higher ones by the addition theorem.
fn time_features(time: f32) -> [f32; TIME_FEATURES] {
    let (s1, c1) = (TAU * time).sin_cos();
    let (s2, c2) = (2.0 * s1 * c1, c1 * c1 - s1 * s1);
    let (s3, c3) = (s2 * c1 + c2 * s1, c2 * c1 - s2 * s1);
    [time, s1, c1, s2, c2, s3, c3]
}

/// The flow's paths, with the trace once it has been needed.
struct Paths<'f> {
    flow: &'f FlowMatching,
    trace: OnceLock<Trace>,
}

impl Transport for Paths<'_> {
    type Tape = FlowMatchingTape;

    fn dims(&self) -> (usize, usize) {
        self.flow.dims()
    }

    fn to_target(&self, sources: &[f32], points: &mut [f32], tape: &mut FlowMatchingTape) {
        self.flow.integrate([0.0, 1.0], sources, points, None, tape);
    }

    /// log |det ∂noise/∂point| is −∫₀¹ trace dt: the integral backwards in time.
    fn to_noise(
        &self,
        sources: &[f32],
        points: &mut [f32],
        log_determinants: &mut [f64],
        tape: &mut FlowMatchingTape,
    ) {
        let trace = self.trace.get_or_init(|| self.flow.trace());
        self.flow.integrate(
            [1.0, 0.0],
            sources,
            points,
            Some((trace, log_determinants)),
            tape,
        );
    }
}

impl ConditionalDensity for FlowMatching {
    fn dims(&self) -> (usize, usize) {
        (self.source(), self.shape.target)
    }

    fn given(&self, source: &Latents) -> Result<Box<dyn LatentDistribution + '_>, DensityError> {
        Ok(Box::new(Transported::new(
            Paths {
                flow: self,
                trace: OnceLock::new(),
            },
            source,
        )?))
    }
}

impl Learner for FlowMatching {
    type Tape = FlowMatchingTape;

    fn parameters(&self) -> &[f32] {
        &self.parameters
    }

    fn parameters_mut(&mut self) -> &mut [f32] {
        &mut self.parameters
    }

    /// Σ_i ½ ‖v(x_t, t; source_i) − (x₁ − x₀)‖² with x₁ = target_i, noise x₀ and a time t drawn,
    /// and x_t = (1 − t) x₀ + t x₁. This is no likelihood and not in nats: it says nothing about
    /// how well the density fits, only its gradient points the right way.
    ///
    /// The times of a batch are spread evenly and shifted by one uniform draw, so that each alone
    /// is uniform and their mean varies little (Kingma et al. 2021, "Variational diffusion models",
    /// appendix I.1).
    fn backward(
        &self,
        source: &[f32],
        target: &[f32],
        scale: f32,
        stream: &mut RandomStream,
        gradients: &mut [f32],
        tape: &mut FlowMatchingTape,
    ) -> f64 {
        let FlowMatchingTape {
            network,
            inputs,
            start: noise,
            stage: between,
            error,
            ..
        } = tape;
        let rows = target.len() / self.shape.target;
        let shift = stream.uniform();
        let times = (0..rows).map(|row| (shift + row as f32 / rows as f32).fract());
        noise.resize(target.len(), 0.0);
        stream.fill_standard_normal(noise);
        between.clear();
        let points = target
            .chunks_exact(self.shape.target)
            .zip(noise.chunks_exact(self.shape.target));
        for ((x1, x0), time) in points.zip(times.clone()) {
            between.extend(
                x1.iter()
                    .zip(x0)
                    .map(|(x1, x0)| (1.0 - time) * x0 + time * x1),
            );
        }
        let velocity = self.velocity(times, source, between, inputs, network);
        error.clear();
        error.extend(
            velocity
                .iter()
                .zip(target.iter().zip(&*noise))
                .map(|(v, (x1, x0))| v - (x1 - x0)),
        );
        let objective = error
            .iter()
            .map(|&error| 0.5 * f64::from(error) * f64::from(error))
            .sum();
        error.iter_mut().for_each(|error| *error *= scale);
        self.network.backward(
            &self.parameters,
            error,
            Gradients::Add(gradients),
            InputGradient::Unused,
            network,
        );
        objective
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::families::{laws, trial};

    fn flow(source: usize, target: usize) -> FlowMatching {
        FlowMatching::initial(
            source,
            target,
            [24, 20],
            &mut RandomStream::named(1, "flow matching"),
        )
        .unwrap()
    }

    /// The flow's velocities and traces at `points`, all at time 0.3.
    fn velocities_and_traces(
        flow: &FlowMatching,
        sources: &[f32],
        points: &[f32],
    ) -> (Vec<f32>, Vec<f64>) {
        let (mut tape, mut traces) = (
            FlowMatchingTape::default(),
            vec![0.0; points.len() / flow.shape.target],
        );
        let times = std::iter::repeat(0.3);
        let velocity = flow
            .velocity(times, sources, points, &mut tape.inputs, &mut tape.network)
            .to_vec();
        flow.add_traces(
            &flow.trace(),
            &tape.network,
            1.0,
            &mut traces,
            &mut tape.trace,
        );
        (velocity, traces)
    }

    #[test]
    fn the_laws_hold() {
        laws::hold_for(&flow(3, 2), 1e-3);
        laws::hold_for(&trial::perturbed(flow(3, 2), 0.15), 1e-2);
    }

    #[test]
    fn gradients_equal_central_differences() {
        for target in [1, 4] {
            laws::gradients_are_exact(&trial::perturbed(flow(3, target), 0.1), 1e-2, 1e-2);
        }
    }

    #[test]
    fn the_trace_is_that_of_finite_differences() {
        const ROWS: usize = 6;
        const STEP: f32 = 1e-2;
        for target in [1, 2, 7] {
            let flow = trial::perturbed(flow(3, target), 0.2);
            let (mut sources, mut points) = (vec![0.0; ROWS * 3], vec![0.0; ROWS * target]);
            RandomStream::named(2, "sources").fill_standard_normal(&mut sources);
            RandomStream::named(2, "points").fill_standard_normal(&mut points);
            let (_, traces) = velocities_and_traces(&flow, &sources, &points);
            let mut numeric = [0.0; ROWS];
            for column in 0..target {
                let at = |shift: f32| {
                    let mut points = points.clone();
                    points
                        .iter_mut()
                        .skip(column)
                        .step_by(target)
                        .for_each(|value| *value += shift);
                    velocities_and_traces(&flow, &sources, &points).0
                };
                let (up, down) = (at(STEP), at(-STEP));
                for row in 0..ROWS {
                    let difference = up[row * target + column] - down[row * target + column];
                    numeric[row] += f64::from(difference / (2.0 * STEP));
                }
            }
            for (trace, numeric) in traces.iter().zip(numeric) {
                assert!(
                    (trace - numeric).abs() < 2e-3 * numeric.abs().max(1.0),
                    "{trace} against {numeric}"
                );
            }
        }
    }

    #[test]
    fn noise_goes_to_the_target_and_back() {
        let flow = trial::perturbed(flow(3, 5), 0.15);
        let paths = Paths {
            flow: &flow,
            trace: OnceLock::new(),
        };
        let (mut sources, mut noise) = (vec![0.0; 300], vec![0.0; 500]);
        RandomStream::named(2, "sources").fill_standard_normal(&mut sources);
        RandomStream::named(2, "noise").fill_standard_normal(&mut noise);
        let (mut points, mut tape) = (noise.clone(), FlowMatchingTape::default());
        paths.to_target(&sources, &mut points, &mut tape);
        assert!(
            points
                .iter()
                .zip(&noise)
                .any(|(point, noise)| (point - noise).abs() > 0.5),
            "nothing moved"
        );
        paths.to_noise(&sources, &mut points, &mut [0.0; 100], &mut tape);
        for (back, noise) in points.iter().zip(&noise) {
            assert!((back - noise).abs() < 2e-3, "{noise} came back as {back}");
        }
    }

    #[test]
    fn time_features_are_sines_and_cosines() {
        for i in 0..=100 {
            let time = i as f32 * 0.01;
            for (k, pair) in (1..).zip(time_features(time)[1..].chunks_exact(2)) {
                let angle = std::f64::consts::TAU * f64::from(k * i) * 0.01;
                assert!((f64::from(pair[0]) - angle.sin()).abs() < 3e-6);
                assert!((f64::from(pair[1]) - angle.cos()).abs() < 3e-6);
            }
        }
    }

    #[test]
    fn points_far_off_have_a_finite_density() {
        let flow = trial::perturbed(flow(2, 2), 0.2);
        let extremes = [f32::MAX, f32::MIN, 1e20, 0.0, -1e7, 3.0, 5.0, -5.0];
        let extremes = Latents::from_vec(extremes.to_vec(), 2).unwrap();
        let nats = flow.given(&extremes).unwrap().log_prob(&extremes).unwrap();
        assert!(nats.iter().all(|nats| nats.is_finite()), "{nats:?}");
    }

    #[test]
    fn it_learns_what_no_gaussian_can() {
        let flow =
            FlowMatching::initial(1, 2, [64, 64], &mut RandomStream::named(3, "moons")).unwrap();
        trial::beats_every_gaussian(flow, 2000, 1.5e-2, 0.3);
    }

    #[test]
    fn flows_without_dimensions_are_refused() {
        for (source, target, hidden) in [
            (0, 2, [4, 4]),
            (2, 0, [4, 4]),
            (2, 2, [0, 4]),
            (2, 2, [4, 0]),
        ] {
            let flow = FlowMatching::initial(
                source,
                target,
                hidden,
                &mut RandomStream::named(1, "refused"),
            );
            assert!(matches!(
                flow,
                Err(BridgeError::Shape(ShapeError::Empty { .. }))
            ));
        }
    }

    fn read(tamper: impl Fn(&mut WeightsFile)) -> Result<FlowMatching, BridgeError> {
        let mut file = WeightsFile::default();
        flow(3, 4).put_into(&mut file, "q");
        tamper(&mut file);
        FlowMatching::from_file(&file, "q", Path::new("bridge"))
    }

    #[test]
    fn a_file_gives_back_what_was_put_into_it() {
        assert_eq!(read(|_| {}).unwrap(), flow(3, 4));
    }

    #[test]
    fn files_that_lie_are_refused() {
        for shape in [
            r#"{"target":5,"steps":16}"#,
            r#"{"target":0,"steps":16}"#,
            r#"{"target":4,"steps":0}"#,
            r#"{"target":4,"steps":1000000000}"#,
            r#"{"target":4}"#,
        ] {
            let read = read(|file| {
                file.metadata.insert("q.flow-matching".into(), shape.into());
            });
            assert!(
                matches!(read, Err(BridgeError::Network(NnError::Weights { .. }))),
                "{shape}"
            );
        }
        let three_hidden = mlp::network(14, &[4, 4, 4], 4).unwrap();
        let deeper = read(|file| {
            file.metadata.insert(
                "q.network".into(),
                serde_json::to_string(&three_hidden).unwrap(),
            );
        });
        assert!(deeper.unwrap_err().to_string().contains("do not fit"));
        assert!(read(|file| drop(file.tensors.remove("q.2.bias"))).is_err());
    }

    #[test]
    #[ignore = "a measurement"]
    fn time_of_a_flow() {
        let flow = FlowMatching::initial(12, 18, [256, 256], &mut RandomStream::named(1, "time"));
        trial::measure(flow.unwrap());
    }
}
