use super::array::{Element, Elements, Header};
use super::contents::Arrays;
use crate::DataError;
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, SafeTensorError};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The tensors of a safetensors file; its parser checks that lengths and shapes agree.
pub(super) struct SafetensorsTensors<'a> {
    path: PathBuf,
    tensors: SafeTensors<'a>,
    headers: Vec<Header>,
    metadata: BTreeMap<String, String>,
}

impl<'a> SafetensorsTensors<'a> {
    pub(super) fn open(path: &Path, bytes: &'a [u8]) -> Result<Self, DataError> {
        let unsound = |error| unsound(path, error);
        let (_, header) = SafeTensors::read_metadata(bytes).map_err(unsound)?;
        let tensors = SafeTensors::deserialize(bytes).map_err(unsound)?;
        let metadata = header
            .metadata()
            .iter()
            .flatten()
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect();
        let described = tensors.tensors();
        let header = |(name, tensor): &(String, safetensors::tensor::TensorView<'_>)| Header {
            name: name.clone(),
            element: element(tensor.dtype()),
            shape: tensor.shape().to_vec(),
        };
        let mut headers: Vec<Header> = described.iter().map(header).collect();
        headers.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(Self {
            path: path.to_owned(),
            tensors,
            headers,
            metadata,
        })
    }
}

impl Arrays for SafetensorsTensors<'_> {
    fn headers(&self) -> &[Header] {
        &self.headers
    }

    fn load(&self, index: usize) -> Result<Elements<'_>, DataError> {
        let Header { name, element, .. } = &self.headers[index];
        let tensor = self
            .tensors
            .tensor(name)
            .map_err(|error| unsound(&self.path, error))?;
        Ok(Elements::Numbers(element.clone(), tensor.data().into()))
    }

    fn metadata(&self) -> BTreeMap<String, String> {
        self.metadata.clone()
    }
}

fn unsound(path: &Path, error: SafeTensorError) -> DataError {
    DataError::Safetensors {
        path: path.to_owned(),
        why: error.to_string(),
    }
}

pub(super) fn element(dtype: Dtype) -> Element {
    match dtype {
        Dtype::F16 => Element::F16,
        Dtype::BF16 => Element::Bf16,
        Dtype::F32 => Element::F32,
        Dtype::F64 => Element::F64,
        Dtype::U8 => Element::U8,
        Dtype::U16 => Element::U16,
        Dtype::U32 => Element::U32,
        Dtype::U64 => Element::U64,
        Dtype::I8 => Element::I8,
        Dtype::I16 => Element::I16,
        Dtype::I32 => Element::I32,
        Dtype::I64 => Element::I64,
        other => Element::Other(other.to_string().to_lowercase()),
    }
}
