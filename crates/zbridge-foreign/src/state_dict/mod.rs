//! Named tensors as other programs save them: PyTorch's state dicts, and safetensors. Nothing in a
//! file is run.

mod named_tensor;
mod pickle;
mod pickle_stack;
mod safetensors_file;
mod torch_file;

pub use named_tensor::{NamedTensor, NumberType};

use crate::ForeignError;
use crate::file_bytes;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The tensors of a file by their names.
#[derive(Debug, Clone)]
pub struct StateDict {
    path: PathBuf,
    tensors: BTreeMap<String, NamedTensor>,
}

impl StateDict {
    /// The tensors in a file: PyTorch's (`.pt`, `.pth`, `.bin`), safetensors, or an index of
    /// several (`.index.json`).
    ///
    /// Of a checkpoint that holds a state dict under `state_dict`, `model_state_dict` or `model`,
    /// these tensors alone; names of other nested containers are joined by dots.
    ///
    /// # Errors
    /// [`ForeignError::Refused`] where a pickle asks for code; [`ForeignError::Damaged`] and the
    /// errors of reading.
    pub fn read(path: &Path) -> Result<Self, ForeignError> {
        let is_index = path.to_string_lossy().ends_with(".index.json");
        let tensors = match is_index {
            true => safetensors_file::read_sharded(path)?,
            false => Self::tensors_in(path)?,
        };
        Ok(Self {
            path: path.into(),
            tensors,
        })
    }

    fn tensors_in(path: &Path) -> Result<BTreeMap<String, NamedTensor>, ForeignError> {
        let bytes = file_bytes::read(path)?;
        if path
            .extension()
            .is_some_and(|extension| extension == "safetensors")
        {
            return safetensors_file::read(bytes, path);
        }
        torch_file::read(&bytes, path)
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// All tensors with their names, in the order of these.
    pub fn tensors(&self) -> impl Iterator<Item = (&str, &NamedTensor)> {
        self.tensors
            .iter()
            .map(|(name, tensor)| (name.as_str(), tensor))
    }

    /// The tensor of this name.
    pub fn tensor(&self, name: &str) -> Option<&NamedTensor> {
        self.tensors.get(name)
    }

    /// The values of the tensor `name`, once it has `shape`.
    ///
    /// # Errors
    /// [`ForeignError::NoTensor`], [`ForeignError::Shape`], [`ForeignError::NumberType`].
    pub fn values(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>, ForeignError> {
        let (path, named) = (|| self.path.clone(), || name.to_string());
        let Some(tensor) = self.tensor(name) else {
            return Err(ForeignError::NoTensor {
                path: path(),
                tensor: named(),
                expected: shape.to_vec(),
            });
        };
        if tensor.shape() != shape {
            let (expected, found) = (shape.to_vec(), tensor.shape().to_vec());
            return Err(ForeignError::Shape {
                path: path(),
                tensor: named(),
                expected,
                found,
            });
        }
        tensor.to_f32().ok_or_else(|| ForeignError::NumberType {
            path: path(),
            tensor: named(),
            expected: "float16, bfloat16, float32 or float64",
            found: tensor.number_type().to_string(),
        })
    }
}
