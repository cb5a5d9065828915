//! Files of `torch.save`.

use super::checkpoint::{self, TensorName};
use super::named_tensor::NamedTensor;
use super::pickle::{self, Pickle};
use super::torch_archive::TorchArchive;
use crate::ForeignError;
use std::collections::BTreeMap;
use std::path::Path;

/// The first bytes of every zip archive.
const ZIP_SIGNATURE: &[u8] = b"PK";

/// The first byte of a pickle that states its protocol.
const PICKLE_PROTOCOL: u8 = 0x80;

/// Returns the tensors of a file by their names.
pub(super) fn read(
    bytes: &[u8],
    path: &Path,
) -> Result<BTreeMap<String, NamedTensor>, ForeignError> {
    if !bytes.starts_with(ZIP_SIGNATURE) {
        return Err(other_format(bytes, path));
    }
    let mut archive = TorchArchive::open(bytes, path)?;
    let pickle = pickle::read(&archive.pickle()?, path)?;
    let mut tensors = BTreeMap::new();
    for TensorName { name, tensor } in model_tensors(&pickle, path)? {
        let view = &pickle.objects.tensors[tensor];
        let storage = &pickle.objects.storages[view.storage];
        let tensor = archive.tensor(&name, view, storage)?;
        tensors.insert(name, tensor);
    }
    Ok(tensors)
}

fn model_tensors(pickle: &Pickle, path: &Path) -> Result<Vec<TensorName>, ForeignError> {
    let tensors = checkpoint::model_tensors(pickle);
    tensors.map_err(|why| ForeignError::damaged(path, "its pickle", why))
}

fn other_format(bytes: &[u8], path: &Path) -> ForeignError {
    if bytes.first() == Some(&PICKLE_PROTOCOL) {
        return ForeignError::OldTorchFile { path: path.into() };
    }
    ForeignError::Unknown {
        path: path.into(),
        found: "no file of torch.save".into(),
        expected: "a file of torch.save as PyTorch writes it since 1.6, or safetensors",
    }
}
