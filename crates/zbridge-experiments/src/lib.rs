//! Experiments with zbridge: the demo, the reproduction of the paper, comparisons with published
//! figures, learning curves, and other modalities.
#![forbid(unsafe_code)]

pub mod compare;
pub mod demo;
mod digits;
pub mod experiments;
mod labelled_stages;
pub mod learning_curve;
mod pages;
mod points;
pub mod reproduce;
