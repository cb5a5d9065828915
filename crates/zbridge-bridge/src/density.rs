use crate::BridgeError;
use crate::families::{
    CouplingFlow, FamilyDensity, FlowMatching, FullGaussian, GaussianDensity, KernelRegression,
    LinearGaussian, Mixture, Relative, SharedCode, put_json,
};
use crate::named_enum::named_enum;
use std::path::Path;
use zbridge_core::ConditionalDensity;
use zbridge_nn::WeightsFile;

/// Declares the densities that a conditional can have as members, with their names in files. A new
/// family has a line in the table below.
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

            /// Returns the density as a function from sources to distributions.
            pub(crate) fn as_dyn(&self) -> &(dyn ConditionalDensity + Sync) {
                match self {
                    $(Self::$Kind(density) => density,)+
                }
            }

            /// Returns the same density with the logits of its mixture, if it is one, multiplied by
            /// `inverse_temperature`.
            pub(crate) fn with_inverse_temperature(self, inverse_temperature: f32) -> Self {
                match self {
                    $(Self::$Kind(density) => {
                        Self::$Kind(density.with_inverse_temperature(inverse_temperature))
                    })+
                }
            }

            fn put_parts_into(
                &self,
                file: &mut WeightsFile,
                prefix: &str,
            ) -> Result<(), BridgeError> {
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
    KernelRegression(KernelRegression) = "kernel-regression",
    Relative(Relative) = "relative",
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

    /// Puts the density into a file, under `prefix`.
    ///
    /// # Errors
    /// [`BridgeError::Network`] if metadata cannot be written as JSON.
    pub(crate) fn put_into(&self, file: &mut WeightsFile, prefix: &str) -> Result<(), BridgeError> {
        self.put_parts_into(file, prefix)?;
        put_json(file, format!("{prefix}.kind"), &self.kind())
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
