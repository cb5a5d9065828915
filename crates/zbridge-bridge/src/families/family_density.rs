use crate::BridgeError;
use std::path::Path;
use zbridge_core::ConditionalDensity;
use zbridge_nn::WeightsFile;

/// What the rest of the crate needs of a density, whatever its family.
pub(crate) trait FamilyDensity: ConditionalDensity + Sync + Sized {
    /// Puts the density into a file, under `prefix`.
    ///
    /// # Errors
    /// [`BridgeError::Network`] if metadata cannot be written as JSON.
    fn put_into(&self, file: &mut WeightsFile, prefix: &str) -> Result<(), BridgeError>;

    /// Returns the density stored under `prefix`; `path` names the file in errors.
    ///
    /// # Errors
    /// [`BridgeError::Network`] if a part is missing, or parts contradict each other.
    fn from_file(file: &WeightsFile, prefix: &str, path: &Path) -> Result<Self, BridgeError>;

    /// Returns the same density, less certain if `inverse_temperature` is below 1: the logits of a
    /// mixture, the precision around a regression, and the tilt of a relative density are
    /// multiplied by it. Other densities stay.
    fn with_inverse_temperature(self, _inverse_temperature: f32) -> Self {
        self
    }
}
