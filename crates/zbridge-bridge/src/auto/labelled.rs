use crate::BridgeError;
use crate::conditional::Conditional;
use crate::frame::FramedPosterior;
use crate::maximum_likelihood::{PairBatch, Pairs, PosteriorPairs};
use crate::rows::{clamped, stacked};
use ndarray::{Array2, Axis};
use zbridge_core::{RandomStream, Stage};

/// The pairs, and posteriors without partners that the other direction labels: it gives them
/// sources.
///
/// The source of an unpaired target is drawn several times, z_s ~ q(z_s|z_t) with z_t ~ p(z_t|t).
/// What the labeller is uncertain of stays uncertain, so that the pairs (z_s, z_t) follow
/// p(z_t) q(z_s|z_t), as Bayes' rule wants.
pub(super) struct LabelledPairs<'p> {
    pairs: PosteriorPairs<'p>,
    unpaired: &'p FramedPosterior,
    /// Features of the sources, `[unpaired rows · LABELS, features]`.
    sources: Array2<f32>,
}

/// Sources drawn for each unpaired posterior.
const LABELS: usize = 4;
/// Draws of unpaired posteriors that are labelled at once.
const ROWS_AT_ONCE: usize = 8192;
/// One row in this many of a batch is a pair.
const ONE_PAIR_IN: usize = 8;

impl<'p> LabelledPairs<'p> {
    /// Returns the pairs, and `unpaired` targets with sources drawn from `labeller`.
    ///
    /// # Errors
    /// [`BridgeError::Shape`] if a draw is NaN, [`BridgeError::Interrupted`].
    pub(super) fn new(
        pairs: PosteriorPairs<'p>,
        unpaired: &'p FramedPosterior,
        labeller: &Conditional,
        stream: &mut RandomStream,
        stage: &Stage<'_>,
    ) -> Result<Self, BridgeError> {
        let labeller = &labeller.ensemble;
        let rows: Vec<usize> = (0..unpaired.rows() * LABELS).map(|i| i / LABELS).collect();
        let mut sources = Vec::new();
        for rows in rows.chunks(ROWS_AT_ONCE) {
            stage.advance(0)?;
            let targets = labeller.source.features(unpaired.draw(rows, stream));
            let labels = labeller.draw(&clamped(targets)?, stream)?;
            sources.push(pairs.frame.features(labels));
        }
        Ok(Self {
            pairs,
            unpaired,
            sources: stacked(&sources),
        })
    }
}

impl Pairs for LabelledPairs<'_> {
    fn count(&self) -> usize {
        self.unpaired.rows()
    }

    fn draw(&self, rows: &[usize], stream: &mut RandomStream) -> PairBatch {
        let paired: Vec<usize> = (0..rows.len() / ONE_PAIR_IN)
            .map(|_| stream.below(self.pairs.count()))
            .collect();
        let of_pairs = self.pairs.draw(&paired, stream);
        let labelled = &rows[paired.len()..];
        let targets = self.unpaired.draw(labelled, stream);
        let labels = labelled
            .iter()
            .map(|row| row * LABELS + stream.below(LABELS));
        let sources = self.sources.select(Axis(0), &labels.collect::<Vec<_>>());
        PairBatch {
            source: stacked([&of_pairs.source, &sources]),
            target: stacked([&of_pairs.target, &targets]),
        }
    }
}
