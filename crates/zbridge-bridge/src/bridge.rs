use crate::config::CheckedConfig;
use crate::fit::{FitCurve, FitProgress, fit};
use crate::{BridgeConfig, BridgeError, GaussianDensity};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Mutex;
use zbridge_core::{ConditionalDensity, Posterior};
use zbridge_nn::{NnError, Precision, WeightsFile};

/// Which conditional of a bridge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Direction {
    /// q(z_y|z_x).
    #[serde(rename = "x→y")]
    XToY,
    /// q(z_x|z_y).
    #[serde(rename = "y→x")]
    YToX,
}

/// Both conditionals between two latent spaces, and what is needed to make them again.
#[derive(Debug, Clone, PartialEq)]
pub struct Bridge {
    x_to_y: GaussianDensity,
    y_to_x: GaussianDensity,
    record: Record,
}

/// What a bridge file tells besides its weights.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Record {
    config: BridgeConfig,
    pairs: usize,
    x_to_y: FitCurve,
    y_to_x: FitCurve,
    /// Where the pairs came from: models, files, digests, command.
    provenance: BTreeMap<String, String>,
}

impl Bridge {
    /// Both directions fitted on pairs of posteriors, side by side on two cores. `observe` hears each
    /// direction's progress and says whether to go on.
    ///
    /// # Shapes
    /// `x` and `y` have the same number of rows; row i of one belongs to row i of the other.
    ///
    /// # Errors
    /// [`BridgeError::Unpaired`], [`BridgeError::TooFewPairs`], [`BridgeError::Network`] when the fit
    /// diverges, [`BridgeError::Interrupted`] when `observe` says stop.
    pub fn fit(
        x: &Posterior,
        y: &Posterior,
        config: &CheckedConfig,
        observe: &mut (dyn FnMut(Direction, FitProgress) -> bool + Send),
    ) -> Result<Self, BridgeError> {
        if x.rows() != y.rows() {
            return Err(BridgeError::Unpaired { x: x.rows(), y: y.rows() });
        }
        if x.rows() < 2 {
            return Err(BridgeError::TooFewPairs { pairs: x.rows() });
        }
        let observer = Mutex::new(observe);
        let run = |direction: Direction, source: &Posterior, target: &Posterior, name: &str| {
            fit(source, target, config, name, &mut |progress| {
                observer.lock().is_ok_and(|mut observe| (*observe)(direction, progress))
            })
        };
        let (forward, backward) =
            rayon::join(|| run(Direction::XToY, x, y, "fit/x→y"), || run(Direction::YToX, y, x, "fit/y→x"));
        let ((x_to_y, forward), (y_to_x, backward)) = (forward?, backward?);
        let config = BridgeConfig::clone(config);
        let record = Record { config, pairs: x.rows(), x_to_y: forward, y_to_x: backward, provenance: BTreeMap::new() };
        Ok(Self { x_to_y, y_to_x, record })
    }

    /// q(z_y|z_x).
    pub fn x_to_y(&self) -> &GaussianDensity {
        &self.x_to_y
    }

    /// q(z_x|z_y).
    pub fn y_to_x(&self) -> &GaussianDensity {
        &self.y_to_x
    }

    /// The conditional of a direction.
    pub fn density(&self, direction: Direction) -> &GaussianDensity {
        match direction {
            Direction::XToY => &self.x_to_y,
            Direction::YToX => &self.y_to_x,
        }
    }

    /// (dimensions of x's latents, dimensions of y's).
    pub fn dims(&self) -> (usize, usize) {
        self.x_to_y.dims()
    }

    /// How it was built and fitted.
    pub fn config(&self) -> &BridgeConfig {
        &self.record.config
    }

    /// Pairs it was fitted on.
    pub fn pairs(&self) -> usize {
        self.record.pairs
    }

    /// The objective of a direction over its fit.
    pub fn curve(&self, direction: Direction) -> &FitCurve {
        match direction {
            Direction::XToY => &self.record.x_to_y,
            Direction::YToX => &self.record.y_to_x,
        }
    }

    /// Where the pairs came from.
    pub fn provenance(&self) -> &BTreeMap<String, String> {
        &self.record.provenance
    }

    /// Notes a fact about where the bridge came from.
    pub fn record_provenance(&mut self, key: &str, value: impl Into<String>) {
        self.record.provenance.insert(key.into(), value.into());
    }

    /// Writes the one file that a bridge is, whole or not at all.
    ///
    /// # Errors
    /// [`BridgeError::Network`] when the folder cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), BridgeError> {
        Ok(self.to_weights().write(path, Precision::Single)?)
    }

    /// The bridge in the file at `path`.
    ///
    /// # Errors
    /// [`BridgeError::Network`] when it cannot be read or is not a bridge file.
    pub fn read(path: &Path) -> Result<Self, BridgeError> {
        let file = WeightsFile::read(path)?;
        let record = file.parsed_metadata("bridge", path)?;
        let x_to_y = GaussianDensity::from_file(&file, "x_to_y", path)?;
        let y_to_x = GaussianDensity::from_file(&file, "y_to_x", path)?;
        let ((x, y), (y_back, x_back)) = (x_to_y.dims(), y_to_x.dims());
        if (x, y) != (x_back, y_back) {
            let reason = format!("its directions join {x} → {y} and {y_back} → {x_back} dimensions: not one bridge");
            return Err(NnError::Weights { path: path.to_owned(), reason }.into());
        }
        Ok(Self { x_to_y, y_to_x, record })
    }

    fn to_weights(&self) -> WeightsFile {
        let mut file = WeightsFile::default();
        file.metadata.insert("bridge".into(), serde_json::to_string(&self.record).unwrap_or_default());
        self.x_to_y.put_into(&mut file, "x_to_y");
        self.y_to_x.put_into(&mut file, "y_to_x");
        file
    }
}
