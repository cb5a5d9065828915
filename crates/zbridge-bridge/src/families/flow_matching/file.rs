//! A flow of flow matching in a file.

use super::{FlowMatching, Shape, TIME_FEATURES};
use crate::BridgeError;
use crate::families::family_density::FamilyDensity;
use crate::families::mlp;
use crate::families::stored::put_json;
use std::ops::RangeInclusive;
use std::path::Path;
use zbridge_nn::{Layer, Network, NnError, WeightsFile};

/// Steps of the solver that a file may ask for.
const STEPS: RangeInclusive<usize> = 1..=4096;

impl FamilyDensity for FlowMatching {
    fn put_into(&self, file: &mut WeightsFile, prefix: &str) -> Result<(), BridgeError> {
        put_json(file, format!("{prefix}.network"), &self.network)?;
        put_json(file, format!("{prefix}.flow-matching"), &self.shape)?;
        file.put_network(prefix, &self.network, &self.parameters);
        Ok(())
    }

    fn from_file(file: &WeightsFile, prefix: &str, path: &Path) -> Result<Self, BridgeError> {
        let shape: Shape = file.parsed_metadata(&format!("{prefix}.flow-matching"), path)?;
        let network = mlp::from_file(file, prefix, path)?;
        let Some([first, second]) = hidden_widths(&network).filter(|_| shape.fits(&network)) else {
            let reason = format!(
                "the flow `{prefix}` has a network or steps that do not fit it; get the file anew"
            );
            let path = path.to_owned();
            return Err(NnError::Weights { path, reason }.into());
        };
        let between = mlp::network(second, &[], first, 0.0)?;
        let parameters = file.network_parameters(prefix, &network, path)?;
        Ok(Self {
            shape,
            network,
            between,
            parameters,
        })
    }
}

impl Shape {
    fn fits(&self, network: &Network) -> bool {
        let others = TIME_FEATURES.saturating_add(self.target);
        self.target == network.outputs() && network.inputs() > others && STEPS.contains(&self.steps)
    }
}

/// Returns the widths of the two hidden layers; `None` if there are more or fewer.
fn hidden_widths(network: &Network) -> Option<[usize; 2]> {
    match *network.layers() {
        [
            Layer::Linear { outputs: first, .. },
            Layer::Silu,
            Layer::Linear {
                outputs: second, ..
            },
            Layer::Silu,
            Layer::Linear { .. },
        ] => Some([first, second]),
        _ => None,
    }
}
