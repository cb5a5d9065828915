use super::Side;
use crate::BridgeError;
use crate::families::{Conditioner, category, softmax_rows};
use crate::linear_algebra::Cholesky;
use crate::maximum_likelihood::{PairBatch, Pairs};
use crate::rows::values_of;
use ndarray::Array2;
use zbridge_core::{RandomStream, Stage};
use zbridge_nn::Tape;

/// Posteriors of one side with the codes that are inferred from them: what a flow given the code is
/// fitted to.
pub(crate) struct CodedTargets<'c> {
    side: Side<'c>,
    reader: &'c Conditioner,
    /// Whitens targets.
    pub(crate) covariance: Cholesky,
}

impl<'c> CodedTargets<'c> {
    /// Returns targets that are whitened by their own covariance.
    ///
    /// # Errors
    /// [`BridgeError::NotPositiveDefinite`], [`BridgeError::Interrupted`].
    pub(crate) fn whitened(
        side: Side<'c>,
        reader: &'c Conditioner,
        stream: &mut RandomStream,
        stage: &Stage<'_>,
    ) -> Result<Self, BridgeError> {
        const MOST: usize = 16_384;
        let places = side.places(MOST, stream);
        // The frame has centred them.
        let points = side.draw(&places, stream).mapv(f64::from);
        let covariance = points.t().dot(&points) / places.len().max(1) as f64;
        Ok(Self {
            side,
            reader,
            covariance: Cholesky::of_nearly(covariance, stage)?.rounded(),
        })
    }
}

impl Pairs for CodedTargets<'_> {
    fn count(&self) -> usize {
        self.side.count()
    }

    /// Returns one-hot codes as sources. A code is drawn, instead of taking the most probable one:
    /// if a target could have several, it is a target of each of them.
    fn draw(&self, rows: &[usize], stream: &mut RandomStream) -> PairBatch {
        let targets = self.side.draw(rows, stream);
        let mut tape = Tape::default();
        let mut probabilities = self.reader.infer(targets.view(), &mut tape).to_owned();
        softmax_rows(&mut probabilities);
        let mut source = Array2::zeros(probabilities.dim());
        for (row, probabilities) in probabilities.rows().into_iter().enumerate() {
            let code = category(values_of(probabilities), stream.uniform());
            source[[row, code]] = 1.0;
        }
        PairBatch {
            source,
            target: self.covariance.whitened_f32(targets.view()),
        }
    }
}
