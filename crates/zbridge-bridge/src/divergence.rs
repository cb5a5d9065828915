use crate::named_enum::named_enum;
use zbridge_nn::{exponentials, vectorise};

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

/// A divergence of one dimension, and its derivatives by q's mean and log-variance.
#[derive(Debug, Clone, Copy)]
struct Term {
    nats: f32,
    by_mean: f32,
    by_log_var: f32,
}

/// Gaussians whose variances and precisions are computed once, not at every step.
///
/// # Shapes
/// Each part `[rows, dim]`, row-major.
#[derive(Debug)]
pub(crate) struct Gaussians {
    means: Vec<f32>,
    log_vars: Vec<f32>,
    variances: Vec<f32>,
    precisions: Vec<f32>,
}

/// A row of [`Gaussians`], each part `[dim]`.
#[derive(Clone, Copy)]
struct KnownRow<'g> {
    means: &'g [f32],
    log_vars: &'g [f32],
    variances: &'g [f32],
    precisions: &'g [f32],
}

/// A Gaussian as a network gives it, each part `[dim]`.
#[derive(Clone, Copy)]
struct NetworkRow<'g> {
    means: &'g [f32],
    log_vars: &'g [f32],
    variances: &'g [f32],
}

/// Where the terms of a row go, each part `[dim]`.
struct RowResults<'r> {
    /// Sums over rows, which the row's terms are added to.
    totals: &'r mut [f32],
    by_means: &'r mut [f32],
    by_log_vars: &'r mut [f32],
}

impl Gaussians {
    /// Returns the Gaussians of these means and log-variances.
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

    fn row(&self, row: usize, dim: usize) -> KnownRow<'_> {
        let columns = row * dim..(row + 1) * dim;
        KnownRow {
            means: &self.means[columns.clone()],
            log_vars: &self.log_vars[columns.clone()],
            variances: &self.variances[columns.clone()],
            precisions: &self.precisions[columns],
        }
    }
}

impl Divergence {
    /// Returns Σ_i D(q_i ‖ p_rows[i]) in nats, in closed form. Each row of `gradient` becomes
    /// `scale` times the derivatives by the row of `q`.
    ///
    /// # Shapes
    /// `q` and `gradient` `[rows, 2 · dim]`: means before log-variances, as a network gives them.
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
        let outputs = q
            .chunks_exact(2 * dim)
            .zip(gradient.chunks_exact_mut(2 * dim));
        for (&row, (outputs, gradient)) in rows.iter().zip(outputs) {
            let (means, log_vars) = outputs.split_at(dim);
            let (by_means, by_log_vars) = gradient.split_at_mut(dim);
            exponentials(log_vars, &mut variances);
            let q = NetworkRow {
                means,
                log_vars,
                variances: &variances,
            };
            let results = RowResults {
                totals: &mut totals,
                by_means,
                by_log_vars,
            };
            row_backward(self, q, p.row(row, dim), scale, results);
        }
        totals.into_iter().map(f64::from).sum()
    }

    /// Returns the divergence of one dimension.
    #[cfg(test)]
    fn term(self, q: Moments, p: Moments) -> Term {
        match self {
            Self::ReverseKl => reverse(q, p),
            Self::ForwardKl => forward(q, p),
            Self::Jeffreys => jeffreys(q, p),
        }
    }
}

/// One row of [`Divergence::backward`].
fn row_backward(
    divergence: Divergence,
    q: NetworkRow<'_>,
    p: KnownRow<'_>,
    scale: f32,
    results: RowResults<'_>,
) {
    // One loop for each divergence: a choice inside of it would keep it from being vectorised.
    vectorise(
        #[inline(always)]
        move || match divergence {
            Divergence::ReverseKl => each_dimension(q, p, scale, results, reverse),
            Divergence::ForwardKl => each_dimension(q, p, scale, results, forward),
            Divergence::Jeffreys => each_dimension(q, p, scale, results, jeffreys),
        },
    );
}

#[inline(always)]
fn each_dimension(
    q: NetworkRow<'_>,
    p: KnownRow<'_>,
    scale: f32,
    results: RowResults<'_>,
    divergence: impl Fn(Moments, Moments) -> Term,
) {
    let gradients = results.by_means.iter_mut().zip(results.by_log_vars);
    let results = results.totals.iter_mut().zip(gradients);
    for ((total, (by_mean, by_log_var)), (q, p)) in results.zip(q.moments().zip(p.moments())) {
        let term = divergence(q, p);
        *total += term.nats;
        *by_mean = scale * term.by_mean;
        *by_log_var = scale * term.by_log_var;
    }
}

impl<'g> NetworkRow<'g> {
    #[inline(always)]
    fn moments(self) -> impl Iterator<Item = Moments> + use<'g> {
        let parts = self.means.iter().zip(self.log_vars).zip(self.variances);
        parts.map(|((&mean, &log_var), &variance)| Moments {
            mean,
            log_var,
            variance,
            precision: 1.0 / variance,
        })
    }
}

impl<'g> KnownRow<'g> {
    #[inline(always)]
    fn moments(self) -> impl Iterator<Item = Moments> + use<'g> {
        let spreads = self.variances.iter().zip(self.precisions);
        let parts = self.means.iter().zip(self.log_vars).zip(spreads);
        parts.map(|((&mean, &log_var), (&variance, &precision))| Moments {
            mean,
            log_var,
            variance,
            precision,
        })
    }
}

/// KL(q ‖ p) = ½ (v_p − v_q + (e^v_q + (m_q − m_p)²) e^−v_p − 1).
#[inline(always)]
fn reverse(q: Moments, p: Moments) -> Term {
    let gap = q.mean - p.mean;
    let ratio = q.variance * p.precision;
    Term {
        nats: 0.5 * (p.log_var - q.log_var + ratio + gap * gap * p.precision - 1.0),
        by_mean: gap * p.precision,
        by_log_var: 0.5 * (ratio - 1.0),
    }
}

/// KL(p ‖ q) = ½ (v_q − v_p + (e^v_p + (m_q − m_p)²) e^−v_q − 1).
#[inline(always)]
fn forward(q: Moments, p: Moments) -> Term {
    let gap = q.mean - p.mean;
    let spread = (p.variance + gap * gap) * q.precision;
    Term {
        nats: 0.5 * (q.log_var - p.log_var + spread - 1.0),
        by_mean: gap * q.precision,
        by_log_var: 0.5 * (1.0 - spread),
    }
}

/// KL(q ‖ p) + KL(p ‖ q).
#[inline(always)]
fn jeffreys(q: Moments, p: Moments) -> Term {
    let (a, b) = (reverse(q, p), forward(q, p));
    Term {
        nats: a.nats + b.nats,
        by_mean: a.by_mean + b.by_mean,
        by_log_var: a.by_log_var + b.by_log_var,
    }
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
        let (mean, log_var, step) = (0.4f32, -0.6f32, 1e-3f32);
        let p = moments((-0.3, 0.5));
        for divergence in Divergence::ALL {
            let nats = |mean, log_var| divergence.term(moments((mean, log_var)), p).nats;
            let by_mean = (nats(mean + step, log_var) - nats(mean - step, log_var)) / (2.0 * step);
            let by_log_var =
                (nats(mean, log_var + step) - nats(mean, log_var - step)) / (2.0 * step);
            let term = divergence.term(moments((mean, log_var)), p);
            assert!((by_mean - term.by_mean).abs() < 1e-3, "{divergence}");
            assert!((by_log_var - term.by_log_var).abs() < 1e-3, "{divergence}");
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
            let nats = divergence.term(moments(q), moments(p)).nats;
            assert!((nats - expected).abs() < 1e-6, "{divergence}");
        }
    }

    /// `rows` Gaussians of `dim` dimensions with standard normal means and log-variances.
    fn random(rows: usize, dim: usize, name: &str) -> Gaussians {
        let mut stream = zbridge_core::RandomStream::named(3, name);
        let mut draws = || {
            let mut values = vec![0.0; rows * dim];
            stream.fill_standard_normal(&mut values);
            values
        };
        Gaussians::new(draws(), draws())
    }

    #[test]
    fn a_batch_is_the_sum_of_its_rows() {
        // 19 dimensions fill no vector; the batch takes the targets' rows in an order of its own.
        let (dim, rows) = (19, [2usize, 0, 2]);
        let (q, p) = (random(3, dim, "q"), random(3, dim, "p"));
        let rows_of_q = q.means.chunks(dim).zip(q.log_vars.chunks(dim));
        let outputs: Vec<f32> = rows_of_q.flat_map(|(m, v)| [m, v].concat()).collect();
        let at = |g: &Gaussians, i: usize| moments((g.means[i], g.log_vars[i]));
        let is_close =
            |found: f32, expected: f32| (found - expected).abs() <= 1e-5 * expected.abs().max(1.0);
        for divergence in Divergence::ALL {
            let mut gradient = vec![9.0; 3 * 2 * dim];
            let total = divergence.backward(&outputs, &p, &rows, 0.5, &mut gradient);
            let mut expected = 0.0;
            for (index, row) in rows.into_iter().enumerate() {
                let (by_means, by_log_vars) = gradient[2 * dim * index..][..2 * dim].split_at(dim);
                for d in 0..dim {
                    let term = divergence.term(at(&q, index * dim + d), at(&p, row * dim + d));
                    expected += f64::from(term.nats);
                    assert!(is_close(by_means[d], 0.5 * term.by_mean), "{divergence}");
                    assert!(
                        is_close(by_log_vars[d], 0.5 * term.by_log_var),
                        "{divergence}"
                    );
                }
            }
            assert!(
                (total - expected).abs() < 1e-5 * expected.abs(),
                "{divergence}: {total} for {expected}"
            );
        }
    }
}
