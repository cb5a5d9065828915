//! A shared code in a file.

use super::{SharedCode, WhitenedFlow};
use crate::BridgeError;
use crate::families::conditioner::Conditioner;
use crate::families::family_density::FamilyDensity;
use crate::families::flow::CouplingFlow;
use crate::families::stored::{put_json, put_matrix, put_vector, stored, stored_matrix};
use crate::linear_algebra::Cholesky;
use std::path::Path;
use zbridge_nn::{NnError, WeightsFile};

impl FamilyDensity for SharedCode {
    fn put_into(&self, file: &mut WeightsFile, prefix: &str) -> Result<(), BridgeError> {
        let lower = self.flow.covariance.lower().mapv(|value| value as f32);
        self.source_classifier
            .put_into(file, &format!("{prefix}.reader"))?;
        self.flow.flow.put_into(file, &format!("{prefix}.flow"))?;
        self.target_classifier
            .put_into(file, &format!("{prefix}.recogniser"))?;
        put_vector(
            file,
            format!("{prefix}.log_normalisers"),
            &self.log_normalisers,
        );
        put_matrix(file, format!("{prefix}.covariance"), lower.view());
        let shape = (self.inputs, self.inverse_temperature);
        put_json(file, format!("{prefix}.shared-code"), &shape)
    }

    fn from_file(file: &WeightsFile, prefix: &str, path: &Path) -> Result<Self, BridgeError> {
        let fault = || NnError::Weights {
            path: path.to_owned(),
            reason: format!(
                "the parts of the shared code `{prefix}` do not fit each other; get the file anew"
            ),
        };
        let named = |part: &str| format!("{prefix}.{part}");
        let (inputs, inverse_temperature): (usize, f32) =
            file.parsed_metadata(&named("shared-code"), path)?;
        let source_classifier = Conditioner::from_file(file, &named("reader"), path)?;
        let target_classifier = Conditioner::from_file(file, &named("recogniser"), path)?;
        let (codes, dim) = (source_classifier.outputs(), target_classifier.inputs());
        let log_normalisers = stored(file, &named("log_normalisers"), &[codes], path)?;
        let lower = stored_matrix(file, &named("covariance"), (dim, dim), path)?;
        let covariance = Cholesky::from_lower(lower.mapv(f64::from)).ok_or_else(fault)?;
        let density = Self {
            flow: WhitenedFlow {
                flow: CouplingFlow::from_file(file, &named("flow"), path)?,
                covariance,
            },
            source_classifier,
            inputs,
            target_classifier,
            log_normalisers: log_normalisers.to_vec(),
            inverse_temperature,
        };
        if !density.parts_fit() {
            return Err(fault().into());
        }
        Ok(density)
    }

    fn with_inverse_temperature(self, inverse_temperature: f32) -> Self {
        Self {
            inverse_temperature,
            ..self
        }
    }
}

impl SharedCode {
    fn parts_fit(&self) -> bool {
        let codes = self.codes();
        // Between log δ and 0, with room for their errors.
        let possible = |nats: &f32| (-10.0..=0.001).contains(nats);
        self.flow.dims() == (codes, self.target_classifier.inputs())
            && self.target_classifier.outputs() == codes
            && self.source_classifier.inputs() <= self.inputs
            && self.inverse_temperature.is_finite()
            && self.inverse_temperature > 0.0
            && self.log_normalisers.iter().all(possible)
    }
}
