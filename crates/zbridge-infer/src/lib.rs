//! Networks with fixed parameters, run on many rows at once.
//!
//! [`zbridge_nn`] trains networks; this crate runs them once they no longer change, several times
//! as fast as a forward pass of the trainer, and networks that were trained elsewhere. Weights are
//! stored in the order in which they are read, each row of a batch has a lane of a vector register
//! through all layers, and activations are applied before a sum leaves the nearest cache.
//!
//! A network is made for one [`InstructionSet`](zbridge_nn::InstructionSet), by default the
//! current one: how many sums are kept in registers at once depends on how many registers there
//! are.
//!
//! ```
//! use ndarray::array;
//! use zbridge_infer::{FixedNetwork, Workspace};
//! use zbridge_nn::{Layer, Network};
//!
//! let network = Network::new(vec![Layer::Linear { inputs: 2, outputs: 1 }])?;
//! let fixed = FixedNetwork::new(&network, &[10.0, 1.0, 0.5]);
//! let mut workspace = Workspace::default();
//! let outputs = fixed.forward(array![[1.0, 2.0], [3.0, 4.0]].view(), &mut workspace);
//! assert_eq!(outputs, array![[12.5], [34.5]]);
//! # Ok::<(), zbridge_nn::NnError>(())
//! ```
#![forbid(unsafe_code)]

mod activation;
mod axis;
mod column_steps;
mod fixed_network;
mod grid_convolution;
mod lanes;
mod receptive_field;
mod stencil;
mod step;
mod steps;
mod weighted_sums;

pub use activation::Activation;
pub use column_steps::{Affine, Tap};
pub use fixed_network::{FixedNetwork, Workspace};
pub use grid_convolution::{GridConvolution, GridSide};
