use super::named_tensor::NamedTensor;
use super::pickle::{Storage, TensorView};
use crate::{ForeignError, file_access};
use std::collections::HashMap;
use std::io::{Cursor, Read};
use std::path::Path;
use std::sync::Arc;
use zip::ZipArchive;
use zip::read::ZipFile;

/// The largest pickle that is read, in bytes: names and shapes of a million tensors.
const LARGEST_PICKLE: u64 = 256 << 20;

/// A zip archive of `torch.save`: a pickle, and a file for each storage.
pub(super) struct TorchArchive<'a> {
    path: &'a Path,
    zip: ZipArchive<Cursor<&'a [u8]>>,
    /// The folder in the archive that everything lies in.
    folder: String,
    /// Bytes of the whole archive.
    length: u64,
    storages: HashMap<String, Arc<[u8]>>,
}

impl<'a> TorchArchive<'a> {
    pub(super) fn open(bytes: &'a [u8], path: &'a Path) -> Result<Self, ForeignError> {
        let damaged = |why: String| ForeignError::damaged(path, "the zip archive", why);
        let zip =
            ZipArchive::new(Cursor::new(bytes)).map_err(|error| damaged(error.to_string()))?;
        let folder = folder_of_pickle(&zip)
            .ok_or_else(|| damaged("no data.pkl in it: no file of torch.save".into()))?;
        Ok(Self {
            path,
            zip,
            folder,
            length: bytes.len() as u64,
            storages: HashMap::new(),
        })
    }

    /// Returns the bytes of the pickle.
    pub(super) fn pickle(&mut self) -> Result<Vec<u8>, ForeignError> {
        self.entry("data.pkl", LARGEST_PICKLE)
    }

    /// Returns the tensor that a pickle describes as a view of `storage`.
    pub(super) fn tensor(
        &mut self,
        name: &str,
        view: &TensorView,
        storage: &Storage,
    ) -> Result<NamedTensor, ForeignError> {
        let bytes = self.storage(&storage.key)?;
        let number_type = storage.number_type;
        // An offset that overflows lies behind any storage, and is refused as such.
        let start = view.offset.saturating_mul(number_type.bytes());
        NamedTensor::new(number_type, view.layout.clone(), start, bytes)
            .map_err(|why| ForeignError::damaged(self.path, format!("tensor `{name}`"), why))
    }

    /// Returns the bytes of a storage, which is read once.
    fn storage(&mut self, key: &str) -> Result<Arc<[u8]>, ForeignError> {
        if let Some(bytes) = self.storages.get(key) {
            return Ok(Arc::clone(bytes));
        }
        // Nothing in these archives is compressed, so no part is larger than the whole.
        let bytes: Arc<[u8]> = self.entry(&format!("data/{key}"), self.length)?.into();
        self.storages.insert(key.into(), Arc::clone(&bytes));
        Ok(bytes)
    }

    /// Returns the bytes of a file in the archive, of at most `limit` bytes.
    fn entry(&mut self, name: &str, limit: u64) -> Result<Vec<u8>, ForeignError> {
        let place = format!("{name} in the archive");
        let path = self.path;
        let damaged = |why: String| ForeignError::damaged(path, place.as_str(), why);
        let entry = self.zip.by_name(&format!("{}{name}", self.folder));
        let entry = entry.map_err(|error| damaged(error.to_string()))?;
        file_access::check_size(path, &place, entry.size(), limit)?;
        read_entry(entry, limit).map_err(damaged)
    }
}

/// Returns the bytes of a file in an archive; as an error, why it cannot be read.
fn read_entry(entry: ZipFile<'_, Cursor<&[u8]>>, limit: u64) -> Result<Vec<u8>, String> {
    let size = entry.size();
    let mut bytes = Vec::new();
    // An entry can inflate to more than the size that it states.
    let read = entry.take(limit).read_to_end(&mut bytes);
    read.map_err(|error| error.to_string())?;
    if bytes.len() as u64 != size {
        return Err(format!("{size} bytes expected, {} found", bytes.len()));
    }
    Ok(bytes)
}

/// Returns the folder that has the pickle in it.
fn folder_of_pickle(zip: &ZipArchive<Cursor<&[u8]>>) -> Option<String> {
    let mut names = zip.file_names().flatten();
    names.find_map(|name| name.strip_suffix("data.pkl").map(str::to_string))
}
