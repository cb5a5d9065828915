use super::named_tensor::row_major;
use super::{NamedTensor, NumberType};
use crate::{ForeignError, file_bytes};
use safetensors::{Dtype, SafeTensors};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

/// Bytes of an index that are read.
const MOST_INDEX_BYTES: u64 = 64 << 20;

/// The tensors of a safetensors file.
pub(super) fn read(
    bytes: Vec<u8>,
    path: &Path,
) -> Result<BTreeMap<String, NamedTensor>, ForeignError> {
    let damaged = |place: String, why: String| ForeignError::Damaged {
        path: path.into(),
        place,
        why,
    };
    let storage: Arc<[u8]> = bytes.into();
    let file = SafeTensors::deserialize(&storage)
        .map_err(|error| damaged("the header".into(), error.to_string()))?;
    let mut tensors = BTreeMap::new();
    for (name, view) in file.tensors() {
        let Some(number_type) = number_type(view.dtype()) else {
            continue;
        };
        let offset = view.data().as_ptr().addr() - storage.as_ptr().addr();
        let shape = view.shape().to_vec();
        let tensor = NamedTensor::new(
            number_type,
            shape.clone(),
            row_major(&shape),
            offset,
            Arc::clone(&storage),
        );
        tensors.insert(
            name.clone(),
            tensor.map_err(|why| damaged(format!("tensor `{name}`"), why))?,
        );
    }
    Ok(tensors)
}

/// The tensors of several files that an index in the same folder names.
pub(super) fn read_sharded(index: &Path) -> Result<BTreeMap<String, NamedTensor>, ForeignError> {
    let damaged = |why: String| ForeignError::Damaged {
        path: index.into(),
        place: "`weight_map`".into(),
        why,
    };
    let text = file_bytes::read_text(index, MOST_INDEX_BYTES)?;
    let parsed: serde_json::Value =
        serde_json::from_str(&text).map_err(|error| damaged(error.to_string()))?;
    let map = parsed.get("weight_map").and_then(|map| map.as_object());
    let map = map.ok_or_else(|| damaged("there is none".into()))?;
    let files: BTreeSet<&str> = map.values().filter_map(|file| file.as_str()).collect();
    let folder = index.parent().unwrap_or(Path::new("."));
    let mut tensors = BTreeMap::new();
    for file in files {
        let path =
            file_bytes::inside(folder, file).map_err(|why| damaged(format!("{file:?}, {why}")))?;
        tensors.append(&mut read(file_bytes::read(&path)?, &path)?);
    }
    Ok(tensors)
}

/// The type of numbers; none for those that no network here has.
fn number_type(dtype: Dtype) -> Option<NumberType> {
    Some(match dtype {
        Dtype::F16 => NumberType::Float16,
        Dtype::BF16 => NumberType::Bfloat16,
        Dtype::F32 => NumberType::Float32,
        Dtype::F64 => NumberType::Float64,
        Dtype::BOOL => NumberType::Bool,
        Dtype::U8 => NumberType::Uint8,
        Dtype::I8 => NumberType::Int8,
        Dtype::I16 => NumberType::Int16,
        Dtype::I32 => NumberType::Int32,
        Dtype::I64 => NumberType::Int64,
        _ => return None,
    })
}
