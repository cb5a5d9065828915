//! The few loops in which the engine spends its time.

pub(crate) mod adam_update;
pub(crate) mod aligned_buffer;
pub(crate) mod batch_norm;
pub(crate) mod bernoulli;
pub mod elementary;
pub(crate) mod elementwise;
pub(crate) mod gates;
pub(crate) mod matrix;
pub(crate) mod multiply;
pub(crate) mod packed_weight;
pub(crate) mod product;
pub(crate) mod transpose;
pub(crate) mod windows;
