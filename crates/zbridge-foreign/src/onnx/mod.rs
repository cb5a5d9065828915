//! ONNX files: what they hold, whether they may be run, and running them.

mod adapt;
mod depth;
mod external_data;
mod graph;
mod network;
mod workers;

pub use graph::{Dimension, Graph, Port};
pub(crate) use network::Network;
