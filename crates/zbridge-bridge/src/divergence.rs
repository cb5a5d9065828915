use crate::BridgeError;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// The D of the paper's equation 2, between q = q(z_y|z_x,i) and p = p(z_y|y_i), both diagonal Gaussians.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Divergence {
    /// KL(q ‖ p), the paper's choice. Over many targets of one source its minimiser has the mean of the
    /// precisions: the spread *between* the targets is lost.
    ReverseKl,
    /// KL(p ‖ q). Its minimiser matches the moments of the targets' mixture: the spread is kept.
    ForwardKl,
    /// KL(q ‖ p) + KL(p ‖ q) (Jeffreys 1946).
    Jeffreys,
}

/// Mean and log-variance of one dimension of a Gaussian.
pub(crate) type Parameters = (f32, f32);

impl Divergence {
    /// Names as users type them.
    pub const NAMES: &'static str = "reverse-kl, forward-kl, jeffreys";

    /// The divergence in nats of one dimension, and its derivatives by q's mean and log-variance; closed form.
    pub(crate) fn with_gradient(self, q: Parameters, p: Parameters) -> (f32, Parameters) {
        match self {
            Self::ReverseKl => reverse(q, p),
            Self::ForwardKl => forward(q, p),
            Self::Jeffreys => {
                let ((a, (a_mean, a_log_var)), (b, (b_mean, b_log_var))) = (reverse(q, p), forward(q, p));
                (a + b, (a_mean + b_mean, a_log_var + b_log_var))
            }
        }
    }
}

/// KL(q ‖ p) = ½ (v_p − v_q + (e^v_q + (m_q − m_p)²) e^−v_p − 1).
fn reverse((mean, log_var): Parameters, (target, target_log_var): Parameters) -> (f32, Parameters) {
    let (gap, precision) = (mean - target, (-target_log_var).exp());
    let ratio = log_var.exp() * precision;
    let value = 0.5 * (target_log_var - log_var + ratio + gap * gap * precision - 1.0);
    (value, (gap * precision, 0.5 * (ratio - 1.0)))
}

/// KL(p ‖ q) = ½ (v_q − v_p + (e^v_p + (m_q − m_p)²) e^−v_q − 1).
fn forward((mean, log_var): Parameters, (target, target_log_var): Parameters) -> (f32, Parameters) {
    let (gap, precision) = (mean - target, (-log_var).exp());
    let spread = (target_log_var.exp() + gap * gap) * precision;
    (0.5 * (log_var - target_log_var + spread - 1.0), (gap * precision, 0.5 * (1.0 - spread)))
}

impl fmt::Display for Divergence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ReverseKl => "reverse-kl",
            Self::ForwardKl => "forward-kl",
            Self::Jeffreys => "jeffreys",
        })
    }
}

impl FromStr for Divergence {
    type Err = BridgeError;

    fn from_str(name: &str) -> Result<Self, BridgeError> {
        let all = [Self::ReverseKl, Self::ForwardKl, Self::Jeffreys];
        let found = all.into_iter().find(|divergence| divergence.to_string() == name);
        found.ok_or_else(|| BridgeError::Unknown { what: "divergence", name: name.into(), known: Self::NAMES })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use zbridge_core::{DiagonalGaussian, Latents};

    const ALL: [Divergence; 3] = [Divergence::ReverseKl, Divergence::ForwardKl, Divergence::Jeffreys];

    #[test]
    fn gradients_equal_central_differences() {
        let (q, p, step) = ((0.4f32, -0.6f32), (-0.3f32, 0.5f32), 1e-3f32);
        for divergence in ALL {
            let (_, (by_mean, by_log_var)) = divergence.with_gradient(q, p);
            let value = |mean, log_var| divergence.with_gradient((mean, log_var), p).0;
            let mean = (value(q.0 + step, q.1) - value(q.0 - step, q.1)) / (2.0 * step);
            let log_var = (value(q.0, q.1 + step) - value(q.0, q.1 - step)) / (2.0 * step);
            assert!((mean - by_mean).abs() < 1e-3 && (log_var - by_log_var).abs() < 1e-3, "{divergence}");
        }
    }

    #[test]
    fn values_equal_the_closed_form_of_core() {
        let gaussian = |(mean, log_var): Parameters| {
            DiagonalGaussian::new(Latents::filled(1, 1, mean), Latents::filled(1, 1, log_var)).unwrap()
        };
        let (q, p) = ((0.4, -0.6), (-0.3, 0.5));
        let kl = |a, b| gaussian(a).kl_divergence_nats(&gaussian(b)).unwrap()[0] as f32;
        let expected = [kl(q, p), kl(p, q), kl(q, p) + kl(p, q)];
        for (divergence, expected) in ALL.into_iter().zip(expected) {
            assert!((divergence.with_gradient(q, p).0 - expected).abs() < 1e-6, "{divergence}");
        }
    }

    #[test]
    fn names_come_back() {
        for divergence in ALL {
            assert_eq!(divergence.to_string().parse::<Divergence>().unwrap(), divergence);
        }
        assert!("kl".parse::<Divergence>().unwrap_err().to_string().contains("reverse-kl"));
    }
}
