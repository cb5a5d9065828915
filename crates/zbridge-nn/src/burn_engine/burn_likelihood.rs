use crate::Likelihood;
use burn::tensor::Tensor;
use burn::tensor::activation::{log_sigmoid, log_softmax, sigmoid, softmax};

/// The same functions as on slices, on tensors.
impl Likelihood {
    /// log p(x|z) of each row in nats.
    ///
    /// # Shapes
    /// `outputs` of the decoder and `observations`: `[rows, size]`; result: `[rows]`.
    pub fn log_likelihood_nats_of_rows(
        self,
        outputs: Tensor<2>,
        observations: Tensor<2>,
    ) -> Tensor<1> {
        let [rows, _] = outputs.dims();
        let terms = match self {
            // log p = x l − ln(1 + e^l), and −ln(1 + e^l) is the logarithm of sigmoid(−l).
            Self::Bernoulli => observations * outputs.clone() + log_sigmoid(-outputs),
            Self::Categorical => observations * log_softmax(outputs, 1),
            Self::Categoricals { classes } => {
                in_places(observations, classes) * log_softmax(in_places(outputs, classes), 1)
            }
            Self::Gaussian { sd } => {
                let normaliser = 0.5 * std::f32::consts::TAU.ln() + sd.ln();
                (observations - outputs).powi_scalar(2) * (-0.5 / (sd * sd)) - normaliser
            }
            Self::DiscretisedLogistic { scale, levels } => {
                logistic_log_mass(outputs, observations, scale, levels)
            }
        };
        let terms = terms.reshape([rows as i32, -1]);
        terms.sum_dim(1).squeeze_dim(1)
    }

    /// The expected observation of each row.
    ///
    /// # Shapes
    /// `outputs` of the decoder and result: `[rows, size]`.
    pub fn means_of_rows(self, outputs: Tensor<2>) -> Tensor<2> {
        match self {
            Self::Bernoulli => sigmoid(outputs),
            Self::Categorical => softmax(outputs, 1),
            Self::Categoricals { classes } => {
                let dims = outputs.dims();
                softmax(in_places(outputs, classes), 1).reshape(dims)
            }
            Self::Gaussian { .. } => outputs,
            Self::DiscretisedLogistic { .. } => outputs.clamp(0.0, 1.0),
        }
    }
}

/// `[rows, places · classes]` → `[rows · places, classes]`.
fn in_places(values: Tensor<2>, classes: usize) -> Tensor<2> {
    values.reshape([-1, classes as i32])
}

/// As the native engine has it: with a bin's edges a < b in units of the scale, σ(b) σ(−a) (1 −
/// e^(a−b)).
fn logistic_log_mass(
    locations: Tensor<2>,
    observations: Tensor<2>,
    scale: f32,
    levels: u16,
) -> Tensor<2> {
    let half = 0.5 / (f32::from(levels.max(2)) - 1.0);
    let lowest = observations.clone().lower_equal_elem(half);
    let highest = observations.clone().greater_equal_elem(1.0 - half);
    let distance = (observations - locations) / scale;
    let right = log_sigmoid(distance.clone() + half / scale).mask_fill(highest.clone(), 0.0);
    let left = log_sigmoid(-distance + half / scale).mask_fill(lowest.clone(), 0.0);
    let inner = (-(-2.0 * half / scale).exp()).ln_1p();
    let inner = (right.zeros_like() + inner)
        .mask_fill(lowest, 0.0)
        .mask_fill(highest, 0.0);
    right + left + inner
}
