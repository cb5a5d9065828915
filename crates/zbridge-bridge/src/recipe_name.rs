use crate::{BridgeError, Family};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// The name of a recipe, as users type it: a [`Recipe`](crate::Recipe) without its settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum RecipeName {
    /// `auto`: the family that held-out pairs say is best, with all that unpaired latents teach.
    Auto,
    /// `paper`: the paper's Gaussian under a closed-form divergence.
    Paper,
    /// The name of a family: that one, fitted as the automatic recipe fits it.
    Family(Family),
}

impl RecipeName {
    /// Returns every recipe's name, `auto` and `paper` first.
    pub fn all() -> impl Iterator<Item = Self> {
        let families = Family::FITTED.iter().copied().map(Self::Family);
        [Self::Auto, Self::Paper].into_iter().chain(families)
    }

    /// Returns the name as users type it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Paper => "paper",
            Self::Family(family) => family.name(),
        }
    }
}

impl fmt::Display for RecipeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for RecipeName {
    type Err = BridgeError;

    fn from_str(name: &str) -> Result<Self, BridgeError> {
        let found = Self::all().find(|recipe| recipe.name() == name);
        found.ok_or_else(|| BridgeError::unknown("recipe", name, Self::all().map(Self::name)))
    }
}

impl TryFrom<String> for RecipeName {
    type Error = BridgeError;

    fn try_from(name: String) -> Result<Self, BridgeError> {
        name.parse()
    }
}

impl From<RecipeName> for String {
    fn from(recipe: RecipeName) -> Self {
        recipe.name().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_parsed_as_it_is_displayed() {
        for recipe in RecipeName::all() {
            assert_eq!(recipe.to_string().parse::<RecipeName>().unwrap(), recipe);
        }
        assert_eq!(RecipeName::all().count(), 2 + Family::FITTED.len());
    }

    #[test]
    fn an_unknown_recipe_is_answered_by_the_known_ones() {
        let error = "papers".parse::<RecipeName>().unwrap_err().to_string();
        assert!(
            error.contains("there are: auto, paper, linear-gaussian"),
            "{error}"
        );
    }
}
