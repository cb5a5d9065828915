use crate::stored_config::StoredConfig;
use crate::{BridgeError, Divergence, Family, RecipeName};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::ops::Deref;

/// How a bridge is fitted; [`check`](Self::check) makes it runnable.
///
/// ```
/// use zbridge_bridge::{BridgeConfig, PaperConfig};
///
/// let automatic = BridgeConfig::auto().with_budget(30.0).with_seed(2).check()?;
/// assert_eq!(automatic.recipe.name().to_string(), "auto");
///
/// let short = PaperConfig { steps: 500, ..PaperConfig::default() };
/// let paper = BridgeConfig::paper(short).check()?;
///
/// let wrong = BridgeConfig::auto().with_budget(0.0).check().unwrap_err();
/// assert_eq!(wrong.to_string(), "bridge setting `budget` is 0: 1 second to a day (86400 seconds)");
/// # Ok::<(), zbridge_bridge::BridgeError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "StoredConfig", into = "StoredConfig")]
pub struct BridgeConfig {
    /// What is fitted, with the settings of that recipe.
    pub recipe: Recipe,
    /// Seed of initial weights, batches and draws.
    pub seed: u64,
}

/// What is fitted, and the settings that only this recipe has.
#[derive(Debug, Clone, PartialEq)]
pub enum Recipe {
    /// The family that held-out pairs say is best, with all that unpaired latents teach.
    Auto(AutoConfig),
    /// The paper's Gaussian under a closed-form divergence.
    Paper(PaperConfig),
    /// One family, fitted as the automatic recipe fits it.
    Family(FamilyConfig),
}

/// Settings of the automatic recipe.
#[derive(Debug, Clone, PartialEq)]
pub struct AutoConfig {
    /// Seconds that a fit may take on two cores of a current machine. They are turned into steps by
    /// fixed constants, so that the same budget gives the same bridge everywhere.
    pub budget_seconds: f64,
    /// Principal components of x's latents that are kept, if they have more dimensions.
    pub x_pca: Option<usize>,
    /// Principal components of y's latents that are kept, if they have more dimensions.
    pub y_pca: Option<usize>,
}

/// Settings of a recipe that fits one family.
#[derive(Debug, Clone, PartialEq)]
pub struct FamilyConfig {
    /// The family.
    pub family: Family,
    /// As [`AutoConfig::budget_seconds`].
    pub budget_seconds: f64,
    /// As [`AutoConfig::x_pca`].
    pub x_pca: Option<usize>,
    /// As [`AutoConfig::y_pca`].
    pub y_pca: Option<usize>,
}

/// Settings of the paper's recipe.
#[derive(Debug, Clone, PartialEq)]
pub struct PaperConfig {
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
}

/// Settings that are all in range: only these can be fitted with.
///
/// They are read like the [`BridgeConfig`] that they were, and cannot be changed but by methods
/// that keep them in range.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(transparent)]
pub struct CheckedConfig(BridgeConfig);

impl Default for AutoConfig {
    /// Returns a budget of [`BridgeConfig::BUDGET_SECONDS`]; all dimensions are kept.
    fn default() -> Self {
        Self {
            budget_seconds: BridgeConfig::BUDGET_SECONDS,
            x_pca: None,
            y_pca: None,
        }
    }
}

impl FamilyConfig {
    /// Returns the default settings of a fit of `family`: those of [`AutoConfig`].
    pub fn of(family: Family) -> Self {
        let AutoConfig {
            budget_seconds,
            x_pca,
            y_pca,
        } = AutoConfig::default();
        Self {
            family,
            budget_seconds,
            x_pca,
            y_pca,
        }
    }
}

impl Default for PaperConfig {
    /// Returns the paper's bridge (section 4.3): 64 and 128 units, slope 0.2, KL(q ‖ p). The paper
    /// leaves batch size, learning rate and steps open; ours are in
    /// `docs/decisions/0004-paper-recipe.md`.
    fn default() -> Self {
        Self {
            divergence: Divergence::ReverseKl,
            hidden: vec![64, 128],
            negative_slope: 0.2,
            batch: 128,
            steps: 3000,
            learning_rate: 3e-3,
        }
    }
}

impl Recipe {
    /// Returns the recipe of this name with its default settings.
    pub fn named(name: RecipeName) -> Self {
        match name {
            RecipeName::Auto => Self::Auto(AutoConfig::default()),
            RecipeName::Paper => Self::Paper(PaperConfig::default()),
            RecipeName::Family(family) => Self::Family(FamilyConfig::of(family)),
        }
    }

    /// Returns the name of the recipe.
    pub fn name(&self) -> RecipeName {
        match self {
            Self::Auto(_) => RecipeName::Auto,
            Self::Paper(_) => RecipeName::Paper,
            Self::Family(config) => RecipeName::Family(config.family),
        }
    }

    /// Returns the budget in seconds; `None` for the paper's recipe, which has a number of steps.
    pub fn budget_seconds(&self) -> Option<f64> {
        match self {
            Self::Auto(config) => Some(config.budget_seconds),
            Self::Paper(_) => None,
            Self::Family(config) => Some(config.budget_seconds),
        }
    }

    /// Returns the numbers of principal components of x and of y that are kept; `None` keeps all
    /// dimensions, as the paper's recipe always does.
    pub fn pca(&self) -> [Option<usize>; 2] {
        match self {
            Self::Auto(config) => [config.x_pca, config.y_pca],
            Self::Paper(_) => [None, None],
            Self::Family(config) => [config.x_pca, config.y_pca],
        }
    }

    fn set_budget(&mut self, seconds: f64) {
        match self {
            Self::Auto(config) => config.budget_seconds = seconds,
            Self::Paper(_) => {}
            Self::Family(config) => config.budget_seconds = seconds,
        }
    }

    fn check(&self) -> Result<(), BridgeError> {
        if let Some(seconds) = self.budget_seconds() {
            check_budget(seconds)?;
        }
        for (setting, count) in ["x_pca", "y_pca"].into_iter().zip(self.pca()) {
            let expected = "at least 1, or left out to keep all dimensions";
            let possible = count.is_none_or(|count| count > 0);
            require(possible, setting, count.unwrap_or_default(), expected)?;
        }
        match self {
            Self::Paper(config) => config.check(),
            Self::Family(config) => check_family(config.family),
            Self::Auto(_) => Ok(()),
        }
    }
}

impl PaperConfig {
    fn check(&self) -> Result<(), BridgeError> {
        let Self {
            divergence: _,
            hidden,
            negative_slope,
            batch,
            steps,
            learning_rate,
        } = self;
        let possible = |units: &usize| (1..=65_536).contains(units);
        require(
            !hidden.is_empty() && hidden.iter().all(possible),
            "hidden",
            format!("{hidden:?}"),
            "one or more layers of 1 to 65536 units",
        )?;
        let expected = "at least 2, for batch statistics";
        require(*batch >= 2, "batch", batch, expected)?;
        require(*steps >= 1, "steps", steps, "at least 1")?;
        let possible = *learning_rate > 0.0 && *learning_rate <= 1.0;
        let expected = "above 0 and at most 1";
        require(possible, "learning_rate", learning_rate, expected)?;
        let possible = (0.0..=1.0).contains(negative_slope);
        require(possible, "negative_slope", negative_slope, "0 to 1")
    }
}

fn check_budget(seconds: f64) -> Result<(), BridgeError> {
    let expected = "1 second to a day (86400 seconds)";
    let possible = (1.0..=86_400.0).contains(&seconds);
    require(possible, "budget", seconds, expected)
}

fn check_family(family: Family) -> Result<(), BridgeError> {
    let expected = "a family that depends on its source";
    require(Family::FITTED.contains(&family), "family", family, expected)
}

fn require(
    holds: bool,
    setting: &'static str,
    value: impl fmt::Display,
    expected: &'static str,
) -> Result<(), BridgeError> {
    match holds {
        true => Ok(()),
        false => Err(BridgeError::Setting {
            setting,
            value: value.to_string(),
            expected,
        }),
    }
}

impl BridgeConfig {
    /// The budget of a fit for which none is asked.
    pub const BUDGET_SECONDS: f64 = 60.0;
    /// The seed of a fit for which none is asked.
    pub const SEED: u64 = 1;

    /// Returns the automatic recipe with its default settings.
    pub fn auto() -> Self {
        Recipe::Auto(AutoConfig::default()).into()
    }

    /// Returns the paper's recipe with these settings.
    pub fn paper(settings: PaperConfig) -> Self {
        Recipe::Paper(settings).into()
    }

    /// Returns the recipe that fits `family`, with its default settings.
    pub fn family(family: Family) -> Self {
        Recipe::Family(FamilyConfig::of(family)).into()
    }

    /// Returns the recipe of this name with its default settings.
    pub fn named(name: RecipeName) -> Self {
        Recipe::named(name).into()
    }

    /// Returns the same configuration with another seed.
    #[must_use]
    pub fn with_seed(self, seed: u64) -> Self {
        Self { seed, ..self }
    }

    /// Returns the same configuration with another budget. The paper's recipe has none, and stays
    /// as it is: its number of steps is a setting.
    #[must_use]
    pub fn with_budget(mut self, seconds: f64) -> Self {
        self.recipe.set_budget(seconds);
        self
    }

    /// Returns the configuration once every setting is in range.
    ///
    /// # Errors
    /// [`BridgeError::Setting`] with the first setting that is not.
    pub fn check(self) -> Result<CheckedConfig, BridgeError> {
        self.recipe.check()?;
        Ok(CheckedConfig(self))
    }
}

impl From<Recipe> for BridgeConfig {
    fn from(recipe: Recipe) -> Self {
        Self {
            recipe,
            seed: Self::SEED,
        }
    }
}

impl CheckedConfig {
    /// Returns the same configuration with another seed: every seed is in range.
    #[must_use]
    pub fn with_seed(&self, seed: u64) -> Self {
        Self(self.0.clone().with_seed(seed))
    }
}

impl Deref for CheckedConfig {
    type Target = BridgeConfig;

    fn deref(&self) -> &BridgeConfig {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(config: BridgeConfig) -> String {
        config.check().unwrap_err().to_string()
    }

    #[test]
    fn settings_out_of_range_are_named() {
        let paper = PaperConfig::default;
        let wrong = [
            (
                "batch",
                PaperConfig {
                    batch: 1,
                    ..paper()
                },
            ),
            (
                "steps",
                PaperConfig {
                    steps: 0,
                    ..paper()
                },
            ),
            (
                "hidden",
                PaperConfig {
                    hidden: vec![],
                    ..paper()
                },
            ),
            (
                "negative_slope",
                PaperConfig {
                    negative_slope: -1.0,
                    ..paper()
                },
            ),
            (
                "learning_rate",
                PaperConfig {
                    learning_rate: f32::NAN,
                    ..paper()
                },
            ),
        ];
        for (name, settings) in wrong {
            assert!(refused(BridgeConfig::paper(settings)).contains(name));
        }
        for seconds in [0.0, f64::NAN, 1e9] {
            assert!(refused(BridgeConfig::auto().with_budget(seconds)).contains("budget"));
        }
        let no_component = AutoConfig {
            y_pca: Some(0),
            ..AutoConfig::default()
        };
        assert!(refused(Recipe::Auto(no_component).into()).contains("`y_pca` is 0"));
        assert!(refused(BridgeConfig::family(Family::Independent)).contains("independent"));
    }

    #[test]
    fn default_settings_are_in_range() {
        for name in RecipeName::all() {
            let config = BridgeConfig::named(name).check().unwrap();
            assert_eq!(config.recipe.name(), name);
            assert_eq!(config.with_seed(7).seed, 7);
        }
    }
}
