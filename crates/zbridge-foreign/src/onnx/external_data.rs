//! Weights that lie beside an ONNX file. Whatever is read may come out again in a model's outputs,
//! so nothing is read from outside the folder that the file lies in.

use crate::{ForeignError, file_bytes};
use rten_onnx::onnx::{DataLocation, GraphProto, ModelProto, TensorProto};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The data files that a model names, by the names it now calls them. The engine asks for plain
/// names that end in `.data`, so the model is changed to call them so.
///
/// # Errors
/// [`ForeignError::Outside`], and those of reading.
pub(super) fn take(
    model: &mut ModelProto,
    path: &Path,
) -> Result<BTreeMap<String, Vec<u8>>, ForeignError> {
    let mut files = Files {
        path,
        names: BTreeMap::new(),
    };
    if let Some(graph) = &mut model.graph {
        files.rename(graph)?;
    }
    files
        .names
        .into_iter()
        .map(|(file, name)| Ok((name, file_bytes::read(&file)?)))
        .collect()
}

struct Files<'a> {
    path: &'a Path,
    /// Real path → the name that the model calls it now.
    names: BTreeMap<PathBuf, String>,
}

impl Files<'_> {
    fn rename(&mut self, graph: &mut GraphProto) -> Result<(), ForeignError> {
        graph
            .initializer
            .iter_mut()
            .try_for_each(|tensor| self.rename_of(tensor))?;
        for attribute in graph.node.iter_mut().flat_map(|node| &mut node.attribute) {
            attribute
                .t
                .iter_mut()
                .try_for_each(|tensor| self.rename_of(tensor))?;
            attribute
                .g
                .iter_mut()
                .try_for_each(|inner| self.rename(inner))?;
        }
        Ok(())
    }

    fn rename_of(&mut self, tensor: &mut TensorProto) -> Result<(), ForeignError> {
        if tensor.data_location != Some(DataLocation::EXTERNAL) {
            return Ok(());
        }
        let name = tensor.name.clone().unwrap_or_default();
        let entry = tensor
            .external_data
            .iter_mut()
            .find(|entry| entry.key.as_deref() == Some("location"));
        let location = entry.and_then(|entry| entry.value.as_mut());
        let asked = location.as_deref().cloned().unwrap_or_default();
        let folder = self.path.parent().unwrap_or(Path::new("."));
        let file = file_bytes::inside(folder, &asked).map_err(|why| {
            let (path, location) = (self.path.into(), asked.clone());
            ForeignError::Outside {
                path,
                tensor: name,
                location,
                why,
            }
        })?;
        let next = format!("{}.data", self.names.len());
        let called = self.names.entry(file).or_insert(next);
        if let Some(location) = location {
            location.clone_from(called);
        }
        Ok(())
    }
}
