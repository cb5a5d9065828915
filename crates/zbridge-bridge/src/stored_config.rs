use crate::{
    AutoConfig, BridgeConfig, BridgeError, Divergence, FamilyConfig, PaperConfig, Recipe,
    RecipeName,
};
use serde::{Deserialize, Serialize};

/// A [`BridgeConfig`] as files hold it: one flat object.
///
/// Files written by version 0.1 hold all settings whatever the recipe is; those that are not of
/// their recipe are ignored.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct StoredConfig {
    recipe: RecipeName,
    #[serde(skip_serializing_if = "Option::is_none")]
    budget_seconds: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    divergence: Option<Divergence>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hidden: Option<Vec<usize>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    negative_slope: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    batch: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    steps: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    learning_rate: Option<f32>,
    /// Numbers of principal components of x and of y; missing in the oldest files.
    #[serde(default, rename = "directions")]
    pca: [Option<usize>; 2],
    seed: u64,
}

impl From<BridgeConfig> for StoredConfig {
    fn from(config: BridgeConfig) -> Self {
        let mut stored = Self {
            recipe: config.recipe.name(),
            budget_seconds: config.recipe.budget_seconds(),
            divergence: None,
            hidden: None,
            negative_slope: None,
            batch: None,
            steps: None,
            learning_rate: None,
            pca: config.recipe.pca(),
            seed: config.seed,
        };
        if let Recipe::Paper(paper) = config.recipe {
            stored.divergence = Some(paper.divergence);
            stored.hidden = Some(paper.hidden);
            stored.negative_slope = Some(paper.negative_slope);
            stored.batch = Some(paper.batch);
            stored.steps = Some(paper.steps);
            stored.learning_rate = Some(paper.learning_rate);
        }
        stored
    }
}

impl TryFrom<StoredConfig> for BridgeConfig {
    type Error = BridgeError;

    fn try_from(stored: StoredConfig) -> Result<Self, BridgeError> {
        let seed = stored.seed;
        let recipe = match stored.recipe {
            RecipeName::Auto => Recipe::Auto(stored.auto()?),
            RecipeName::Paper => Recipe::Paper(stored.paper()?),
            RecipeName::Family(family) => {
                let auto = stored.auto()?;
                Recipe::Family(FamilyConfig {
                    family,
                    budget_seconds: auto.budget_seconds,
                    x_pca: auto.x_pca,
                    y_pca: auto.y_pca,
                })
            }
        };
        Ok(Self { recipe, seed })
    }
}

impl StoredConfig {
    fn auto(self) -> Result<AutoConfig, BridgeError> {
        let [x_pca, y_pca] = self.pca;
        Ok(AutoConfig {
            budget_seconds: required(self.budget_seconds, "budget_seconds")?,
            x_pca,
            y_pca,
        })
    }

    fn paper(self) -> Result<PaperConfig, BridgeError> {
        Ok(PaperConfig {
            divergence: required(self.divergence, "divergence")?,
            hidden: required(self.hidden, "hidden")?,
            negative_slope: required(self.negative_slope, "negative_slope")?,
            batch: required(self.batch, "batch")?,
            steps: required(self.steps, "steps")?,
            learning_rate: required(self.learning_rate, "learning_rate")?,
        })
    }
}

fn required<T>(value: Option<T>, setting: &'static str) -> Result<T, BridgeError> {
    value.ok_or_else(|| BridgeError::Setting {
        setting,
        value: "missing".into(),
        expected: "a value, which this recipe needs",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_recipe_is_read_as_it_was_written() {
        for name in RecipeName::all() {
            let config = BridgeConfig::named(name).with_seed(3).with_budget(7.0);
            let stored = serde_json::to_string(&config).unwrap();
            let read: BridgeConfig = serde_json::from_str(&stored).unwrap();
            assert_eq!(read, config, "{stored}");
        }
    }

    #[test]
    fn only_settings_of_the_recipe_are_written() {
        let stored = serde_json::to_string(&BridgeConfig::auto()).unwrap();
        let expected =
            r#"{"recipe":"auto","budget_seconds":60.0,"directions":[null,null],"seed":1}"#;
        assert_eq!(stored, expected);
    }

    #[test]
    fn files_of_version_0_1_are_read() {
        let settings = r#""budget_seconds":30.0,"divergence":"jeffreys","hidden":[8,16],
            "negative_slope":0.25,"batch":64,"steps":500,"learning_rate":0.125,
            "directions":[null,12],"seed":4"#;
        let read = |recipe: &str| -> BridgeConfig {
            serde_json::from_str(&format!(r#"{{"recipe":"{recipe}",{settings}}}"#)).unwrap()
        };
        let auto = AutoConfig {
            budget_seconds: 30.0,
            x_pca: None,
            y_pca: Some(12),
        };
        assert_eq!(
            read("auto"),
            BridgeConfig {
                recipe: Recipe::Auto(auto),
                seed: 4
            }
        );
        let paper = PaperConfig {
            divergence: Divergence::Jeffreys,
            hidden: vec![8, 16],
            negative_slope: 0.25,
            batch: 64,
            steps: 500,
            learning_rate: 0.125,
        };
        assert_eq!(read("paper"), BridgeConfig::paper(paper).with_seed(4));
        assert_eq!(read("flow").recipe.pca(), [None, Some(12)]);
    }
}
