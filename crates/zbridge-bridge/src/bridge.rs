use crate::agreement::Agreement;
use crate::auto::{self, FittedDirection};
use crate::comparison::Comparison;
use crate::config::{CheckedConfig, Recipe};
use crate::curve::FitCurve;
use crate::effort::Effort;
use crate::{BridgeConfig, BridgeError, Conditional, DirectionGap, FitData, paper};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use zbridge_core::{ConditionalDensity, Stage};
use zbridge_nn::{NnError, Precision, WeightsFile, run_side_by_side};

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

impl Direction {
    /// The other one.
    #[must_use]
    pub fn reverse(self) -> Self {
        match self {
            Self::XToY => Self::YToX,
            Self::YToX => Self::XToY,
        }
    }
}

/// How far a fit is: (steps done, steps at most), of both directions together.
pub type FitProgress = (usize, usize);

/// Both conditionals between two latent spaces, and what is needed to make them again.
#[derive(Debug, Clone, PartialEq)]
pub struct Bridge {
    x_to_y: Conditional,
    y_to_x: Conditional,
    record: Record,
}

/// What a bridge file tells besides its weights.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Record {
    config: BridgeConfig,
    pairs: usize,
    x_to_y: DirectionRecord,
    y_to_x: DirectionRecord,
    gap: Option<DirectionGap>,
    /// Where the pairs came from: models, files, digests, command.
    provenance: BTreeMap<String, String>,
}

/// What is remembered of the fit of one direction.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct DirectionRecord {
    curve: FitCurve,
    comparison: Comparison,
    /// Whether its draws are accepted by the other direction.
    agreed: bool,
}

impl Bridge {
    /// Both directions fitted, side by side on two cores. `observe` hears which direction has done
    /// a step and how far both are, and says whether to go on.
    ///
    /// # Errors
    /// [`BridgeError::Unpaired`], [`BridgeError::UnpairedOfAnotherSpace`],
    /// [`BridgeError::TooFewPairs`], [`BridgeError::SamplesOnly`], [`BridgeError::Network`] when
    /// the fit diverges, [`BridgeError::Interrupted`] when `observe` says stop.
    pub fn fit(
        data: &FitData<'_>,
        config: &CheckedConfig,
        observe: &mut (dyn FnMut(Direction, FitProgress) -> bool + Send),
    ) -> Result<Self, BridgeError> {
        data.check()?;
        let effort = match config.recipe {
            Recipe::Of(family) => Effort::new(config.budget_seconds, Some(family)),
            Recipe::Auto | Recipe::Paper => Effort::new(config.budget_seconds, None),
        };
        let paper = config.recipe == Recipe::Paper;
        let steps = 2 * if paper {
            config.steps
        } else {
            effort.planned_steps()
        };
        let (observer, done) = (Mutex::new(observe), AtomicUsize::new(0));
        let tell = |direction: Direction, more: usize| {
            let done = done.fetch_add(more, Ordering::Relaxed) + more;
            observer
                .lock()
                .is_ok_and(|mut observe| (*observe)(direction, (done.min(steps), steps)))
        };
        let (x_to_y, y_to_x) = if paper {
            paper_directions(data, config, &tell)?
        } else {
            auto::fit(data, &effort, config, &tell)?
        };
        let config = BridgeConfig::clone(config);
        let record = |fitted: &FittedDirection| DirectionRecord {
            curve: fitted.curve.clone(),
            comparison: fitted.comparison.clone(),
            agreed: fitted.conditional.critic.is_some(),
        };
        let (x_record, y_record, seed) = (record(&x_to_y), record(&y_to_x), config.seed);
        let record = Record {
            config,
            pairs: data.x.rows(),
            x_to_y: x_record,
            y_to_x: y_record,
            gap: None,
            provenance: BTreeMap::new(),
        };
        let mut bridge = Self {
            x_to_y: x_to_y.conditional,
            y_to_x: y_to_x.conditional,
            record,
        };
        bridge.record.gap = Some(DirectionGap::on(&bridge, data.x, data.y, seed)?);
        Ok(bridge)
    }

    /// q(z_y|z_x).
    pub fn x_to_y(&self) -> &Conditional {
        &self.x_to_y
    }

    /// q(z_x|z_y).
    pub fn y_to_x(&self) -> &Conditional {
        &self.y_to_x
    }

    /// The conditional of a direction.
    pub fn density(&self, direction: Direction) -> &Conditional {
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
            Direction::XToY => &self.record.x_to_y.curve,
            Direction::YToX => &self.record.y_to_x.curve,
        }
    }

    /// What was compared for a direction, and what was taken; empty for the paper's recipe.
    pub fn comparison(&self, direction: Direction) -> &Comparison {
        match direction {
            Direction::XToY => &self.record.x_to_y.comparison,
            Direction::YToX => &self.record.y_to_x.comparison,
        }
    }

    /// How far the joints of the two directions are apart, on the pairs it was fitted on.
    pub fn gap(&self) -> Option<&DirectionGap> {
        self.record.gap.as_ref()
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
        let record: Record = file.parsed_metadata("bridge", path)?;
        let mut x_to_y = Conditional::from_file(&file, "x_to_y", path)?;
        let mut y_to_x = Conditional::from_file(&file, "y_to_x", path)?;
        let ((x, y), (y_back, x_back)) = (x_to_y.dims(), y_to_x.dims());
        if (x, y) != (x_back, y_back) {
            let reason = format!(
                "its directions join {x} → {y} and {y_back} → {x_back} dimensions: not one bridge"
            );
            return Err(NnError::Weights {
                path: path.to_owned(),
                reason,
            }
            .into());
        }
        let no_critic = || NnError::Weights {
            path: path.to_owned(),
            reason:
                "a direction's draws are to be accepted by the other one, which is no tied mixture"
                    .into(),
        };
        if record.x_to_y.agreed {
            x_to_y.critic = Some(Arc::new(Agreement::of(&y_to_x).ok_or_else(no_critic)?));
        }
        if record.y_to_x.agreed {
            y_to_x.critic = Some(Arc::new(Agreement::of(&x_to_y).ok_or_else(no_critic)?));
        }
        Ok(Self {
            x_to_y,
            y_to_x,
            record,
        })
    }

    fn to_weights(&self) -> WeightsFile {
        let mut file = WeightsFile::default();
        file.metadata.insert(
            "bridge".into(),
            serde_json::to_string(&self.record).unwrap_or_default(),
        );
        self.x_to_y.put_into(&mut file, "x_to_y");
        self.y_to_x.put_into(&mut file, "y_to_x");
        file
    }
}

/// Both directions by the paper's recipe.
fn paper_directions(
    data: &FitData<'_>,
    config: &CheckedConfig,
    tell: auto::Observer<'_>,
) -> Result<(FittedDirection, FittedDirection), BridgeError> {
    let (Some(x), Some(y)) = (data.x.as_diagonal(), data.y.as_diagonal()) else {
        return Err(BridgeError::SamplesOnly);
    };
    let (forward, backward) = run_side_by_side(
        || {
            let observer = auto::step_observer(tell, Direction::XToY);
            let stage = Stage::new(&observer, "fitting x → y", 0);
            paper::fit(x, y, config, "fit/x→y", &stage)
        },
        || {
            let observer = auto::step_observer(tell, Direction::YToX);
            let stage = Stage::new(&observer, "fitting y → x", 0);
            paper::fit(y, x, config, "fit/y→x", &stage)
        },
    );
    let fitted = |(density, curve)| FittedDirection {
        conditional: Conditional::plain(density),
        curve,
        comparison: Comparison::default(),
    };
    Ok((fitted(forward?), fitted(backward?)))
}
