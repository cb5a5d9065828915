use super::NamedArrays;
use crate::array::{ArrayHeader, Elements};
use crate::npy::{NpyLayout, header_range};
use crate::{FileError, FormatError, printable};
use std::fmt::Display;
use std::io::{Cursor, Read};
use zip::ZipArchive;
use zip::read::ZipFile;

/// Longest header of an array that is read, in bytes; numpy's have a few hundred.
const LONGEST_HEADER: usize = 1 << 20;
/// As many bytes of an array as tell how long its header is.
const HEADER_BEGINNING: usize = 12;
/// The part of an archive that its errors name if they are not about one array.
const DIRECTORY: &str = "its list of arrays";

/// The arrays of an `.npz` file, which may be compressed. An array is decompressed when it is
/// loaded.
pub(super) struct NpzFile<'a> {
    archive: ZipArchive<Cursor<&'a [u8]>>,
    entries: Vec<Entry>,
    headers: Vec<ArrayHeader>,
}

/// An array of the archive.
struct Entry {
    /// Its number among all files of the archive.
    index: usize,
    layout: NpyLayout,
}

impl<'a> NpzFile<'a> {
    pub(super) fn open(bytes: &'a [u8]) -> Result<Self, FormatError> {
        let opened = ZipArchive::new(Cursor::new(bytes));
        let archive = opened.map_err(|reason| unsound(DIRECTORY, reason))?;
        let mut file = Self {
            archive,
            entries: vec![],
            headers: vec![],
        };
        // Names and shapes are known before any array is decompressed.
        for index in 0..file.archive.len() {
            file.read_header(index)?;
        }
        if file.headers.is_empty() {
            return Err(no_arrays(&file.archive));
        }
        Ok(file)
    }

    /// Reads the header of the array at this index of the archive, if it is an array.
    fn read_header(&mut self, index: usize) -> Result<(), FormatError> {
        let entry = self.archive.by_index(index);
        let mut entry = entry.map_err(|reason| unsound("an array", reason))?;
        if let Some(name) = array_name(&entry)? {
            let layout = read_layout(&name, &mut entry)?;
            self.headers.push(layout.header(&name));
            self.entries.push(Entry { index, layout });
        }
        Ok(())
    }

    /// Returns the bytes of an array, its header included, up to one more than its shape asks for.
    /// The rest of an archive that was made to fill the memory is never decompressed.
    fn decompress(&self, index: usize) -> Result<Vec<u8>, FormatError> {
        let Entry {
            index: place,
            layout,
        } = &self.entries[index];
        let name = &self.headers[index].name;
        // Reading needs a cursor of its own; the bytes are shared.
        let mut archive = self.archive.clone();
        let entry = archive.by_index(*place);
        let mut entry = entry.map_err(|reason| unsound_array(name, reason))?;
        let limit = (layout.start + layout.length).saturating_add(1);
        read_at_most(name, &mut entry, limit)
    }
}

impl NamedArrays for NpzFile<'_> {
    fn headers(&self) -> &[ArrayHeader] {
        &self.headers
    }

    fn load(&self, index: usize) -> Result<Elements<'_>, FileError> {
        let mut bytes = self.decompress(index)?;
        let Entry { layout, .. } = &self.entries[index];
        expect_length(&self.headers[index].name, layout, bytes.len() as u64)?;
        bytes.drain(..layout.start);
        Ok(layout.elements(bytes.into()))
    }
}

/// Returns the name of the array in an entry; `None` if it is another file.
fn array_name<R: Read>(entry: &ZipFile<'_, R>) -> Result<Option<String>, FormatError> {
    let name = entry.name();
    let name = name.map_err(|reason| unsound("the name of an array", reason))?;
    Ok(name.strip_suffix(".npy").map(str::to_owned))
}

/// Returns the layout of the array at the beginning of an entry.
fn read_layout<R: Read>(name: &str, entry: &mut ZipFile<'_, R>) -> Result<NpyLayout, FormatError> {
    let mut bytes = read_at_most(name, entry, HEADER_BEGINNING)?;
    // An entry that is too short for its length is reported by the parser of the layout.
    let end = header_range(&bytes).map_or(HEADER_BEGINNING, |range| range.end);
    if end > LONGEST_HEADER {
        let reason = format!("it says that its header has {end} bytes");
        return Err(unsound_array(name, reason));
    }
    bytes.extend(read_at_most(
        name,
        entry,
        end.saturating_sub(HEADER_BEGINNING),
    )?);
    let layout = NpyLayout::parse(&bytes).map_err(|reason| unsound_array(name, reason))?;
    // The archive says how long an entry is: a shape that asks for more is found before loading.
    if entry.size() < (layout.start as u64).saturating_add(layout.length as u64) {
        expect_length(name, &layout, entry.size())?;
    }
    Ok(layout)
}

fn read_at_most(name: &str, entry: &mut impl Read, limit: usize) -> Result<Vec<u8>, FormatError> {
    let mut bytes = vec![];
    let read = entry.take(limit as u64).read_to_end(&mut bytes);
    read.map_err(|reason| unsound_array(name, reason))?;
    Ok(bytes)
}

fn expect_length(name: &str, layout: &NpyLayout, found: u64) -> Result<(), FormatError> {
    let expected = (layout.start as u64).saturating_add(layout.length as u64);
    if found == expected {
        return Ok(());
    }
    let reason = format!(
        "its shape {:?} asks for {expected} bytes, and it has {found}",
        layout.shape
    );
    Err(unsound_array(name, reason))
}

fn no_arrays(archive: &ZipArchive<Cursor<&[u8]>>) -> FormatError {
    let mut names = archive.file_names();
    let is_of_torch = names.any(|name| name.is_ok_and(|name| name.ends_with("data.pkl")));
    let reason = if is_of_torch {
        "torch.save wrote this file; save the tensors with safetensors or numpy.savez"
    } else {
        "a zip archive without .npy files; write it with numpy.savez"
    };
    unsound(DIRECTORY, reason)
}

fn unsound_array(name: &str, reason: impl Display) -> FormatError {
    unsound(&format!("array `{}`", printable(name)), reason)
}

fn unsound(place: &str, reason: impl Display) -> FormatError {
    FormatError::Npz {
        place: place.to_owned(),
        reason: printable(reason),
    }
}
