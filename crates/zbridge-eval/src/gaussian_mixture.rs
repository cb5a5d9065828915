use crate::{EvalError, log_sum_exp};
use zbridge_core::{DiagonalGaussian, LN_TWO_PI, Latents, RandomStream};

/// How many partial sums the quadratic form keeps, so that the compiler can use vector registers.
const LANES: usize = 8;

/// Σ_s w_s N(z; m_s, diag(v_s)) with everything that does not depend on z computed once.
#[derive(Debug, Clone)]
pub(crate) struct GaussianMixture {
    dim: usize,
    /// m, `[components, dim]`.
    mean: Vec<f64>,
    /// 1/v, `[components, dim]`.
    precision: Vec<f64>,
    /// log w − ½ Σ (log v + ln 2π), `[components]`.
    log_normaliser: Vec<f64>,
    /// Σ_{r ≤ s} w_r, `[components]`.
    cumulative_weight: Vec<f64>,
}

impl GaussianMixture {
    /// The mixture of the rows of `components`, with weights proportional to e^{log_weights}.
    pub(crate) fn new(
        components: &DiagonalGaussian,
        log_weights: &[f64],
    ) -> Result<Self, EvalError> {
        EvalError::expect_count(
            "log weights, one per component",
            components.rows(),
            log_weights.len(),
        )?;
        let total = log_sum_exp(log_weights);
        if !total.is_finite() {
            return Err(EvalError::Empty {
                what: "components with a positive finite weight",
            });
        }
        let log_weights: Vec<f64> = log_weights.iter().map(|w| w - total).collect();
        let in_f64 = |values: &Latents| {
            values
                .values()
                .iter()
                .map(|&v| f64::from(v))
                .collect::<Vec<f64>>()
        };
        Ok(Self {
            dim: components.dim(),
            mean: in_f64(components.mean()),
            precision: in_f64(components.log_var())
                .iter()
                .map(|v| (-v).exp())
                .collect(),
            log_normaliser: log_normalisers(
                &in_f64(components.log_var()),
                components.dim(),
                &log_weights,
            ),
            cumulative_weight: running_sum(log_weights.iter().map(|w| w.exp())),
        })
    }

    /// Dimensions of the latent space.
    pub(crate) fn dim(&self) -> usize {
        self.dim
    }

    /// log density of each point, `[k]`.
    pub(crate) fn log_prob(&self, points: &Latents) -> Vec<f64> {
        let mut terms = vec![0.0; self.log_normaliser.len()];
        let mut point = vec![0.0; self.dim];
        let density = |row: &[f32]| {
            point
                .iter_mut()
                .zip(row)
                .for_each(|(wide, &narrow)| *wide = f64::from(narrow));
            self.fill_terms(&point, &mut terms);
            log_sum_exp(&terms)
        };
        points
            .values()
            .chunks_exact(self.dim)
            .map(density)
            .collect()
    }

    /// log (w_s N(point; m_s, v_s)) of each component.
    fn fill_terms(&self, point: &[f64], terms: &mut [f64]) {
        let components = self
            .mean
            .chunks_exact(self.dim)
            .zip(self.precision.chunks_exact(self.dim));
        for ((term, log_normaliser), (mean, precision)) in
            terms.iter_mut().zip(&self.log_normaliser).zip(components)
        {
            *term = log_normaliser - 0.5 * quadratic_form(point, mean, precision);
        }
    }

    /// One draw into `cells`: one uniform number for the component, then `dim` normal ones.
    pub(crate) fn fill_draw(&self, cells: &mut [f32], stream: &mut RandomStream) {
        let level = f64::from(stream.uniform());
        let last = self.cumulative_weight.len() - 1;
        let component = self
            .cumulative_weight
            .partition_point(|&sum| sum <= level)
            .min(last);
        let parameters = component * self.dim..(component + 1) * self.dim;
        stream.fill_standard_normal(cells);
        let (mean, precision) = (&self.mean[parameters.clone()], &self.precision[parameters]);
        for ((cell, mean), precision) in cells.iter_mut().zip(mean).zip(precision) {
            *cell = (mean + f64::from(*cell) / precision.sqrt()) as f32;
        }
    }
}

/// log w − ½ Σ (log v + ln 2π) of each component.
fn log_normalisers(log_var: &[f64], dim: usize, log_weights: &[f64]) -> Vec<f64> {
    let rows = log_var.chunks_exact(dim).zip(log_weights);
    rows.map(|(row, log_weight)| log_weight - 0.5 * row.iter().map(|v| v + LN_TWO_PI).sum::<f64>())
        .collect()
}

fn running_sum(items: impl Iterator<Item = f64>) -> Vec<f64> {
    let add = |sum: &mut f64, item: f64| {
        *sum += item;
        Some(*sum)
    };
    items.scan(0.0, add).collect()
}

/// Σ_j (z_j − m_j)² · p_j.
fn quadratic_form(point: &[f64], mean: &[f64], precision: &[f64]) -> f64 {
    let (points, point_rest) = point.as_chunks::<LANES>();
    let (means, mean_rest) = mean.as_chunks::<LANES>();
    let (precisions, precision_rest) = precision.as_chunks::<LANES>();
    let mut sums = [0.0; LANES];
    for ((z, m), p) in points.iter().zip(means).zip(precisions) {
        for lane in 0..LANES {
            let gap = z[lane] - m[lane];
            sums[lane] += gap * gap * p[lane];
        }
    }
    let rest = point_rest
        .iter()
        .zip(mean_rest)
        .zip(precision_rest)
        .map(|((z, m), p)| (z - m) * (z - m) * p);
    sums.iter().sum::<f64>() + rest.sum::<f64>()
}
