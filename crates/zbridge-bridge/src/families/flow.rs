//! A normalising flow of coupling layers.

use super::mlp;
use super::spline::{SplineTape, Splines};
use super::transport::{REACH, Transport, Transported, standard_normal_nats};
use crate::BridgeError;
use crate::learner::Learner;
use serde::{Deserialize, Serialize};
use std::ops::Range;
use std::path::Path;
use zbridge_core::{ConditionalDensity, DensityError, LatentDistribution, Latents, RandomStream};
use zbridge_nn::{Gradients, InputGradient, Mode, Network, NnError, Tape, WeightsFile};

/// q(target|source) as standard normal noise that an invertible network carries to the target.
///
/// A coupling keeps half of the dimensions and moves each of the others by a monotone spline of its
/// own, whose shape a network gives from the kept half and the source. The next coupling moves the
/// half that this one kept. So the map is inverted one spline at a time, its Jacobian is
/// triangular, and the density is exact: log q(y|x) = log N(f(y; x); 0, I) + Σ log-slopes of all
/// splines.
///
/// A draw and a density cost a pass through each coupling's network.
///
/// # Source
/// Dinh, Sohl-Dickstein & Bengio 2017, "Density estimation using Real NVP", for couplings; Durkan
/// et al. 2019, "Neural spline flows", for splines in them.
#[derive(Debug, Clone, PartialEq)]
pub struct CouplingFlow {
    couplings: Couplings,
    /// The network of every coupling: they differ in their parameters only.
    network: Network,
    /// Those of the first coupling's network, of the second's, …
    parameters: Vec<f32>,
}

/// How large a coupling flow is.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct FlowShape {
    /// Couplings, an even number where every dimension shall move equally often.
    pub(crate) couplings: usize,
    /// Units of the hidden layers of each coupling's network.
    pub(crate) hidden: Vec<usize>,
    /// Bins of each spline.
    pub(crate) bins: usize,
}

impl Default for FlowShape {
    fn default() -> Self {
        Self {
            couplings: 6,
            hidden: vec![96, 96],
            bins: 8,
        }
    }
}

/// What each coupling does with each dimension.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Couplings {
    bins: usize,
    /// For each coupling the target's dimensions: first those it keeps, then those it moves.
    orders: Vec<Vec<usize>>,
}

impl Couplings {
    const COUNT: std::ops::RangeInclusive<usize> = 1..=256;

    /// Pairs of couplings: the first of a pair keeps dimensions drawn at random, the second those
    /// that it moved.
    fn drawn(target: usize, shape: &FlowShape, stream: &mut RandomStream) -> Self {
        let mut orders: Vec<Vec<usize>> = Vec::with_capacity(shape.couplings);
        for index in 0..shape.couplings {
            let order = match orders.last() {
                Some(previous) if index % 2 == 1 => {
                    [&previous[target / 2..], &previous[..target / 2]].concat()
                }
                _ => stream.permutation(target),
            };
            orders.push(order);
        }
        Self {
            bins: shape.bins,
            orders,
        }
    }

    fn count(&self) -> usize {
        self.orders.len()
    }

    fn target(&self) -> usize {
        self.orders.first().map_or(0, Vec::len)
    }

    /// How many dimensions a coupling keeps.
    fn kept(&self) -> usize {
        self.target() / 2
    }

    /// How many dimensions a coupling moves.
    fn moved(&self) -> usize {
        self.target() - self.kept()
    }

    fn splines(&self) -> Splines {
        Splines::new(self.bins)
    }

    /// The dimensions that coupling `index` keeps, and those that it moves.
    fn split(&self, index: usize) -> (&[usize], &[usize]) {
        self.orders[index].split_at(self.kept())
    }

    /// Outputs of each coupling's network.
    fn outputs(&self) -> usize {
        self.moved() * self.splines().raw_count()
    }

    /// What is wrong with couplings that a file describes.
    fn fault(&self) -> Option<&'static str> {
        if !Splines::BINS.contains(&self.bins)
            || !Self::COUNT.contains(&self.count())
            || self.target() == 0
        {
            return Some("numbers out of range");
        }
        let all: Vec<usize> = (0..self.target()).collect();
        let is_order = |order: &Vec<usize>| {
            let mut order = order.clone();
            order.sort_unstable();
            order == all
        };
        (!self.orders.iter().all(is_order))
            .then_some("an order that does not name every dimension once")
    }
}

/// Working space of a [`CouplingFlow`], and what its forward pass leaves for the backward pass.
#[derive(Debug, Default)]
pub(crate) struct FlowTape {
    couplings: Vec<CouplingTape>,
    work: Work,
    /// Points on their way to noise, then the gradient on its way back.
    points: Vec<f32>,
    log_determinants: Vec<f64>,
}

#[derive(Debug, Default, Clone)]
struct CouplingTape {
    network: Tape,
    splines: SplineTape,
}

#[derive(Debug, Default)]
struct Work {
    inputs: Vec<f32>,
    before: Vec<f32>,
    after: Vec<f32>,
    log_slopes: Vec<f32>,
    raw_gradient: Vec<f32>,
}

impl CouplingFlow {
    /// The untrained flow, whose density is close to a standard normal's whatever the source.
    ///
    /// # Errors
    /// [`BridgeError::Setting`] for couplings or bins out of range, [`ShapeError::Empty`] for
    /// layers without units.
    pub(crate) fn initial(
        source: usize,
        target: usize,
        shape: &FlowShape,
        stream: &mut RandomStream,
    ) -> Result<Self, BridgeError> {
        let require = |holds: bool, setting: &'static str, value: usize, expected: &'static str| {
            if holds {
                Ok(())
            } else {
                Err(BridgeError::Setting {
                    setting,
                    value: value.to_string(),
                    expected,
                })
            }
        };
        require(
            Couplings::COUNT.contains(&shape.couplings),
            "couplings",
            shape.couplings,
            "1 to 256",
        )?;
        require(
            Splines::BINS.contains(&shape.bins),
            "bins",
            shape.bins,
            "2 to 64",
        )?;
        require(target > 0, "target dimensions", target, "at least 1")?;
        require(source > 0, "source dimensions", source, "at least 1")?;
        let couplings = Couplings::drawn(target, shape, stream);
        let network = mlp::network(
            couplings.kept() + source,
            &shape.hidden,
            couplings.outputs(),
        )?;
        let mut parameters = Vec::new();
        for _ in 0..couplings.count() {
            parameters.extend(mlp::initial_parameters(&network, stream));
        }
        Ok(Self {
            couplings,
            network,
            parameters,
        })
    }

    /// Where the parameters of coupling `index` lie.
    fn range(&self, index: usize) -> Range<usize> {
        let count = self.network.parameter_count();
        index * count..(index + 1) * count
    }

    fn source(&self) -> usize {
        self.network.inputs() - self.couplings.kept()
    }

    /// The raw parameters of all splines of coupling `index`, `[rows · moved, raw_count]`.
    fn raw<'t>(
        &self,
        index: usize,
        sources: &[f32],
        points: &[f32],
        inputs: &mut Vec<f32>,
        tape: &'t mut Tape,
    ) -> &'t [f32] {
        let (kept, _) = self.couplings.split(index);
        let within_reach = |value: f32| value.clamp(-REACH, REACH);
        inputs.clear();
        let rows = points
            .chunks_exact(self.couplings.target())
            .zip(sources.chunks_exact(self.source()));
        for (point, source) in rows {
            inputs.extend(kept.iter().map(|&column| within_reach(point[column])));
            inputs.extend(source.iter().copied().map(within_reach));
        }
        self.network.forward(
            &self.parameters[self.range(index)],
            inputs,
            Mode::Training,
            tape,
        )
    }

    /// Moves points through coupling `index` towards noise and adds their log-slopes.
    fn towards_noise(
        &self,
        index: usize,
        sources: &[f32],
        points: &mut [f32],
        log_determinants: &mut [f64],
        tape: &mut CouplingTape,
        work: &mut Work,
    ) {
        let (_, moved) = self.couplings.split(index);
        gather(points, self.couplings.target(), moved, &mut work.before);
        work.after.resize(work.before.len(), 0.0);
        work.log_slopes.resize(work.before.len(), 0.0);
        let raw = self.raw(index, sources, points, &mut work.inputs, &mut tape.network);
        let splines = self.couplings.splines();
        splines.forward(
            &work.before,
            raw,
            &mut work.after,
            &mut work.log_slopes,
            &mut tape.splines,
        );
        scatter(&work.after, points, self.couplings.target(), moved);
        for (total, log_slopes) in log_determinants
            .iter_mut()
            .zip(work.log_slopes.chunks_exact(moved.len()))
        {
            *total += log_slopes
                .iter()
                .map(|&log_slope| f64::from(log_slope))
                .sum::<f64>();
        }
    }

    /// Moves points through coupling `index` towards the target.
    fn towards_target(
        &self,
        index: usize,
        sources: &[f32],
        points: &mut [f32],
        tape: &mut CouplingTape,
        work: &mut Work,
    ) {
        let (_, moved) = self.couplings.split(index);
        gather(points, self.couplings.target(), moved, &mut work.before);
        work.after.resize(work.before.len(), 0.0);
        let raw = self.raw(index, sources, points, &mut work.inputs, &mut tape.network);
        self.couplings
            .splines()
            .inverse(&work.before, raw, &mut work.after, &mut tape.splines);
        scatter(&work.after, points, self.couplings.target(), moved);
    }

    /// The chain rule through coupling `index`: `gradient` `[rows, target]` at its output becomes
    /// that at its input, that by its parameters is added to `parameter_gradient`.
    fn backward_through(
        &self,
        index: usize,
        log_slope_gradient: f32,
        gradient: &mut [f32],
        parameter_gradient: &mut [f32],
        tape: &mut CouplingTape,
        work: &mut Work,
    ) {
        let (target, inputs) = (self.couplings.target(), self.network.inputs());
        let (kept, moved) = self.couplings.split(index);
        gather(gradient, target, moved, &mut work.before);
        work.raw_gradient.resize(
            work.before.len() / moved.len() * self.couplings.outputs(),
            0.0,
        );
        let splines = self.couplings.splines();
        splines.backward(
            log_slope_gradient,
            &mut work.before,
            &mut work.raw_gradient,
            &mut tape.splines,
        );
        scatter(&work.before, gradient, target, moved);
        // Before the first coupling there is only data.
        let wanted = if index > 0 {
            InputGradient::Wanted
        } else {
            InputGradient::Unused
        };
        let parameters = &self.parameters[self.range(index)];
        let by_inputs = self.network.backward(
            parameters,
            &work.raw_gradient,
            Gradients::Add(parameter_gradient),
            wanted,
            &mut tape.network,
        );
        if wanted == InputGradient::Wanted {
            for (gradient, by_inputs) in gradient
                .chunks_exact_mut(target)
                .zip(by_inputs.chunks_exact(inputs))
            {
                kept.iter()
                    .zip(by_inputs)
                    .for_each(|(&column, by_input)| gradient[column] += by_input);
            }
        }
    }

    pub(crate) fn put_into(&self, file: &mut WeightsFile, prefix: &str) {
        let layers = serde_json::to_string(&self.network).unwrap_or_default();
        let couplings = serde_json::to_string(&self.couplings).unwrap_or_default();
        file.metadata.insert(format!("{prefix}.network"), layers);
        file.metadata
            .insert(format!("{prefix}.coupling-flow"), couplings);
        for index in 0..self.couplings.count() {
            file.put_network(
                &format!("{prefix}.coupling.{index}"),
                &self.network,
                &self.parameters[self.range(index)],
            );
        }
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
        let couplings: Couplings =
            file.parsed_metadata(&format!("{prefix}.coupling-flow"), path)?;
        let network = mlp::from_file(file, prefix, path)?;
        let misfit = || {
            let fits =
                network.inputs() > couplings.kept() && network.outputs() == couplings.outputs();
            (!fits).then_some("a network that does not fit its couplings")
        };
        if let Some(fault) = couplings.fault().or_else(misfit) {
            let reason = format!("the coupling flow `{prefix}` has {fault}; get the file anew");
            return Err(NnError::Weights {
                path: path.to_owned(),
                reason,
            }
            .into());
        }
        let mut parameters = Vec::new();
        for index in 0..couplings.count() {
            parameters.extend(file.network_parameters(
                &format!("{prefix}.coupling.{index}"),
                &network,
                path,
            )?);
        }
        Ok(Self {
            couplings,
            network,
            parameters,
        })
    }
}

impl Transport for &CouplingFlow {
    type Tape = FlowTape;

    fn dims(&self) -> (usize, usize) {
        (self.source(), self.couplings.target())
    }

    fn to_target(&self, sources: &[f32], points: &mut [f32], tape: &mut FlowTape) {
        tape.couplings.resize_with(1, CouplingTape::default);
        for index in (0..self.couplings.count()).rev() {
            self.towards_target(
                index,
                sources,
                points,
                &mut tape.couplings[0],
                &mut tape.work,
            );
        }
    }

    fn to_noise(
        &self,
        sources: &[f32],
        points: &mut [f32],
        log_determinants: &mut [f64],
        tape: &mut FlowTape,
    ) {
        tape.couplings.resize_with(1, CouplingTape::default);
        for index in 0..self.couplings.count() {
            let (coupling, work) = (&mut tape.couplings[0], &mut tape.work);
            self.towards_noise(index, sources, points, log_determinants, coupling, work);
        }
    }
}

impl ConditionalDensity for CouplingFlow {
    fn dims(&self) -> (usize, usize) {
        (self.source(), self.couplings.target())
    }

    fn given(&self, source: &Latents) -> Result<Box<dyn LatentDistribution + '_>, DensityError> {
        Ok(Box::new(Transported::new(self, source)?))
    }
}

impl Learner for CouplingFlow {
    type Tape = FlowTape;

    fn parameters(&self) -> &[f32] {
        &self.parameters
    }

    fn parameters_mut(&mut self) -> &mut [f32] {
        &mut self.parameters
    }

    /// The exact negative log-likelihood; nothing is drawn.
    fn backward(
        &self,
        source: &[f32],
        target: &[f32],
        scale: f32,
        _: &mut RandomStream,
        gradients: &mut [f32],
        tape: &mut FlowTape,
    ) -> f64 {
        let FlowTape {
            couplings,
            work,
            points,
            log_determinants,
        } = tape;
        couplings.resize_with(self.couplings.count(), CouplingTape::default);
        points.clear();
        points.extend_from_slice(target);
        log_determinants.clear();
        log_determinants.resize(target.len() / self.couplings.target(), 0.0);
        for (index, coupling) in couplings.iter_mut().enumerate() {
            self.towards_noise(index, source, points, log_determinants, coupling, work);
        }
        let nats = standard_normal_nats(points) + log_determinants.iter().sum::<f64>();
        points.iter_mut().for_each(|noise| *noise *= scale);
        for (index, coupling) in couplings.iter_mut().enumerate().rev() {
            self.backward_through(
                index,
                -scale,
                points,
                &mut gradients[self.range(index)],
                coupling,
                work,
            );
        }
        -nats
    }
}

/// Some columns of rows of width `dim`, row by row.
fn gather(rows: &[f32], dim: usize, columns: &[usize], gathered: &mut Vec<f32>) {
    gathered.clear();
    for row in rows.chunks_exact(dim) {
        gathered.extend(columns.iter().map(|&column| row[column]));
    }
}

/// The way back of `gather`.
fn scatter(gathered: &[f32], rows: &mut [f32], dim: usize, columns: &[usize]) {
    for (row, values) in rows
        .chunks_exact_mut(dim)
        .zip(gathered.chunks_exact(columns.len()))
    {
        columns
            .iter()
            .zip(values)
            .for_each(|(&column, value)| row[column] = *value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::families::{laws, trial};

    fn flow(source: usize, target: usize, couplings: usize) -> CouplingFlow {
        let shape = FlowShape {
            couplings,
            hidden: vec![16, 16],
            bins: 6,
        };
        CouplingFlow::initial(source, target, &shape, &mut RandomStream::named(1, "flow")).unwrap()
    }

    #[test]
    fn the_laws_hold() {
        laws::hold_for(&flow(3, 2, 4), 1e-3);
        // Stronger, and the density's peaks fall between the points of the laws' grid.
        laws::hold_for(&trial::perturbed(flow(3, 2, 4), 0.1), 3e-3);
    }

    #[test]
    fn gradients_equal_central_differences() {
        for target in [1, 2, 5] {
            laws::gradients_are_exact(&trial::perturbed(flow(3, target, 3), 0.1), 1e-3, 2e-2);
        }
    }

    #[test]
    fn an_untrained_flow_is_close_to_a_standard_normal() {
        let points = Latents::from_vec(vec![0.3, -0.2, 1.0, 2.0, -0.7, 0.1], 3).unwrap();
        let source = Latents::filled(2, 3, 0.5);
        let nats = flow(3, 3, 6)
            .given(&source)
            .unwrap()
            .log_prob(&points)
            .unwrap();
        for (nats, point) in nats.iter().zip(points.values().chunks_exact(3)) {
            assert!((nats - standard_normal_nats(point)).abs() < 0.1, "{nats}");
        }
    }

    #[test]
    fn noise_goes_to_the_target_and_back() {
        let flow = trial::perturbed(flow(3, 5, 6), 0.1);
        let (mut sources, mut noise) = (vec![0.0; 300], vec![0.0; 500]);
        RandomStream::named(2, "sources").fill_standard_normal(&mut sources);
        RandomStream::named(2, "noise").fill_standard_normal(&mut noise);
        let (mut points, mut tape) = (noise.clone(), FlowTape::default());
        (&flow).to_target(&sources, &mut points, &mut tape);
        assert!(
            points
                .iter()
                .zip(&noise)
                .any(|(point, noise)| (point - noise).abs() > 0.5),
            "nothing moved"
        );
        (&flow).to_noise(&sources, &mut points, &mut [0.0; 100], &mut tape);
        for (back, noise) in points.iter().zip(&noise) {
            assert!((back - noise).abs() < 1e-3, "{noise} came back as {back}");
        }
    }

    #[test]
    fn each_pair_of_couplings_moves_every_dimension() {
        for target in 1..8 {
            let couplings = flow(2, target, 6).couplings;
            for pair in 0..3 {
                let moved: std::collections::BTreeSet<_> = [2 * pair, 2 * pair + 1]
                    .iter()
                    .flat_map(|&index| couplings.split(index).1)
                    .collect();
                assert_eq!(moved.len(), target);
            }
        }
    }

    #[test]
    fn points_far_off_have_a_finite_density() {
        let flow = trial::perturbed(flow(2, 2, 4), 0.3);
        let extremes = [f32::MAX, f32::MIN, 1e20, 0.0, -1e7, 3.0, 5.0, -5.0];
        let extremes = Latents::from_vec(extremes.to_vec(), 2).unwrap();
        let nats = flow.given(&extremes).unwrap().log_prob(&extremes).unwrap();
        assert!(nats.iter().all(|nats| nats.is_finite()), "{nats:?}");
    }

    #[test]
    fn it_learns_what_no_gaussian_can() {
        let shape = FlowShape {
            couplings: 4,
            hidden: vec![32, 32],
            bins: 8,
        };
        let flow =
            CouplingFlow::initial(1, 2, &shape, &mut RandomStream::named(3, "moons")).unwrap();
        trial::beats_every_gaussian(flow, 500, 5e-3, 0.7);
    }

    #[test]
    fn settings_out_of_range_are_refused() {
        let refused = |source, target, shape| {
            CouplingFlow::initial(
                source,
                target,
                &shape,
                &mut RandomStream::named(1, "refused"),
            )
            .unwrap_err()
        };
        let shape = FlowShape::default;
        assert!(
            refused(
                2,
                2,
                FlowShape {
                    couplings: 0,
                    ..shape()
                }
            )
            .to_string()
            .contains("`couplings` is 0")
        );
        assert!(
            refused(2, 2, FlowShape { bins: 1, ..shape() })
                .to_string()
                .contains("`bins` is 1")
        );
        assert!(matches!(
            refused(
                2,
                2,
                FlowShape {
                    hidden: vec![0],
                    ..shape()
                }
            ),
            BridgeError::Shape(_)
        ));
        assert!(matches!(
            refused(2, 0, shape()),
            BridgeError::Setting { .. }
        ));
        assert!(matches!(
            refused(0, 2, shape()),
            BridgeError::Setting { .. }
        ));
    }

    fn read(tamper: impl Fn(&mut WeightsFile)) -> Result<CouplingFlow, BridgeError> {
        let mut file = WeightsFile::default();
        flow(3, 4, 2).put_into(&mut file, "q");
        tamper(&mut file);
        CouplingFlow::from_file(&file, "q", Path::new("bridge"))
    }

    #[test]
    fn a_file_gives_back_what_was_put_into_it() {
        assert_eq!(read(|_| {}).unwrap(), flow(3, 4, 2));
    }

    #[test]
    fn files_whose_couplings_lie_are_refused() {
        for couplings in [
            r#"{"bins":6,"orders":[]}"#,
            r#"{"bins":6,"orders":[[],[]]}"#,
            r#"{"bins":0,"orders":[[0,1,2,3],[2,3,0,1]]}"#,
            r#"{"bins":7,"orders":[[0,1,2,3],[2,3,0,1]]}"#,
            r#"{"bins":6,"orders":[[0,1,2,3],[2,3,0,0]]}"#,
            r#"{"bins":6,"orders":[[0,1,2,3],[2,3,0]]}"#,
            r#"{"bins":6,"orders":[[0,1,2,4],[2,4,0,1]]}"#,
            r#"{"bins":6,"orders":[[0,1,2,3],[2,3,0,1],[0,1,2,3]]}"#,
            r#"{"bins":6,"orders":[[0,1,2,3,4,5,6,7,8,9],[0,1,2,3,4,5,6,7,8,9]]}"#,
        ] {
            let read = read(|file| {
                file.metadata
                    .insert("q.coupling-flow".into(), couplings.into());
            });
            assert!(
                matches!(read, Err(BridgeError::Network(NnError::Weights { .. }))),
                "{couplings}"
            );
        }
        let without = |name: &'static str| read(move |file| drop(file.tensors.remove(name)));
        assert!(
            without("q.coupling.1.0.weight")
                .unwrap_err()
                .to_string()
                .contains("no tensor")
        );
        assert!(read(|file| drop(file.metadata.remove("q.network"))).is_err());
    }

    #[test]
    #[ignore = "a measurement"]
    fn time_of_a_flow() {
        let shape = FlowShape::default();
        trial::measure(
            CouplingFlow::initial(12, 18, &shape, &mut RandomStream::named(1, "time")).unwrap(),
        );
    }
}
