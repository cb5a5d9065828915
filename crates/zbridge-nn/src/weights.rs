//! Weights files: named tensors and metadata in safetensors, whole or half precision, written
//! atomically.

use crate::{Adam, Network, NnError};
use half::f16;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use std::collections::{BTreeMap, HashMap};
use std::path::Path;

/// How floating-point numbers are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Precision {
    /// 16 bits: for models that ship.
    Half,
    /// 32 bits: for checkpoints and bridges, which must come back bit by bit.
    Single,
}

/// A tensor with its shape, row-major.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredTensor {
    /// Its shape.
    pub shape: Vec<usize>,
    /// Its values.
    pub values: Vec<f32>,
}

/// The content of a weights file: metadata and tensors by name.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct WeightsFile {
    /// What the numbers are and where they came from.
    pub metadata: BTreeMap<String, String>,
    /// The numbers.
    pub tensors: BTreeMap<String, StoredTensor>,
}

impl WeightsFile {
    /// The content of `bytes`; `path` names them in errors.
    ///
    /// # Errors
    /// [`NnError::Weights`] when the bytes are no safetensors file, are cut, or hold other than f16
    /// or f32.
    pub fn from_bytes(bytes: &[u8], path: &Path) -> Result<Self, NnError> {
        let fault = |reason: String| NnError::Weights {
            path: path.to_owned(),
            reason,
        };
        let broken = |error| {
            fault(format!(
                "not a whole safetensors file ({error}); get the file anew"
            ))
        };
        let (_, header) = SafeTensors::read_metadata(bytes).map_err(broken)?;
        let file = SafeTensors::deserialize(bytes).map_err(broken)?;
        let own = header
            .metadata()
            .as_ref()
            .and_then(|entries| entries.get(ZBRIDGE_KEY));
        let metadata = own
            .and_then(|text| serde_json::from_str(text).ok())
            .unwrap_or_default();
        let mut tensors = BTreeMap::new();
        for (name, view) in file.tensors() {
            let values = decode(&view).ok_or_else(|| {
                fault(format!(
                    "tensor `{name}` is {:?}, not f16 or f32",
                    view.dtype()
                ))
            })?;
            tensors.insert(
                name,
                StoredTensor {
                    shape: view.shape().to_vec(),
                    values,
                },
            );
        }
        Ok(Self { metadata, tensors })
    }

    /// The content of the file at `path`.
    ///
    /// # Errors
    /// [`NnError::Io`] when it cannot be read, [`NnError::Weights`] when it is not a weights file.
    pub fn read(path: &Path) -> Result<Self, NnError> {
        let bytes = std::fs::read(path).map_err(io(path, "read it"))?;
        Self::from_bytes(&bytes, path)
    }

    /// The file's bytes; the same content gives the same bytes.
    ///
    /// # Errors
    /// [`NnError::Weights`] when a tensor's shape does not fit its values.
    pub fn to_bytes(&self, precision: Precision) -> Result<Vec<u8>, NnError> {
        let fault = |error: safetensors::SafeTensorError| NnError::Weights {
            path: "weights".into(),
            reason: format!("cannot be stored: {error}"),
        };
        let stored: Vec<(&String, &[usize], Vec<u8>)> = self
            .tensors
            .iter()
            .map(|(name, tensor)| {
                (
                    name,
                    tensor.shape.as_slice(),
                    encode(&tensor.values, precision),
                )
            })
            .collect();
        let dtype = if precision == Precision::Half {
            Dtype::F16
        } else {
            Dtype::F32
        };
        let views: Result<Vec<_>, _> = stored
            .iter()
            .map(|(name, shape, bytes)| {
                TensorView::new(dtype, shape.to_vec(), bytes).map(|view| (name.as_str(), view))
            })
            .collect();
        // One metadata entry: the map's order is not fixed, and the bytes must be.
        let header = serde_json::to_string(&self.metadata).unwrap_or_default();
        let metadata = HashMap::from([(ZBRIDGE_KEY.to_owned(), header)]);
        safetensors::serialize(views.map_err(fault)?, Some(metadata)).map_err(fault)
    }

    /// Writes the file whole or not at all: temporary file beside it, sync, rename.
    ///
    /// # Errors
    /// [`NnError::Io`] when the folder cannot be written; [`NnError::Weights`] as in
    /// [`to_bytes`](Self::to_bytes).
    pub fn write(&self, path: &Path, precision: Precision) -> Result<(), NnError> {
        let bytes = self.to_bytes(precision)?;
        zbridge_core::replace_file(path, |file| file.write_all(&bytes))
            .map_err(io(path, "write it"))
    }

    /// Adds every parameter of a network as `prefix.<name>`.
    pub fn put_network(&mut self, prefix: &str, network: &Network, parameters: &[f32]) {
        for tensor in network.tensors() {
            let values = parameters[tensor.range.clone()].to_vec();
            self.tensors.insert(
                format!("{prefix}.{}", tensor.name),
                StoredTensor {
                    shape: tensor.shape.clone(),
                    values,
                },
            );
        }
    }

    /// A network's parameters from its tensors `prefix.<name>`; `path` names the file in errors.
    ///
    /// # Errors
    /// [`NnError::Weights`] when a tensor is missing, has another shape, or holds NaN or infinity.
    pub fn network_parameters(
        &self,
        prefix: &str,
        network: &Network,
        path: &Path,
    ) -> Result<Vec<f32>, NnError> {
        let mut parameters = vec![0.0; network.parameter_count()];
        for tensor in network.tensors() {
            let stored = self.tensor(&format!("{prefix}.{}", tensor.name), &tensor.shape, path)?;
            parameters[tensor.range.clone()].copy_from_slice(stored);
        }
        Ok(parameters)
    }

    /// Adds an optimiser's state: what a checkpoint must hold besides weights.
    pub fn put_adam(&mut self, adam: &Adam) {
        let (first, second, steps) = adam.state();
        for (name, values) in [("adam.first", first), ("adam.second", second)] {
            self.tensors.insert(
                name.into(),
                StoredTensor {
                    shape: vec![values.len()],
                    values: values.to_vec(),
                },
            );
        }
        self.metadata.insert("adam.steps".into(), steps.to_string());
    }

    /// The optimiser of `parameters` numbers that [`put_adam`](Self::put_adam) added; `path` names
    /// the file in errors.
    ///
    /// # Errors
    /// [`NnError::Weights`] when a part is missing or has another size.
    pub fn adam(&self, parameters: usize, path: &Path) -> Result<Adam, NnError> {
        let first = self.tensor("adam.first", &[parameters], path)?.to_vec();
        let second = self.tensor("adam.second", &[parameters], path)?.to_vec();
        Ok(Adam::with_state(
            first,
            second,
            self.parsed_metadata("adam.steps", path)?,
        ))
    }

    /// The values of tensor `name`, which must have `shape` and be finite.
    ///
    /// # Errors
    /// [`NnError::Weights`] otherwise.
    pub fn tensor(&self, name: &str, shape: &[usize], path: &Path) -> Result<&[f32], NnError> {
        let fault = |reason: String| NnError::Weights {
            path: path.to_owned(),
            reason,
        };
        let stored = self.tensors.get(name).ok_or_else(|| {
            let names: Vec<&str> = self.tensors.keys().map(String::as_str).take(8).collect();
            fault(format!(
                "has no tensor `{name}`; it holds {} tensors: {} …",
                self.tensors.len(),
                names.join(", ")
            ))
        })?;
        if stored.shape != shape {
            return Err(fault(format!(
                "tensor `{name}` has shape {:?} where {shape:?} is needed",
                stored.shape
            )));
        }
        match stored.values.iter().position(|value| !value.is_finite()) {
            Some(at) => Err(fault(format!(
                "tensor `{name}` holds {} at position {at}",
                stored.values[at]
            ))),
            None => Ok(&stored.values),
        }
    }

    /// Metadata entry `key`, parsed from JSON.
    ///
    /// # Errors
    /// [`NnError::Weights`] when it is missing or does not parse.
    pub fn parsed_metadata<T: serde::de::DeserializeOwned>(
        &self,
        key: &str,
        path: &Path,
    ) -> Result<T, NnError> {
        let fault = |reason: String| NnError::Weights {
            path: path.to_owned(),
            reason,
        };
        let text = self.metadata.get(key).ok_or_else(|| {
            fault(format!(
                "has no metadata `{key}`: it was not written by zbridge, or is another kind of file"
            ))
        })?;
        serde_json::from_str(text).map_err(|error| fault(format!("metadata `{key}`: {error}")))
    }
}

const ZBRIDGE_KEY: &str = "zbridge";

fn decode(view: &TensorView) -> Option<Vec<f32>> {
    let bytes = view.data();
    match view.dtype() {
        Dtype::F32 => Some(
            bytes
                .chunks_exact(4)
                .map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]))
                .collect(),
        ),
        Dtype::F16 => Some(
            bytes
                .chunks_exact(2)
                .map(|b| f16::from_le_bytes([b[0], b[1]]).to_f32())
                .collect(),
        ),
        _ => None,
    }
}

fn encode(values: &[f32], precision: Precision) -> Vec<u8> {
    match precision {
        Precision::Single => bytemuck::cast_slice::<f32, u8>(values).to_vec(),
        Precision::Half => values
            .iter()
            .flat_map(|&value| f16::from_f32(value).to_le_bytes())
            .collect(),
    }
}

fn io<'p>(path: &'p Path, action: &'static str) -> impl Fn(std::io::Error) -> NnError + 'p {
    move |source| NnError::Io {
        path: path.to_owned(),
        action,
        source,
    }
}
