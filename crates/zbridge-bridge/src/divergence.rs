use crate::named_enum::named_enum;
use multiversion::multiversion;
use zbridge_nn::exponentials;

named_enum! {
    /// The D of the paper's equation 2, between q = q(z_y|z_x,i) and p = p(z_y|y_i), both diagonal
    /// Gaussians.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub enum Divergence("divergence") {
        /// KL(q ‖ p), the paper's choice. Over many targets of one source its minimiser has the
        /// mean of the precisions: the spread *between* the targets is lost.
        ReverseKl = "reverse-kl",
        /// KL(p ‖ q). Its minimiser matches the moments of the targets' mixture: the spread is
        /// kept.
        ForwardKl = "forward-kl",
        /// KL(q ‖ p) + KL(p ‖ q) (Jeffreys 1946).
        Jeffreys = "jeffreys",
    }
}

/// One dimension of a Gaussian.
#[derive(Debug, Clone, Copy)]
struct Moments {
    mean: f32,
    log_var: f32,
    /// e^log_var.
    variance: f32,
    /// 1 / variance.
    precision: f32,
}

/// A divergence of one dimension in nats, and its derivatives by q's mean and log-variance.
type WithGradient = (f32, (f32, f32));

/// Many Gaussians, each part `[rows, dim]`: e^log_var and its inverse are taken once, not at every
/// step.
#[derive(Debug)]
pub(crate) struct Gaussians {
    means: Vec<f32>,
    log_vars: Vec<f32>,
    variances: Vec<f32>,
    precisions: Vec<f32>,
}

impl Gaussians {
    /// From means and log-variances.
    pub(crate) fn new(means: Vec<f32>, log_vars: Vec<f32>) -> Self {
        let mut variances = vec![0.0; log_vars.len()];
        exponentials(&log_vars, &mut variances);
        let precisions = variances.iter().map(|variance| 1.0 / variance).collect();
        Self {
            means,
            log_vars,
            variances,
            precisions,
        }
    }

    fn row(&self, row: usize, dim: usize) -> [&[f32]; 4] {
        [
            &self.means,
            &self.log_vars,
            &self.variances,
            &self.precisions,
        ]
        .map(|part| &part[row * dim..(row + 1) * dim])
    }
}

impl Divergence {
    /// Σ_i D(q_i ‖ p_rows[i]) in nats, for q as a network gives them, `[rows, 2 · dim]`, means
    /// before log-variances; each row of `gradient`, as long, becomes `scale` times the derivatives
    /// by them. Closed form.
    pub(crate) fn backward(
        self,
        q: &[f32],
        p: &Gaussians,
        rows: &[usize],
        scale: f32,
        gradient: &mut [f32],
    ) -> f64 {
        let dim = q.len() / rows.len() / 2;
        let (mut totals, mut variances) = (vec![0.0; dim], vec![0.0; dim]);
        for ((&row, q), gradient) in rows
            .iter()
            .zip(q.chunks_exact(2 * dim))
            .zip(gradient.chunks_exact_mut(2 * dim))
        {
            let ((means, log_vars), (by_means, by_log_vars)) =
                (q.split_at(dim), gradient.split_at_mut(dim));
            exponentials(log_vars, &mut variances);
            let results = [&mut totals, by_means, by_log_vars];
            row_backward(
                self,
                [means, log_vars, &variances],
                p.row(row, dim),
                scale,
                results,
            );
        }
        totals.into_iter().map(f64::from).sum()
    }

    /// The divergence of one dimension, and its derivatives.
    #[cfg(test)]
    fn with_gradient(self, q: Moments, p: Moments) -> WithGradient {
        match self {
            Self::ReverseKl => reverse(q, p),
            Self::ForwardKl => forward(q, p),
            Self::Jeffreys => both(q, p),
        }
    }
}

/// One row of [`Divergence::backward`]: adds each dimension's divergence to the first of `results`.
#[multiversion(targets("x86_64+avx512f+avx512vl+avx512bw+avx512dq", "x86_64+avx2+fma"))]
fn row_backward(
    divergence: Divergence,
    q: [&[f32]; 3],
    p: [&[f32]; 4],
    scale: f32,
    results: [&mut [f32]; 3],
) {
    match divergence {
        Divergence::ReverseKl => each(q, p, scale, results, reverse),
        Divergence::ForwardKl => each(q, p, scale, results, forward),
        Divergence::Jeffreys => each(q, p, scale, results, both),
    }
}

#[inline(always)]
fn each(
    q: [&[f32]; 3],
    p: [&[f32]; 4],
    scale: f32,
    [totals, by_means, by_log_vars]: [&mut [f32]; 3],
    divergence: impl Fn(Moments, Moments) -> WithGradient,
) {
    let results = totals.iter_mut().zip(by_means).zip(by_log_vars);
    for (((total, by_mean), by_log_var), (q, p)) in results.zip(moments(q).zip(known_moments(p))) {
        let (nats, (mean, log_var)) = divergence(q, p);
        *total += nats;
        (*by_mean, *by_log_var) = (scale * mean, scale * log_var);
    }
}

#[inline(always)]
fn moments([means, log_vars, variances]: [&[f32]; 3]) -> impl Iterator<Item = Moments> {
    let parts = means.iter().zip(log_vars).zip(variances);
    parts.map(|((&mean, &log_var), &variance)| Moments {
        mean,
        log_var,
        variance,
        precision: 1.0 / variance,
    })
}

#[inline(always)]
fn known_moments(
    [means, log_vars, variances, precisions]: [&[f32]; 4],
) -> impl Iterator<Item = Moments> {
    let parts = means
        .iter()
        .zip(log_vars)
        .zip(variances.iter().zip(precisions));
    parts.map(|((&mean, &log_var), (&variance, &precision))| Moments {
        mean,
        log_var,
        variance,
        precision,
    })
}

/// KL(q ‖ p) = ½ (v_p − v_q + (e^v_q + (m_q − m_p)²) e^−v_p − 1).
#[inline(always)]
fn reverse(q: Moments, p: Moments) -> WithGradient {
    let (gap, ratio) = (q.mean - p.mean, q.variance * p.precision);
    let nats = 0.5 * (p.log_var - q.log_var + ratio + gap * gap * p.precision - 1.0);
    (nats, (gap * p.precision, 0.5 * (ratio - 1.0)))
}

/// KL(p ‖ q) = ½ (v_q − v_p + (e^v_p + (m_q − m_p)²) e^−v_q − 1).
#[inline(always)]
fn forward(q: Moments, p: Moments) -> WithGradient {
    let gap = q.mean - p.mean;
    let spread = (p.variance + gap * gap) * q.precision;
    (
        0.5 * (q.log_var - p.log_var + spread - 1.0),
        (gap * q.precision, 0.5 * (1.0 - spread)),
    )
}

/// Both together.
#[inline(always)]
fn both(q: Moments, p: Moments) -> WithGradient {
    let ((a, (a_mean, a_log_var)), (b, (b_mean, b_log_var))) = (reverse(q, p), forward(q, p));
    (a + b, (a_mean + b_mean, a_log_var + b_log_var))
}

#[cfg(test)]
mod tests {
    use super::*;
    use zbridge_core::{DiagonalGaussian, Latents};

    fn moments((mean, log_var): (f32, f32)) -> Moments {
        Moments {
            mean,
            log_var,
            variance: log_var.exp(),
            precision: (-log_var).exp(),
        }
    }

    #[test]
    fn gradients_equal_central_differences() {
        let (q, p, step) = ((0.4f32, -0.6f32), moments((-0.3, 0.5)), 1e-3f32);
        for divergence in Divergence::ALL {
            let (_, (by_mean, by_log_var)) = divergence.with_gradient(moments(q), p);
            let value = |mean, log_var| divergence.with_gradient(moments((mean, log_var)), p).0;
            let mean = (value(q.0 + step, q.1) - value(q.0 - step, q.1)) / (2.0 * step);
            let log_var = (value(q.0, q.1 + step) - value(q.0, q.1 - step)) / (2.0 * step);
            assert!(
                (mean - by_mean).abs() < 1e-3 && (log_var - by_log_var).abs() < 1e-3,
                "{divergence}"
            );
        }
    }

    #[test]
    fn values_equal_the_closed_form_of_core() {
        let gaussian = |(mean, log_var): (f32, f32)| {
            DiagonalGaussian::new(Latents::filled(1, 1, mean), Latents::filled(1, 1, log_var))
                .unwrap()
        };
        let (q, p) = ((0.4, -0.6), (-0.3, 0.5));
        let kl = |a, b| gaussian(a).kl_divergence_nats(&gaussian(b)).unwrap()[0] as f32;
        let expected = [kl(q, p), kl(p, q), kl(q, p) + kl(p, q)];
        for (divergence, expected) in Divergence::ALL.iter().zip(expected) {
            assert!(
                (divergence.with_gradient(moments(q), moments(p)).0 - expected).abs() < 1e-6,
                "{divergence}"
            );
        }
    }

    #[test]
    fn a_batch_is_the_sum_of_its_rows() {
        // 19 dimensions fill no vector; the batch takes the targets' rows in an order of its own.
        let (dim, rows) = (19, [2usize, 0, 2]);
        let gaussians = |rows: usize, name: &str| {
            let mut stream = zbridge_core::RandomStream::named(3, name);
            let mut draws = || {
                let mut values = vec![0.0; rows * dim];
                stream.fill_standard_normal(&mut values);
                values
            };
            Gaussians::new(draws(), draws())
        };
        let (q, p) = (gaussians(3, "q"), gaussians(3, "p"));
        for divergence in Divergence::ALL {
            let mut gradient = vec![9.0; 3 * 2 * dim];
            let outputs: Vec<f32> = q
                .means
                .chunks(dim)
                .zip(q.log_vars.chunks(dim))
                .flat_map(|(m, v)| [m, v].concat())
                .collect();
            let total = divergence.backward(&outputs, &p, &rows, 0.5, &mut gradient);
            let at = |g: &Gaussians, i: usize| moments((g.means[i], g.log_vars[i]));
            let mut expected = 0.0;
            for (index, row) in rows.into_iter().enumerate() {
                for d in 0..dim {
                    let (nats, (mean, log_var)) =
                        divergence.with_gradient(at(&q, index * dim + d), at(&p, row * dim + d));
                    expected += f64::from(nats);
                    let found = [
                        gradient[2 * dim * index + d],
                        gradient[2 * dim * index + dim + d],
                    ];
                    for (found, expected) in found.into_iter().zip([0.5 * mean, 0.5 * log_var]) {
                        assert!(
                            (found - expected).abs() <= 1e-5 * expected.abs().max(1.0),
                            "{divergence}"
                        );
                    }
                }
            }
            assert!(
                (total - expected).abs() < 1e-5 * expected.abs(),
                "{divergence}: {total} for {expected}"
            );
        }
    }
}
