use crate::BridgeError;
use crate::conditional::Conditional;
use crate::frame::FramedPosterior;
use crate::maximum_likelihood::{Pairs, PosteriorPairs};
use zbridge_core::{Latents, RandomStream};

/// Posteriors without partners, to which the other direction gives some, beside the pairs there
/// are.
///
/// The partner of an unpaired target is drawn, z_s ~ q(z_s|z_t) with z_t ~ p(z_t|t), several times
/// over: what the labeller is unsure of stays unsure, so that pairs (z_s, z_t) follow p(z_t)
/// q(z_s|z_t), which is Bayes.
pub(crate) struct LabelledPairs<'p> {
    pairs: PosteriorPairs<'p>,
    unpaired: &'p FramedPosterior,
    /// Source features of the partners, `[unpaired rows · PARTNERS, feature width]`.
    partners: Vec<f32>,
    width: usize,
}

/// Partners drawn for each unpaired posterior.
const PARTNERS: usize = 4;
/// Unpaired posteriors labelled at once.
const ROWS_AT_ONCE: usize = 8192;
/// One row in so many of a batch is a pair.
const PAIR_EVERY: usize = 8;

impl<'p> LabelledPairs<'p> {
    pub(crate) fn new(
        pairs: PosteriorPairs<'p>,
        unpaired: &'p FramedPosterior,
        labeller: &Conditional,
        stream: &mut RandomStream,
    ) -> Result<Self, BridgeError> {
        let width = pairs.frame.feature_width();
        let mut partners = Vec::with_capacity(unpaired.rows() * PARTNERS * width);
        let mut points = Vec::new();
        let rows: Vec<usize> = (0..unpaired.rows() * PARTNERS)
            .map(|i| i / PARTNERS)
            .collect();
        for rows in rows.chunks(ROWS_AT_ONCE) {
            unpaired.draw(rows, stream, &mut points);
            let features = labeller.source.features(std::mem::take(&mut points));
            let features = Latents::clamped(features, labeller.source.feature_width())?;
            partners.extend(
                pairs
                    .frame
                    .features(labeller.draw_inside(&features, stream)?),
            );
        }
        Ok(Self {
            pairs,
            unpaired,
            partners,
            width,
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
        let paired: Vec<usize> = (0..rows.len() / PAIR_EVERY)
            .map(|_| stream.below(self.pairs.count()))
            .collect();
        self.pairs.draw(&paired, stream, source, target);
        let (rows, mut drawn) = (&rows[paired.len()..], Vec::new());
        self.unpaired.draw(rows, stream, &mut drawn);
        target.extend(drawn);
        for row in rows {
            let partner = row * PARTNERS + stream.below(PARTNERS);
            source.extend(&self.partners[partner * self.width..(partner + 1) * self.width]);
        }
    }
}
