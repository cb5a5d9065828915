//! Safetensors files that have the same bytes whenever they have the same contents.

use crate::array::{f32_bytes, i64_bytes};
use crate::{DataError, FileError};
use half::f16;
use safetensors::tensor::{Dtype, TensorView};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use zbridge_core::Latents;

/// The number of bits of a number in a latents file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Precision {
    /// 16-bit floats: half the size, about three digits.
    F16,
    /// 32-bit floats: what was computed, exactly.
    #[default]
    F32,
}

/// A tensor with its name and elements.
#[derive(Clone)]
pub(super) struct StoredTensor {
    pub(super) name: &'static str,
    pub(super) dtype: Dtype,
    pub(super) shape: Vec<usize>,
    pub(super) data: Vec<u8>,
}

/// What the header of a file says of a tensor.
pub(super) struct TensorHeader {
    pub(super) name: &'static str,
    pub(super) dtype: Dtype,
    pub(super) shape: Vec<usize>,
}

impl StoredTensor {
    pub(super) fn of_f32(name: &'static str, shape: Vec<usize>, values: &[f32]) -> Self {
        Self {
            name,
            dtype: Dtype::F32,
            shape,
            data: f32_bytes(values),
        }
    }

    /// Returns latents as 16-bit floats.
    ///
    /// # Errors
    /// In words, if a value is beyond 16-bit floats; `first_row` is the number of the first row.
    pub(super) fn of_f16(
        name: &'static str,
        shape: Vec<usize>,
        latents: &Latents,
        first_row: usize,
    ) -> Result<Self, String> {
        let mut data = Vec::with_capacity(2 * latents.values().len());
        for (place, &value) in latents.values().iter().enumerate() {
            // A value beyond 65504 would become infinite, which readers refuse.
            let rounded = f16::from_f32(value);
            if !rounded.is_finite() {
                let (row, column) = (first_row + place / latents.dim(), place % latents.dim());
                return Err(format!(
                    "{name}, row {row}, column {column} is {value}, beyond 16-bit floats; store \
                     32-bit ones"
                ));
            }
            data.extend(rounded.to_le_bytes());
        }
        Ok(Self {
            name,
            dtype: Dtype::F16,
            shape,
            data,
        })
    }

    pub(super) fn of_i64(name: &'static str, values: &[i64]) -> Self {
        Self {
            name,
            dtype: Dtype::I64,
            shape: vec![values.len()],
            data: i64_bytes(values),
        }
    }

    pub(super) fn of_u8(name: &'static str, values: &[u8]) -> Self {
        Self {
            name,
            dtype: Dtype::U8,
            shape: vec![values.len()],
            data: values.to_vec(),
        }
    }

    pub(super) fn header(&self) -> TensorHeader {
        TensorHeader {
            name: self.name,
            dtype: self.dtype,
            shape: self.shape.clone(),
        }
    }
}

impl TensorHeader {
    /// Returns the bytes of all elements.
    pub(super) fn byte_count(&self) -> usize {
        self.shape.iter().product::<usize>() * self.dtype.bitsize() / 8
    }

    fn to_json(&self, data_offsets: [usize; 2]) -> Value {
        json!({
            "dtype": self.dtype,
            "shape": self.shape,
            "data_offsets": data_offsets,
        })
    }
}

/// Sorts tensors as they follow in a file: those with the widest numbers first, so that all are
/// aligned, and then by name. Returns an error if one has not as many elements as its shape says.
pub(super) fn sort_tensors(path: &Path, tensors: &mut [StoredTensor]) -> Result<(), DataError> {
    // The order of the safetensors library itself.
    tensors.sort_by(|a, b| b.dtype.cmp(&a.dtype).then_with(|| a.name.cmp(b.name)));
    for tensor in tensors {
        let filled = TensorView::new(tensor.dtype, tensor.shape.clone(), &tensor.data);
        filled.map_err(|error| FileError::Unstorable(error.to_string()).at(path))?;
    }
    Ok(())
}

/// Returns a safetensors file of these tensors.
pub(super) fn safetensors_bytes(
    path: &Path,
    mut tensors: Vec<StoredTensor>,
    metadata: &BTreeMap<String, String>,
) -> Result<Vec<u8>, DataError> {
    sort_tensors(path, &mut tensors)?;
    let headers: Vec<TensorHeader> = tensors.iter().map(StoredTensor::header).collect();
    let mut bytes = safetensors_header(metadata, &headers);
    for tensor in &tensors {
        bytes.extend(&tensor.data);
    }
    Ok(bytes)
}

/// Returns the beginning of a safetensors file whose tensors follow in this order.
///
/// The library keeps metadata in a hash map, whose order changes from run to run; digests of files
/// must not change.
pub(super) fn safetensors_header(
    metadata: &BTreeMap<String, String>,
    tensors: &[TensorHeader],
) -> Vec<u8> {
    let mut header = Map::new();
    header.insert("__metadata__".to_owned(), json!(metadata));
    let mut start = 0;
    for tensor in tensors {
        let end = start + tensor.byte_count();
        header.insert(tensor.name.to_owned(), tensor.to_json([start, end]));
        start = end;
    }
    let mut text = Value::Object(header).to_string().into_bytes();
    // Spaces after the header make the elements begin at a multiple of 8 bytes.
    text.resize(text.len().next_multiple_of(8), b' ');
    let mut bytes = (text.len() as u64).to_le_bytes().to_vec();
    bytes.extend(text);
    bytes
}

/// Returns the ids as integers; `None` unless all are written as integers are: `007` is a name.
pub(super) fn integer_ids(ids: &[String]) -> Option<Vec<i64>> {
    let mut integers = Vec::with_capacity(ids.len());
    for id in ids {
        let integer: i64 = id.parse().ok()?;
        // A leading zero or a plus sign would be lost.
        if integer.to_string() != *id {
            return None;
        }
        integers.push(integer);
    }
    Some(integers)
}

/// Returns the ids as the lines of one text.
pub(super) fn id_lines(path: &Path, ids: &[String]) -> Result<String, DataError> {
    if let Some(row) = ids.iter().position(|id| id.contains(['\n', '\r'])) {
        let id = &ids[row];
        let reason = format!("the id of row {row}, {id:?}, holds a line break; rename it");
        return Err(FileError::Unstorable(reason).at(path));
    }
    Ok(ids.join("\n"))
}
