//! The archives that `torch.save` writes since PyTorch 1.6: a zip file with a pickle, and a file
//! for each storage.

use super::pickle;
use super::pickle_stack::{Objects, Storage, Value};
use super::{NamedTensor, NumberType};
use crate::{ForeignError, file_bytes};
use std::collections::{BTreeMap, HashMap};
use std::io::{Cursor, Read};
use std::path::Path;
use std::sync::Arc;
use zip::ZipArchive;

/// Bytes of a pickle that are read: names and shapes of a million tensors.
const MOST_PICKLE_BYTES: u64 = 256 << 20;

/// Containers in containers that are looked into, and values in all of them.
const MOST_LEVELS: usize = 32;
const MOST_VALUES: usize = 1 << 22;

/// Under which names checkpoints keep a model's own state dict.
const WRAPPERS: [&str; 4] = ["state_dict", "model_state_dict", "model", "ema_state_dict"];

/// The tensors of a file by their names.
pub(super) fn read(
    bytes: &[u8],
    path: &Path,
) -> Result<BTreeMap<String, NamedTensor>, ForeignError> {
    if !bytes.starts_with(b"PK") {
        let (path, expected) = (
            path.into(),
            "a file of torch.save as PyTorch writes it since 1.6, or safetensors",
        );
        return Err(ForeignError::Unknown {
            path,
            found: other_format(bytes).into(),
            expected,
        });
    }
    let mut archive = Archive::open(bytes, path)?;
    let pickle = archive.entry("data.pkl", MOST_PICKLE_BYTES)?;
    let (value, objects) = pickle::read(&pickle, path)?;
    let mut found = Found {
        objects: &objects,
        values: 0,
        tensors: Vec::new(),
    };
    found.collect(unwrapped(&value, &objects), String::new(), 0);
    let (tensors, values) = (found.tensors, found.values);
    if values > MOST_VALUES {
        return Err(archive.damaged(
            "its pickle".into(),
            format!("more than {MOST_VALUES} values"),
        ));
    }
    tensors
        .into_iter()
        .map(|(name, tensor)| {
            archive
                .tensor(&name, tensor, &objects)
                .map(|tensor| (name, tensor))
        })
        .collect()
}

fn other_format(bytes: &[u8]) -> &'static str {
    match bytes.first() {
        Some(0x80) => "a pickle without an archive, as PyTorch wrote before 1.6",
        _ => "no file of torch.save",
    }
}

/// The model's own state dict in a checkpoint; other values as they are.
fn unwrapped<'a>(value: &'a Value, objects: &'a Objects) -> &'a Value {
    let Value::Dict(dict) = value else {
        return value;
    };
    let inner = |wrapper: &str| {
        let named = objects.dicts[*dict]
            .iter()
            .find(|(key, _)| matches!(key, Value::Text(key) if key == wrapper));
        named
            .map(|(_, value)| value)
            .filter(|value| matches!(value, Value::Dict(_)))
    };
    WRAPPERS
        .iter()
        .find_map(|wrapper| inner(wrapper))
        .unwrap_or(value)
}

struct Found<'a> {
    objects: &'a Objects,
    values: usize,
    /// Name and place of each tensor.
    tensors: Vec<(String, usize)>,
}

impl Found<'_> {
    fn collect(&mut self, value: &Value, name: String, level: usize) {
        self.values += 1;
        if level > MOST_LEVELS || self.values > MOST_VALUES {
            return;
        }
        let inner = |key: String| {
            if name.is_empty() {
                key
            } else {
                format!("{name}.{key}")
            }
        };
        match value {
            Value::Tensor(tensor) => self.tensors.push((name, *tensor)),
            Value::Dict(dict) => {
                for (key, value) in &self.objects.dicts[*dict] {
                    match key {
                        Value::Text(key) => self.collect(value, inner(key.clone()), level + 1),
                        Value::Int(key) => self.collect(value, inner(key.to_string()), level + 1),
                        _ => {}
                    }
                }
            }
            Value::List(list) => {
                for (place, value) in self.objects.lists[*list].iter().enumerate() {
                    self.collect(value, inner(place.to_string()), level + 1);
                }
            }
            _ => {}
        }
    }
}

struct Archive<'a> {
    path: &'a Path,
    zip: ZipArchive<Cursor<&'a [u8]>>,
    /// The folder in the archive that everything lies in.
    folder: String,
    length: u64,
    storages: HashMap<String, Arc<[u8]>>,
}

impl<'a> Archive<'a> {
    fn open(bytes: &'a [u8], path: &'a Path) -> Result<Self, ForeignError> {
        let damaged = |why: String| ForeignError::Damaged {
            path: path.into(),
            place: "the zip archive".into(),
            why,
        };
        let zip =
            ZipArchive::new(Cursor::new(bytes)).map_err(|error| damaged(error.to_string()))?;
        let folder = zip
            .file_names()
            .flatten()
            .find_map(|name| name.strip_suffix("data.pkl").map(str::to_string));
        let folder =
            folder.ok_or_else(|| damaged("no data.pkl in it: no file of torch.save".into()))?;
        Ok(Self {
            path,
            zip,
            folder,
            length: bytes.len() as u64,
            storages: HashMap::new(),
        })
    }

    fn damaged(&self, place: String, why: String) -> ForeignError {
        ForeignError::Damaged {
            path: self.path.into(),
            place,
            why,
        }
    }

    fn entry(&mut self, name: &str, most: u64) -> Result<Vec<u8>, ForeignError> {
        let (path, place) = (self.path, format!("{name} in the archive"));
        let damaged = |why: String| ForeignError::Damaged {
            path: path.into(),
            place: place.clone(),
            why,
        };
        let entry = self
            .zip
            .by_name(&format!("{}{name}", self.folder))
            .map_err(|error| damaged(error.to_string()))?;
        file_bytes::within(path, &place, entry.size(), most)?;
        let (size, mut bytes) = (entry.size(), Vec::new());
        entry
            .take(most)
            .read_to_end(&mut bytes)
            .map_err(|error| damaged(error.to_string()))?;
        if bytes.len() as u64 != size {
            return Err(damaged(format!(
                "{size} bytes expected, {} found",
                bytes.len()
            )));
        }
        Ok(bytes)
    }

    fn storage(&mut self, storage: &Storage) -> Result<Arc<[u8]>, ForeignError> {
        if let Some(bytes) = self.storages.get(&storage.key) {
            return Ok(Arc::clone(bytes));
        }
        // Nothing in these archives is compressed, so no part is larger than the whole.
        let bytes: Arc<[u8]> = self
            .entry(&format!("data/{}", storage.key), self.length)?
            .into();
        self.storages
            .insert(storage.key.clone(), Arc::clone(&bytes));
        Ok(bytes)
    }

    fn tensor(
        &mut self,
        name: &str,
        tensor: usize,
        objects: &Objects,
    ) -> Result<NamedTensor, ForeignError> {
        let view = &objects.tensors[tensor];
        let storage = &objects.storages[view.storage];
        let (number_type, bytes): (NumberType, _) = (storage.number_type, self.storage(storage)?);
        let offset = view.offset.saturating_mul(number_type.bytes());
        let tensor = NamedTensor::new(
            number_type,
            view.shape.clone(),
            view.strides.clone(),
            offset,
            bytes,
        );
        tensor.map_err(|why| self.damaged(format!("tensor `{name}`"), why))
    }
}
