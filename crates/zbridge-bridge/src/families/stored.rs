//! What families put into a weights file and read back.

use crate::BridgeError;
use crate::rows::{flat, rows_of};
use ndarray::{Array2, ArrayView2};
use serde::Serialize;
use std::path::Path;
use zbridge_nn::{NnError, StoredTensor, WeightsFile};

/// Puts a value into the metadata of a file, as JSON.
///
/// # Errors
/// [`NnError::Weights`] if it cannot be written as JSON.
pub(crate) fn put_json(
    file: &mut WeightsFile,
    key: String,
    value: &impl Serialize,
) -> Result<(), BridgeError> {
    let json = serde_json::to_string(value).map_err(|error| NnError::Weights {
        path: "bridge".into(),
        reason: format!("metadata `{key}` cannot be written as JSON: {error}"),
    })?;
    file.metadata.insert(key, json);
    Ok(())
}

/// Puts a matrix into a file.
pub(crate) fn put_matrix(file: &mut WeightsFile, name: String, matrix: ArrayView2<'_, f32>) {
    let (rows, columns) = matrix.dim();
    let values = flat(matrix).to_vec();
    file.tensors.insert(
        name,
        StoredTensor {
            shape: vec![rows, columns],
            values,
        },
    );
}

/// Puts a vector into a file.
pub(crate) fn put_vector(file: &mut WeightsFile, name: String, values: &[f32]) {
    let values = values.to_vec();
    file.tensors.insert(
        name,
        StoredTensor {
            shape: vec![values.len()],
            values,
        },
    );
}

/// Returns the matrix stored under `name`.
///
/// # Errors
/// As [`stored`].
pub(crate) fn stored_matrix(
    file: &WeightsFile,
    name: &str,
    shape: (usize, usize),
    path: &Path,
) -> Result<Array2<f32>, BridgeError> {
    let values = stored(file, name, &[shape.0, shape.1], path)?;
    Ok(rows_of(values, shape.1).to_owned())
}

/// Returns the values of tensor `name`, as many as its shape says.
///
/// # Errors
/// [`NnError::Weights`] if there is no such tensor, it has another shape or number of values, or a
/// value is not finite.
pub(crate) fn stored<'f>(
    file: &'f WeightsFile,
    name: &str,
    shape: &[usize],
    path: &Path,
) -> Result<&'f [f32], BridgeError> {
    let values = file.tensor(name, shape, path)?;
    let count = shape
        .iter()
        .try_fold(1usize, |count, &side| count.checked_mul(side));
    if count == Some(values.len()) {
        return Ok(values);
    }
    let reason = format!(
        "tensor `{name}` holds {} values for the shape {shape:?}",
        values.len()
    );
    Err(NnError::Weights {
        path: path.to_owned(),
        reason,
    }
    .into())
}
