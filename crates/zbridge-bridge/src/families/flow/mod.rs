mod couplings;
mod file;
mod gradient;
mod spline;
#[cfg(test)]
mod tests;

pub(crate) use gradient::FlowTape;

use super::conditioner::MAX_INPUT;
use super::mlp;
use super::transport::{Transport, TransportDistributions};
use crate::BridgeError;
use crate::rows::{flat, flat_mut, reshape, rows_of};
use couplings::{Couplings, gather, scatter};
use ndarray::{Array2, ArrayView2, ArrayViewMut2};
use spline::{SplineTape, Splines};
use std::ops::Range;
use zbridge_core::{ConditionalDensity, DensityError, LatentDistribution, Latents, RandomStream};
use zbridge_nn::{Mode, Network, Tape};

/// q(target|source) as standard normal noise that an invertible network moves to the target: a
/// normalising flow of coupling layers.
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

/// The size of a coupling flow.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct FlowShape {
    /// Couplings, an even number if every dimension shall move equally often.
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

/// What the forward pass of one coupling leaves for its backward pass.
#[derive(Debug, Default, Clone)]
struct CouplingTape {
    network: Tape,
    splines: SplineTape,
}

/// Working space of one coupling.
#[derive(Debug, Default)]
struct Work {
    /// `[rows, network inputs]`.
    inputs: Array2<f32>,
    /// The moved dimensions before and after the splines, `[rows, moved]`.
    before: Array2<f32>,
    after: Array2<f32>,
    log_slopes: Array2<f32>,
    /// `[rows, network outputs]`.
    raw_gradient: Array2<f32>,
}

impl CouplingFlow {
    /// Returns the untrained flow, whose density is close to a standard normal's for every source.
    ///
    /// # Errors
    /// [`BridgeError::Setting`] for couplings or bins out of range,
    /// [`ShapeError::Empty`](zbridge_core::ShapeError::Empty) for layers without units.
    pub(crate) fn initial(
        source: usize,
        target: usize,
        shape: &FlowShape,
        stream: &mut RandomStream,
    ) -> Result<Self, BridgeError> {
        let couplings = Couplings::COUNT.contains(&shape.couplings);
        require(couplings, "couplings", shape.couplings, "1 to 256")?;
        require(
            Splines::BINS.contains(&shape.bins),
            "bins",
            shape.bins,
            "2 to 64",
        )?;
        require(target > 0, "target dimensions", target, "at least 1")?;
        require(source > 0, "source dimensions", source, "at least 1")?;
        let couplings = Couplings::drawn(target, shape, stream);
        let inputs = couplings.kept() + source;
        let network = mlp::network(inputs, &shape.hidden, couplings.outputs(), 0.0)?;
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

    /// Returns where the parameters of coupling `index` lie.
    fn range(&self, index: usize) -> Range<usize> {
        let count = self.network.parameter_count();
        index * count..(index + 1) * count
    }

    fn source(&self) -> usize {
        self.network.inputs() - self.couplings.kept()
    }

    /// Returns the raw parameters of all splines of coupling `index`, `[rows · moved, raw_count]`.
    fn raw<'t>(
        &self,
        index: usize,
        sources: ArrayView2<'_, f32>,
        points: ArrayView2<'_, f32>,
        inputs: &mut Array2<f32>,
        tape: &'t mut Tape,
    ) -> ArrayView2<'t, f32> {
        let kept = self.couplings.kept_by(index);
        reshape(inputs, (points.nrows(), self.network.inputs()));
        for (row, mut inputs) in inputs.rows_mut().into_iter().enumerate() {
            let (point, source) = (points.row(row), sources.row(row));
            // The network sees only what stays as it is, so that the inverse has a closed form.
            let values = kept
                .iter()
                .map(|&column| point[column])
                .chain(source.iter().copied());
            for (input, value) in inputs.iter_mut().zip(values) {
                // The network alone sees clamped values: the map stays invertible.
                *input = value.clamp(-MAX_INPUT, MAX_INPUT);
            }
        }
        let parameters = &self.parameters[self.range(index)];
        let raw = self
            .network
            .forward(parameters, flat(inputs.view()), Mode::Training, tape);
        rows_of(raw, self.couplings.splines().raw_count())
    }

    /// Moves points `[rows, target]` through coupling `index` towards noise and adds their
    /// log-slopes to `log_determinants` `[rows]`.
    fn towards_noise(
        &self,
        index: usize,
        sources: ArrayView2<'_, f32>,
        mut points: ArrayViewMut2<'_, f32>,
        log_determinants: &mut [f64],
        tape: &mut CouplingTape,
        work: &mut Work,
    ) {
        let moved = self.couplings.moved_by(index);
        for buffer in [&mut work.before, &mut work.after, &mut work.log_slopes] {
            reshape(buffer, (points.nrows(), moved.len()));
        }
        gather(points.view(), moved, &mut work.before);
        let raw = self.raw(
            index,
            sources,
            points.view(),
            &mut work.inputs,
            &mut tape.network,
        );
        self.couplings.splines().forward(
            flat(work.before.view()),
            raw,
            flat_mut(&mut work.after),
            flat_mut(&mut work.log_slopes),
            &mut tape.splines,
        );
        scatter(work.after.view(), moved, points.view_mut());
        for (total, log_slopes) in log_determinants.iter_mut().zip(work.log_slopes.rows()) {
            *total += log_slopes
                .iter()
                .map(|&log_slope| f64::from(log_slope))
                .sum::<f64>();
        }
    }

    /// Moves points `[rows, target]` through coupling `index` towards the target.
    fn towards_target(
        &self,
        index: usize,
        sources: ArrayView2<'_, f32>,
        mut points: ArrayViewMut2<'_, f32>,
        tape: &mut CouplingTape,
        work: &mut Work,
    ) {
        let moved = self.couplings.moved_by(index);
        for buffer in [&mut work.before, &mut work.after] {
            reshape(buffer, (points.nrows(), moved.len()));
        }
        gather(points.view(), moved, &mut work.before);
        let raw = self.raw(
            index,
            sources,
            points.view(),
            &mut work.inputs,
            &mut tape.network,
        );
        self.couplings.splines().inverse(
            flat(work.before.view()),
            raw,
            flat_mut(&mut work.after),
            &mut tape.splines,
        );
        scatter(work.after.view(), moved, points.view_mut());
    }
}

fn require(
    holds: bool,
    setting: &'static str,
    value: usize,
    expected: &'static str,
) -> Result<(), BridgeError> {
    if holds {
        return Ok(());
    }
    let value = value.to_string();
    Err(BridgeError::Setting {
        setting,
        value,
        expected,
    })
}

impl Transport for &CouplingFlow {
    type Tape = FlowTape;

    fn dims(&self) -> (usize, usize) {
        (self.source(), self.couplings.target())
    }

    fn to_target(
        &self,
        sources: ArrayView2<'_, f32>,
        mut points: ArrayViewMut2<'_, f32>,
        tape: &mut FlowTape,
    ) {
        let (coupling, work) = tape.single();
        // The inverse of the last coupling comes first.
        for index in (0..self.couplings.count()).rev() {
            self.towards_target(index, sources, points.view_mut(), coupling, work);
        }
    }

    fn to_noise(
        &self,
        sources: ArrayView2<'_, f32>,
        mut points: ArrayViewMut2<'_, f32>,
        log_determinants: &mut [f64],
        tape: &mut FlowTape,
    ) {
        let (coupling, work) = tape.single();
        for index in 0..self.couplings.count() {
            let points = points.view_mut();
            self.towards_noise(index, sources, points, log_determinants, coupling, work);
        }
    }
}

impl ConditionalDensity for CouplingFlow {
    fn dims(&self) -> (usize, usize) {
        (self.source(), self.couplings.target())
    }

    fn given(&self, source: &Latents) -> Result<Box<dyn LatentDistribution + '_>, DensityError> {
        Ok(Box::new(TransportDistributions::new(self, source)?))
    }
}
