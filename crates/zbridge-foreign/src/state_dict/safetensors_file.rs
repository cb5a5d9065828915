use super::named_tensor::{NamedTensor, NumberType, StridedLayout};
use crate::{ForeignError, file_access};
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

/// The largest index file that is read, in bytes.
const LARGEST_INDEX: u64 = 64 << 20;

/// Returns the tensors of a safetensors file by their names, without those of types that no network
/// here has.
pub(super) fn read(
    bytes: Vec<u8>,
    path: &Path,
) -> Result<BTreeMap<String, NamedTensor>, ForeignError> {
    let storage: Arc<[u8]> = bytes.into();
    let file = SafeTensors::deserialize(&storage)
        .map_err(|error| ForeignError::damaged(path, "the header", error.to_string()))?;
    let mut tensors = BTreeMap::new();
    for (name, view) in file.tensors() {
        let Some(number_type) = number_type(view.dtype()) else {
            continue;
        };
        let tensor = shared_tensor(number_type, &view, &storage)
            .map_err(|why| ForeignError::damaged(path, format!("tensor `{name}`"), why))?;
        tensors.insert(name.clone(), tensor);
    }
    Ok(tensors)
}

/// Returns the tensor as a view of the whole file, so that nothing is copied.
fn shared_tensor(
    number_type: NumberType,
    view: &TensorView<'_>,
    file: &Arc<[u8]>,
) -> Result<NamedTensor, String> {
    let start = view.data().as_ptr().addr() - file.as_ptr().addr();
    let layout = StridedLayout::row_major(view.shape());
    NamedTensor::new(number_type, layout, start, Arc::clone(file))
}

/// Returns the tensors of all files that an index names in its own folder.
pub(super) fn read_sharded(index: &Path) -> Result<BTreeMap<String, NamedTensor>, ForeignError> {
    let damaged = |why: String| ForeignError::damaged(index, "`weight_map`", why);
    let text = file_access::read_text(index, LARGEST_INDEX)?;
    let folder = file_access::folder_of(index);
    let mut tensors = BTreeMap::new();
    // Each file once, although most tensors of an index are in the same few.
    for file in file_names(&text).map_err(damaged)? {
        let path = file_access::inside(folder, &file)
            .map_err(|why| damaged(format!("{file:?}, {why}")))?;
        tensors.append(&mut read(file_access::read(&path)?, &path)?);
    }
    Ok(tensors)
}

/// Returns the names of the files in an index; as an error, what is wrong with it.
fn file_names(index: &str) -> Result<BTreeSet<String>, String> {
    let index: serde_json::Value = serde_json::from_str(index).map_err(|e| e.to_string())?;
    let map = index.get("weight_map").and_then(|map| map.as_object());
    let mut names = BTreeSet::new();
    for (tensor, file) in map.ok_or("there is none")? {
        let file = file.as_str();
        names.insert(
            file.ok_or_else(|| format!("`{tensor}` has no file name"))?
                .into(),
        );
    }
    Ok(names)
}

/// Returns the type of numbers; `None` for types that no network here has.
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
