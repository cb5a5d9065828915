//! The burn engine: the same [`Network`](crate::Network)s over tensors on a GPU, with burn's
//! automatic derivatives.
//!
//! The native engine is the fast one on a processor. This one is for GPUs, and it checks the
//! derivatives that the native one writes out by hand: both read the same flat parameter vector
//! and, given the same noise, follow the same path up to rounding.
//!
//! ```
//! # #[cfg(feature = "flex")] {
//! use zbridge_nn::burn_engine::{BurnDevice, BurnNetwork};
//! use zbridge_nn::{Device, Layer, Mode, Network};
//!
//! let network = Network::new(vec![Layer::Linear { inputs: 2, outputs: 1 }])?;
//! let device = BurnDevice::open(Device::Flex)?;
//! let on_device = BurnNetwork::new(&network, &[1.0, -1.0, 0.5], &device);
//! let output = on_device.forward(device.tensor(vec![3.0, 2.0], [1, 2]), Mode::Inference);
//! assert_eq!(device.read(output)?, [1.5]);
//! # }
//! # Ok::<(), zbridge_nn::NnError>(())
//! ```

mod burn_adam;
mod burn_device;
mod burn_likelihood;
mod burn_network;

/// A tensor on a device, and the gradients of a backward pass: what objectives are written in.
pub use burn::tensor::{Gradients, Tensor};
pub use burn_adam::BurnAdam;
pub use burn_device::BurnDevice;
pub use burn_network::{BatchStatistics, BurnNetwork};
