use crate::DataError;
use half::f16;
use safetensors::tensor::{Dtype, SafeTensorError, TensorView};
use serde_json::{Map, Value, json};
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
    pub(super) dtype: Dtype,
    pub(super) shape: Vec<usize>,
    pub(super) data: Vec<u8>,
}

impl Stored {
    /// The same numbers with these axes: as many elements as there are.
    pub(super) fn shaped(mut self, shape: Vec<usize>) -> Self {
        self.shape = shape;
        self
    }

    /// `first` is the number of the first row, for errors.
    pub(super) fn floats(
        path: &Path,
        tensor: &str,
        latents: &Latents,
        first: usize,
        precision: Precision,
    ) -> Result<Self, DataError> {
        let shape = vec![latents.rows(), latents.dim()];
        let values = latents.values();
        if precision == Precision::F32 {
            return Ok(Self {
                dtype: Dtype::F32,
                shape,
                data: float_bytes(values),
            });
        }
        if let Some(i) = values
            .iter()
            .position(|&value| !f16::from_f32(value).is_finite())
        {
            let (row, column, value) = (first + i / latents.dim(), i % latents.dim(), values[i]);
            let why = format!(
                "{tensor}, row {row}, column {column} is {value}, beyond 16-bit floats; store 32-bit ones"
            );
            return Err(DataError::Unstorable {
                path: path.to_owned(),
                why,
            });
        }
        let data = values
            .iter()
            .flat_map(|&value| f16::from_f32(value).to_le_bytes())
            .collect();
        Ok(Self {
            dtype: Dtype::F16,
            shape,
            data,
        })
    }

    pub(super) fn integers(values: &[i64]) -> Self {
        Self {
            dtype: Dtype::I64,
            shape: vec![values.len()],
            data: integer_bytes(values),
        }
    }

    pub(super) fn bytes(values: &[u8]) -> Self {
        Self {
            dtype: Dtype::U8,
            shape: vec![values.len()],
            data: values.to_vec(),
        }
    }

    pub(super) fn described<'t>(&self, name: &'t str) -> Described<'t> {
        Described {
            name,
            dtype: self.dtype,
            shape: self.shape.clone(),
        }
    }

    /// An error when the data are not as many as the shape says.
    fn expect_filled(&self) -> Result<(), SafeTensorError> {
        TensorView::new(self.dtype, self.shape.clone(), &self.data).map(drop)
    }
}

/// What the header of a safetensors file says of a tensor.
pub(super) struct Described<'t> {
    pub(super) name: &'t str,
    pub(super) dtype: Dtype,
    pub(super) shape: Vec<usize>,
}

/// The order of tensors in a file: the widest numbers first and then by name.
pub(super) fn into_order(path: &Path, tensors: &mut [(&str, Stored)]) -> Result<(), DataError> {
    let unstorable = |error: SafeTensorError| DataError::Unstorable {
        path: path.to_owned(),
        why: error.to_string(),
    };
    tensors
        .sort_by(|(a_name, a), (b_name, b)| b.dtype.cmp(&a.dtype).then_with(|| a_name.cmp(b_name)));
    tensors
        .iter()
        .try_for_each(|(_, stored)| stored.expect_filled())
        .map_err(unstorable)
}

/// A safetensors file of these tensors. The same contents give the same bytes.
pub(super) fn safetensors_bytes(
    path: &Path,
    mut tensors: Vec<(&str, Stored)>,
    metadata: &BTreeMap<String, String>,
) -> Result<Vec<u8>, DataError> {
    into_order(path, &mut tensors)?;
    let described: Vec<_> = tensors
        .iter()
        .map(|(name, stored)| stored.described(name))
        .collect();
    let mut bytes = safetensors_header(metadata, &described);
    tensors
        .iter()
        .for_each(|(_, stored)| bytes.extend(&stored.data));
    Ok(bytes)
}

/// The beginning of a safetensors file whose tensors follow in this order.
///
/// The library keeps metadata in a hash map, whose order changes from run to run, and digests of
/// files must not.
pub(super) fn safetensors_header(
    metadata: &BTreeMap<String, String>,
    tensors: &[Described<'_>],
) -> Vec<u8> {
    let mut header = Map::new();
    header.insert("__metadata__".to_owned(), json!(metadata));
    let mut start = 0;
    for Described { name, dtype, shape } in tensors {
        let end = start + shape.iter().product::<usize>() * dtype.bitsize() / 8;
        header.insert(
            (*name).to_owned(),
            json!({ "dtype": dtype, "shape": shape, "data_offsets": [start, end] }),
        );
        start = end;
    }
    let mut text = Value::Object(header).to_string().into_bytes();
    text.resize(text.len().next_multiple_of(8), b' ');
    [&(text.len() as u64).to_le_bytes()[..], &text].concat()
}

pub(super) fn float_bytes(values: &[f32]) -> Vec<u8> {
    values
        .iter()
        .flat_map(|value| value.to_le_bytes())
        .collect()
}

pub(super) fn integer_bytes(values: &[i64]) -> Vec<u8> {
    values
        .iter()
        .flat_map(|value| value.to_le_bytes())
        .collect()
}

/// The ids as integers, when all are written as integers are: `007` is a name.
pub(super) fn integers(ids: &[String]) -> Option<Vec<i64>> {
    let integer = |id: &String| {
        id.parse::<i64>()
            .ok()
            .filter(|number| number.to_string() == *id)
    };
    ids.iter().map(integer).collect()
}

/// The ids as lines of one text.
pub(super) fn joined(path: &Path, ids: &[String]) -> Result<String, DataError> {
    match ids.iter().position(|id| id.contains(['\n', '\r'])) {
        None => Ok(ids.join("\n")),
        Some(row) => {
            let why = format!(
                "the id of row {row}, {:?}, holds a line break; rename it",
                ids[row]
            );
            Err(DataError::Unstorable {
                path: path.to_owned(),
                why,
            })
        }
    }
}
