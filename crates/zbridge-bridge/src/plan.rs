use crate::auto::{Candidate, Effort};
use crate::frame::Frame;
use crate::{BridgeError, CheckedConfig, Direction, Directions, Family, FitData, Recipe};
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
        let Directions { x_to_y, y_to_x } = Directions::from_fn(|direction| {
            let [x_frame, y_frame] = &frames;
            let (source, target) = match direction {
                Direction::XToY => (&x, y_frame),
                Direction::YToX => (&y, x_frame),
            };
            match &config.recipe {
                Recipe::Paper(_) => vec![Family::Gaussian],
                Recipe::Family(config) => vec![config.family],
                Recipe::Auto(config) => {
                    let effort = Effort::new(config.budget_seconds, None);
                    let has_views = source.views.pairs.is_some();
                    let both_are_continuous = frames.iter().all(|frame| frame.atoms().is_none());
                    let mut families = on_ladder(&effort.rungs(target.active(), has_views));
                    if effort.tries_shared_codes(data.x.rows(), both_are_continuous) {
                        families.push(Family::SharedCode);
                    }
                    families
                }
            }
        });
        Ok(Self {
            active: frames.each_ref().map(Frame::active),
            atoms: frames
                .each_ref()
                .map(|frame| frame.atoms().map(|atoms| atoms.rows())),
            x_to_y,
            y_to_x,
        })
    }
}

fn on_ladder(rungs: &[Candidate]) -> Vec<Family> {
    let mut families: Vec<Family> = rungs.iter().map(|rung| rung.family.into()).collect();
    families.dedup();
    families
}
