use crate::BridgeError;
use zbridge_core::Posterior;

/// What a bridge is fitted on.
///
/// # Shapes
/// `x` and `y` have the same number of rows; row i of one belongs to row i of the other. Posteriors
/// without partners may come in any number.
#[derive(Debug, Clone, Copy)]
pub struct FitData<'d> {
    /// Posteriors of x, one for each pair.
    pub x: &'d Posterior,
    /// Posteriors of y, one for each pair.
    pub y: &'d Posterior,
    /// Posteriors of x whose partners nobody knows.
    pub x_unpaired: Option<&'d Posterior>,
    /// Posteriors of y whose partners nobody knows.
    pub y_unpaired: Option<&'d Posterior>,
    /// Posteriors of augmented observations of x.
    pub x_views: Views<'d>,
    /// Posteriors of augmented observations of y.
    pub y_views: Views<'d>,
}

/// Posteriors of augmented observations: other looks at what has a posterior already, the same
/// number for each. A fit sees them as sources only: what is generated shall look like the
/// observations themselves.
///
/// # Shapes
/// As many times the rows of the posteriors that they belong to, those of a row side by side.
#[derive(Debug, Clone, Copy, Default)]
pub struct Views<'d> {
    /// Of the pairs' observations.
    pub pairs: Option<&'d Posterior>,
    /// Of observations without partners.
    pub unpaired: Option<&'d Posterior>,
}

impl<'d> FitData<'d> {
    /// Pairs and nothing else.
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

    /// The same with posteriors of x that have no partner.
    #[must_use]
    pub fn with_unpaired_x(self, x: Option<&'d Posterior>) -> Self {
        Self {
            x_unpaired: x,
            ..self
        }
    }

    /// The same with posteriors of y that have no partner.
    #[must_use]
    pub fn with_unpaired_y(self, y: Option<&'d Posterior>) -> Self {
        Self {
            y_unpaired: y,
            ..self
        }
    }

    /// The same with posteriors of augmented observations.
    #[must_use]
    pub fn with_views(self, x_views: Views<'d>, y_views: Views<'d>) -> Self {
        Self {
            x_views,
            y_views,
            ..self
        }
    }

    pub(crate) fn check(&self) -> Result<(), BridgeError> {
        if self.x.rows() != self.y.rows() {
            return Err(BridgeError::Unpaired {
                x: self.x.rows(),
                y: self.y.rows(),
            });
        }
        if self.x.rows() < 2 {
            return Err(BridgeError::TooFewPairs {
                pairs: self.x.rows(),
            });
        }
        for (side, pairs, unpaired) in [
            ("x", self.x, self.x_unpaired),
            ("y", self.y, self.y_unpaired),
        ] {
            if let Some(unpaired) = unpaired.filter(|unpaired| unpaired.dim() != pairs.dim()) {
                return Err(BridgeError::UnpairedOfAnotherSpace {
                    side,
                    pairs: pairs.dim(),
                    unpaired: unpaired.dim(),
                });
            }
        }
        for (side, owners, views) in [
            ("x", Some(self.x), self.x_views.pairs),
            ("y", Some(self.y), self.y_views.pairs),
            ("x", self.x_unpaired, self.x_views.unpaired),
            ("y", self.y_unpaired, self.y_views.unpaired),
        ] {
            let Some(views) = views else { continue };
            let (rows, dim) =
                owners.map_or((0, views.dim()), |owners| (owners.rows(), owners.dim()));
            if rows == 0 || !views.rows().is_multiple_of(rows) || views.dim() != dim {
                return Err(BridgeError::ViewsOfOthers {
                    side,
                    views: (views.rows(), views.dim()),
                    owners: (rows, dim),
                });
            }
        }
        Ok(())
    }
}
