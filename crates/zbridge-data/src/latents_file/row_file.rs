//! A file whose arrays lie row by row, so that some rows can be read without the others:
//! safetensors, and `.npy` in C order.

use super::array::{Element, Elements, Header};
use super::container::Container;
use super::contents::Arrays;
use super::npy_layout::NpyLayout;
use super::safetensors_tensors::element;
use crate::DataError;
use safetensors::tensor::Metadata;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

/// Longer headers are no latents file's.
const LONGEST_HEADER: u64 = 1 << 26;

/// Arrays in a file of any size; only what is asked for is ever in memory.
pub(super) struct RowFile {
    path: PathBuf,
    file: Mutex<File>,
    pub(super) container: Container,
    pub(super) metadata: BTreeMap<String, String>,
    pub(super) headers: Vec<Header>,
    /// Where the elements of each array begin.
    starts: Vec<u64>,
    /// How the elements of the one array of an `.npy` file lie.
    npy: Option<NpyLayout>,
}

impl RowFile {
    /// The arrays of the file at `path`; none when it is of another kind, or not quite what it
    /// should be: then reading it whole tells what is wrong.
    pub(super) fn open(path: &Path) -> Result<Option<Self>, DataError> {
        let unreadable = |reason| DataError::Read {
            path: path.to_owned(),
            reason,
        };
        let mut file = File::open(path).map_err(unreadable)?;
        let length = file.metadata().map_err(unreadable)?.len();
        let mut beginning = Vec::new();
        (&mut file)
            .take(1 << 16)
            .read_to_end(&mut beginning)
            .map_err(unreadable)?;
        let opened = match Container::of(path, &beginning)? {
            Container::Safetensors => {
                Self::safetensors(path, file, length, beginning).map_err(unreadable)?
            }
            Container::Npy => Self::npy(path, file, length, &beginning),
            _ => None,
        };
        Ok(opened)
    }

    /// Whether it is one array in numpy's format.
    pub(super) fn is_npy(&self) -> bool {
        self.npy.is_some()
    }

    fn safetensors(
        path: &Path,
        mut file: File,
        length: u64,
        mut bytes: Vec<u8>,
    ) -> std::io::Result<Option<Self>> {
        let Some(header) = bytes.first_chunk().map(|bytes| u64::from_le_bytes(*bytes)) else {
            return Ok(None);
        };
        if header > LONGEST_HEADER || header + 8 > length {
            return Ok(None);
        }
        let end = 8 + header as usize;
        if bytes.len() < end {
            (&mut file)
                .take((end - bytes.len()) as u64)
                .read_to_end(&mut bytes)?;
        }
        let Some(text) = bytes.get(8..end) else {
            return Ok(None);
        };
        let Ok(described) = serde_json::from_slice::<Metadata>(text) else {
            return Ok(None);
        };
        let (mut headers, mut starts, mut last) = (Vec::new(), Vec::new(), end as u64);
        let mut tensors: Vec<_> = described.tensors().into_iter().collect();
        tensors.sort_by(|a, b| a.0.cmp(&b.0));
        for (name, tensor) in tensors {
            let header = Header {
                name,
                element: element(tensor.dtype),
                shape: tensor.shape.clone(),
            };
            let (from, to) = tensor.data_offsets;
            let size = header
                .shape
                .iter()
                .try_fold(header.element.width(), |size, axis| size.checked_mul(*axis));
            if header.element.width() > 0 && size != to.checked_sub(from) {
                return Ok(None);
            }
            last = last.max((end + to) as u64);
            starts.push((end + from) as u64);
            headers.push(header);
        }
        let metadata = described
            .metadata()
            .iter()
            .flatten()
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect();
        let (path, container, file) = (path.to_owned(), Container::Safetensors, Mutex::new(file));
        Ok((last == length).then_some(Self {
            path,
            file,
            container,
            metadata,
            headers,
            starts,
            npy: None,
        }))
    }

    fn npy(path: &Path, file: File, length: u64, beginning: &[u8]) -> Option<Self> {
        let layout = NpyLayout::parse(path, beginning).ok()?;
        let whole = layout.start as u64 + layout.length as u64 == length;
        if !whole || !layout.lies_row_by_row() {
            return None;
        }
        Some(Self {
            path: path.to_owned(),
            file: Mutex::new(file),
            container: Container::Npy,
            metadata: BTreeMap::new(),
            headers: vec![layout.header(super::npy_array::NAME)],
            starts: vec![layout.start as u64],
            npy: Some(layout),
        })
    }

    /// The arrays with only these rows of those that have as many as `all`.
    pub(super) fn window(&self, rows: Vec<usize>, all: usize) -> Window<'_> {
        let cut = |header: &Header| {
            let mut header = header.clone();
            if let Some(first) = header.shape.first_mut().filter(|first| **first == all) {
                *first = rows.len();
            }
            header
        };
        Window {
            headers: self.headers.iter().map(cut).collect(),
            file: self,
            rows,
            all,
        }
    }

    /// The bytes of these stretches, one behind the other.
    fn read(&self, stretches: &[(u64, usize)]) -> Result<Vec<u8>, DataError> {
        let read = || -> std::io::Result<Vec<u8>> {
            let mut file = self.file.lock().map_err(|_| std::io::ErrorKind::Other)?;
            let mut bytes = vec![0; stretches.iter().map(|stretch| stretch.1).sum()];
            let mut rest = bytes.as_mut_slice();
            for (start, length) in stretches {
                let (these, others) = rest.split_at_mut(*length);
                file.seek(SeekFrom::Start(*start))?;
                file.read_exact(these)?;
                rest = others;
            }
            Ok(bytes)
        };
        read().map_err(|reason| DataError::Read {
            path: self.path.clone(),
            reason,
        })
    }
}

/// Some rows of a [`RowFile`], read when they are asked for.
pub(super) struct Window<'f> {
    file: &'f RowFile,
    headers: Vec<Header>,
    rows: Vec<usize>,
    all: usize,
}

impl Arrays for Window<'_> {
    fn headers(&self) -> &[Header] {
        &self.headers
    }

    fn load(&self, index: usize) -> Result<Elements<'_>, DataError> {
        let (header, whole) = (&self.headers[index], &self.file.headers[index]);
        let width = header.element.width();
        let row = header.shape.iter().skip(1).product::<usize>() * width;
        let start = self.file.starts[index];
        let stretches: Vec<(u64, usize)> = match whole.shape.first() == Some(&self.all) {
            true => {
                let neighbours = self.rows.chunk_by(|a, b| a + 1 == *b);
                neighbours
                    .map(|rows| (start + rows[0] as u64 * row as u64, rows.len() * row))
                    .collect()
            }
            false => vec![(start, header.shape.iter().product::<usize>() * width)],
        };
        let bytes = self.file.read(&stretches)?;
        Ok(match &self.file.npy {
            Some(layout) => layout.elements(bytes.into()),
            None => Elements::Numbers(header.element.clone(), bytes.into()),
        })
    }

    fn metadata(&self) -> BTreeMap<String, String> {
        self.file.metadata.clone()
    }
}

impl NpyLayout {
    /// Whether a row is a stretch of numbers.
    fn lies_row_by_row(&self) -> bool {
        !self.fortran
            && !matches!(self.element, Element::Text | Element::Other(_))
            && !self.shape.is_empty()
    }
}
