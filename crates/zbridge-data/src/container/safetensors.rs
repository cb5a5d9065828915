use super::NamedArrays;
use crate::array::{ArrayHeader, ElementType, Elements};
use crate::{FileError, FormatError, printable};
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, Metadata, SafeTensorError};
use std::collections::BTreeMap;

/// The tensors of a safetensors file; its parser checks that lengths and shapes agree.
pub(super) struct SafetensorsFile<'a> {
    tensors: SafeTensors<'a>,
    headers: Vec<ArrayHeader>,
    metadata: BTreeMap<String, String>,
}

impl<'a> SafetensorsFile<'a> {
    pub(super) fn open(bytes: &'a [u8]) -> Result<Self, FormatError> {
        // The library gives tensors and metadata apart, and checks both against the bytes.
        let (_, header) = SafeTensors::read_metadata(bytes).map_err(unsound)?;
        let tensors = SafeTensors::deserialize(bytes).map_err(unsound)?;
        let mut headers = Vec::new();
        for (name, tensor) in tensors.tensors() {
            headers.push(ArrayHeader {
                name,
                element_type: element_type(tensor.dtype()),
                shape: tensor.shape().to_vec(),
            });
        }
        // The library keeps tensors in a hash map, whose order changes from run to run.
        headers.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(Self {
            tensors,
            headers,
            metadata: texts(&header),
        })
    }
}

impl NamedArrays for SafetensorsFile<'_> {
    fn headers(&self) -> &[ArrayHeader] {
        &self.headers
    }

    fn load(&self, index: usize) -> Result<Elements<'_>, FileError> {
        let header = &self.headers[index];
        let tensor = self.tensors.tensor(&header.name).map_err(unsound)?;
        let element_type = header.element_type.clone();
        Ok(Elements::Numbers(element_type, tensor.data().into()))
    }

    fn metadata(&self) -> BTreeMap<String, String> {
        self.metadata.clone()
    }
}

/// Returns the texts of a header in the order of their keys.
pub(super) fn texts(header: &Metadata) -> BTreeMap<String, String> {
    let texts = header.metadata().iter().flatten();
    texts
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect()
}

fn unsound(error: SafeTensorError) -> FormatError {
    FormatError::Safetensors(printable(error))
}

pub(super) fn element_type(dtype: Dtype) -> ElementType {
    match dtype {
        Dtype::F16 => ElementType::F16,
        Dtype::BF16 => ElementType::Bf16,
        Dtype::F32 => ElementType::F32,
        Dtype::F64 => ElementType::F64,
        Dtype::U8 => ElementType::U8,
        Dtype::U16 => ElementType::U16,
        Dtype::U32 => ElementType::U32,
        Dtype::U64 => ElementType::U64,
        Dtype::I8 => ElementType::I8,
        Dtype::I16 => ElementType::I16,
        Dtype::I32 => ElementType::I32,
        Dtype::I64 => ElementType::I64,
        other => ElementType::Other(other.to_string().to_lowercase()),
    }
}
