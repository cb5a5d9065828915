use crate::DataError;
use half::f16;
use safetensors::serialize;
use safetensors::tensor::{Dtype, SafeTensorError, TensorView};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;
use zbridge_core::Latents;

/// How many bits a latents file spends on a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Precision {
    /// 16-bit floats: half the size, about three digits.
    F16,
    /// 32-bit floats: what was computed, exactly.
    #[default]
    F32,
}

/// A tensor on its way to the disk.
#[derive(Clone)]
pub(super) struct Stored {
    dtype: Dtype,
    shape: Vec<usize>,
    data: Vec<u8>,
}

impl Stored {
    /// The same numbers with these axes: as many elements as there are.
    pub(super) fn shaped(mut self, shape: Vec<usize>) -> Self {
        self.shape = shape;
        self
    }

    pub(super) fn floats(
        path: &Path,
        tensor: &str,
        latents: &Latents,
        precision: Precision,
    ) -> Result<Self, DataError> {
        let shape = vec![latents.rows(), latents.dim()];
        let values = latents.values();
        if precision == Precision::F32 {
            return Ok(Self {
                dtype: Dtype::F32,
                shape,
                data: values.iter().flat_map(|value| value.to_le_bytes()).collect(),
            });
        }
        if let Some(i) = values.iter().position(|&value| !f16::from_f32(value).is_finite()) {
            let (row, column, value) = (i / latents.dim(), i % latents.dim(), values[i]);
            let why =
                format!("{tensor}, row {row}, column {column} is {value}, beyond 16-bit floats; store 32-bit ones");
            return Err(DataError::Unstorable { path: path.to_owned(), why });
        }
        let data = values.iter().flat_map(|&value| f16::from_f32(value).to_le_bytes()).collect();
        Ok(Self { dtype: Dtype::F16, shape, data })
    }

    pub(super) fn integers(values: &[i64]) -> Self {
        let data = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        Self { dtype: Dtype::I64, shape: vec![values.len()], data }
    }

    pub(super) fn bytes(values: &[u8]) -> Self {
        Self { dtype: Dtype::U8, shape: vec![values.len()], data: values.to_vec() }
    }

    fn view(&self) -> Result<TensorView<'_>, SafeTensorError> {
        TensorView::new(self.dtype, self.shape.clone(), &self.data)
    }
}

/// A safetensors file of these tensors. The same contents give the same bytes.
pub(super) fn safetensors_bytes(
    path: &Path,
    tensors: &[(&str, Stored)],
    metadata: BTreeMap<String, String>,
) -> Result<Vec<u8>, DataError> {
    let views = tensors.iter().map(|(name, stored)| Ok((*name, stored.view()?))).collect::<Result<Vec<_>, _>>();
    let bytes = views.and_then(|views| serialize(views, Some(metadata.into_iter().collect())));
    let unstorable = |error: SafeTensorError| DataError::Unstorable { path: path.to_owned(), why: error.to_string() };
    Ok(with_sorted_metadata(bytes.map_err(unstorable)?))
}

/// The file with its metadata in alphabetical order: safetensors keeps them in a hash map, whose order changes from run
/// to run, and digests of files must not.
fn with_sorted_metadata(mut file: Vec<u8>) -> Vec<u8> {
    let length = u64::from_le_bytes(file[..8].try_into().unwrap_or_default()) as usize;
    if let Ok(mut header) = serde_json::from_slice::<Value>(&file[8..8 + length]) {
        header["__metadata__"].sort_all_objects();
        let mut text = header.to_string().into_bytes();
        text.resize(length, b' ');
        file[8..8 + length].copy_from_slice(&text);
    }
    file
}

/// The ids as integers, when all are written as integers are: `007` is a name.
pub(super) fn integers(ids: &[String]) -> Option<Vec<i64>> {
    let integer = |id: &String| id.parse::<i64>().ok().filter(|number| number.to_string() == *id);
    ids.iter().map(integer).collect()
}

/// The ids as lines of one text.
pub(super) fn joined(path: &Path, ids: &[String]) -> Result<String, DataError> {
    match ids.iter().position(|id| id.contains(['\n', '\r'])) {
        None => Ok(ids.join("\n")),
        Some(row) => {
            let why = format!("the id of row {row}, {:?}, holds a line break; rename it", ids[row]);
            Err(DataError::Unstorable { path: path.to_owned(), why })
        }
    }
}
