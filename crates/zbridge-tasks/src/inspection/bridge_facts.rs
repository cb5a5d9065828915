use crate::Error;
use serde::Serialize;
use std::path::{Path, PathBuf};
use zbridge_bridge::{Bridge, Direction, Recipe};

/// What a bridge file says of the bridge in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BridgeFacts {
    /// The file.
    pub path: PathBuf,
    /// Dimensions of the latents of x and of y.
    pub dims: [usize; 2],
    /// The family of q(z_y|z_x).
    pub x_to_y: String,
    /// The family of q(z_x|z_y).
    pub y_to_x: String,
    /// The models of x and of y; `None` if the latents did not name them.
    pub models: [Option<String>; 2],
    /// The number of pairs that it was fitted on.
    pub pairs: usize,
    /// The recipe.
    pub recipe: String,
    /// The seed of the fit.
    pub seed: u64,
    /// Numbers in its weights.
    pub parameters: usize,
}

impl BridgeFacts {
    /// # Errors
    /// [`Error`] if the file is not a bridge.
    pub(super) fn read(path: &Path, parameters: usize) -> Result<Self, Error> {
        let bridge = Bridge::read(path)?;
        let model = |side: &str| bridge.provenance().get(&format!("{side}.model")).cloned();
        let (x, y) = bridge.dims();
        Ok(Self {
            path: path.to_owned(),
            dims: [x, y],
            x_to_y: family(&bridge, Direction::XToY),
            y_to_x: family(&bridge, Direction::YToX),
            models: [model("x"), model("y")],
            pairs: bridge.pairs(),
            recipe: bridge.config().recipe.name().to_string(),
            seed: bridge.config().seed,
            parameters,
        })
    }
}

/// Returns the name of the family of a direction: the one that was taken, or that of the recipe if
/// nothing was compared.
fn family(bridge: &Bridge, direction: Direction) -> String {
    match (
        bridge.comparison(direction).taken(),
        &bridge.config().recipe,
    ) {
        (Some(trial), _) => trial.family.to_string(),
        (None, Recipe::Family(settings)) => settings.family.to_string(),
        (None, Recipe::Paper(_) | Recipe::Auto(_)) => "gaussian".to_owned(),
    }
}
