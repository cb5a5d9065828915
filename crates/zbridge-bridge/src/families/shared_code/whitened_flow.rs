use crate::families::flow::CouplingFlow;
use crate::linear_algebra::Cholesky;
use crate::rows::clamped;
use ndarray::{Array2, ArrayView2};
use zbridge_core::{ConditionalDensity, DensityError, Latents, RandomStream};

/// f(t|k): a flow of whitened targets L⁻¹ t, given a code. A flow that need not learn how target
/// dimensions are correlated learns the rest from fewer targets.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct WhitenedFlow {
    /// Its source is the code, one-hot.
    pub(crate) flow: CouplingFlow,
    /// The targets' covariance, L Lᵀ.
    pub(crate) covariance: Cholesky,
}

impl WhitenedFlow {
    /// Returns (number of codes, target dimensions).
    pub(super) fn dims(&self) -> (usize, usize) {
        self.flow.dims()
    }

    /// Returns one draw from f(t|k) for each code, `[codes, dim]`.
    pub(super) fn draw(
        &self,
        codes: &[usize],
        stream: &mut RandomStream,
    ) -> Result<Array2<f32>, DensityError> {
        let whitened = self
            .flow
            .given(&self.one_hot(codes))?
            .sample_each(1, stream)?;
        let points = self.covariance.coloured_f32(whitened.view());
        Ok(clamped(points)?.into_array())
    }

    /// Returns log f(t|k) in nats for each row of `whitened` targets L⁻¹ t `[rows, dim]` and its
    /// code.
    pub(super) fn log_densities(
        &self,
        codes: &[usize],
        whitened: ArrayView2<'_, f32>,
    ) -> Result<Vec<f64>, DensityError> {
        let points = clamped(whitened.to_owned())?;
        let mut nats = self.flow.given(&self.one_hot(codes))?.log_prob(&points)?;
        // log f(t|k) = log f(L⁻¹ t|k) − log det L.
        let log_volume = self.covariance.half_log_determinant();
        for nats in &mut nats {
            *nats -= log_volume;
        }
        Ok(nats)
    }

    fn one_hot(&self, codes: &[usize]) -> Latents {
        let mut one_hot = Array2::zeros((codes.len(), self.dims().0));
        for (row, &code) in codes.iter().enumerate() {
            one_hot[[row, code]] = 1.0;
        }
        Latents::new(one_hot).expect("ones and zeros are finite")
    }
}
