use super::safetensors::{element_type, texts};
use super::{Container, NamedArrays};
use crate::array::{ArrayHeader, Elements};
use crate::error::{AtPath, IoAtPath};
use crate::npy::{NpyLayout, UNNAMED};
use crate::{DataError, FileError};
use safetensors::tensor::{Metadata, TensorInfo};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::Mutex;

/// Longest header of a safetensors file that is read here, in bytes.
const LONGEST_HEADER: u64 = 1 << 26;
/// Bytes that are read at first: the header of an `.npy` file, and most of safetensors.
const BEGINNING: u64 = 1 << 16;

/// A file of any size whose rows are ranges of bytes, so that some can be read without the others:
/// safetensors, and `.npy` in C order.
pub(crate) struct RowFile {
    file: Mutex<File>,
    pub(crate) container: Container,
    pub(crate) metadata: BTreeMap<String, String>,
    arrays: Vec<StoredArray>,
    /// The layout of the one array of an `.npy` file.
    npy: Option<NpyLayout>,
}

/// An array, and the first byte of its elements.
struct StoredArray {
    header: ArrayHeader,
    start: u64,
}

/// A file that is being opened.
struct Opening {
    file: File,
    length: u64,
    /// Its first bytes.
    bytes: Vec<u8>,
}

impl RowFile {
    /// Opens the file at `path`; `None` if it is of another kind or has a fault, which reading it
    /// whole reports better.
    pub(crate) fn open(path: &Path) -> Result<Option<Self>, DataError> {
        let opening = Opening::begin(path).read_at(path)?;
        match Container::of(&opening.bytes).at(path)? {
            Container::Safetensors => Self::safetensors(opening).read_at(path),
            Container::Npy => Ok(Self::npy(opening)),
            _ => Ok(None),
        }
    }

    fn safetensors(mut opening: Opening) -> io::Result<Option<Self>> {
        let Some(text) = opening.safetensors_header()? else {
            return Ok(None);
        };
        let Ok(header) = serde_json::from_slice::<Metadata>(text) else {
            return Ok(None);
        };
        let first_element = 8 + text.len() as u64;
        let arrays = stored_arrays(&header, first_element, opening.length);
        Ok(arrays.map(|arrays| Self {
            file: Mutex::new(opening.file),
            container: Container::Safetensors,
            metadata: texts(&header),
            arrays,
            npy: None,
        }))
    }

    fn npy(opening: Opening) -> Option<Self> {
        let layout = NpyLayout::parse(&opening.bytes).ok()?;
        layout.expect_file_length(opening.length).ok()?;
        if !layout.has_contiguous_rows() {
            return None;
        }
        // An `.npy` file has one array, and no name for it.
        let array = StoredArray {
            header: layout.header(UNNAMED),
            start: layout.start as u64,
        };
        Some(Self {
            file: Mutex::new(opening.file),
            container: Container::Npy,
            metadata: BTreeMap::new(),
            arrays: vec![array],
            npy: Some(layout),
        })
    }

    /// Returns the headers of the arrays.
    pub(crate) fn headers(&self) -> impl Iterator<Item = &ArrayHeader> {
        self.arrays.iter().map(|array| &array.header)
    }

    /// Returns the arrays with only these rows, where an array has one element for each of the
    /// `row_count` rows of the file.
    pub(crate) fn window(&self, rows: Vec<usize>, row_count: usize) -> Window<'_> {
        let mut headers: Vec<ArrayHeader> = self.headers().cloned().collect();
        for header in &mut headers {
            // Arrays of another length, such as a vector of the model, are not per row.
            if let Some(first) = header.shape.first_mut().filter(|size| **size == row_count) {
                *first = rows.len();
            }
        }
        Window {
            file: self,
            headers,
            rows,
            row_count,
        }
    }

    /// Returns the bytes of these ranges, one after the other.
    fn read(&self, ranges: &[ByteRange]) -> io::Result<Vec<u8>> {
        // A file has one position, which threads share.
        let mut file = self.file.lock().map_err(|_| io::ErrorKind::Other)?;
        let mut bytes = vec![0; ranges.iter().map(|range| range.length).sum()];
        let mut rest = bytes.as_mut_slice();
        for range in ranges {
            let (filled, others) = rest.split_at_mut(range.length);
            file.seek(SeekFrom::Start(range.start))?;
            file.read_exact(filled)?;
            rest = others;
        }
        Ok(bytes)
    }
}

impl Opening {
    fn begin(path: &Path) -> io::Result<Self> {
        let mut file = File::open(path)?;
        let length = file.metadata()?.len();
        let mut bytes = Vec::new();
        (&mut file).take(BEGINNING).read_to_end(&mut bytes)?;
        Ok(Self {
            file,
            length,
            bytes,
        })
    }

    /// Returns the header in JSON; `None` if it cannot be one.
    fn safetensors_header(&mut self) -> io::Result<Option<&[u8]>> {
        let Some(length) = self.bytes.first_chunk() else {
            return Ok(None);
        };
        let length = u64::from_le_bytes(*length);
        // A wrong length must not make the reader take the elements for a header.
        if length > LONGEST_HEADER || length + 8 > self.length {
            return Ok(None);
        }
        let end = 8 + length as usize;
        let missing = end.saturating_sub(self.bytes.len()) as u64;
        (&mut self.file)
            .take(missing)
            .read_to_end(&mut self.bytes)?;
        Ok(self.bytes.get(8..end))
    }
}

/// Returns the arrays of a safetensors file in the order of their names; `None` if their elements
/// are not as many as their shapes say, or do not end where the file ends.
fn stored_arrays(header: &Metadata, first_element: u64, length: u64) -> Option<Vec<StoredArray>> {
    let mut arrays = Vec::new();
    let mut last_end = first_element;
    for (name, tensor) in header.tensors() {
        last_end = last_end.max(first_element + tensor.data_offsets.1 as u64);
        arrays.push(StoredArray::of_tensor(name, tensor, first_element)?);
    }
    // The library keeps tensors in a hash map, whose order changes from run to run.
    arrays.sort_by(|a, b| a.header.name.cmp(&b.header.name));
    // A file that was cut, or that goes on, is reported by reading it whole.
    (last_end == length).then_some(arrays)
}

impl StoredArray {
    /// Returns the place of a tensor; `None` if its elements are not as many as its shape says.
    fn of_tensor(name: String, tensor: &TensorInfo, first_element: u64) -> Option<Self> {
        let (start, end) = tensor.data_offsets;
        let header = ArrayHeader {
            name,
            element_type: element_type(tensor.dtype),
            shape: tensor.shape.clone(),
        };
        let is_sound = byte_count(&header) == end.checked_sub(start);
        // The width of other elements is not known.
        (is_sound || !header.element_type.is_number()).then(|| Self {
            header,
            start: first_element + start as u64,
        })
    }

    /// Returns the bytes of a row.
    fn row_bytes(&self) -> usize {
        self.header.row_size() * self.header.element_type.width()
    }

    /// Returns the bytes of `count` rows from row `first` on.
    fn range(&self, first: usize, count: usize) -> ByteRange {
        let row_bytes = self.row_bytes();
        ByteRange {
            start: self.start + first as u64 * row_bytes as u64,
            length: count * row_bytes,
        }
    }
}

/// Returns the bytes of all elements; `None` if there are more than memory can hold.
fn byte_count(header: &ArrayHeader) -> Option<usize> {
    let width = header.element_type.width();
    let mut sizes = header.shape.iter();
    sizes.try_fold(width, |bytes, size| bytes.checked_mul(*size))
}

/// Some bytes of a file.
struct ByteRange {
    start: u64,
    length: usize,
}

/// Some rows of a [`RowFile`], which are read when an array is loaded.
pub(crate) struct Window<'f> {
    file: &'f RowFile,
    headers: Vec<ArrayHeader>,
    rows: Vec<usize>,
    row_count: usize,
}

impl Window<'_> {
    /// Returns the ranges of the rows of an array; of all of it if it has another number of rows.
    fn ranges(&self, index: usize) -> Vec<ByteRange> {
        let array = &self.file.arrays[index];
        match array.header.shape.first() {
            Some(rows) if *rows != self.row_count => vec![array.range(0, *rows)],
            // A single element.
            None => vec![array.range(0, 1)],
            Some(_) => {
                // Neighbouring rows are read together.
                let runs = self.rows.chunk_by(|row, next| row + 1 == *next);
                runs.map(|run| array.range(run[0], run.len())).collect()
            }
        }
    }
}

impl NamedArrays for Window<'_> {
    fn headers(&self) -> &[ArrayHeader] {
        &self.headers
    }

    fn load(&self, index: usize) -> Result<Elements<'_>, FileError> {
        let bytes = self.file.read(&self.ranges(index));
        let bytes = bytes.map_err(FileError::Read)?;
        Ok(match &self.file.npy {
            Some(layout) => layout.elements(bytes.into()),
            None => {
                let element_type = self.headers[index].element_type.clone();
                Elements::Numbers(element_type, bytes.into())
            }
        })
    }

    fn metadata(&self) -> BTreeMap<String, String> {
        self.file.metadata.clone()
    }
}
