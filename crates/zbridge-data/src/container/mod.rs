//! Files that hold arrays with names: safetensors, `.npy`, `.npz` and Parquet.
//!
//! [`ArrayFile`] opens any of them; what the arrays mean is not its business.

mod array_file;
mod kind;
mod named_arrays;
mod npy;
mod npz;
mod parquet;
mod row_file;
mod safetensors;

pub(crate) use array_file::ArrayFile;
pub use kind::Container;
pub(crate) use named_arrays::NamedArrays;
pub(crate) use row_file::RowFile;
