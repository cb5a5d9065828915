//! A coupling flow in a file.

use super::CouplingFlow;
use super::couplings::Couplings;
use crate::BridgeError;
use crate::families::family_density::FamilyDensity;
use crate::families::mlp;
use crate::families::stored::put_json;
use std::path::Path;
use zbridge_nn::{NnError, WeightsFile};

impl FamilyDensity for CouplingFlow {
    fn put_into(&self, file: &mut WeightsFile, prefix: &str) -> Result<(), BridgeError> {
        put_json(file, format!("{prefix}.network"), &self.network)?;
        put_json(file, format!("{prefix}.coupling-flow"), &self.couplings)?;
        for index in 0..self.couplings.count() {
            let parameters = &self.parameters[self.range(index)];
            file.put_network(
                &format!("{prefix}.coupling.{index}"),
                &self.network,
                parameters,
            );
        }
        Ok(())
    }

    fn from_file(file: &WeightsFile, prefix: &str, path: &Path) -> Result<Self, BridgeError> {
        let fault = |fault: &str| NnError::Weights {
            path: path.to_owned(),
            reason: format!("the coupling flow `{prefix}` has {fault}; get the file anew"),
        };
        let couplings: Couplings =
            file.parsed_metadata(&format!("{prefix}.coupling-flow"), path)?;
        let network = mlp::from_file(file, prefix, path)?;
        if let Some(reason) = couplings.fault() {
            return Err(fault(reason).into());
        }
        let fits = network.inputs() > couplings.kept() && network.outputs() == couplings.outputs();
        if !fits {
            return Err(fault("a network that does not fit its couplings").into());
        }
        let mut parameters = Vec::new();
        for index in 0..couplings.count() {
            let prefix = format!("{prefix}.coupling.{index}");
            parameters.extend(file.network_parameters(&prefix, &network, path)?);
        }
        Ok(Self {
            couplings,
            network,
            parameters,
        })
    }
}
