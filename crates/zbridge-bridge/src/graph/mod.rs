//! Labels of points without one, by their neighbours among all points: label spreading (Zhou,
//! Bousquet, Lal, Weston & Schölkopf 2004).

mod class_mass;
mod diffusion;
mod neighbour_graph;
mod spreading;

pub(crate) use class_mass::ClassShares;
pub(crate) use diffusion::diffused;
pub(crate) use neighbour_graph::NeighbourGraph;
pub(crate) use spreading::{GivenLabels, spread};
