use crate::Likelihood;
use burn::tensor::Tensor;
use burn::tensor::activation::{log_sigmoid, log_softmax, sigmoid, softmax};

/// The same functions as on slices, on tensors.
impl Likelihood {
    /// log p(x|z) of each row in nats.
    ///
    /// # Shapes
    /// `outputs` of the decoder and `observations`: `[rows, size]`; result: `[rows]`.
    pub fn log_likelihood_nats_of_rows(self, outputs: Tensor<2>, observations: Tensor<2>) -> Tensor<1> {
        let terms = match self {
            // log p = x l − ln(1 + e^l), and −ln(1 + e^l) is the logarithm of sigmoid(−l).
            Self::Bernoulli => observations * outputs.clone() + log_sigmoid(-outputs),
            Self::Categorical => observations * log_softmax(outputs, 1),
        };
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
        }
    }
}
