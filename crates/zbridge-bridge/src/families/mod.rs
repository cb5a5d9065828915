//! The families of conditional densities, one file each. All work on plain numbers as they come: what makes them
//! small enough to fit from few pairs (standardising, leaving out collapsed dimensions) happens around them.

mod gaussian;
#[cfg(test)]
pub(crate) mod laws;

pub use gaussian::GaussianDensity;
