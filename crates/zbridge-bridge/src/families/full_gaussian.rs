use super::conditioner::Conditioner;
use super::dot::dot;
use super::given::{Given, Parametric};
use super::soft_bound::soft_bound;
use crate::BridgeError;
use crate::learner::Learner;
use std::path::Path;
use zbridge_core::{
    ConditionalDensity, DensityError, LN_TWO_PI, LatentDistribution, Latents, RandomStream,
};
use zbridge_nn::{NnError, Tape, WeightsFile};

/// q(t|s) = N(μ(s), (L(s) L(s)ᵀ)⁻¹): a Gaussian with full covariance whose mean, and
/// lower-triangular factor L of whose precision, a network gives.
///
/// log q = Σ log L_ii − ½ ‖Lᵀ (t − μ)‖² − ½ dim log 2π.
///
/// The network's outputs are μ, then log L_ii before their bound, then the rows of L below the
/// diagonal, one after the other.
///
/// # Source
/// Williams 1996, "Using neural networks to model conditional multivariate densities": the
/// precision's factor needs no constraint but a positive diagonal, and no inverse on the way to the
/// likelihood.
#[derive(Debug, Clone, PartialEq)]
pub struct FullGaussian {
    conditioner: Conditioner,
    dim: usize,
}

/// Log-scales stay within ± this.
const MOST_LOG_SCALE: f32 = 8.0;

impl FullGaussian {
    /// The untrained density, next to the standard normal for every source.
    ///
    /// # Errors
    /// [`ShapeError::Empty`] when a width is 0, [`BridgeError::Setting`] when `dropout` is not in
    /// [0, 1).
    pub(crate) fn initial(
        source: usize,
        target: usize,
        hidden: &[usize],
        dropout: f32,
        stream: &mut RandomStream,
    ) -> Result<Self, BridgeError> {
        let outputs = parameters_of(target).unwrap_or(0);
        Ok(Self {
            conditioner: Conditioner::initial(source, hidden, outputs, dropout, stream)?,
            dim: target,
        })
    }

    pub(crate) fn put_into(&self, file: &mut WeightsFile, prefix: &str) {
        self.conditioner.put_into(file, prefix);
        file.metadata
            .insert(format!("{prefix}.full-gaussian"), self.dim.to_string());
    }

    /// The density stored under `prefix`; `path` names the file in errors.
    ///
    /// # Errors
    /// [`NnError::Weights`] when a part is missing, or the network does not give what so many
    /// dimensions need.
    pub(crate) fn from_file(
        file: &WeightsFile,
        prefix: &str,
        path: &Path,
    ) -> Result<Self, BridgeError> {
        let conditioner = Conditioner::from_file(file, prefix, path)?;
        let dim: usize = file.parsed_metadata(&format!("{prefix}.full-gaussian"), path)?;
        let found = conditioner.outputs();
        if dim == 0 || parameters_of(dim) != Some(found) {
            let reason = format!(
                "`{prefix}` gives {found} numbers, which are no full Gaussian in {dim} dimensions"
            );
            return Err(NnError::Weights {
                path: path.to_owned(),
                reason,
            }
            .into());
        }
        Ok(Self { conditioner, dim })
    }

    /// −log q(target) for a row of the network's outputs, and `scale` times its gradient by them in
    /// `gradient`.
    fn row_backward(
        &self,
        outputs: &[f32],
        target: &[f32],
        scale: f32,
        gradient: &mut [f32],
        row: &mut Row,
    ) -> f64 {
        let parts = Parts::of(outputs, self.dim);
        let mut nats = 0.5 * self.dim as f64 * LN_TWO_PI;
        row.whitened.fill(0.0);
        for (i, (target, mean)) in target.iter().zip(parts.mean).enumerate() {
            let (log_scale, slope) = soft_bound(parts.log_scales[i], MOST_LOG_SCALE);
            (row.scales[i], row.slopes[i]) = (log_scale.exp(), slope);
            row.residual[i] = target - mean;
            row.whitened[i] += row.scales[i] * row.residual[i];
            add_scaled(&mut row.whitened, row.residual[i], parts.below(i));
            nats -= f64::from(log_scale);
        }
        // With u = Lᵀ r: d/dμ = −L u, d/dL_ij = r_i u_j, and log L_ii also stands by itself.
        let (mean, rest) = gradient.split_at_mut(self.dim);
        let (log_scales, mut below) = rest.split_at_mut(self.dim);
        for i in 0..self.dim {
            let along = row.scales[i] * row.whitened[i];
            mean[i] = -scale * (along + dot(parts.below(i), &row.whitened));
            log_scales[i] = scale * (along * row.residual[i] - 1.0) * row.slopes[i];
            let entries = below.split_off_mut(..i).unwrap_or_default();
            let factor = scale * row.residual[i];
            entries
                .iter_mut()
                .zip(&row.whitened)
                .for_each(|(entry, whitened)| *entry = factor * whitened);
        }
        nats + 0.5
            * row
                .whitened
                .iter()
                .map(|&u| f64::from(u) * f64::from(u))
                .sum::<f64>()
    }
}

impl Learner for FullGaussian {
    type Tape = FullGaussianTape;

    fn parameters(&self) -> &[f32] {
        self.conditioner.parameters()
    }

    fn parameters_mut(&mut self) -> &mut [f32] {
        self.conditioner.parameters_mut()
    }

    fn backward(
        &self,
        source: &[f32],
        target: &[f32],
        scale: f32,
        stream: &mut RandomStream,
        gradients: &mut [f32],
        tape: &mut FullGaussianTape,
    ) -> f64 {
        let FullGaussianTape {
            network,
            gradient,
            row,
        } = tape;
        let outputs = self.conditioner.forward(source, stream, network);
        gradient.resize(outputs.len(), 0.0);
        row.resize(self.dim);
        let width = self.conditioner.outputs();
        let rows = outputs
            .chunks_exact(width)
            .zip(target.chunks_exact(self.dim))
            .zip(gradient.chunks_exact_mut(width));
        let nats = rows
            .map(|((outputs, target), gradient)| {
                self.row_backward(outputs, target, scale, gradient, row)
            })
            .sum();
        self.conditioner.backward(gradient, gradients, network);
        nats
    }
}

impl Parametric for FullGaussian {
    type Tape = Tape;

    fn distributions<'t>(&self, sources: &[f32], tape: &'t mut Tape) -> &'t [f32] {
        self.conditioner.infer(sources, tape)
    }

    fn log_density_nats(&self, outputs: &[f32], point: &[f32], whitened: &mut Vec<f64>) -> f64 {
        let parts = Parts::of(outputs, self.dim);
        whitened.clear();
        whitened.resize(self.dim, 0.0);
        let mut nats = -0.5 * self.dim as f64 * LN_TWO_PI;
        for (i, (&point, &mean)) in point.iter().zip(parts.mean).enumerate() {
            let log_scale = f64::from(soft_bound(parts.log_scales[i], MOST_LOG_SCALE).0);
            let residual = f64::from(point) - f64::from(mean);
            whitened[i] += log_scale.exp() * residual;
            whitened
                .iter_mut()
                .zip(parts.below(i))
                .for_each(|(u, &entry)| *u += residual * f64::from(entry));
            nats += log_scale;
        }
        nats - 0.5 * dot(whitened, whitened)
    }

    /// μ + L⁻ᵀ z, from the last dimension to the first.
    fn draw(
        &self,
        outputs: &[f32],
        _choices: &[f32],
        noise: &mut [f32],
        deviations: &mut Vec<f64>,
    ) {
        let parts = Parts::of(outputs, self.dim);
        deviations.clear();
        deviations.extend(
            parts
                .log_scales
                .iter()
                .map(|&raw| f64::from(-soft_bound(raw, MOST_LOG_SCALE).0).exp()),
        );
        for draw in noise.chunks_exact_mut(self.dim) {
            for i in (0..self.dim).rev() {
                draw[i] *= deviations[i] as f32;
                let solved = draw[i];
                add_scaled(draw, -solved, parts.below(i));
                draw[i] += parts.mean[i];
            }
        }
    }
}

impl ConditionalDensity for FullGaussian {
    fn dims(&self) -> (usize, usize) {
        (self.conditioner.inputs(), self.dim)
    }

    fn given(&self, source: &Latents) -> Result<Box<dyn LatentDistribution + '_>, DensityError> {
        Ok(Box::new(Given::new(self, self.dims(), source)?))
    }
}

/// What training keeps from step to step.
#[derive(Debug, Default)]
pub(crate) struct FullGaussianTape {
    network: Tape,
    gradient: Vec<f32>,
    row: Row,
}

/// What a row's likelihood leaves for its gradient, each `[dim]`.
#[derive(Debug, Default)]
struct Row {
    /// r = t − μ.
    residual: Vec<f32>,
    /// u = Lᵀ r.
    whitened: Vec<f32>,
    /// L_ii.
    scales: Vec<f32>,
    /// Slopes of the bound on log L_ii.
    slopes: Vec<f32>,
}

impl Row {
    fn resize(&mut self, dim: usize) {
        for values in [
            &mut self.residual,
            &mut self.whitened,
            &mut self.scales,
            &mut self.slopes,
        ] {
            values.resize(dim, 0.0);
        }
    }
}

/// A row of the network's outputs, by what they mean.
struct Parts<'o> {
    mean: &'o [f32],
    log_scales: &'o [f32],
    lower: &'o [f32],
}

impl<'o> Parts<'o> {
    fn of(outputs: &'o [f32], dim: usize) -> Self {
        let (mean, rest) = outputs.split_at(dim);
        let (log_scales, lower) = rest.split_at(dim);
        Self {
            mean,
            log_scales,
            lower,
        }
    }

    /// Row `i` of L, left of the diagonal.
    fn below(&self, i: usize) -> &'o [f32] {
        &self.lower[i * i.saturating_sub(1) / 2..][..i]
    }
}

/// How many numbers a full Gaussian in `dim` dimensions has: dim (dim + 3) / 2; none where that is
/// no number.
fn parameters_of(dim: usize) -> Option<usize> {
    dim.checked_mul(dim.checked_add(3)?).map(|twice| twice / 2)
}

/// `values += factor · others`, as far as there are others.
fn add_scaled(values: &mut [f32], factor: f32, others: &[f32]) {
    values
        .iter_mut()
        .zip(others)
        .for_each(|(value, other)| *value += factor * other);
}

#[cfg(test)]
mod tests {
    use super::super::laws;
    use super::*;

    fn density(dim: usize, dropout: f32) -> FullGaussian {
        let mut stream = RandomStream::named(31, "full-gaussian");
        let mut density = FullGaussian::initial(3, dim, &[16, 8], dropout, &mut stream).unwrap();
        // Away from the quiet start, so that sources matter and correlations are strong.
        density
            .conditioner
            .last_layer_mut()
            .0
            .iter_mut()
            .for_each(|weight| *weight *= 20.0);
        density
            .conditioner
            .last_layer_mut()
            .1
            .copy_from_slice(&vec![0.3; parameters_of(dim).unwrap()]);
        density
    }

    #[test]
    fn laws_hold() {
        laws::hold_for(&density(2, 0.0), 1e-3);
    }

    #[test]
    fn gradients_are_exact() {
        for (dim, dropout) in [(1, 0.0), (2, 0.0), (5, 0.0), (5, 0.3)] {
            laws::gradients_are_exact(&density(dim, dropout), 1e-2, 2e-2);
        }
    }

    #[test]
    fn a_fresh_density_is_next_to_the_standard_normal() {
        let mut stream = RandomStream::named(32, "fresh");
        let fresh = FullGaussian::initial(3, 4, &[16], 0.0, &mut stream).unwrap();
        let (source, point) = (Latents::filled(1, 3, 0.5), Latents::filled(1, 4, 0.7));
        let nats = fresh.given(&source).unwrap().log_prob(&point).unwrap()[0];
        assert!(
            (nats + 0.5 * 4.0 * (LN_TWO_PI + 0.49)).abs() < 0.2,
            "{nats}"
        );
    }

    #[test]
    fn objective_is_minus_the_log_density() {
        let density = density(4, 0.0);
        let (source, target) = (vec![0.4, -0.1, 0.2], vec![0.3, 0.1, -0.5, 1.0]);
        let (mut stream, mut gradients) = (
            RandomStream::named(33, "objective"),
            vec![0.0; density.parameters().len()],
        );
        let nats = density.backward(
            &source,
            &target,
            1.0,
            &mut stream,
            &mut gradients,
            &mut FullGaussianTape::default(),
        );
        let given = density
            .given(&Latents::from_vec(source, 3).unwrap())
            .unwrap();
        let log_prob = given
            .log_prob(&Latents::from_vec(target, 4).unwrap())
            .unwrap()[0];
        assert!((nats + log_prob).abs() < 1e-4, "{nats} against {log_prob}");
    }

    #[test]
    fn densities_far_off_are_finite() {
        let density = density(3, 0.0);
        for value in [f32::MAX, f32::MIN, 1e20] {
            let given = density.given(&Latents::filled(1, 3, value)).unwrap();
            assert!(given.log_prob(&Latents::filled(1, 3, -value)).unwrap()[0].is_finite());
            assert_eq!(
                given
                    .sample_each(3, &mut RandomStream::named(1, "far"))
                    .unwrap()
                    .rows(),
                3
            );
        }
    }

    #[test]
    fn a_file_gives_back_the_density_bit_by_bit() {
        let density = density(3, 0.3);
        let mut file = WeightsFile::default();
        density.put_into(&mut file, "q");
        let file = WeightsFile::from_bytes(
            &file.to_bytes(zbridge_nn::Precision::Single).unwrap(),
            Path::new("f"),
        )
        .unwrap();
        assert_eq!(
            FullGaussian::from_file(&file, "q", Path::new("f")).unwrap(),
            density
        );
    }

    #[test]
    fn a_file_with_another_dimension_than_its_network_is_refused() {
        for dim in ["0", "2", "4", "18446744073709551615"] {
            let mut file = WeightsFile::default();
            density(3, 0.0).put_into(&mut file, "q");
            file.metadata.insert("q.full-gaussian".into(), dim.into());
            let error = FullGaussian::from_file(&file, "q", Path::new("f")).unwrap_err();
            assert!(error.to_string().contains("no full Gaussian"), "{error}");
        }
    }

    #[test]
    #[ignore = "a measurement"]
    fn time_of_a_step() {
        const ROWS: usize = 128;
        let mut stream = RandomStream::named(34, "time");
        for dim in [16, 64] {
            let (mut source, mut target) = (vec![0.0; ROWS * 32], vec![0.0; ROWS * dim]);
            stream.fill_standard_normal(&mut source);
            stream.fill_standard_normal(&mut target);
            let density = FullGaussian::initial(32, dim, &[128, 128], 0.3, &mut stream).unwrap();
            let (mut tape, mut gradients) = (
                FullGaussianTape::default(),
                vec![0.0; density.parameters().len()],
            );
            let start = std::time::Instant::now();
            for _ in 0..300 {
                density.backward(
                    &source,
                    &target,
                    1.0,
                    &mut stream,
                    &mut gradients,
                    &mut tape,
                );
            }
            println!("{dim} dimensions: {:?} a step", start.elapsed() / 300);
        }
    }
}
