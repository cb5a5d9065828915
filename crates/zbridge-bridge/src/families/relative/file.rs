//! A relative density in a weights file.

use super::anchors::Anchors;
use super::{Base, Relative, Tilt};
use crate::BridgeError;
use crate::families::stored::{put_json, put_matrix, stored_matrix};
use crate::families::{FamilyDensity, KernelRegression, Mixture};
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::sync::Arc;
use zbridge_core::ConditionalDensity;
use zbridge_nn::{NnError, WeightsFile};

/// What a file says of a relative density beside its tensors.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Description {
    base: BaseKind,
    inputs: usize,
    target: usize,
    anchors: usize,
    views: usize,
    /// Fixed draws behind the normaliser; they are drawn again from their own stream.
    draws: usize,
    strength: f32,
    inverse_temperature: f32,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum BaseKind {
    Marginal,
    Regression,
}

/// Fixed draws that a file may ask for: they are drawn when it is read.
const MAX_DRAWS: usize = 1 << 16;
/// Views that a file may have.
const MAX_VIEWS: usize = 8;

impl Description {
    fn is_sound(&self) -> bool {
        let positive = |value: f32| value.is_finite() && value > 0.0;
        self.inputs > 0
            && self.target > 0
            && self.anchors > 0
            && (1..=MAX_VIEWS).contains(&self.views)
            && (1..=MAX_DRAWS).contains(&self.draws)
            && self.strength.is_finite()
            && self.strength >= 0.0
            && positive(self.inverse_temperature)
    }
}

impl FamilyDensity for Relative {
    fn put_into(&self, file: &mut WeightsFile, prefix: &str) -> Result<(), BridgeError> {
        let (inputs, target) = self.dims();
        let base_prefix = format!("{prefix}.base");
        let base = match &self.base {
            Base::Marginal(mixture) => {
                mixture.put_into(file, &base_prefix)?;
                BaseKind::Marginal
            }
            Base::Regression(regression) => {
                regression.put_into(file, &base_prefix)?;
                BaseKind::Regression
            }
        };
        let sides = [("source", &self.tilt.source), ("target", &self.tilt.target)];
        for (side, anchors) in sides {
            let name = |part: &str| format!("{prefix}.{side}-{part}");
            put_matrix(file, name("scales"), anchors.scales.view());
            put_matrix(file, name("anchors"), anchors.points.view());
            put_matrix(file, name("centres"), anchors.centres.view());
        }
        let description = Description {
            base,
            inputs,
            target,
            anchors: self.tilt.source.count(),
            views: self.tilt.source.views(),
            draws: self.fixed.draws.nrows(),
            strength: self.tilt.strength,
            inverse_temperature: self.inverse_temperature,
        };
        put_json(file, format!("{prefix}.relative"), &description)
    }

    fn from_file(file: &WeightsFile, prefix: &str, path: &Path) -> Result<Self, BridgeError> {
        let fault = |reason: &str| NnError::Weights {
            path: path.to_owned(),
            reason: format!("the relative density `{prefix}` {reason}; get the file anew"),
        };
        let description: Description = file.parsed_metadata(&format!("{prefix}.relative"), path)?;
        if !description.is_sound() {
            return Err(fault("has no pairs, or numbers that cannot be").into());
        }
        let base_prefix = format!("{prefix}.base");
        // A file must not make us follow densities inside densities without end.
        let is_nested = file
            .metadata
            .contains_key(&format!("{base_prefix}.residual.kind"));
        if is_nested {
            return Err(fault("tilts a regression whose residual is a density itself").into());
        }
        let base = match description.base {
            BaseKind::Marginal => Base::Marginal(Mixture::from_file(file, &base_prefix, path)?),
            BaseKind::Regression => {
                Base::Regression(KernelRegression::from_file(file, &base_prefix, path)?)
            }
        };
        if base.as_dyn().dims() != (description.inputs, description.target) {
            return Err(fault("tilts a density of other dimensions").into());
        }
        let anchors = |side: &str, dim: usize| -> Result<Anchors, BridgeError> {
            let matrix = |part: &str, shape| {
                stored_matrix(file, &format!("{prefix}.{side}-{part}"), shape, path)
            };
            let Description { anchors, views, .. } = description;
            let scales = matrix("scales", (views, dim))?;
            let points = matrix("anchors", (anchors, dim))?;
            Ok(Anchors::new(
                points,
                scales,
                matrix("centres", (views, anchors))?,
            ))
        };
        let tilt = Tilt {
            source: anchors("source", description.inputs)?,
            target: anchors("target", description.target)?,
            strength: description.strength,
        };
        let density = Self::with_fixed_draws(base, Arc::new(tilt), description.draws)?;
        Ok(density.with_inverse_temperature(description.inverse_temperature))
    }

    fn with_inverse_temperature(self, inverse_temperature: f32) -> Self {
        Self {
            inverse_temperature: self.inverse_temperature * inverse_temperature,
            ..self
        }
    }
}
