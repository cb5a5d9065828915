//! Arrays of files before it is known what they mean: the type, the shape and the elements.

mod bytes;
mod element_type;
mod elements;
mod header;

pub(crate) use bytes::{f32_bytes, i64_bytes};
pub(crate) use element_type::ElementType;
pub(crate) use elements::Elements;
pub(crate) use header::ArrayHeader;
