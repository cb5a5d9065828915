use super::ids_table::write_ids;
use super::roles::IDS_KEY;
use super::safetensors_writer::{TensorHeader, id_lines, integer_ids, safetensors_header};
use crate::array::i64_bytes;
use crate::error::IoAtPath;
use crate::files::{replace_with, write_atomically};
use crate::npy::npy_bytes;
use crate::{DataError, FileError, RowSink, write_npy_rows};
use safetensors::tensor::Dtype;
use std::collections::BTreeMap;
use std::io::{Cursor, Write};
use std::ops::Range;
use std::path::Path;
use zip::CompressionMethod;
use zip::write::{SimpleFileOptions, ZipWriter};

/// Rows whose ids are read together.
const IDS_BLOCK: usize = 1 << 16;

/// Latents that are generated, several draws for each source row, and written in blocks, so that
/// another program can decode them.
pub struct GeneratedLatents<'a> {
    /// The number of source rows.
    pub rows: usize,
    /// Returns the ids of a range of source rows, all different.
    pub ids: &'a dyn Fn(Range<usize>) -> Result<Vec<String>, DataError>,
    /// Draws of each row.
    pub draws: usize,
    /// The shape of one latent, of `d` elements.
    pub latent_shape: Vec<usize>,
    /// Texts about the latents; only safetensors keeps them.
    pub metadata: BTreeMap<String, String>,
}

/// The ids of the rows as a file stores them.
enum StoredIds {
    /// All ids are integers, which are read again, block by block, when they are written.
    Integers,
    /// One id a line.
    Lines(String),
}

impl GeneratedLatents<'_> {
    /// Writes a file of the format that the extension of `path` names, `.safetensors`, `.npy` or
    /// `.npz`, whole or not at all. `fill` puts the latents, `[n · draws, d]`, row by row. Only an
    /// `.npz` file has to fit into memory.
    ///
    /// The draws are `samples`, `[n, draws, …]`, or, with one draw a row, `z`, `[n, …]`, as f32.
    /// The ids are `ids`; those of an `.npy` file are in a table, `x.ids.csv` for `x.npy`.
    /// [`LatentsFile::read`](super::LatentsFile::read) reads them again; only an `.npy` file, whose
    /// array has no name, does not tell draws from another axis of the latents.
    ///
    /// # Errors
    /// Those of `fill`; [`FileError::Write`]; [`FileError::Unstorable`] for another extension,
    /// latents that do not fill their shape, or an id with a line break.
    pub fn write<E: From<DataError>>(
        &self,
        path: &Path,
        fill: impl FnOnce(&mut RowSink<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("safetensors") => self.write_safetensors(path, fill),
            Some("npz") => self.write_npz(path, fill),
            Some("npy") => write_ids(path, self.id_blocks(), || {
                write_npy_rows(path, &self.shape(), fill)
            }),
            _ => {
                let reason = "the name must end in .safetensors, .npy or .npz".to_owned();
                Err(FileError::Unstorable(reason).at(path).into())
            }
        }
    }

    /// Returns the name of the array.
    fn name(&self) -> &'static str {
        if self.draws == 1 { "z" } else { "samples" }
    }

    fn shape(&self) -> Vec<usize> {
        let mut shape = vec![self.rows];
        if self.draws != 1 {
            shape.push(self.draws);
        }
        shape.extend(&self.latent_shape);
        shape
    }

    /// Returns the number of values.
    fn count(&self) -> usize {
        self.shape().iter().product()
    }

    fn id_blocks(&self) -> impl Iterator<Item = Result<Vec<String>, DataError>> {
        // The ids of ten million rows would take hundreds of megabytes.
        let block = |first: usize| (self.ids)(first..self.rows.min(first + IDS_BLOCK));
        (0..self.rows).step_by(IDS_BLOCK).map(block)
    }

    fn all_ids(&self) -> Result<Vec<String>, DataError> {
        let mut all = Vec::with_capacity(self.rows);
        for ids in self.id_blocks() {
            all.extend(ids?);
        }
        Ok(all)
    }

    fn stored_ids(&self, path: &Path) -> Result<StoredIds, DataError> {
        for ids in self.id_blocks() {
            if integer_ids(&ids?).is_none() {
                return Ok(StoredIds::Lines(id_lines(path, &self.all_ids()?)?));
            }
        }
        Ok(StoredIds::Integers)
    }

    /// Writes the ids first and the latents after them. The same contents give the same bytes.
    fn write_safetensors<E: From<DataError>>(
        &self,
        path: &Path,
        fill: impl FnOnce(&mut RowSink<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let ids = self.stored_ids(path)?;
        let header = self.safetensors_header(&ids);
        replace_with(path, |file| {
            file.write_all(&header).written_at(path)?;
            if matches!(ids, StoredIds::Integers) {
                self.write_integer_ids(path, file)?;
            }
            RowSink::new(path, self.count(), file).filled_by(fill)
        })
    }

    fn safetensors_header(&self, ids: &StoredIds) -> Vec<u8> {
        let mut metadata = self.metadata.clone();
        metadata.remove(IDS_KEY);
        let mut tensors = vec![];
        match ids {
            StoredIds::Lines(lines) => {
                metadata.insert(IDS_KEY.to_owned(), lines.clone());
            }
            StoredIds::Integers => tensors.push(TensorHeader {
                name: "ids",
                dtype: Dtype::I64,
                shape: vec![self.rows],
            }),
        }
        tensors.push(TensorHeader {
            name: self.name(),
            dtype: Dtype::F32,
            shape: self.shape(),
        });
        safetensors_header(&metadata, &tensors)
    }

    fn write_integer_ids(&self, path: &Path, file: &mut dyn Write) -> Result<(), DataError> {
        for ids in self.id_blocks() {
            let integers = integer_ids(&ids?).ok_or_else(|| {
                let reason = "its ids changed while it was written".to_owned();
                FileError::Unstorable(reason).at(path)
            })?;
            file.write_all(&i64_bytes(&integers)).written_at(path)?;
        }
        Ok(())
    }

    fn write_npz<E: From<DataError>>(
        &self,
        path: &Path,
        fill: impl FnOnce(&mut RowSink<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        // An archive has the checksum of an array before its data.
        let mut data = Vec::with_capacity(4 * self.count());
        RowSink::new(path, self.count(), &mut data).filled_by(fill)?;
        let latents = npy_bytes("<f4", &self.shape(), &data);
        let archive = npz_archive(&[(self.name(), latents), ("ids", self.npy_of_ids()?)]);
        let archive =
            archive.map_err(|reason| FileError::Unstorable(reason.to_string()).at(path))?;
        Ok(write_atomically(path, |file| file.write_all(&archive))?)
    }

    fn npy_of_ids(&self) -> Result<Vec<u8>, DataError> {
        let ids = self.all_ids()?;
        Ok(match integer_ids(&ids) {
            Some(integers) => npy_bytes("<i8", &[ids.len()], &i64_bytes(&integers)),
            None => npy_of_texts(&ids),
        })
    }
}

/// Returns the archive of these arrays, without compression: floats of latents hardly compress.
/// The times in it are fixed, so that the same contents give the same bytes.
fn npz_archive(arrays: &[(&str, Vec<u8>)]) -> zip::result::ZipResult<Vec<u8>> {
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    let mut archive = ZipWriter::new(Cursor::new(vec![]));
    for (name, bytes) in arrays {
        // Sizes in an archive have 32 bits, unless it is told that a file is larger.
        let is_large = u32::try_from(bytes.len()).is_err();
        archive.start_file(format!("{name}.npy"), options.large_file(is_large))?;
        archive.write_all(bytes)?;
    }
    Ok(archive.finish()?.into_inner())
}

/// Returns texts as numpy stores them: 32 bits for each character, as many characters for each text
/// as the longest has.
fn npy_of_texts(texts: &[String]) -> Vec<u8> {
    let lengths = texts.iter().map(|text| text.chars().count());
    // A type of texts without characters would not be read again.
    let width = lengths.max().unwrap_or(0).max(1);
    let mut data = Vec::with_capacity(4 * width * texts.len());
    for text in texts {
        let padding = std::iter::repeat('\0');
        for character in text.chars().chain(padding).take(width) {
            data.extend(u32::from(character).to_le_bytes());
        }
    }
    npy_bytes(&format!("<U{width}"), &[texts.len()], &data)
}
