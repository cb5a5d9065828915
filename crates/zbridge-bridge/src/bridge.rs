use crate::auto::{self, Effort, FittedDirection};
use crate::comparison::Comparison;
use crate::config::{CheckedConfig, Recipe};
use crate::curve::FitCurve;
use crate::{
    BridgeConfig, BridgeError, Conditional, Direction, DirectionGap, Directions, FitData, paper,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use zbridge_core::{ConditionalDensity, Observer, Stage};

/// Both conditionals between two latent spaces, with a record of how they were fitted.
#[derive(Debug, Clone, PartialEq)]
pub struct Bridge {
    pub(crate) conditionals: Directions<Conditional>,
    pub(crate) record: Record,
}

/// What is remembered of a fit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Record {
    pub(crate) config: BridgeConfig,
    pub(crate) pairs: usize,
    #[serde(flatten)]
    pub(crate) directions: Directions<DirectionRecord>,
    pub(crate) gap: Option<DirectionGap>,
    /// Where the pairs came from: models, files, digests, command.
    pub(crate) provenance: BTreeMap<String, String>,
}

/// What is remembered of the fit of one direction.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct DirectionRecord {
    pub(crate) curve: FitCurve,
    pub(crate) comparison: Comparison,
    /// Whether its draws are accepted by the other direction's agreement.
    pub(crate) agreed: bool,
}

impl Bridge {
    /// Returns a bridge that is fitted to `data`, both directions at the same time.
    ///
    /// `observer` is told of the stages of the fit, such as `comparing families` and
    /// `fitting x → y`, each with its number of optimiser steps.
    ///
    /// # Errors
    /// [`BridgeError::Unpaired`], [`BridgeError::TooFewPairs`],
    /// [`BridgeError::UnpairedOfAnotherSpace`], [`BridgeError::ViewsOfOthers`] if the data do not
    /// belong together; [`BridgeError::SamplesOnly`] if the paper's recipe gets no Gaussians;
    /// [`BridgeError::Network`] if the fit diverges; [`BridgeError::Density`] if a log density is
    /// NaN; [`BridgeError::Interrupted`] if `observer` stops the fit.
    pub fn fit(
        data: &FitData<'_>,
        config: &CheckedConfig,
        observer: &dyn Observer,
    ) -> Result<Self, BridgeError> {
        data.check()?;
        let (pca, seed) = (config.recipe.pca(), config.seed);
        let fitted = match &config.recipe {
            Recipe::Paper(settings) => paper::fit(data, settings, seed, observer)?,
            Recipe::Auto(settings) => {
                let effort = Effort::new(settings.budget_seconds, None);
                auto::fit(data, &effort, pca, seed, observer)?
            }
            Recipe::Family(settings) => {
                let effort = Effort::new(settings.budget_seconds, Some(settings.family));
                auto::fit(data, &effort, pca, seed, observer)?
            }
        };
        Self::of_fitted(fitted, data, config, observer)
    }

    fn of_fitted(
        fitted: Directions<FittedDirection>,
        data: &FitData<'_>,
        config: &CheckedConfig,
        observer: &dyn Observer,
    ) -> Result<Self, BridgeError> {
        let stage = Stage::new(observer, "measuring how far the directions are apart", 1);
        let directions = fitted.as_ref().map(|_, fitted| DirectionRecord {
            curve: fitted.curve.clone(),
            comparison: fitted.comparison.clone(),
            agreed: fitted.conditional.agreement.is_some(),
        });
        let conditionals = fitted.map(|_, fitted| fitted.conditional);
        let gap = DirectionGap::between(&conditionals, data.x, data.y, config.seed)?;
        stage.advance(1)?;
        let record = Record {
            config: BridgeConfig::clone(config),
            pairs: data.x.rows(),
            directions,
            gap: Some(gap),
            provenance: BTreeMap::new(),
        };
        Ok(Self {
            conditionals,
            record,
        })
    }

    /// Returns q(z_y|z_x).
    pub fn x_to_y(&self) -> &Conditional {
        &self.conditionals.x_to_y
    }

    /// Returns q(z_x|z_y).
    pub fn y_to_x(&self) -> &Conditional {
        &self.conditionals.y_to_x
    }

    /// Returns both conditionals.
    pub fn directions(&self) -> &Directions<Conditional> {
        &self.conditionals
    }

    /// Returns the conditional of a direction.
    pub fn density(&self, direction: Direction) -> &Conditional {
        self.conditionals.get(direction)
    }

    /// Returns (dimensions of x's latents, dimensions of y's).
    pub fn dims(&self) -> (usize, usize) {
        self.x_to_y().dims()
    }

    /// Returns how it was built and fitted.
    pub fn config(&self) -> &BridgeConfig {
        &self.record.config
    }

    /// Returns the number of pairs that it was fitted to.
    pub fn pairs(&self) -> usize {
        self.record.pairs
    }

    /// Returns the objective of a direction over its fit.
    pub fn curve(&self, direction: Direction) -> &FitCurve {
        &self.record.directions.get(direction).curve
    }

    /// Returns what was compared for a direction, and what was taken; empty for the paper's recipe.
    pub fn comparison(&self, direction: Direction) -> &Comparison {
        &self.record.directions.get(direction).comparison
    }

    /// Returns how far the joints of the two directions are apart, on the pairs that it was fitted
    /// to.
    pub fn gap(&self) -> Option<&DirectionGap> {
        self.record.gap.as_ref()
    }

    /// Returns where the pairs came from.
    pub fn provenance(&self) -> &BTreeMap<String, String> {
        &self.record.provenance
    }

    /// Notes a fact about where the bridge came from.
    pub fn record_provenance(&mut self, key: &str, value: impl Into<String>) {
        self.record.provenance.insert(key.into(), value.into());
    }
}
