//! ONNX files: reading and checking them, and running their networks.
//!
//! A [`network::Network`] runs on one of two engines: [`chain`], the kernels of zbridge's own
//! networks, for graphs that are one layer after another, and [`rten_network`] for all others.

mod batch_size;
mod chain;
mod external_data;
mod graph;
mod graph_evidence;
mod graph_proto;
mod network;
mod operator;
mod parallel_map;
mod port;
mod rewrite;
mod rten_error;
mod rten_network;
mod tensor_data;
mod wire_format;

pub use graph::Graph;
pub(crate) use graph_evidence::LastOperator;
pub use network::Engine;
pub(crate) use network::Network;
pub use port::{Dimension, Port};
