//! The few loops in which the native engine spends its time.

pub(crate) mod activation;
pub(crate) mod batch_norm;
pub(crate) mod elementwise;
pub(crate) mod gates;
pub(crate) mod lane_steps;
pub(crate) mod lanes;
pub(crate) mod matmul;
pub(crate) mod transpose;
pub(crate) mod windows;
