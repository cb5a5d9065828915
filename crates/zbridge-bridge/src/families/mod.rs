//! The families of conditional densities. All work on plain numbers as they come: what makes them
//! small enough to fit from few pairs (standardising, leaving out collapsed dimensions) happens
//! around them.

mod categorical;
mod components;
mod conditioner;
mod expectation_maximisation;
mod family_density;
mod flow;
mod flow_matching;
mod full_gaussian;
mod gaussian;
mod kernel_regression;
#[cfg(test)]
pub(crate) mod laws;
mod linear_gaussian;
mod mixture;
mod mlp;
mod parametric;
mod relative;
mod shared_code;
mod smooth_clamp;
mod stored;
mod transport;
#[cfg(test)]
mod trial;

pub(crate) use categorical::{category, softmax_rows};
pub(crate) use components::responsibilities;
pub(crate) use conditioner::Conditioner;
pub(crate) use expectation_maximisation::fit_components;
pub(crate) use family_density::FamilyDensity;
pub(crate) use flow::{CouplingFlow, FlowShape};
pub(crate) use flow_matching::FlowMatching;
pub(crate) use full_gaussian::FullGaussian;
pub use gaussian::GaussianDensity;
pub(crate) use kernel_regression::{FittedMean, KernelMean, KernelRegression, ResidualPairs};
pub(crate) use linear_gaussian::{LinearGaussian, shrunk};
pub(crate) use mixture::{Mixture, MixtureTape};
pub(crate) use relative::{Base, Relative, SideInGeneral, Tilt};
pub(crate) use shared_code::{SharedCode, WhitenedFlow};
pub(crate) use stored::{put_json, put_vector, stored};
