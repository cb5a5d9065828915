use crate::BridgeError;
use crate::conditional::Conditional;
use crate::frame::FramedPosterior;
use crate::maximum_likelihood::{Pairs, PosteriorPairs};
use zbridge_core::{Latents, RandomStream, Stage};

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
    sources: Vec<f32>,
    /// Width of a source's features.
    width: usize,
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
        let rows: Vec<usize> = (0..unpaired.rows() * LABELS).map(|i| i / LABELS).collect();
        let mut sources = Vec::new();
        for rows in rows.chunks(ROWS_AT_ONCE) {
            stage.advance(0)?;
            let mut targets = Vec::new();
            unpaired.draw(rows, stream, &mut targets);
            let targets = labeller.source.features(targets);
            let targets = Latents::clamped(targets, labeller.source.feature_width())?;
            let labels = labeller.draw_inside(&targets, stream)?;
            sources.extend(pairs.frame.features(labels));
        }
        Ok(Self {
            width: pairs.frame.feature_width(),
            pairs,
            unpaired,
            sources,
        })
    }
}

impl Pairs for LabelledPairs<'_> {
    fn count(&self) -> usize {
        self.unpaired.rows()
    }

    fn draw(
        &self,
        rows: &[usize],
        stream: &mut RandomStream,
        source: &mut Vec<f32>,
        target: &mut Vec<f32>,
    ) {
        let paired: Vec<usize> = (0..rows.len() / ONE_PAIR_IN)
            .map(|_| stream.below(self.pairs.count()))
            .collect();
        self.pairs.draw(&paired, stream, source, target);
        let labelled = &rows[paired.len()..];
        let mut targets = Vec::new();
        self.unpaired.draw(labelled, stream, &mut targets);
        target.extend(targets);
        for row in labelled {
            let label = row * LABELS + stream.below(LABELS);
            source.extend(&self.sources[label * self.width..][..self.width]);
        }
    }
}
