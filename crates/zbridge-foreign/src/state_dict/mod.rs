//! Named tensors as other programs save them: PyTorch's state dicts, and safetensors. No code in a
//! file is run.

mod checkpoint;
mod named_tensor;
mod pickle;
mod safetensors_file;
mod torch_archive;
mod torch_file;

pub use named_tensor::{NamedTensor, NumberType};

use crate::{ForeignError, file_access};
use ndarray::ArrayD;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The tensors of a file by their names.
///
/// ```
/// use zbridge_foreign::StateDict;
///
/// let weights = StateDict::read("tests/fixtures/state-dicts/plain.safetensors")?;
/// for (name, tensor) in weights.tensors() {
///     println!("{name}: {} {:?}", tensor.number_type(), tensor.shape());
/// }
/// let weight = weights.values("0.weight", &[2, 3])?;
/// assert_eq!(weight.shape(), [2, 3]);
/// # Ok::<(), zbridge_foreign::ForeignError>(())
/// ```
#[derive(Debug, Clone)]
pub struct StateDict {
    path: PathBuf,
    tensors: BTreeMap<String, NamedTensor>,
}

impl StateDict {
    /// Returns the tensors of a file: one of `torch.save` (`.pt`, `.pth`, `.bin`), a safetensors
    /// file, or an index of several (`.index.json`).
    ///
    /// Of a checkpoint that holds a state dict under `state_dict`, `model_state_dict`, `model` or
    /// `ema_state_dict`, only these tensors are returned. Names in nested containers are joined by
    /// dots.
    ///
    /// # Errors
    /// [`ForeignError::Refused`] if a pickle asks for code, [`ForeignError::OldTorchFile`] for
    /// files from before PyTorch 1.6, [`ForeignError::Damaged`], and the errors of reading.
    pub fn read(path: impl AsRef<Path>) -> Result<Self, ForeignError> {
        let path = path.as_ref();
        Ok(Self {
            path: path.into(),
            tensors: read_tensors(path)?,
        })
    }

    /// Returns the path of the file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns all tensors with their names, ordered by name.
    pub fn tensors(&self) -> impl Iterator<Item = (&str, &NamedTensor)> {
        self.tensors
            .iter()
            .map(|(name, tensor)| (name.as_str(), tensor))
    }

    /// Returns the tensor of this name.
    pub fn tensor(&self, name: &str) -> Option<&NamedTensor> {
        self.tensors.get(name)
    }

    /// Returns the values of the tensor `name`, which must have `shape`.
    ///
    /// # Errors
    /// [`ForeignError::NoTensor`], [`ForeignError::Shape`], [`ForeignError::NumberType`].
    pub fn values(&self, name: &str, shape: &[usize]) -> Result<ArrayD<f32>, ForeignError> {
        let tensor = self.tensor(name);
        let tensor = tensor.ok_or_else(|| self.no_tensor(name, shape))?;
        if tensor.shape() != shape {
            return Err(self.wrong_shape(name, tensor, shape));
        }
        let values = tensor.to_f32();
        values.ok_or_else(|| self.wrong_type(name, tensor))
    }

    fn no_tensor(&self, name: &str, expected: &[usize]) -> ForeignError {
        ForeignError::NoTensor {
            path: self.path.clone(),
            tensor: name.into(),
            expected: expected.to_vec(),
        }
    }

    fn wrong_shape(&self, name: &str, tensor: &NamedTensor, expected: &[usize]) -> ForeignError {
        ForeignError::Shape {
            path: self.path.clone(),
            tensor: name.into(),
            expected: expected.to_vec(),
            found: tensor.shape().to_vec(),
        }
    }

    fn wrong_type(&self, name: &str, tensor: &NamedTensor) -> ForeignError {
        ForeignError::NumberType {
            path: self.path.clone(),
            tensor: name.into(),
            expected: "float16, bfloat16, float32 or float64",
            found: tensor.number_type().to_string(),
        }
    }
}

fn read_tensors(path: &Path) -> Result<BTreeMap<String, NamedTensor>, ForeignError> {
    let name = path.to_string_lossy();
    if name.ends_with(".index.json") {
        return safetensors_file::read_sharded(path);
    }
    let bytes = file_access::read(path)?;
    match name.ends_with(".safetensors") {
        true => safetensors_file::read(bytes, path),
        false => torch_file::read(&bytes, path),
    }
}
