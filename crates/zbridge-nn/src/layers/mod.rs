//! The layers whose passes are more than one loop: forward and backward side by side.
//!
//! `x` is the input of a layer and `y` its output; `dx` and `dy` are the gradients of the objective
//! at both.

pub(crate) mod batch_norm;
pub(crate) mod convolution;
pub(crate) mod dropout;
pub(crate) mod linear;
pub(crate) mod transposed_convolution;
