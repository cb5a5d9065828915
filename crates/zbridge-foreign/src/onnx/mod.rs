//! ONNX files: what they hold, whether they may be run, and running them.

mod adapt;
mod chain;
mod external_data;
mod general;
mod graph;
mod network;
mod wire;
mod workers;

pub use graph::{Dimension, Graph, Port};
pub(crate) use network::Network;
