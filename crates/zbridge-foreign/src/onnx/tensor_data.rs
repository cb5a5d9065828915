use crate::shape::checked_size;
use ndarray::{ArrayD, IxDyn};
use rten_onnx::onnx::{DataLocation, DataType, TensorProto};
use std::collections::BTreeMap;

/// Reads the numbers of a graph's constants, wherever a file keeps them: as bytes, as lists of
/// numbers, or in a file of their own.
#[derive(Clone, Copy)]
pub(super) struct TensorData<'a> {
    /// Data files by the names that the graph has for them.
    files: &'a BTreeMap<String, Vec<u8>>,
}

impl<'a> TensorData<'a> {
    pub(super) fn new(files: &'a BTreeMap<String, Vec<u8>>) -> Self {
        Self { files }
    }

    /// Returns the values of a tensor of single precision; `None` if it has another type, or not as
    /// many values as its shape.
    pub(super) fn floats(self, tensor: &TensorProto) -> Option<ArrayD<f32>> {
        if tensor.data_type != Some(DataType::FLOAT) {
            return None;
        }
        let values = self.decode(tensor, f32::from_le_bytes, &tensor.float_data)?;
        let shape = shape(tensor)?;
        let fits = checked_size(&shape) == Some(values.len());
        fits.then(|| ArrayD::from_shape_vec(IxDyn(&shape), values).ok())?
    }

    /// Returns the values of a tensor of 64-bit integers in row-major order.
    pub(super) fn ints(self, tensor: &TensorProto) -> Option<Vec<i64>> {
        if tensor.data_type != Some(DataType::INT64) {
            return None;
        }
        self.decode(tensor, i64::from_le_bytes, &tensor.int64_data)
    }

    /// Returns the numbers in a tensor's bytes; without bytes, those that are `listed`.
    fn decode<const BYTES: usize, T: Clone>(
        self,
        tensor: &TensorProto,
        number: fn([u8; BYTES]) -> T,
        listed: &[T],
    ) -> Option<Vec<T>> {
        let numbers = |bytes: &[u8]| -> Vec<T> {
            let chunks = bytes.as_chunks::<BYTES>().0;
            chunks.iter().map(|&bytes| number(bytes)).collect()
        };
        if tensor.data_location == Some(DataLocation::EXTERNAL) {
            return self.external_bytes(tensor).map(numbers);
        }
        // Empty bytes mean that the numbers are listed.
        match &tensor.raw_data {
            Some(raw) if !raw.borrow().is_empty() => Some(numbers(&raw.borrow())),
            _ => Some(listed.to_vec()),
        }
    }

    fn external_bytes(self, tensor: &TensorProto) -> Option<&'a [u8]> {
        let file = self.files.get(external_entry(tensor, "location")?)?;
        let offset = match external_entry(tensor, "offset") {
            Some(offset) => offset.parse().ok()?,
            None => 0,
        };
        let rest = file.get(offset..)?;
        match external_entry(tensor, "length") {
            Some(length) => rest.get(..length.parse().ok()?),
            None => Some(rest),
        }
    }
}

/// Returns what a tensor states of its data file under `key`.
pub(super) fn external_entry<'t>(tensor: &'t TensorProto, key: &str) -> Option<&'t str> {
    let mut entries = tensor.external_data.iter();
    let entry = entries.find(|entry| entry.key.as_deref() == Some(key))?;
    entry.value.as_deref()
}

fn shape(tensor: &TensorProto) -> Option<Vec<usize>> {
    let dims = tensor.dims.iter();
    dims.map(|&dim| usize::try_from(dim).ok()).collect()
}
