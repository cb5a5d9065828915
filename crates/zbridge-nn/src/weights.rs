//! Weights files: named tensors and metadata in safetensors.

use crate::error::FileAction;
use crate::{Adam, Network, NnError};
use half::f16;
use safetensors::tensor::{Dtype, Metadata, SafeTensors, TensorView};
use serde::Serialize;
use std::collections::{BTreeMap, HashMap};
use std::path::Path;

/// How floating-point numbers are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Precision {
    /// 16 bits: for models that are shipped.
    Half,
    /// 32 bits: for checkpoints and bridges, which must be read back bit by bit.
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
///
/// ```
/// use zbridge_nn::{Precision, StoredTensor, WeightsFile};
///
/// let mut file = WeightsFile::default();
/// file.put_metadata("layers", &[3, 8, 2])?;
/// let bias = StoredTensor { shape: vec![2], values: vec![0.5, -1.0] };
/// file.tensors.insert("bias".into(), bias);
/// let bytes = file.to_bytes(Precision::Single)?;
/// let path = "doc.safetensors".as_ref(); // names the bytes in errors
/// assert_eq!(WeightsFile::from_bytes(&bytes, path)?, file);
/// # Ok::<(), zbridge_nn::NnError>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
pub struct WeightsFile {
    /// What the numbers are and where they came from.
    pub metadata: BTreeMap<String, String>,
    /// The numbers.
    pub tensors: BTreeMap<String, StoredTensor>,
}

/// The key of safetensors' own metadata under which all of ours is, as JSON: the order of that map
/// is not fixed, and the same content must give the same bytes.
const ZBRIDGE_KEY: &str = "zbridge";

impl WeightsFile {
    /// Returns the content of `bytes`; `path` names them in errors.
    ///
    /// # Errors
    /// [`NnError::Weights`] if the bytes are not a whole safetensors file, or have tensors other
    /// than f16 and f32.
    pub fn from_bytes(bytes: &[u8], path: &Path) -> Result<Self, NnError> {
        let broken = |error| {
            let reason = format!("not a whole safetensors file ({error}); get the file anew");
            NnError::weights(path, reason)
        };
        // `deserialize` checks offsets and lengths, but does not give the metadata.
        let (_, header) = SafeTensors::read_metadata(bytes).map_err(broken)?;
        let file = SafeTensors::deserialize(bytes).map_err(broken)?;
        let mut tensors = BTreeMap::new();
        for (name, view) in file.tensors() {
            let values = decode(&view).ok_or_else(|| {
                let dtype = view.dtype();
                NnError::weights(
                    path,
                    format!("tensor `{name}` is {dtype:?}, not f16 or f32"),
                )
            })?;
            let shape = view.shape().to_vec();
            tensors.insert(name, StoredTensor { shape, values });
        }
        Ok(Self {
            metadata: own_metadata(&header, path)?,
            tensors,
        })
    }

    /// Returns the content of the file at `path`.
    ///
    /// # Errors
    /// [`NnError::Io`] if it cannot be read, [`NnError::Weights`] if it is not a weights file.
    pub fn read(path: &Path) -> Result<Self, NnError> {
        let bytes = std::fs::read(path).map_err(io(path, FileAction::Read))?;
        Self::from_bytes(&bytes, path)
    }

    /// Returns the bytes of the file; the same content gives the same bytes.
    ///
    /// # Errors
    /// [`NnError::Weights`] if the shape of a tensor does not fit its values.
    pub fn to_bytes(&self, precision: Precision) -> Result<Vec<u8>, NnError> {
        let stored: BTreeMap<&str, Vec<u8>> = self
            .tensors
            .iter()
            .map(|(name, tensor)| (name.as_str(), encode(&tensor.values, precision)))
            .collect();
        let mut views = Vec::new();
        for (name, bytes) in &stored {
            let shape = self.tensors[*name].shape.clone();
            let view = TensorView::new(precision.dtype(), shape, bytes).map_err(unstorable)?;
            views.push((*name, view));
        }
        // safetensors sorts tensors itself; the map here has one entry, so its order is fixed.
        let own = serde_json::to_string(&self.metadata).map_err(unstorable)?;
        let metadata = HashMap::from([(ZBRIDGE_KEY.to_owned(), own)]);
        safetensors::serialize(views, Some(metadata)).map_err(unstorable)
    }

    /// Adds the metadata entry `key` as JSON, which [`parsed_metadata`](Self::parsed_metadata)
    /// reads.
    ///
    /// # Errors
    /// [`NnError::Weights`] if the value cannot be JSON.
    pub fn put_metadata(&mut self, key: &str, value: &impl Serialize) -> Result<(), NnError> {
        let text = serde_json::to_string(value).map_err(unstorable)?;
        self.metadata.insert(key.to_owned(), text);
        Ok(())
    }

    /// Adds a tensor of one dimension.
    fn put_vector(&mut self, name: &str, values: &[f32]) {
        let tensor = StoredTensor {
            shape: vec![values.len()],
            values: values.to_vec(),
        };
        self.tensors.insert(name.to_owned(), tensor);
    }

    /// Writes the file whole or not at all: to a temporary file beside it, which then replaces it.
    ///
    /// # Errors
    /// [`NnError::Io`] if the folder cannot be written; [`NnError::Weights`] as in
    /// [`to_bytes`](Self::to_bytes).
    pub fn write(&self, path: &Path, precision: Precision) -> Result<(), NnError> {
        let bytes = self.to_bytes(precision)?;
        zbridge_core::replace_file(path, |file| file.write_all(&bytes))
            .map_err(io(path, FileAction::Write))
    }

    /// Adds every parameter of a network as `prefix.<name>`.
    pub fn put_network(&mut self, prefix: &str, network: &Network, parameters: &[f32]) {
        for tensor in network.tensors() {
            let stored = StoredTensor {
                shape: tensor.shape.clone(),
                values: parameters[tensor.range.clone()].to_vec(),
            };
            self.tensors
                .insert(format!("{prefix}.{}", tensor.name), stored);
        }
    }

    /// Returns a network's parameters from its tensors `prefix.<name>`; `path` names the file in
    /// errors.
    ///
    /// # Errors
    /// As [`tensor`](Self::tensor).
    pub fn network_parameters(
        &self,
        prefix: &str,
        network: &Network,
        path: &Path,
    ) -> Result<Vec<f32>, NnError> {
        // Not allocated at once: a network that a file describes may be larger than its tensors.
        let mut parameters = Vec::new();
        for tensor in network.tensors() {
            let stored = self.tensor(&format!("{prefix}.{}", tensor.name), &tensor.shape, path)?;
            parameters.extend_from_slice(stored);
        }
        Ok(parameters)
    }

    /// Adds the state of an optimiser: what a checkpoint must hold besides weights.
    pub fn put_adam(&mut self, adam: &Adam) {
        self.put_vector("adam.first", adam.first_moments());
        self.put_vector("adam.second", adam.second_moments());
        let steps = adam.steps().to_string();
        self.metadata.insert("adam.steps".into(), steps);
    }

    /// Returns the optimiser of `parameters` numbers that [`put_adam`](Self::put_adam) added;
    /// `path` names the file in errors.
    ///
    /// # Errors
    /// [`NnError::Weights`] if a part is missing or has another size.
    pub fn adam(&self, parameters: usize, path: &Path) -> Result<Adam, NnError> {
        let first = self.tensor("adam.first", &[parameters], path)?.to_vec();
        let second = self.tensor("adam.second", &[parameters], path)?.to_vec();
        let steps = self.parsed_metadata("adam.steps", path)?;
        Ok(Adam::with_state(first, second, steps))
    }

    /// Returns the values of tensor `name`.
    ///
    /// # Errors
    /// [`NnError::Weights`] if it is missing, does not have the shape `shape`, or holds NaN or
    /// infinity.
    pub fn tensor(&self, name: &str, shape: &[usize], path: &Path) -> Result<&[f32], NnError> {
        let stored = self
            .tensors
            .get(name)
            .ok_or_else(|| NnError::weights(path, self.no_tensor(name)))?;
        if stored.shape != shape {
            let found = &stored.shape;
            let reason = format!("tensor `{name}` has shape {found:?} where {shape:?} is needed");
            return Err(NnError::weights(path, reason));
        }
        // One NaN would spread over every output, without a hint where it came from.
        match stored.values.iter().position(|value| !value.is_finite()) {
            None => Ok(&stored.values),
            Some(at) => {
                let value = stored.values[at];
                let reason = format!("tensor `{name}` holds {value} at position {at}");
                Err(NnError::weights(path, reason))
            }
        }
    }

    /// Says that there is no such tensor, and which there are.
    fn no_tensor(&self, name: &str) -> String {
        const MOST_NAMES: usize = 8;
        let names: Vec<&str> = self
            .tensors
            .keys()
            .map(String::as_str)
            .take(MOST_NAMES)
            .collect();
        format!(
            "has no tensor `{name}`; it holds {} tensors: {} …",
            self.tensors.len(),
            names.join(", ")
        )
    }

    /// Returns the metadata entry `key`, parsed from JSON.
    ///
    /// # Errors
    /// [`NnError::Weights`] if it is missing or does not parse.
    pub fn parsed_metadata<T: serde::de::DeserializeOwned>(
        &self,
        key: &str,
        path: &Path,
    ) -> Result<T, NnError> {
        let text = self.metadata.get(key).ok_or_else(|| {
            let reason = format!(
                "has no metadata `{key}`: it was not written by zbridge, or is another kind of file"
            );
            NnError::weights(path, reason)
        })?;
        let invalid = |error| NnError::weights(path, format!("metadata `{key}`: {error}"));
        serde_json::from_str(text).map_err(invalid)
    }
}

impl Precision {
    fn dtype(self) -> Dtype {
        match self {
            Self::Half => Dtype::F16,
            Self::Single => Dtype::F32,
        }
    }
}

/// Returns the metadata of a header; empty if zbridge did not write the file.
fn own_metadata(header: &Metadata, path: &Path) -> Result<BTreeMap<String, String>, NnError> {
    let entries = header.metadata().as_ref();
    match entries.and_then(|entries| entries.get(ZBRIDGE_KEY)) {
        None => Ok(BTreeMap::new()),
        Some(text) => serde_json::from_str(text).map_err(|error| {
            NnError::weights(
                path,
                format!("its metadata `{ZBRIDGE_KEY}` are broken: {error}"),
            )
        }),
    }
}

fn unstorable(error: impl std::fmt::Display) -> NnError {
    NnError::weights("weights".as_ref(), format!("cannot be stored: {error}"))
}

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

fn io<'p>(path: &'p Path, action: FileAction) -> impl Fn(std::io::Error) -> NnError + 'p {
    move |source| NnError::Io {
        path: path.to_owned(),
        action,
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATH: &str = "test.safetensors";

    fn file() -> WeightsFile {
        let mut file = WeightsFile::default();
        file.put_metadata("made of", &["a", "b"]).unwrap();
        let tensor = StoredTensor {
            shape: vec![2, 2],
            values: vec![0.1, -2.0, 65504.0, 1e-3],
        };
        file.tensors.insert("matrix".into(), tensor);
        file
    }

    fn read(bytes: &[u8]) -> Result<WeightsFile, NnError> {
        WeightsFile::from_bytes(bytes, Path::new(PATH))
    }

    #[test]
    fn single_precision_is_read_back_bit_by_bit_and_half_nearly() {
        let file = file();
        let single = file.to_bytes(Precision::Single).unwrap();
        assert_eq!(read(&single).unwrap(), file);
        assert_eq!(file.to_bytes(Precision::Single).unwrap(), single);
        let half = read(&file.to_bytes(Precision::Half).unwrap()).unwrap();
        let pairs = half.tensors["matrix"].values.iter();
        for (half, value) in pairs.zip(&file.tensors["matrix"].values) {
            assert!((half - value).abs() <= value.abs() / 2048.0);
        }
    }

    #[test]
    fn the_optimiser_is_read_back() {
        let mut adam = Adam::new(3);
        adam.step(&mut [0.0; 3], &[1.0, -2.0, 3.0], 1e-3);
        let mut file = file();
        file.put_adam(&adam);
        assert_eq!(file.adam(3, Path::new(PATH)).unwrap(), adam);
        assert!(file.adam(4, Path::new(PATH)).is_err(), "another size");
    }

    #[test]
    fn tensors_are_checked() {
        let mut file = file();
        let message = |result: Result<&[f32], NnError>| result.unwrap_err().to_string();
        let path = Path::new(PATH);
        assert!(message(file.tensor("vector", &[2], path)).contains("1 tensors: matrix"));
        assert!(message(file.tensor("matrix", &[4], path)).contains("[4] is needed"));
        if let Some(matrix) = file.tensors.get_mut("matrix") {
            matrix.values[3] = f32::NAN;
        }
        assert!(message(file.tensor("matrix", &[2, 2], path)).contains("NaN at position 3"));
    }

    #[test]
    fn cut_files_and_broken_metadata_are_errors() {
        let bytes = file().to_bytes(Precision::Single).unwrap();
        assert!(matches!(
            read(&bytes[..bytes.len() - 1]),
            Err(NnError::Weights { .. })
        ));
        let foreign = |entry: &str| {
            let metadata = HashMap::from([(ZBRIDGE_KEY.to_owned(), entry.to_owned())]);
            let views: Vec<(&str, TensorView<'_>)> = vec![];
            safetensors::serialize(views, Some(metadata)).unwrap()
        };
        assert!(read(&foreign("{ not JSON")).is_err());
        assert_eq!(read(&foreign("{}")).unwrap(), WeightsFile::default());
    }
}
