use super::array::{Elements, Header};
use super::contents::Arrays;
use super::npy_layout::NpyLayout;
use crate::DataError;
use crate::npy::header_place;
use std::io::{Cursor, Read};
use std::path::{Path, PathBuf};
use zip::ZipArchive;
use zip::read::ZipFile;

/// The most that the description of an array may take; numpy's take a few hundred bytes.
const LONGEST_HEADER: usize = 1 << 20;

/// The arrays of an `.npz` file, stored or deflated. None is unpacked before it is asked for.
pub(super) struct NpzArrays<'a> {
    path: PathBuf,
    archive: ZipArchive<Cursor<&'a [u8]>>,
    entries: Vec<(usize, NpyLayout)>,
    headers: Vec<Header>,
}

impl<'a> NpzArrays<'a> {
    pub(super) fn open(path: &Path, bytes: &'a [u8]) -> Result<Self, DataError> {
        let mut archive = ZipArchive::new(Cursor::new(bytes))
            .map_err(|reason| unsound(path, "its list of arrays", &reason))?;
        let (mut entries, mut headers) = (vec![], vec![]);
        for index in 0..archive.len() {
            let mut entry = archive
                .by_index(index)
                .map_err(|reason| unsound(path, "an array", &reason))?;
            let name = entry
                .name()
                .map_err(|reason| unsound(path, "the name of an array", &reason))?
                .into_owned();
            let Some(name) = name.strip_suffix(".npy") else {
                continue;
            };
            let layout = layout(path, name, &mut entry)?;
            headers.push(layout.header(name));
            entries.push((index, layout));
        }
        if headers.is_empty() {
            return Err(no_arrays(path, &archive));
        }
        Ok(Self {
            path: path.to_owned(),
            archive,
            entries,
            headers,
        })
    }
}

impl Arrays for NpzArrays<'_> {
    fn headers(&self) -> &[Header] {
        &self.headers
    }

    fn load(&self, index: usize) -> Result<Elements<'_>, DataError> {
        let (place, layout) = &self.entries[index];
        let name = array(&self.headers[index].name);
        let unsound = |reason: &dyn std::fmt::Display| unsound(&self.path, &name, reason);
        let mut archive = self.archive.clone();
        let entry = archive
            .by_index(*place)
            .map_err(|reason| unsound(&reason))?;
        // One byte more than the shape asks for tells that there is more; a bomb's others are never
        // unpacked.
        let mut bytes = vec![];
        let wanted = layout.start as u64 + layout.length as u64;
        entry
            .take(wanted.saturating_add(1))
            .read_to_end(&mut bytes)
            .map_err(|reason| unsound(&reason))?;
        if bytes.len() as u64 != wanted {
            let why = format!(
                "its shape {:?} asks for {wanted} bytes, and it has {}",
                layout.shape,
                bytes.len()
            );
            return Err(unsound(&why));
        }
        bytes.drain(..layout.start);
        Ok(layout.elements(bytes.into()))
    }
}

/// The description of the array at the beginning of an entry.
fn layout<R: Read>(
    path: &Path,
    name: &str,
    entry: &mut ZipFile<'_, R>,
) -> Result<NpyLayout, DataError> {
    let unsound = |reason: &dyn std::fmt::Display| unsound(path, &array(name), reason);
    let mut bytes = vec![];
    entry
        .by_ref()
        .take(12)
        .read_to_end(&mut bytes)
        .map_err(|reason| unsound(&reason))?;
    let end = header_place(&bytes).map_or(12, |place| place.end);
    if end > LONGEST_HEADER {
        return Err(unsound(&format!("it says that its header has {end} bytes")));
    }
    entry
        .by_ref()
        .take(end.saturating_sub(12) as u64)
        .read_to_end(&mut bytes)
        .map_err(|reason| unsound(&reason))?;
    let layout =
        NpyLayout::parse(path, &bytes).map_err(|error| unsound(&of_entry(path, &error)))?;
    let wanted = (layout.start as u64).saturating_add(layout.length as u64);
    match entry.size() {
        declared if declared < wanted => Err(unsound(&format!(
            "its shape {:?} asks for {wanted} bytes, and it has {declared}",
            layout.shape
        ))),
        _ => Ok(layout),
    }
}

/// What an error says behind the path, which is said again.
fn of_entry(path: &Path, error: &DataError) -> String {
    let text = error.to_string();
    text.strip_prefix(&format!("{}: ", path.display()))
        .unwrap_or(&text)
        .to_owned()
}

fn array(name: &str) -> String {
    format!("array `{name}`")
}

fn no_arrays(path: &Path, archive: &ZipArchive<Cursor<&[u8]>>) -> DataError {
    let of_torch = archive
        .file_names()
        .any(|name| name.is_ok_and(|name| name.ends_with("data.pkl")));
    let why = match of_torch {
        true => "torch.save wrote this file; save the tensors with safetensors or numpy.savez",
        false => "a zip archive without .npy files; write it with numpy.savez",
    };
    unsound(path, "its list of arrays", &why)
}

fn unsound(path: &Path, place: &str, reason: &dyn std::fmt::Display) -> DataError {
    DataError::Npz {
        path: path.to_owned(),
        place: place.to_owned(),
        why: reason.to_string(),
    }
}
