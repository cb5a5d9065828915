//! The families of conditional densities, one file each. All work on plain numbers as they come:
//! what makes them small enough to fit from few pairs (standardising, leaving out collapsed
//! dimensions) happens around them.

mod cholesky;
mod components;
mod conditioner;
mod dot;
mod flow;
mod flow_matching;
mod full_gaussian;
mod gaussian;
mod gaussian_mixture_fit;
mod given;
#[cfg(test)]
pub(crate) mod laws;
mod linear_gaussian;
mod mixture;
mod mlp;
mod shared_code;
mod soft_bound;
mod spline;
mod transport;
#[cfg(test)]
mod trial;

pub(crate) use cholesky::Cholesky;
pub(crate) use components::{chosen, normalise, responsibilities};
pub(crate) use conditioner::Conditioner;
pub(crate) use flow::{CouplingFlow, FlowShape};
pub(crate) use flow_matching::FlowMatching;
pub(crate) use full_gaussian::FullGaussian;
pub use gaussian::GaussianDensity;
pub(crate) use gaussian_mixture_fit::fit_components;
pub(crate) use linear_gaussian::LinearGaussian;
pub(crate) use mixture::{Mixture, MixtureTape};
pub(crate) use shared_code::{SharedCode, in_rows};
