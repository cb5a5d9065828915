//! Bridges in files.

use crate::agreement::Agreement;
use crate::bridge::{Bridge, Record};
use crate::families::put_json;
use crate::{BridgeError, Conditional, Direction, Directions};
use std::path::Path;
use std::sync::Arc;
use zbridge_core::ConditionalDensity;
use zbridge_nn::{NnError, Precision, WeightsFile};

/// Key of the record in a file's metadata.
const RECORD: &str = "bridge";

impl Bridge {
    /// Writes the bridge into one file, completely or not at all.
    ///
    /// # Errors
    /// [`BridgeError::Network`] if the file cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), BridgeError> {
        let mut file = WeightsFile::default();
        put_json(&mut file, RECORD.into(), &self.record)?;
        for direction in Direction::BOTH {
            self.density(direction)
                .put_into(&mut file, prefix(direction))?;
        }
        Ok(file.write(path, Precision::Single)?)
    }

    /// Returns the bridge in the file at `path`.
    ///
    /// # Errors
    /// [`BridgeError::Network`] if it cannot be read or is no bridge file.
    pub fn read(path: &Path) -> Result<Self, BridgeError> {
        let file = WeightsFile::read(path)?;
        let record: Record = file.parsed_metadata(RECORD, path)?;
        let of_direction = |direction| Conditional::from_file(&file, prefix(direction), path);
        let mut conditionals = Directions::from_fn(of_direction).transpose()?;
        check_dims(&conditionals, path)?;
        for direction in Direction::BOTH {
            if record.directions.get(direction).agreed {
                let agreement = agreement_of(conditionals.get(direction.reverse()), path)?;
                conditionals.get_mut(direction).agreement = Some(agreement);
            }
        }
        Ok(Self {
            conditionals,
            record,
        })
    }
}

/// Returns the prefix of a direction's names in a file.
fn prefix(direction: Direction) -> &'static str {
    match direction {
        Direction::XToY => "x_to_y",
        Direction::YToX => "y_to_x",
    }
}

/// Checks that both directions join the same spaces.
fn check_dims(conditionals: &Directions<Conditional>, path: &Path) -> Result<(), BridgeError> {
    let (x, y) = conditionals.x_to_y.dims();
    let (y_back, x_back) = conditionals.y_to_x.dims();
    if (x, y) == (x_back, y_back) {
        return Ok(());
    }
    let reason =
        format!("its directions join {x} → {y} and {y_back} → {x_back} dimensions: not one bridge");
    Err(damaged(path, reason))
}

fn agreement_of(labeller: &Conditional, path: &Path) -> Result<Arc<Agreement>, BridgeError> {
    let reason = "draws of a direction are to be accepted by the agreement of the other one, which \
                  is no tied mixture";
    Agreement::of(&labeller.ensemble)
        .map(Arc::new)
        .ok_or_else(|| damaged(path, reason.into()))
}

fn damaged(path: &Path, reason: String) -> BridgeError {
    let path = path.to_owned();
    NnError::Weights { path, reason }.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{BridgeConfig, Family, RecipeName};

    /// What a file of version 0.1 says of its fit.
    const RECORD_OF_0_1: &str = r#"{
        "config": {"recipe": "auto", "budget_seconds": 20.0, "divergence": "reverse-kl",
            "hidden": [64, 128], "negative_slope": 0.2, "batch": 128, "steps": 3000,
            "learning_rate": 0.003, "directions": [null, null], "seed": 7},
        "pairs": 256,
        "x_to_y": {
            "curve": {"steps": [1, 2], "objective_nats": [0.5, 0.25]},
            "comparison": {"trials": [{"family": "tied-mixture", "steps": 100, "unpaired": true,
                "agreed": false, "gain_nats": {"mean": 1.5, "standard_error": 0.1, "count": 64}}],
                "chosen": 0, "members": 2},
            "agreed": false},
        "y_to_x": {
            "curve": {"steps": [], "objective_nats": []},
            "comparison": {"trials": [], "chosen": 0, "members": 0},
            "agreed": true},
        "gap": null,
        "provenance": {"x.model": "mnist-image"}
    }"#;

    #[test]
    fn records_of_version_0_1_are_read() {
        let record: Record = serde_json::from_str(RECORD_OF_0_1).unwrap();
        assert_eq!(
            record.config,
            BridgeConfig::auto().with_budget(20.0).with_seed(7)
        );
        assert_eq!(record.config.recipe.name(), RecipeName::Auto);
        let taken = record.directions.x_to_y.comparison.taken().unwrap();
        assert_eq!(taken.family, Family::TiedMixture);
        assert!(record.directions.y_to_x.agreed && !record.directions.x_to_y.agreed);
        let written = serde_json::to_string(&record).unwrap();
        assert_eq!(serde_json::from_str::<Record>(&written).unwrap(), record);
    }
}
