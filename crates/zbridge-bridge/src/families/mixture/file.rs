//! A mixture in a file.

use super::{Mixture, outputs_of};
use crate::BridgeError;
use crate::families::components::Components;
use crate::families::conditioner::Conditioner;
use crate::families::family_density::FamilyDensity;
use crate::families::stored::{put_json, put_matrix, stored_matrix};
use serde::{Deserialize, Serialize};
use std::path::Path;
use zbridge_core::{DiagonalGaussian, Latents};
use zbridge_nn::{NnError, WeightsFile};

/// What a file says of a mixture besides its tensors.
#[derive(Serialize, Deserialize)]
struct Shape {
    components: usize,
    dim: usize,
    moving: bool,
    #[serde(rename = "sharpness")]
    inverse_temperature: f32,
}

impl Shape {
    fn is_possible(&self) -> bool {
        let inverse_temperature = self.inverse_temperature;
        let positive = inverse_temperature.is_finite() && inverse_temperature > 0.0;
        self.components > 0 && self.dim > 0 && positive
    }
}

impl FamilyDensity for Mixture {
    fn put_into(&self, file: &mut WeightsFile, prefix: &str) -> Result<(), BridgeError> {
        self.conditioner.put_into(file, prefix)?;
        let shape = Shape {
            components: self.components.count(),
            dim: self.components.dim(),
            moving: self.moving,
            inverse_temperature: self.inverse_temperature,
        };
        let gaussians = self.components();
        put_matrix(
            file,
            format!("{prefix}.components.mean"),
            gaussians.mean().view(),
        );
        put_matrix(
            file,
            format!("{prefix}.components.log_var"),
            gaussians.log_var().view(),
        );
        put_json(file, format!("{prefix}.mixture"), &shape)
    }

    fn from_file(file: &WeightsFile, prefix: &str, path: &Path) -> Result<Self, BridgeError> {
        let fault = |reason: &str| NnError::Weights {
            path: path.to_owned(),
            reason: format!("the mixture `{prefix}` {reason}; get the file anew"),
        };
        let shape: Shape = file.parsed_metadata(&format!("{prefix}.mixture"), path)?;
        if !shape.is_possible() {
            let reason = "needs components, dimensions and an inverse temperature, all above 0";
            return Err(fault(reason).into());
        }
        let latents = |name: &str| -> Result<Latents, BridgeError> {
            let name = format!("{prefix}.components.{name}");
            let matrix = stored_matrix(file, &name, (shape.components, shape.dim), path)?;
            Ok(Latents::new(matrix)?)
        };
        let gaussians = DiagonalGaussian::new(latents("mean")?, latents("log_var")?)?;
        let conditioner = Conditioner::from_file(file, prefix, path)?;
        if conditioner.outputs() != outputs_of(shape.components, shape.dim, shape.moving) {
            let reason = "has a network that gives another number of outputs than its components \
                          need";
            return Err(fault(reason).into());
        }
        Ok(Self {
            conditioner,
            components: Components::new(gaussians),
            moving: shape.moving,
            inverse_temperature: shape.inverse_temperature,
        })
    }

    fn with_inverse_temperature(self, inverse_temperature: f32) -> Self {
        Self {
            inverse_temperature,
            ..self
        }
    }
}
