use super::cholesky::Cholesky;
use super::conditioner::stored;
use super::dot::dot;
use super::given::{Given, Parametric};
use crate::BridgeError;
use std::path::Path;
use zbridge_core::{
    ConditionalDensity, DensityError, DiagonalGaussian, LN_TWO_PI, LatentDistribution, Latents,
};
use zbridge_nn::{NnError, StoredTensor, WeightsFile};

/// q(t|s) = N(A s + b, Σ) with one full covariance Σ for every source: the conditional of two
/// jointly Gaussian latents, fitted in closed form.
#[derive(Debug, Clone, PartialEq)]
pub struct LinearGaussian {
    /// A, `[target, source]` row-major.
    matrix: Vec<f32>,
    /// b, `[target]`.
    offset: Vec<f32>,
    /// The factor of Σ, of numbers that f32 holds exactly: as they are stored.
    noise: Cholesky,
    source: usize,
}

impl LinearGaussian {
    /// The density of highest expected likelihood over draws from both posteriors of each row,
    /// ridge and shrinkage aside; `pairs` is how many of the rows are independent, where rows are
    /// several draws of fewer pairs. It exists for any finite posteriors, also for fewer pairs than
    /// dimensions and for dimensions that never vary.
    ///
    /// With S the covariance of the draws of both sides, A = S_ts (S_ss + λ I)⁻¹ and Σ = S_tt − A
    /// S_st, where λ is `ridge` times the mean variance of the source. The off-diagonal of Σ is
    /// then shrunk, see [`shrunk`].
    ///
    /// # Shapes
    /// `source` and `target` have the same number of rows; row i of one belongs to row i of the
    /// other.
    ///
    /// # Source
    /// Bishop 2006, equations 2.81, 2.82 and 3.28: the conditional of a joint Gaussian, and ridge
    /// regression.
    pub(crate) fn fit(
        source: &DiagonalGaussian,
        target: &DiagonalGaussian,
        pairs: usize,
        ridge: f64,
    ) -> Self {
        let (source, target) = (Draws::of(source), Draws::of(target));
        let (inputs, outputs) = (source.dim(), target.dim());
        let factor = Cholesky::of_nearly(with_ridge(source.covariance(), inputs, ridge), inputs);
        // With C Cᵀ = S_ss + λ I and W = C⁻¹ S_st: Aᵀ = C⁻ᵀ W, and Σ = S_tt − Wᵀ W, symmetric by
        // construction.
        let mut solved = source.covariance_with(&target);
        factor.solve_lower(&mut solved, outputs);
        let mut covariance = target.covariance();
        for row in solved.chunks_exact(outputs) {
            add_outer_product(&mut covariance, -1.0, row, row);
        }
        factor.solve_upper(&mut solved, outputs);
        let matrix: Vec<f64> = (0..outputs * inputs)
            .map(|at| solved[at % inputs * outputs + at / inputs])
            .collect();
        let offset = target
            .mean
            .iter()
            .zip(matrix.chunks_exact(inputs))
            .map(|(mean, row)| mean - dot(row, &source.mean));
        let offset = offset.map(saturated).collect();
        let noise = rounded(&Cholesky::of_nearly(
            shrunk(covariance, outputs, pairs),
            outputs,
        ));
        Self {
            matrix: matrix.into_iter().map(saturated).collect(),
            offset,
            noise,
            source: inputs,
        }
    }

    pub(crate) fn put_into(&self, file: &mut WeightsFile, prefix: &str) {
        let dim = self.offset.len();
        let factor = self
            .noise
            .factor()
            .iter()
            .map(|&value| value as f32)
            .collect();
        for (name, shape, values) in [
            ("matrix", vec![dim, self.source], self.matrix.clone()),
            ("offset", vec![dim], self.offset.clone()),
            ("factor", vec![dim, dim], factor),
        ] {
            file.tensors
                .insert(format!("{prefix}.{name}"), StoredTensor { shape, values });
        }
        let dims = serde_json::to_string(&self.dims()).unwrap_or_default();
        file.metadata
            .insert(format!("{prefix}.linear-gaussian"), dims);
    }

    /// The density stored under `prefix`; `path` names the file in errors.
    ///
    /// # Errors
    /// [`NnError::Weights`] when a part is missing, has another shape than the others say, or is no
    /// factor of a covariance.
    pub(crate) fn from_file(
        file: &WeightsFile,
        prefix: &str,
        path: &Path,
    ) -> Result<Self, BridgeError> {
        let fault = |reason: &str| NnError::Weights {
            path: path.to_owned(),
            reason: format!("the linear Gaussian `{prefix}` {reason}; get the file anew"),
        };
        let (source, dim): (usize, usize) =
            file.parsed_metadata(&format!("{prefix}.linear-gaussian"), path)?;
        if source == 0 || dim == 0 {
            return Err(fault("has no dimensions").into());
        }
        let matrix = stored(file, &format!("{prefix}.matrix"), &[dim, source], path)?.to_vec();
        let offset = stored(file, &format!("{prefix}.offset"), &[dim], path)?.to_vec();
        let factor = stored(file, &format!("{prefix}.factor"), &[dim, dim], path)?;
        let noise =
            Cholesky::from_factor(factor.iter().map(|&value| f64::from(value)).collect(), dim)
                .ok_or_else(|| {
                    fault("has a factor that is not lower-triangular with a positive diagonal")
                })?;
        Ok(Self {
            matrix,
            offset,
            noise,
            source,
        })
    }
}

impl Parametric for LinearGaussian {
    type Tape = Vec<f32>;

    /// Means A s + b, `[rows, dim]`.
    fn distributions<'t>(&self, sources: &[f32], means: &'t mut Vec<f32>) -> &'t [f32] {
        means.clear();
        for source in sources.chunks_exact(self.source) {
            let rows = self.matrix.chunks_exact(self.source).zip(&self.offset);
            means.extend(rows.map(|(row, offset)| {
                (offset + dot(row, source)).clamp(-LARGEST_MEAN, LARGEST_MEAN)
            }));
        }
        means
    }

    fn log_density_nats(&self, mean: &[f32], point: &[f32], space: &mut Vec<f64>) -> f64 {
        space.clear();
        space.extend(
            point
                .iter()
                .zip(mean)
                .map(|(&point, &mean)| f64::from(point) - f64::from(mean)),
        );
        self.noise.whiten(space);
        -self.noise.half_log_determinant()
            - 0.5 * (dot(space, space) + mean.len() as f64 * LN_TWO_PI)
    }

    fn draw(&self, mean: &[f32], _choices: &[f32], noise: &mut [f32], space: &mut Vec<f64>) {
        for draw in noise.chunks_exact_mut(mean.len()) {
            space.clear();
            space.extend(draw.iter().map(|&value| f64::from(value)));
            self.noise.colour(space);
            for ((value, mean), coloured) in draw.iter_mut().zip(mean).zip(space.iter()) {
                *value = (f64::from(*mean) + coloured) as f32;
            }
        }
    }
}

impl ConditionalDensity for LinearGaussian {
    fn dims(&self) -> (usize, usize) {
        (self.source, self.offset.len())
    }

    fn given(&self, source: &Latents) -> Result<Box<dyn LatentDistribution + '_>, DensityError> {
        Ok(Box::new(Given::new(self, self.dims(), source)?))
    }
}

/// Means further off than this stay there, where squares of differences are still numbers.
const LARGEST_MEAN: f32 = 1e30;

/// Posteriors as their draws are: the mean over all draws, each posterior's own mean around it, and
/// the mean variance.
struct Draws {
    mean: Vec<f64>,
    /// `[rows, dim]`.
    centred: Vec<f64>,
    within: Vec<f64>,
}

impl Draws {
    fn of(posterior: &DiagonalGaussian) -> Self {
        let (dim, count) = (posterior.dim(), posterior.rows().max(1) as f64);
        let (mut mean, mut within) = (vec![0.0; dim], vec![0.0; dim]);
        for row in 0..posterior.rows() {
            let parameters = posterior
                .mean()
                .row_values(row)
                .iter()
                .zip(posterior.log_var().row_values(row));
            for ((mean, within), (&value, &log_var)) in
                mean.iter_mut().zip(&mut within).zip(parameters)
            {
                *mean += f64::from(value) / count;
                *within += f64::from(log_var)
                    .clamp(-MOST_LOG_VARIANCE, MOST_LOG_VARIANCE)
                    .exp()
                    / count;
            }
        }
        let rows = posterior.mean().values().chunks_exact(dim);
        let centred = rows
            .flat_map(|row| {
                row.iter()
                    .zip(&mean)
                    .map(|(&value, mean)| f64::from(value) - mean)
            })
            .collect();
        Self {
            mean,
            centred,
            within,
        }
    }

    fn dim(&self) -> usize {
        self.mean.len()
    }

    /// The covariance of the draws, `[dim, dim]`: that of the means and, on the diagonal, the
    /// variance within.
    fn covariance(&self) -> Vec<f64> {
        let mut covariance = self.covariance_with(self);
        for (i, within) in self.within.iter().enumerate() {
            covariance[i * self.dim() + i] += within;
        }
        covariance
    }

    /// The covariance with the other side's draws, `[dim, other dim]`: that of the means, as two
    /// posteriors of a pair are drawn from independently.
    fn covariance_with(&self, other: &Self) -> Vec<f64> {
        let mut covariance = vec![0.0; self.dim() * other.dim()];
        let weight = 1.0 / (self.centred.len() / self.dim()).max(1) as f64;
        for (own, other) in self
            .centred
            .chunks_exact(self.dim())
            .zip(other.centred.chunks_exact(other.dim()))
        {
            add_outer_product(&mut covariance, weight, own, other);
        }
        covariance
    }
}

/// Log-variances beyond ±this are no variances in f32.
const MOST_LOG_VARIANCE: f64 = 87.0;

/// `matrix += weight · column rowᵀ`.
fn add_outer_product(matrix: &mut [f64], weight: f64, column: &[f64], row: &[f64]) {
    for (entries, value) in matrix.chunks_exact_mut(row.len()).zip(column) {
        let factor = weight * value;
        entries
            .iter_mut()
            .zip(row)
            .for_each(|(entry, value)| *entry += factor * value);
    }
}

/// The covariance plus `ridge` times its mean variance on the diagonal.
fn with_ridge(mut covariance: Vec<f64>, dim: usize, ridge: f64) -> Vec<f64> {
    let added = ridge * (0..dim).map(|i| covariance[i * dim + i]).sum::<f64>() / dim as f64;
    (0..dim).for_each(|i| covariance[i * dim + i] += added);
    covariance
}

/// (1 − α) Σ + α diag(Σ) with α = (dim + 1) / (pairs + dim + 1): correlations count as much as the
/// pairs that show them.
///
/// # Source
/// The posterior mean of Σ under an inverse-Wishart prior (Gelman et al. 2013, section 3.6) that is
/// worth dim + 1 pairs, the least for which it has a mean, and is centred at the variances without
/// their correlations.
fn shrunk(mut covariance: Vec<f64>, dim: usize, pairs: usize) -> Vec<f64> {
    let kept = pairs as f64 / (pairs + dim + 1) as f64;
    for (at, entry) in covariance.iter_mut().enumerate() {
        *entry *= if at % (dim + 1) == 0 { 1.0 } else { kept };
    }
    covariance
}

/// The factor with every entry a number that f32 holds.
fn rounded(factor: &Cholesky) -> Cholesky {
    let values = factor.factor().iter().enumerate().map(|(at, &value)| {
        let least = if at % (factor.dim() + 1) == 0 {
            f32::MIN_POSITIVE
        } else {
            f32::MIN
        };
        f64::from(saturated(value).max(least))
    });
    Cholesky::from_factor(values.collect(), factor.dim()).unwrap_or_else(|| factor.clone())
}

fn saturated(value: f64) -> f32 {
    (value as f32).clamp(f32::MIN, f32::MAX)
}

#[cfg(test)]
mod tests {
    use super::super::laws;
    use super::*;
    use zbridge_core::RandomStream;

    /// Posteriors of variance `exp(log_var)` whose means are `means`.
    fn posteriors(means: Vec<f32>, dim: usize, log_var: f32) -> DiagonalGaussian {
        let means = Latents::from_vec(means, dim).unwrap();
        let log_vars = Latents::filled(means.rows(), dim, log_var);
        DiagonalGaussian::new(means, log_vars).unwrap()
    }

    const A: [[f32; 3]; 2] = [[0.8, -0.4, 0.1], [0.3, 0.5, -0.6]];
    const B: [f32; 2] = [0.4, -0.3];
    /// The factor of the noise: Σ = [[0.36, 0.24], [0.24, 0.41]].
    const L: [[f32; 2]; 2] = [[0.6, 0.0], [0.4, 0.5]];

    /// Means of pairs of a linear-Gaussian system: t = A s + b + L z.
    fn system(pairs: usize) -> (Vec<f32>, Vec<f32>) {
        let (mut sources, mut noise) = (vec![0.0f32; pairs * 3], vec![0.0f32; pairs * 2]);
        let mut stream = RandomStream::named(21, "linear-gaussian");
        stream.fill_standard_normal(&mut sources);
        stream.fill_standard_normal(&mut noise);
        let target = |(s, z): (&[f32], &[f32])| {
            let (s, z) = (s.to_vec(), z.to_vec());
            (0..2).map(move |i| dot(&A[i], &s) + B[i] + dot(&L[i], &z))
        };
        let targets = sources
            .chunks_exact(3)
            .zip(noise.chunks_exact(2))
            .flat_map(target)
            .collect();
        (sources, targets)
    }

    fn fitted(pairs: usize, log_var: f32) -> LinearGaussian {
        let (sources, targets) = system(pairs);
        LinearGaussian::fit(
            &posteriors(sources, 3, log_var),
            &posteriors(targets, 2, log_var),
            pairs,
            1e-6,
        )
    }

    fn covariance(density: &LinearGaussian) -> Vec<f64> {
        let (dim, l) = (density.noise.dim(), density.noise.factor());
        (0..dim * dim)
            .map(|at| dot(&l[at / dim * dim..][..dim], &l[at % dim * dim..][..dim]))
            .collect()
    }

    #[test]
    fn laws_hold() {
        laws::hold_for(&fitted(400, -3.0), 1e-3);
    }

    #[test]
    fn a_known_system_is_recovered() {
        let density = fitted(5000, -20.0);
        for (found, expected) in density.matrix.iter().zip(A.iter().flatten()) {
            assert!(
                (found - expected).abs() < 0.03,
                "A: {found} against {expected}"
            );
        }
        for (found, expected) in density.offset.iter().zip(B) {
            assert!(
                (found - expected).abs() < 0.03,
                "b: {found} against {expected}"
            );
        }
        for (found, expected) in covariance(&density).iter().zip([0.36, 0.24, 0.24, 0.41]) {
            assert!(
                (found - expected).abs() < 0.03,
                "Σ: {found} against {expected}"
            );
        }
    }

    #[test]
    fn closed_form_over_posteriors_is_the_limit_of_many_draws_from_them() {
        let (sources, targets) = system(300);
        let (source, target) = (posteriors(sources, 3, -1.0), posteriors(targets, 2, -1.5));
        let exact = LinearGaussian::fit(&source, &target, 300, 0.01);
        let mut stream = RandomStream::named(22, "draws");
        let drawn = |posterior: &DiagonalGaussian, stream: &mut RandomStream| {
            posteriors(
                posterior.sample_each(400, stream).into_vec(),
                posterior.dim(),
                -60.0,
            )
        };
        let (source, target) = (drawn(&source, &mut stream), drawn(&target, &mut stream));
        let sampled = LinearGaussian::fit(&source, &target, 300, 0.01);
        for (a, b) in exact
            .matrix
            .iter()
            .chain(&exact.offset)
            .zip(sampled.matrix.iter().chain(&sampled.offset))
        {
            assert!((a - b).abs() < 0.02, "{a} against {b}");
        }
        for (a, b) in covariance(&exact).iter().zip(covariance(&sampled)) {
            assert!((a - b).abs() < 0.02, "{a} against {b}");
        }
    }

    #[test]
    fn correlations_count_as_much_as_the_pairs_that_show_them() {
        assert_eq!(
            shrunk(vec![1.0, 0.5, 0.5, 2.0], 2, 3),
            [1.0, 0.25, 0.25, 2.0]
        );
    }

    #[test]
    fn few_pairs_and_constant_dimensions_still_have_a_density() {
        let mut stream = RandomStream::named(23, "few");
        for (pairs, ridge) in [(2, 0.0), (3, 1e-3), (5, 0.1)] {
            let (mut sources, mut targets) = (vec![0.0f32; pairs * 12], vec![0.0f32; pairs * 7]);
            stream.fill_standard_normal(&mut sources);
            stream.fill_standard_normal(&mut targets);
            targets.iter_mut().step_by(7).for_each(|value| *value = 2.5);
            let (source, target) = (
                posteriors(sources, 12, -80.0),
                posteriors(targets, 7, -80.0),
            );
            let density = LinearGaussian::fit(&source, &target, pairs, ridge);
            let nats = density
                .given(source.mean())
                .unwrap()
                .log_prob(target.mean())
                .unwrap();
            assert!(
                nats.iter().all(|nats| nats.is_finite()),
                "{pairs} pairs: {nats:?}"
            );
            let draws = density
                .given(source.mean())
                .unwrap()
                .sample_each(5, &mut stream)
                .unwrap();
            assert!(
                draws
                    .values()
                    .iter()
                    .step_by(7)
                    .all(|value| (value - 2.5).abs() < 0.05)
            );
        }
        let nothing = posteriors(vec![0.0; 6], 3, f32::MIN);
        let density = LinearGaussian::fit(&nothing, &nothing, 2, 0.1);
        let nats = density
            .given(nothing.mean())
            .unwrap()
            .log_prob(nothing.mean())
            .unwrap();
        assert!(nats.iter().all(|nats| nats.is_finite()));
    }

    #[test]
    fn densities_far_off_are_finite() {
        let density = fitted(50, -3.0);
        for value in [f32::MAX, f32::MIN, 1e20] {
            let given = density.given(&Latents::filled(1, 3, value)).unwrap();
            assert!(given.log_prob(&Latents::filled(1, 2, -value)).unwrap()[0] < -1e6);
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
        let density = fitted(40, -3.0);
        let mut file = WeightsFile::default();
        density.put_into(&mut file, "q");
        let file = WeightsFile::from_bytes(
            &file.to_bytes(zbridge_nn::Precision::Single).unwrap(),
            Path::new("f"),
        )
        .unwrap();
        assert_eq!(
            LinearGaussian::from_file(&file, "q", Path::new("f")).unwrap(),
            density
        );
    }

    #[test]
    fn tampered_files_are_refused() {
        let refused = |tamper: &dyn Fn(&mut WeightsFile)| {
            let mut file = WeightsFile::default();
            fitted(40, -3.0).put_into(&mut file, "q");
            tamper(&mut file);
            LinearGaussian::from_file(&file, "q", Path::new("f"))
                .unwrap_err()
                .to_string()
        };
        let with_dims = |dims: &'static str| {
            refused(&move |file| {
                file.metadata
                    .insert("q.linear-gaussian".into(), dims.into());
            })
        };
        assert!(with_dims("[0,2]").contains("no dimensions"));
        assert!(with_dims("[4,2]").contains("has shape [2, 3] where [2, 4] is needed"));
        let with_factor = |values: Vec<f32>| {
            refused(&move |file| {
                file.tensors.insert(
                    "q.factor".into(),
                    StoredTensor {
                        shape: vec![2, 2],
                        values: values.clone(),
                    },
                );
            })
        };
        assert!(with_factor(vec![1.0, 0.5, 0.0, 1.0]).contains("not lower-triangular"));
        assert!(with_factor(vec![1.0, 0.0, 0.0]).contains("holds 3 values"));
    }
}
