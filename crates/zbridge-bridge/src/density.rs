use crate::BridgeError;
use crate::families::{
    CouplingFlow, FlowMatching, FullGaussian, GaussianDensity, LinearGaussian, Mixture, SharedCode,
};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::Path;
use zbridge_core::ConditionalDensity;
use zbridge_nn::WeightsFile;

/// The families of conditional densities, from the simplest to the richest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Family {
    /// The target's own distribution, whatever the source is: what shuffled pairs deserve.
    Independent,
    /// A Gaussian whose mean is linear in the source, with one full covariance; closed form.
    LinearGaussian,
    /// A diagonal Gaussian whose parameters a network gives: the paper's (eq. 1).
    Gaussian,
    /// A Gaussian with full covariance whose parameters a network gives.
    FullGaussian,
    /// A mixture of fixed components, those of the target's aggregate posterior; a network gives
    /// their weights.
    TiedMixture,
    /// A mixture density network: weights, means and variances depend on the source (Bishop 1994).
    Mixture,
    /// Couplings of rational-quadratic splines (Durkan et al. 2019).
    Flow,
    /// An ordinary differential equation whose velocity a network gives (Lipman et al. 2023).
    FlowMatching,
    /// A code that both sides share, read from the source, and a flow given the code; learned both
    /// ways at once.
    SharedCode,
}

impl Family {
    /// The families that a recipe can ask for.
    pub const FITTED: [Self; 8] = [
        Self::LinearGaussian,
        Self::Gaussian,
        Self::FullGaussian,
        Self::TiedMixture,
        Self::Mixture,
        Self::Flow,
        Self::FlowMatching,
        Self::SharedCode,
    ];
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Independent => "independent",
            Self::LinearGaussian => "linear-gaussian",
            Self::Gaussian => "gaussian",
            Self::FullGaussian => "full-gaussian",
            Self::TiedMixture => "tied-mixture",
            Self::Mixture => "mixture",
            Self::Flow => "flow",
            Self::FlowMatching => "flow-matching",
            Self::SharedCode => "shared-code",
        })
    }
}

/// A fitted density of one of the families, in the coordinates of its frames.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Density {
    LinearGaussian(LinearGaussian),
    Gaussian(GaussianDensity),
    FullGaussian(FullGaussian),
    Mixture(Mixture),
    Flow(CouplingFlow),
    FlowMatching(FlowMatching),
    SharedCode(SharedCode),
}

impl Density {
    pub(crate) fn as_dyn(&self) -> &(dyn ConditionalDensity + Sync) {
        match self {
            Self::LinearGaussian(density) => density,
            Self::Gaussian(density) => density,
            Self::FullGaussian(density) => density,
            Self::Mixture(density) => density,
            Self::Flow(density) => density,
            Self::FlowMatching(density) => density,
            Self::SharedCode(density) => density,
        }
    }

    pub(crate) fn as_mixture(&self) -> Option<&Mixture> {
        if let Self::Mixture(mixture) = self {
            Some(mixture)
        } else {
            None
        }
    }

    pub(crate) fn put_into(&self, file: &mut WeightsFile, prefix: &str) {
        let kind = match self {
            Self::LinearGaussian(density) => {
                density.put_into(file, prefix);
                Kind::LinearGaussian
            }
            Self::Gaussian(density) => {
                density.put_into(file, prefix);
                Kind::Gaussian
            }
            Self::FullGaussian(density) => {
                density.put_into(file, prefix);
                Kind::FullGaussian
            }
            Self::Mixture(density) => {
                density.put_into(file, prefix);
                Kind::Mixture
            }
            Self::Flow(density) => {
                density.put_into(file, prefix);
                Kind::Flow
            }
            Self::FlowMatching(density) => {
                density.put_into(file, prefix);
                Kind::FlowMatching
            }
            Self::SharedCode(density) => {
                density.put_into(file, prefix);
                Kind::SharedCode
            }
        };
        file.metadata.insert(
            format!("{prefix}.kind"),
            serde_json::to_string(&kind).unwrap_or_default(),
        );
    }

    pub(crate) fn from_file(
        file: &WeightsFile,
        prefix: &str,
        path: &Path,
    ) -> Result<Self, BridgeError> {
        Ok(
            match file.parsed_metadata(&format!("{prefix}.kind"), path)? {
                Kind::LinearGaussian => {
                    Self::LinearGaussian(LinearGaussian::from_file(file, prefix, path)?)
                }
                Kind::Gaussian => Self::Gaussian(GaussianDensity::from_file(file, prefix, path)?),
                Kind::FullGaussian => {
                    Self::FullGaussian(FullGaussian::from_file(file, prefix, path)?)
                }
                Kind::Mixture => Self::Mixture(Mixture::from_file(file, prefix, path)?),
                Kind::Flow => Self::Flow(CouplingFlow::from_file(file, prefix, path)?),
                Kind::FlowMatching => {
                    Self::FlowMatching(FlowMatching::from_file(file, prefix, path)?)
                }
                Kind::SharedCode => Self::SharedCode(SharedCode::from_file(file, prefix, path)?),
            },
        )
    }
}

/// What a file says a stored density is.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Kind {
    LinearGaussian,
    Gaussian,
    FullGaussian,
    Mixture,
    Flow,
    FlowMatching,
    SharedCode,
}
