use crate::BridgeError;
use crate::families::{
    CouplingFlow, FlowMatching, FullGaussian, GaussianDensity, LinearGaussian, Mixture, SharedCode,
};
use crate::named_enum::named_enum;
use std::path::Path;
use zbridge_core::ConditionalDensity;
use zbridge_nn::WeightsFile;

/// Declares the densities that a conditional can have as members, with their names in files.
macro_rules! densities {
    ($($Kind:ident($Density:ty) = $name:literal,)+) => {
        /// A fitted density of one of the families, in the coordinates of its frames.
        #[derive(Debug, Clone, PartialEq)]
        pub(crate) enum Density {
            $($Kind($Density),)+
        }

        named_enum! {
            /// What a file says that a stored density is.
            #[derive(Debug, Clone, Copy, PartialEq, Eq)]
            pub(crate) enum DensityKind("density") {
                $($Kind = $name,)+
            }
        }

        impl Density {
            fn kind(&self) -> DensityKind {
                match self {
                    $(Self::$Kind(_) => DensityKind::$Kind,)+
                }
            }

            /// Returns the density behind its family.
            pub(crate) fn as_dyn(&self) -> &(dyn ConditionalDensity + Sync) {
                match self {
                    $(Self::$Kind(density) => density,)+
                }
            }

            fn put_parts_into(&self, file: &mut WeightsFile, prefix: &str) {
                match self {
                    $(Self::$Kind(density) => density.put_into(file, prefix),)+
                }
            }

            fn of_kind(
                kind: DensityKind,
                file: &WeightsFile,
                prefix: &str,
                path: &Path,
            ) -> Result<Self, BridgeError> {
                Ok(match kind {
                    $(DensityKind::$Kind => {
                        Self::$Kind(<$Density>::from_file(file, prefix, path)?)
                    })+
                })
            }
        }
    };
}

densities! {
    LinearGaussian(LinearGaussian) = "linear-gaussian",
    Gaussian(GaussianDensity) = "gaussian",
    FullGaussian(FullGaussian) = "full-gaussian",
    Mixture(Mixture) = "mixture",
    Flow(CouplingFlow) = "flow",
    FlowMatching(FlowMatching) = "flow-matching",
    SharedCode(SharedCode) = "shared-code",
}

impl Density {
    /// Returns the mixture that this is, if it is one.
    pub(crate) fn as_mixture(&self) -> Option<&Mixture> {
        match self {
            Self::Mixture(mixture) => Some(mixture),
            _ => None,
        }
    }

    pub(crate) fn put_into(&self, file: &mut WeightsFile, prefix: &str) {
        self.put_parts_into(file, prefix);
        let kind = format!("\"{}\"", self.kind());
        file.metadata.insert(format!("{prefix}.kind"), kind);
    }

    /// Returns the density stored under `prefix`; `path` names the file in errors.
    ///
    /// # Errors
    /// [`BridgeError::Network`] if a part is missing, or parts contradict each other.
    pub(crate) fn from_file(
        file: &WeightsFile,
        prefix: &str,
        path: &Path,
    ) -> Result<Self, BridgeError> {
        let kind = file.parsed_metadata(&format!("{prefix}.kind"), path)?;
        Self::of_kind(kind, file, prefix, path)
    }
}
