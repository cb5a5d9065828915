use super::anchors::{Anchors, POWERS, scales_of_views};
use super::strength::{Similarities, strength};
use crate::BridgeError;
use crate::maximum_likelihood::PairBatch;
use ndarray::{Array2, ArrayView1};
use zbridge_core::{RandomStream, Stage};

/// S(s, t) = τ ⟨a(s), b(t)⟩: how well a source and a target agree, by what pairs each is similar
/// to.
///
/// # Source
/// Norelli et al. 2023, *ASIF: coupled data turns unimodal models to multimodal without training*.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Tilt {
    pub(super) source: Anchors,
    pub(super) target: Anchors,
    /// τ.
    pub(super) strength: f32,
}

/// What is known of one side besides its pairs.
pub(crate) struct SideInGeneral<'s> {
    /// How much the latent space varies along each coordinate, if these are whitened: `[dim]`.
    pub(crate) spreads: Option<ArrayView1<'s, f32>>,
    /// Latents without partners, `[rows, dim]`.
    pub(crate) others: Option<Array2<f32>>,
}

impl Tilt {
    /// Returns the tilt of these pairs, as strong as suits pairs that are held out.
    ///
    /// # Errors
    /// [`BridgeError::Interrupted`].
    pub(crate) fn fit(
        pairs: PairBatch,
        source: &SideInGeneral<'_>,
        target: &SideInGeneral<'_>,
        stream: &mut RandomStream,
        stage: &Stage<'_>,
    ) -> Result<Self, BridgeError> {
        let whitened = source.spreads.is_some() || target.spreads.is_some();
        let views = if whitened { POWERS.len() } else { 1 };
        let sources = source.anchors(pairs.source, views);
        let targets = target.anchors(pairs.target, views);
        stage.advance(0)?;
        let of_source = Similarities::of(&sources, source.others.as_ref().map(|all| all.view()));
        let of_target = Similarities::of(&targets, target.others.as_ref().map(|all| all.view()));
        let strength = strength(&of_source, &of_target, stream, stage)?;
        Ok(Self {
            source: sources,
            target: targets,
            strength,
        })
    }
}

impl SideInGeneral<'_> {
    /// Returns the latents of pairs as anchors in this many views, which coincide where nothing is
    /// known of spreads.
    fn anchors(&self, points: Array2<f32>, views: usize) -> Anchors {
        let mut scales = scales_of_views(points.ncols(), self.spreads);
        if scales.nrows() < views {
            scales = Array2::ones((views, points.ncols()));
        }
        match &self.others {
            Some(others) => Anchors::of(points, others.view(), scales),
            None => {
                let others = points.clone();
                Anchors::of(points, others.view(), scales)
            }
        }
    }
}
