use crate::fit_data::SideData;
use crate::frame::{Frame, FramedPosterior};
use crate::rows::clamped;
use crate::{BridgeError, SourceReading};
use zbridge_core::{Latents, Posterior, RandomStream, ShapeError, Stage};

/// One latent space: its frame, and its posteriors in the coordinates of the frame.
#[derive(Debug)]
pub(super) struct LatentSpace {
    pub(super) frame: Frame,
    /// The frame for densities that are given log-variances too, if these vary.
    parameter_frame: Option<Frame>,
    /// Posteriors of the pairs.
    pub(super) pairs: FramedPosterior,
    /// Posteriors without partners.
    pub(super) unpaired: Option<FramedPosterior>,
}

impl LatentSpace {
    /// Returns the space of one side, with as many principal components as `pca` says.
    ///
    /// # Errors
    /// [`BridgeError::Interrupted`].
    pub(super) fn new(
        side: &SideData<'_>,
        pca: Option<usize>,
        stage: &Stage<'_>,
    ) -> Result<Self, BridgeError> {
        let whole = side.frame(pca, stage)?;
        let inside = |posterior: &Posterior, views: Option<&Posterior>| {
            let views = views.map(|views| whole.inside(views));
            whole.inside(posterior).with_views(views)
        };
        let unpaired = side
            .unpaired
            .map(|unpaired| inside(unpaired, side.views.unpaired));
        Ok(Self {
            pairs: inside(side.pairs, side.views.pairs),
            unpaired,
            frame: whole.without_log_variances(),
            parameter_frame: whole.has_log_variances().then_some(whole),
        })
    }

    /// Returns the frame for densities that are given this of a source.
    pub(super) fn frame_for(&self, reading: SourceReading) -> &Frame {
        match (reading, &self.parameter_frame) {
            (SourceReading::Parameters, Some(frame)) => frame,
            _ => &self.frame,
        }
    }

    /// Returns what densities may be given of a source in place of a draw.
    pub(super) fn other_readings(&self) -> Vec<SourceReading> {
        let mut readings = Vec::new();
        if self.pairs.has_spread() {
            readings.push(SourceReading::Mean);
        }
        if self.parameter_frame.is_some() {
            readings.push(SourceReading::Parameters);
        }
        readings
    }

    /// Returns whether only a few different posteriors occur.
    pub(super) fn is_discrete(&self) -> bool {
        self.frame.atoms().is_some()
    }

    /// Returns one draw of each of these pairs' posteriors, `[rows, active]`.
    ///
    /// # Errors
    /// [`ShapeError::NotFinite`] if a draw is NaN.
    pub(super) fn draw_points(
        &self,
        rows: &[usize],
        stream: &mut RandomStream,
    ) -> Result<Latents, ShapeError> {
        clamped(self.pairs.draw(rows, stream))
    }

    /// Returns the features of each of these pairs' posteriors, read so: `[rows, features]`.
    ///
    /// # Errors
    /// [`ShapeError::NotFinite`] if a draw is NaN.
    pub(super) fn read_features(
        &self,
        rows: &[usize],
        reading: SourceReading,
        stream: &mut RandomStream,
    ) -> Result<Latents, ShapeError> {
        let points = self.pairs.read(rows, reading, stream);
        clamped(self.frame_for(reading).features(points))
    }
}
