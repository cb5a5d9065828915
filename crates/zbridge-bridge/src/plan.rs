use crate::auto::{Effort, LadderProblem};
use crate::fit_data::SideData;
use crate::frame::Frame;
use crate::{BridgeError, CheckedConfig, Family, FitData, Recipe};
use zbridge_core::{Stage, Unobserved};

/// What a fit would do, before it is run.
#[derive(Debug, Clone, PartialEq)]
pub struct FitPlan {
    /// Dimensions of x and of y that carry observations: what densities are about.
    pub active: [usize; 2],
    /// Numbers of different posteriors of x and of y, if these are so few that the modality is
    /// discrete.
    pub atoms: [Option<usize>; 2],
    /// Families that are tried for q(z_y|z_x), simplest first; one, if there is nothing to choose.
    pub x_to_y: Vec<Family>,
    /// Families that are tried for q(z_x|z_y).
    pub y_to_x: Vec<Family>,
}

impl FitPlan {
    /// Returns the plan of a fit of `data` under `config`.
    ///
    /// # Errors
    /// Those with which the fit itself would refuse the data.
    pub fn of(data: &FitData<'_>, config: &CheckedConfig) -> Result<Self, BridgeError> {
        data.check()?;
        let [x, y] = data.sides();
        let [x_pca, y_pca] = config.recipe.pca();
        let stage = Stage::new(&Unobserved, "preparing latents", 0);
        let frames = [x.frame(x_pca, &stage)?, y.frame(y_pca, &stage)?];
        let has_views = |side: &SideData<'_>| side.views.pairs.is_some();
        let is_discrete = |frame: &Frame| frame.atoms().is_some();
        let tried = Tried {
            recipe: &config.recipe,
            pairs: data.x.rows(),
            continuous: (!frames.iter().any(is_discrete))
                .then(|| frames.each_ref().map(Frame::active)),
        };
        let [x_frame, y_frame] = &frames;
        Ok(Self {
            x_to_y: tried.families(has_views(&x), y_frame),
            y_to_x: tried.families(has_views(&y), x_frame),
            active: frames.each_ref().map(Frame::active),
            atoms: frames
                .each_ref()
                .map(|frame| frame.atoms().map(|atoms| atoms.rows())),
        })
    }
}

/// What decides which families are tried, for both directions.
struct Tried<'p> {
    recipe: &'p Recipe,
    pairs: usize,
    /// Active dimensions of x and of y, if neither is discrete.
    continuous: Option<[usize; 2]>,
}

impl Tried<'_> {
    /// Returns the families that are tried in one direction.
    fn families(&self, source_has_views: bool, target: &Frame) -> Vec<Family> {
        let budget_seconds = match self.recipe {
            Recipe::Paper(_) => return vec![Family::Gaussian],
            Recipe::Family(settings) => return vec![settings.family],
            Recipe::Auto(settings) => settings.budget_seconds,
        };
        let effort = Effort::new(budget_seconds, None);
        let rungs = effort.rungs(&LadderProblem {
            target_dim: target.active(),
            source_has_views,
            both_are_continuous: self.continuous.is_some(),
            pairs: self.pairs,
        });
        let mut families: Vec<Family> = rungs.iter().map(|rung| rung.family.into()).collect();
        families.dedup();
        if effort.tries_shared_codes(self.pairs, self.continuous) {
            families.push(Family::SharedCode);
        }
        families
    }
}
