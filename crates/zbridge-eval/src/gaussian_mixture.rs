use crate::EvalError;
use crate::checks::expect_count;
use ndarray::{Array2, ArrayView1};
use zbridge_core::{DiagonalGaussian, LN_TWO_PI, Latents, RandomStream, log_sum_exp};

/// Partial sums of the quadratic form, so that the compiler can use vector registers.
const LANES: usize = 8;

/// Σ_s w_s N(z; m_s, diag(v_s)), with everything that does not depend on z computed once.
#[derive(Debug, Clone)]
pub(crate) struct GaussianMixture {
    /// m, `[components, dim]`.
    mean: Array2<f64>,
    /// 1/v, `[components, dim]`.
    precision: Array2<f64>,
    /// log w − ½ Σ (log v + ln 2π), `[components]`.
    log_normaliser: Vec<f64>,
    /// Σ_{r ≤ s} w_r, `[components]`.
    cumulative_weight: Vec<f64>,
}

impl GaussianMixture {
    /// Returns the mixture of the rows of `components`, with weights proportional to
    /// e^{log_weights}.
    ///
    /// # Errors
    /// [`EvalError::Mismatch`] if the two differ in number, [`EvalError::TooFew`] if no weight is
    /// positive.
    pub(crate) fn new(
        components: &DiagonalGaussian,
        log_weights: &[f64],
    ) -> Result<Self, EvalError> {
        expect_count(
            "log weights, one per component",
            components.rows(),
            log_weights.len(),
        )?;
        let log_weights = normalised(log_weights)?;
        let log_var = components.log_var().view().mapv(f64::from);
        Ok(Self {
            mean: components.mean().view().mapv(f64::from),
            precision: log_var.mapv(|log_var| (-log_var).exp()),
            log_normaliser: log_normalisers(&log_var, &log_weights),
            cumulative_weight: cumulative_weights(&log_weights),
        })
    }

    /// Returns the number of dimensions of the latent space.
    pub(crate) fn dim(&self) -> usize {
        self.mean.ncols()
    }

    /// Returns the log density of each point, `[points]`.
    pub(crate) fn log_prob(&self, points: &Latents) -> Vec<f64> {
        // Two buffers serve all points: this is the inner loop of importance sampling.
        let mut point = vec![0.0; self.dim()];
        let mut terms = vec![0.0; self.log_normaliser.len()];
        let mut nats = Vec::with_capacity(points.rows());
        for row in points.view().outer_iter() {
            for (wide, &narrow) in point.iter_mut().zip(row) {
                *wide = f64::from(narrow);
            }
            self.fill_terms(&point, &mut terms);
            nats.push(log_sum_exp(&terms));
        }
        nats
    }

    /// Fills `terms` with log (w_s N(point; m_s, v_s)) of each component.
    fn fill_terms(&self, point: &[f64], terms: &mut [f64]) {
        let components = self.mean.outer_iter().zip(self.precision.outer_iter());
        for ((term, log_normaliser), (mean, precision)) in
            terms.iter_mut().zip(&self.log_normaliser).zip(components)
        {
            let distance = quadratic_form(point, contiguous(&mean), contiguous(&precision));
            *term = log_normaliser - 0.5 * distance;
        }
    }

    /// Fills `cells` with one draw: one uniform number for the component, then `dim` normal ones.
    pub(crate) fn fill_draw(&self, cells: &mut [f32], stream: &mut RandomStream) {
        let component = self.draw_component(stream);
        stream.fill_standard_normal(cells);
        let mean = self.mean.row(component);
        let precision = self.precision.row(component);
        for ((cell, mean), precision) in cells.iter_mut().zip(mean).zip(precision) {
            // The standard deviation is the root of the inverse precision, which is stored.
            *cell = (mean + f64::from(*cell) / precision.sqrt()) as f32;
        }
    }

    fn draw_component(&self, stream: &mut RandomStream) -> usize {
        let level = f64::from(stream.uniform());
        let place = self.cumulative_weight.partition_point(|&sum| sum <= level);
        // Rounding can leave the last sum a little below 1, and the level above it.
        place.min(self.cumulative_weight.len() - 1)
    }
}

/// Returns the logarithms of weights that sum to one.
///
/// # Errors
/// [`EvalError::TooFew`] if no weight is positive.
fn normalised(log_weights: &[f64]) -> Result<Vec<f64>, EvalError> {
    let total = log_sum_exp(log_weights);
    if !total.is_finite() {
        return Err(EvalError::TooFew {
            what: "components with a positive finite weight",
            least: 1,
            found: 0,
        });
    }
    Ok(log_weights.iter().map(|weight| weight - total).collect())
}

/// Returns log w − ½ Σ (log v + ln 2π) of each component.
fn log_normalisers(log_var: &Array2<f64>, log_weights: &[f64]) -> Vec<f64> {
    let mut normalisers = Vec::with_capacity(log_weights.len());
    for (log_var, log_weight) in log_var.outer_iter().zip(log_weights) {
        let log_volume: f64 = log_var.iter().map(|v| v + LN_TWO_PI).sum();
        normalisers.push(log_weight - 0.5 * log_volume);
    }
    normalisers
}

/// Returns the running sums of e^{log_weights}.
fn cumulative_weights(log_weights: &[f64]) -> Vec<f64> {
    let mut sum = 0.0;
    let mut sums = Vec::with_capacity(log_weights.len());
    for log_weight in log_weights {
        sum += log_weight.exp();
        sums.push(sum);
    }
    sums
}

fn contiguous<'a>(row: &ArrayView1<'a, f64>) -> &'a [f64] {
    row.to_slice().expect("rows are contiguous")
}

/// Returns Σ_j (z_j − m_j)² · p_j.
fn quadratic_form(point: &[f64], mean: &[f64], precision: &[f64]) -> f64 {
    let (points, point_rest) = point.as_chunks::<LANES>();
    let (means, mean_rest) = mean.as_chunks::<LANES>();
    let (precisions, precision_rest) = precision.as_chunks::<LANES>();
    // The order of summation is fixed, and with it the result on every processor.
    let mut sums = [0.0; LANES];
    for ((z, m), p) in points.iter().zip(means).zip(precisions) {
        for lane in 0..LANES {
            sums[lane] += weighted_square(z[lane], m[lane], p[lane]);
        }
    }
    let mut rest = 0.0;
    for ((&z, &m), &p) in point_rest.iter().zip(mean_rest).zip(precision_rest) {
        rest += weighted_square(z, m, p);
    }
    sums.iter().sum::<f64>() + rest
}

#[inline]
fn weighted_square(z: f64, mean: f64, precision: f64) -> f64 {
    let gap = z - mean;
    gap * gap * precision
}
