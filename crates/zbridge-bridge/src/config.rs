use crate::{BridgeError, Divergence};
use serde::{Deserialize, Serialize};

/// How a bridge is built and fitted; [`check`](Self::check) makes it runnable.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BridgeConfig {
    /// Name of the recipe these settings began as.
    pub recipe: String,
    /// D of equation 2.
    pub divergence: Divergence,
    /// Units of the hidden layers, each Linear → BatchNorm → LeakyReLU.
    pub hidden: Vec<usize>,
    /// LeakyReLU's slope on the negative side.
    pub negative_slope: f32,
    /// Pairs of a mini-batch, M of equation 4.
    pub batch: usize,
    /// Optimiser steps of each direction.
    pub steps: usize,
    /// Adam's learning rate.
    pub learning_rate: f32,
    /// Seed of initial weights, batches and draws.
    pub seed: u64,
}

/// A configuration whose settings are all in range.
#[derive(Debug, Clone, PartialEq)]
pub struct CheckedConfig(BridgeConfig);

impl BridgeConfig {
    /// Recipes as users type them.
    pub const RECIPES: &'static str = "paper";

    /// The paper's bridge (section 4.3): 64 and 128 units, slope 0.2, KL(q ‖ p). The paper leaves batch size,
    /// learning rate and steps open; ours are in `docs/decisions/0004-paper-recipe.md`.
    pub fn paper() -> Self {
        Self {
            recipe: "paper".into(),
            divergence: Divergence::ReverseKl,
            hidden: vec![64, 128],
            negative_slope: 0.2,
            batch: 128,
            steps: 3000,
            learning_rate: 3e-3,
            seed: 1,
        }
    }

    /// The recipe `name`.
    ///
    /// # Errors
    /// [`BridgeError::Unknown`], with the names there are.
    pub fn recipe(name: &str) -> Result<Self, BridgeError> {
        match name {
            "paper" => Ok(Self::paper()),
            _ => Err(BridgeError::Unknown { what: "recipe", name: name.into(), known: Self::RECIPES }),
        }
    }

    /// The configuration, once every setting is in range.
    ///
    /// # Errors
    /// [`BridgeError::Setting`] names the first that is not.
    pub fn check(self) -> Result<CheckedConfig, BridgeError> {
        let require = |holds: bool, setting: &'static str, value: String, expected: &'static str| {
            if holds { Ok(()) } else { Err(BridgeError::Setting { setting, value, expected }) }
        };
        let hidden = !self.hidden.is_empty() && self.hidden.iter().all(|&units| (1..=65_536).contains(&units));
        require(hidden, "hidden", format!("{:?}", self.hidden), "one or more layers of 1 to 65536 units")?;
        require(self.batch >= 2, "batch", self.batch.to_string(), "at least 2, for batch statistics")?;
        require(self.steps >= 1, "steps", self.steps.to_string(), "at least 1")?;
        let rate = self.learning_rate > 0.0 && self.learning_rate <= 1.0;
        require(rate, "learning_rate", self.learning_rate.to_string(), "above 0 and at most 1")?;
        let slope = (0.0..=1.0).contains(&self.negative_slope);
        require(slope, "negative_slope", self.negative_slope.to_string(), "0 to 1")?;
        Ok(CheckedConfig(self))
    }
}

impl std::ops::Deref for CheckedConfig {
    type Target = BridgeConfig;

    fn deref(&self) -> &BridgeConfig {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_out_of_range_are_named() {
        let paper = BridgeConfig::paper;
        let bad = [
            (BridgeConfig { batch: 1, ..paper() }, "batch"),
            (BridgeConfig { steps: 0, ..paper() }, "steps"),
            (BridgeConfig { learning_rate: f32::NAN, ..paper() }, "learning_rate"),
            (BridgeConfig { hidden: vec![], ..paper() }, "hidden"),
            (BridgeConfig { negative_slope: -1.0, ..paper() }, "negative_slope"),
        ];
        for (config, name) in bad {
            assert!(config.check().unwrap_err().to_string().contains(name));
        }
        assert!(paper().check().is_ok());
        assert!(BridgeConfig::recipe("papers").unwrap_err().to_string().contains("there are: paper"));
    }
}
