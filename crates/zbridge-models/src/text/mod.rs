//! A variational auto-encoder of texts, written out for the native engine (Bowman et al. 2016).
//!
//! ```text
//! symbols ─▶ embedding ─▶ GRU ─▶ its last state ─▶ means, log-variances
//!                 z, symbol before ─▶ embedding, GRU ─▶ logits of the next symbol
//! ```
//!
//! The decoder sees z at every step, and in training the true symbol before, or a blank in its
//! place: what it cannot guess from the symbols before it must read from z, so that the latents do
//! not fall silent.

mod architecture;
mod decoder;
mod encoder;
mod figures;
mod posterior_draw;
mod recurrent_network;
mod tensors;
mod text_vae;
mod texts;
mod training;

pub use architecture::{TextVaeArchitecture, TextVaeConfig};
pub use figures::TextFigures;
pub use text_vae::TextVae;
pub use training::{TextObjective, TextVaeTrainer};
