use crate::auto::LEAST_PAIRS_FOR_CODES;
use crate::effort::Effort;
use crate::frame::Frame;
use crate::{BridgeError, CheckedConfig, Family, FitData, Recipe};

/// What a fit would go about, before it is run.
#[derive(Debug, Clone, PartialEq)]
pub struct FitPlan {
    /// Dimensions of x and of y that carry observations: what densities are about.
    pub active: [usize; 2],
    /// How many different posteriors of x and of y there are, where these are so few that the
    /// modality is discrete.
    pub atoms: [Option<usize>; 2],
    /// Families that are tried for q(z_y|z_x), simplest first; one, where there is nothing to
    /// choose.
    pub x_to_y: Vec<Family>,
    /// The same for q(z_x|z_y).
    pub y_to_x: Vec<Family>,
}

impl FitPlan {
    /// The plan of a fit of `data` under `config`.
    ///
    /// # Errors
    /// Those with which the fit itself would refuse the data.
    pub fn of(data: &FitData<'_>, config: &CheckedConfig) -> Result<Self, BridgeError> {
        data.check()?;
        let frame = |pairs, unpaired: Option<_>, directions| {
            Frame::keeping(
                &std::iter::once(pairs).chain(unpaired).collect::<Vec<_>>(),
                directions,
            )
        };
        let [x, y] = config.directions;
        let frames = [
            frame(data.x, data.x_unpaired, x),
            frame(data.y, data.y_unpaired, y),
        ];
        let seen = [data.x_views, data.y_views].map(|views| views.pairs.is_some());
        let families = |target: &Frame, seen| {
            let mut families = match config.recipe {
                Recipe::Paper => vec![Family::Gaussian],
                Recipe::Auto => tried(&Effort::new(config.budget_seconds, None), target, seen),
                Recipe::Of(family) => vec![family],
            };
            families.dedup();
            families
        };
        let (mut x_to_y, mut y_to_x) =
            (families(&frames[1], seen[0]), families(&frames[0], seen[1]));
        let continuous = frames.iter().all(|frame| frame.atoms().is_none());
        if config.recipe == Recipe::Auto && continuous && data.x.rows() >= LEAST_PAIRS_FOR_CODES {
            x_to_y.push(Family::SharedCode);
            y_to_x.push(Family::SharedCode);
        }
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

fn tried(effort: &Effort, target: &Frame, seen: bool) -> Vec<Family> {
    effort
        .candidates(target.active(), seen)
        .iter()
        .map(|candidate| candidate.family)
        .collect()
}
