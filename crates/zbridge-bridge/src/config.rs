use crate::{BridgeError, Divergence, Family};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// What is fitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Recipe {
    /// Whatever family held-out pairs say is best, with all that unpaired latents can teach.
    Auto,
    /// The paper's Gaussian under a closed-form divergence.
    Paper,
    /// One family, fitted as the automatic recipe fits it.
    Of(Family),
}

impl Recipe {
    /// Names as users type them.
    pub const NAMES: &'static str = "auto, paper, linear-gaussian, gaussian, full-gaussian, tied-mixture, mixture, flow, flow-matching, shared-code";
}

impl fmt::Display for Recipe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Paper => f.write_str("paper"),
            Self::Of(family) => family.fmt(f),
        }
    }
}

impl FromStr for Recipe {
    type Err = BridgeError;

    fn from_str(name: &str) -> Result<Self, BridgeError> {
        let families = Family::FITTED.map(Self::Of);
        let found = [Self::Auto, Self::Paper]
            .into_iter()
            .chain(families)
            .find(|recipe| recipe.to_string() == name);
        found.ok_or_else(|| BridgeError::Unknown {
            what: "recipe",
            name: name.into(),
            known: Self::NAMES,
        })
    }
}

impl TryFrom<String> for Recipe {
    type Error = BridgeError;

    fn try_from(name: String) -> Result<Self, BridgeError> {
        name.parse()
    }
}

impl From<Recipe> for String {
    fn from(recipe: Recipe) -> Self {
        recipe.to_string()
    }
}

/// How a bridge is built and fitted; [`check`](Self::check) makes it runnable.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BridgeConfig {
    /// What is fitted.
    pub recipe: Recipe,
    /// Seconds that a fit may take on two cores of a current machine; it is turned into steps by
    /// fixed constants, so that the same budget gives the same bridge everywhere. The paper's
    /// recipe has its own number of steps.
    pub budget_seconds: f64,
    /// D of equation 2; the paper's recipe only.
    pub divergence: Divergence,
    /// Units of the hidden layers, each Linear → BatchNorm → LeakyReLU; the paper's recipe only,
    /// like the next four.
    pub hidden: Vec<usize>,
    /// LeakyReLU's slope on the negative side.
    pub negative_slope: f32,
    /// Pairs of a mini-batch, M of equation 4.
    pub batch: usize,
    /// Optimiser steps of each direction.
    pub steps: usize,
    /// Adam's learning rate.
    pub learning_rate: f32,
    /// Principal directions of x and of y that are kept, where their latents have more; not in the
    /// paper's recipe.
    #[serde(default)]
    pub directions: [Option<usize>; 2],
    /// Seed of initial weights, batches and draws.
    pub seed: u64,
}

/// A configuration whose settings are all in range.
#[derive(Debug, Clone, PartialEq)]
pub struct CheckedConfig(BridgeConfig);

impl BridgeConfig {
    /// The paper's bridge (section 4.3): 64 and 128 units, slope 0.2, KL(q ‖ p). The paper leaves
    /// batch size, learning rate and steps open; ours are in `docs/decisions/0004-paper-recipe.md`.
    pub fn paper() -> Self {
        Self {
            recipe: Recipe::Paper,
            budget_seconds: Self::BUDGET_SECONDS,
            divergence: Divergence::ReverseKl,
            hidden: vec![64, 128],
            negative_slope: 0.2,
            batch: 128,
            steps: 3000,
            learning_rate: 3e-3,
            directions: [None; 2],
            seed: 1,
        }
    }

    /// The ladder of families, chosen from by held-out pairs.
    pub fn auto() -> Self {
        Self::of(Recipe::Auto)
    }

    /// A recipe with the settings that it has by default.
    pub fn of(recipe: Recipe) -> Self {
        Self {
            recipe,
            ..Self::paper()
        }
    }

    /// The budget where none is asked for.
    pub const BUDGET_SECONDS: f64 = 60.0;

    /// The configuration, once every setting is in range.
    ///
    /// # Errors
    /// [`BridgeError::Setting`] names the first that is not.
    pub fn check(self) -> Result<CheckedConfig, BridgeError> {
        let require =
            |holds: bool, setting: &'static str, value: String, expected: &'static str| {
                if holds {
                    Ok(())
                } else {
                    Err(BridgeError::Setting {
                        setting,
                        value,
                        expected,
                    })
                }
            };
        let hidden = !self.hidden.is_empty()
            && self
                .hidden
                .iter()
                .all(|&units| (1..=65_536).contains(&units));
        let budget =
            self.budget_seconds.is_finite() && (1.0..=86_400.0).contains(&self.budget_seconds);
        require(
            budget,
            "budget",
            self.budget_seconds.to_string(),
            "1 second to a day (86400 seconds)",
        )?;
        require(
            hidden,
            "hidden",
            format!("{:?}", self.hidden),
            "one or more layers of 1 to 65536 units",
        )?;
        require(
            self.batch >= 2,
            "batch",
            self.batch.to_string(),
            "at least 2, for batch statistics",
        )?;
        require(
            self.steps >= 1,
            "steps",
            self.steps.to_string(),
            "at least 1",
        )?;
        let rate = self.learning_rate > 0.0 && self.learning_rate <= 1.0;
        require(
            rate,
            "learning_rate",
            self.learning_rate.to_string(),
            "above 0 and at most 1",
        )?;
        for (name, count) in ["x_pca", "y_pca"].into_iter().zip(self.directions) {
            let of_paper = self.recipe == Recipe::Paper;
            let shown = count.map_or(String::new(), |count| count.to_string());
            require(
                count.is_none_or(|count| count > 0 && !of_paper),
                name,
                shown,
                "at least 1, and never with the recipe paper, which takes latents as they are",
            )?;
        }
        let slope = (0.0..=1.0).contains(&self.negative_slope);
        require(
            slope,
            "negative_slope",
            self.negative_slope.to_string(),
            "0 to 1",
        )?;
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
            (
                BridgeConfig {
                    batch: 1,
                    ..paper()
                },
                "batch",
            ),
            (
                BridgeConfig {
                    steps: 0,
                    ..paper()
                },
                "steps",
            ),
            (
                BridgeConfig {
                    learning_rate: f32::NAN,
                    ..paper()
                },
                "learning_rate",
            ),
            (
                BridgeConfig {
                    hidden: vec![],
                    ..paper()
                },
                "hidden",
            ),
            (
                BridgeConfig {
                    negative_slope: -1.0,
                    ..paper()
                },
                "negative_slope",
            ),
        ];
        for (config, name) in bad {
            assert!(config.check().unwrap_err().to_string().contains(name));
        }
        assert!(paper().check().is_ok());
        assert!(
            BridgeConfig {
                budget_seconds: 0.0,
                ..paper()
            }
            .check()
            .unwrap_err()
            .to_string()
            .contains("budget")
        );
        assert!(
            "papers"
                .parse::<Recipe>()
                .unwrap_err()
                .to_string()
                .contains("there are: auto, paper")
        );
        for name in Recipe::NAMES.split(", ") {
            assert_eq!(name.parse::<Recipe>().unwrap().to_string(), name);
        }
    }
}
