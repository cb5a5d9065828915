use crate::BridgeError;
use crate::frame::Frame;
use zbridge_core::{Posterior, Stage};

/// What a bridge is fitted on.
///
/// # Shapes
/// `x` and `y` have the same number of rows; row i of one belongs to row i of the other. There can
/// be any number of posteriors without partners.
#[derive(Debug, Clone, Copy)]
pub struct FitData<'d> {
    /// Posteriors of x, one for each pair.
    pub x: &'d Posterior,
    /// Posteriors of y, one for each pair.
    pub y: &'d Posterior,
    /// Posteriors of x whose partners are unknown.
    pub x_unpaired: Option<&'d Posterior>,
    /// Posteriors of y whose partners are unknown.
    pub y_unpaired: Option<&'d Posterior>,
    /// Posteriors of augmented observations of x.
    pub x_views: Views<'d>,
    /// Posteriors of augmented observations of y.
    pub y_views: Views<'d>,
}

/// Posteriors of augmented observations: further views of observations that have a posterior, the
/// same number for each. A fit uses them as sources only: what is generated shall look like the
/// observations themselves.
///
/// # Shapes
/// A multiple of the rows of the posteriors that they belong to, those of a row side by side.
#[derive(Debug, Clone, Copy, Default)]
pub struct Views<'d> {
    /// Of the pairs' observations.
    pub pairs: Option<&'d Posterior>,
    /// Of observations without partners.
    pub unpaired: Option<&'d Posterior>,
}

/// What there is of x or of y.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SideData<'d> {
    /// `x` or `y`.
    pub(crate) name: &'static str,
    pub(crate) pairs: &'d Posterior,
    pub(crate) unpaired: Option<&'d Posterior>,
    pub(crate) views: Views<'d>,
}

impl<'d> FitData<'d> {
    /// Returns pairs and nothing else.
    pub fn pairs(x: &'d Posterior, y: &'d Posterior) -> Self {
        Self {
            x,
            y,
            x_unpaired: None,
            y_unpaired: None,
            x_views: Views::default(),
            y_views: Views::default(),
        }
    }

    /// Returns the same with posteriors of x that have no partner.
    #[must_use]
    pub fn with_unpaired_x(self, x: Option<&'d Posterior>) -> Self {
        Self {
            x_unpaired: x,
            ..self
        }
    }

    /// Returns the same with posteriors of y that have no partner.
    #[must_use]
    pub fn with_unpaired_y(self, y: Option<&'d Posterior>) -> Self {
        Self {
            y_unpaired: y,
            ..self
        }
    }

    /// Returns the same with posteriors of augmented observations.
    #[must_use]
    pub fn with_views(self, x_views: Views<'d>, y_views: Views<'d>) -> Self {
        Self {
            x_views,
            y_views,
            ..self
        }
    }

    /// Returns what there is of x and of y.
    pub(crate) fn sides(&self) -> [SideData<'d>; 2] {
        let x = SideData {
            name: "x",
            pairs: self.x,
            unpaired: self.x_unpaired,
            views: self.x_views,
        };
        let y = SideData {
            name: "y",
            pairs: self.y,
            unpaired: self.y_unpaired,
            views: self.y_views,
        };
        [x, y]
    }

    /// Checks that all parts belong together.
    ///
    /// # Errors
    /// [`BridgeError::Unpaired`], [`BridgeError::TooFewPairs`],
    /// [`BridgeError::UnpairedOfAnotherSpace`], [`BridgeError::ViewsOfOthers`].
    pub(crate) fn check(&self) -> Result<(), BridgeError> {
        let (x, y) = (self.x.rows(), self.y.rows());
        if x != y {
            return Err(BridgeError::Unpaired { x, y });
        }
        if x < 2 {
            return Err(BridgeError::TooFewPairs { pairs: x });
        }
        for side in self.sides() {
            side.check_unpaired()?;
            side.check_views(Some(side.pairs), side.views.pairs)?;
            side.check_views(side.unpaired, side.views.unpaired)?;
        }
        Ok(())
    }
}

impl SideData<'_> {
    /// Returns the coordinates in which densities see this side, with the first `pca` principal
    /// components if there are more dimensions.
    ///
    /// # Errors
    /// [`BridgeError::Interrupted`] if the observer of the stage stops it.
    pub(crate) fn frame(
        &self,
        pca: Option<usize>,
        stage: &Stage<'_>,
    ) -> Result<Frame, BridgeError> {
        let posteriors: Vec<&Posterior> =
            std::iter::once(self.pairs).chain(self.unpaired).collect();
        Frame::fit(&posteriors, pca, stage)
    }

    fn check_unpaired(&self) -> Result<(), BridgeError> {
        let expected = self.pairs.dim();
        match self.unpaired.map(Posterior::dim) {
            Some(dim) if dim != expected => Err(BridgeError::UnpairedOfAnotherSpace {
                side: self.name,
                pairs: expected,
                unpaired: dim,
            }),
            _ => Ok(()),
        }
    }

    /// Checks that there is the same number of views of each of `owners`.
    fn check_views(
        &self,
        owners: Option<&Posterior>,
        views: Option<&Posterior>,
    ) -> Result<(), BridgeError> {
        let Some(views) = views else {
            return Ok(());
        };
        let (rows, dim) = owners.map_or((0, views.dim()), |owners| (owners.rows(), owners.dim()));
        if rows > 0 && views.rows().is_multiple_of(rows) && views.dim() == dim {
            return Ok(());
        }
        Err(BridgeError::ViewsOfOthers {
            side: self.name,
            views: (views.rows(), views.dim()),
            owners: (rows, dim),
        })
    }
}
