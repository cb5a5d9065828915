use crate::NnError;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Where networks run.
///
/// ```
/// use zbridge_nn::Device;
/// assert_eq!("cuda:1".parse::<Device>()?, Device::Cuda(1));
/// assert_eq!(Device::Wgpu(0).to_string(), "wgpu:0");
/// assert!(Device::Cpu.available().is_ok());
/// # Ok::<(), zbridge_nn::NnError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
#[non_exhaustive]
pub enum Device {
    /// The processor, by the native engine.
    #[default]
    Cpu,
    /// The processor, by burn's `flex`: slower, there to check the native engine.
    Flex,
    /// The NVIDIA GPU of this number.
    Cuda(usize),
    /// The GPU of this number, in the order in which Vulkan, Metal or DirectX lists them.
    Wgpu(usize),
}

impl Device {
    /// Nothing, once the device has done a small computation.
    ///
    /// # Errors
    /// [`NnError::Device`] when this build or this machine lacks it, with what to do.
    pub fn available(self) -> Result<(), NnError> {
        match self {
            Self::Cpu => Ok(()),
            #[cfg(feature = "burn")]
            _ => crate::burn_engine::BurnDevice::open(self).map(drop),
            #[cfg(not(feature = "burn"))]
            _ => Err(self.not_built()),
        }
    }

    /// The error for a device that this build was not compiled for.
    pub fn not_built(self) -> NnError {
        let feature = match self {
            Self::Cpu | Self::Flex => "flex",
            Self::Cuda(_) => "cuda",
            Self::Wgpu(_) => "wgpu",
        };
        self.unavailable(format!(
            "this build has no `{feature}`; build with `cargo build --release --features {feature}`, or use `cpu`"
        ))
    }

    pub(crate) fn unavailable(self, reason: String) -> NnError {
        NnError::Device {
            name: self.to_string(),
            reason,
        }
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cpu => f.write_str("cpu"),
            Self::Flex => f.write_str("flex"),
            Self::Cuda(index) => write!(f, "cuda:{index}"),
            Self::Wgpu(index) => write!(f, "wgpu:{index}"),
        }
    }
}

impl FromStr for Device {
    type Err = NnError;

    fn from_str(text: &str) -> Result<Self, NnError> {
        let (kind, index) = text
            .split_once(':')
            .map_or((text, None), |(kind, index)| (kind, Some(index)));
        let number = index.map_or(Some(0), |index| index.parse().ok());
        let device = match (kind, index, number) {
            ("cpu", None, _) => Some(Self::Cpu),
            ("flex", None, _) => Some(Self::Flex),
            ("cuda", _, Some(number)) => Some(Self::Cuda(number)),
            ("wgpu", _, Some(number)) => Some(Self::Wgpu(number)),
            _ => None,
        };
        device.ok_or_else(|| NnError::Device {
            name: text.into(),
            reason: "no such device; there are `cpu`, `cuda`, `cuda:1`, …, `wgpu`, `wgpu:1`, … and `flex`".into(),
        })
    }
}

impl TryFrom<String> for Device {
    type Error = NnError;

    fn try_from(text: String) -> Result<Self, NnError> {
        text.parse()
    }
}

impl From<Device> for String {
    fn from(device: Device) -> Self {
        device.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_comes_back_from_its_text() {
        for device in [
            Device::Cpu,
            Device::Flex,
            Device::Cuda(0),
            Device::Cuda(3),
            Device::Wgpu(1),
        ] {
            assert_eq!(device.to_string().parse::<Device>().unwrap(), device);
            let json = serde_json::to_string(&device).unwrap();
            assert_eq!(serde_json::from_str::<Device>(&json).unwrap(), device);
        }
        assert_eq!("cuda".parse::<Device>().unwrap(), Device::Cuda(0));
        for text in ["gpu", "cpu:0", "cuda:", "cuda:-1", "wgpu:x", ""] {
            assert!(text.parse::<Device>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_device_that_is_not_there_is_an_error_in_every_build() {
        for device in [Device::Cuda(99), Device::Wgpu(99)] {
            let error = device.available().unwrap_err().to_string();
            assert!(
                error.starts_with(&format!("device `{device}`: this ")),
                "{error}"
            );
        }
    }

    #[cfg(not(feature = "cuda"))]
    #[test]
    fn a_device_that_was_not_built_says_how_to_build_it() {
        let error = Device::Cuda(0).available().unwrap_err().to_string();
        assert!(
            error.contains("`cuda:0`") && error.contains("--features cuda"),
            "{error}"
        );
    }
}
