//! Latents files: arrays in a container of any kind, and what they mean.
//!
//! `roles` finds the arrays that hold latents, `posterior` and `ids` make values of them.

mod file;
mod generated;
mod ids;
mod ids_table;
mod inspection;
mod posterior;
mod read;
mod roles;
mod safetensors_writer;
mod stream;
mod summary;
#[cfg(test)]
mod tests;
mod write;
mod write_blocks;

pub use file::LatentsFile;
pub use generated::GeneratedLatents;
pub use ids::IdSource;
pub use inspection::{InspectedArray, Inspection, NotFinite, RepeatedId};
pub use roles::LatentsKind;
pub use safetensors_writer::Precision;
pub use stream::LatentsStream;
pub use summary::LatentsSummary;
