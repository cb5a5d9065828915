//! Weights that lie in files beside an ONNX file.

use super::tensor_data::external_entry;
use crate::{ForeignError, file_access};
use rten_onnx::onnx::{DataLocation, GraphProto, ModelProto, TensorProto};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Returns the bytes of the data files that a model names, by new names, and changes the model so
/// that it has these names for them: the engine accepts plain names that end in `.data` only.
///
/// # Errors
/// [`ForeignError::Outside`], and those of reading.
pub(super) fn take(
    model: &mut ModelProto,
    path: &Path,
) -> Result<BTreeMap<String, Vec<u8>>, ForeignError> {
    let mut renaming = Renaming {
        path,
        names: BTreeMap::new(),
    };
    if let Some(graph) = &mut model.graph {
        renaming.rename_in_graph(graph)?;
    }
    let mut data = BTreeMap::new();
    for (file, name) in renaming.names {
        data.insert(name, file_access::read(&file)?);
    }
    Ok(data)
}

struct Renaming<'a> {
    /// The ONNX file.
    path: &'a Path,
    /// The new name of each data file by its real path.
    names: BTreeMap<PathBuf, String>,
}

impl Renaming<'_> {
    fn rename_in_graph(&mut self, graph: &mut GraphProto) -> Result<(), ForeignError> {
        for tensor in &mut graph.initializer {
            self.rename_in_tensor(tensor)?;
        }
        for attribute in graph.node.iter_mut().flat_map(|node| &mut node.attribute) {
            if let Some(tensor) = &mut attribute.t {
                self.rename_in_tensor(tensor)?;
            }
            if let Some(inner) = &mut attribute.g {
                self.rename_in_graph(inner)?;
            }
        }
        Ok(())
    }

    fn rename_in_tensor(&mut self, tensor: &mut TensorProto) -> Result<(), ForeignError> {
        if tensor.data_location != Some(DataLocation::EXTERNAL) {
            return Ok(());
        }
        // Without a location nothing is inside of the folder.
        let location = external_entry(tensor, "location").unwrap_or_default();
        let file = file_access::inside(file_access::folder_of(self.path), location)
            .map_err(|why| self.outside(tensor, location, why))?;
        let new_name = self.new_name(file);
        for entry in &mut tensor.external_data {
            if entry.key.as_deref() == Some("location") {
                entry.value = Some(new_name.clone());
            }
        }
        Ok(())
    }

    fn new_name(&mut self, file: PathBuf) -> String {
        // One name for each file, however many tensors lie in it.
        let next = format!("{}.data", self.names.len());
        self.names.entry(file).or_insert(next).clone()
    }

    fn outside(&self, tensor: &TensorProto, location: &str, why: &'static str) -> ForeignError {
        ForeignError::Outside {
            path: self.path.into(),
            tensor: tensor.name.clone().unwrap_or_default(),
            location: location.into(),
            why,
        }
    }
}
