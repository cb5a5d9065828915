use super::LatentsFile;
use super::ids::{RowNames, expect_different};
use super::ids_table::IdsTable;
use super::read::DuplicateIds;
use super::roles::IDS_KEY;
use super::roles::{IDS, Roles};
use crate::DataError;
use crate::container::{ArrayFile, RowFile};
use std::ops::Range;
use std::path::{Path, PathBuf};

/// A latents file of any size, read some rows at a time.
///
/// Safetensors files and `.npy` files in C order, with whole numbers as ids or without ids, are
/// read from the disk row by row. Every other file of [`LatentsFile::read`] is read whole, once.
pub struct LatentsStream {
    path: PathBuf,
    rows: usize,
    latent_shape: Vec<usize>,
    storage: Storage,
}

enum Storage {
    Disk(RowFile),
    Memory(Box<LatentsFile>),
}

/// Rows whose ids are read together when all ids are read.
const IDS_BLOCK: usize = 1 << 16;

impl LatentsStream {
    /// Opens the file, of which the headers and the ids are read, but not the latents.
    ///
    /// # Errors
    /// As [`LatentsFile::read`], except for faults of the latents themselves.
    pub fn open(path: &Path) -> Result<Self, DataError> {
        match RowFile::open(path)? {
            // Ids that are texts have to be in memory anyway, to be compared.
            Some(file) if has_numbers_as_ids(path, &file) => Self::of_disk(path, file),
            _ => Self::of_memory(path),
        }
    }

    fn of_disk(path: &Path, file: RowFile) -> Result<Self, DataError> {
        let layout = Roles::of(&ArrayFile::of_headers(path, &file))?.layout;
        let stream = Self {
            path: path.to_owned(),
            rows: layout.rows,
            latent_shape: layout.latent_shape,
            storage: Storage::Disk(file),
        };
        // At once, since a later error would come after hours of work.
        stream.expect_different_ids()?;
        Ok(stream)
    }

    fn of_memory(path: &Path) -> Result<Self, DataError> {
        let file = LatentsFile::read(path)?;
        Ok(Self {
            path: path.to_owned(),
            rows: file.posterior.rows(),
            latent_shape: file.latent_shape.clone(),
            storage: Storage::Memory(Box::new(file)),
        })
    }

    /// Returns the number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Returns the number of dimensions of a latent.
    pub fn dim(&self) -> usize {
        self.latent_shape.iter().product()
    }

    /// Returns the shape of one latent.
    pub fn latent_shape(&self) -> &[usize] {
        &self.latent_shape
    }

    /// Returns these rows as a file of their own.
    ///
    /// # Errors
    /// As [`LatentsFile::read`]; rows in errors are those of the whole file.
    ///
    /// # Panics
    /// If the range ends after the last row.
    pub fn read(&self, rows: Range<usize>) -> Result<LatentsFile, DataError> {
        assert!(rows.end <= self.rows, "row {} of {}", rows.end, self.rows);
        self.select(&rows.collect::<Vec<_>>())
    }

    /// Returns these rows as a file of their own, in their order; a row may occur more than once.
    /// Other rows are not read.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    ///
    /// # Panics
    /// If a row is after the last.
    pub fn select(&self, rows: &[usize]) -> Result<LatentsFile, DataError> {
        match &self.storage {
            Storage::Memory(file) => Ok(file.select(rows)),
            Storage::Disk(file) => {
                let file = ArrayFile::of_rows(&self.path, file, rows.to_vec(), self.rows);
                LatentsFile::of(&file, None, DuplicateIds::Allowed)
            }
        }
    }

    /// Returns the ids of these rows.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn ids(&self, rows: Range<usize>) -> Result<Vec<String>, DataError> {
        match &self.storage {
            Storage::Memory(file) => Ok(file.ids[rows].to_vec()),
            Storage::Disk(file) => {
                let count = rows.len();
                let file = ArrayFile::of_rows(&self.path, file, rows.collect(), self.rows);
                RowNames::new(&file, None, count).ids()
            }
        }
    }

    /// Returns an error if an id occurs twice. Numbers that only rise are all different and are
    /// read in blocks; others have to be compared in memory.
    fn expect_different_ids(&self) -> Result<(), DataError> {
        let mut last = None;
        for rows in self.blocks(IDS_BLOCK) {
            // Row numbers are different.
            let Some(numbers) = self.integer_ids(rows)? else {
                return Ok(());
            };
            for number in numbers {
                if last.is_some_and(|last| last >= number) {
                    return expect_different(&self.path, &self.ids(0..self.rows)?);
                }
                last = Some(number);
            }
        }
        Ok(())
    }

    fn integer_ids(&self, rows: Range<usize>) -> Result<Option<Vec<i128>>, DataError> {
        match &self.storage {
            Storage::Memory(_) => Ok(None),
            Storage::Disk(file) => {
                let count = rows.len();
                let file = ArrayFile::of_rows(&self.path, file, rows.collect(), self.rows);
                RowNames::new(&file, None, count).integer_ids()
            }
        }
    }

    /// Returns ranges of at most `block_rows` rows that cover all rows.
    pub fn blocks(&self, block_rows: usize) -> impl Iterator<Item = Range<usize>> + use<> {
        let rows = self.rows;
        let firsts = (0..rows).step_by(block_rows.max(1));
        firsts.map(move |first| first..rows.min(first.saturating_add(block_rows)))
    }
}

/// Returns whether the ids are whole numbers of the file itself, or row numbers.
fn has_numbers_as_ids(path: &Path, file: &RowFile) -> bool {
    let ids = file
        .headers()
        .find(|header| IDS.contains(&header.name.as_str()));
    match ids {
        Some(header) => header.element_type.is_integer(),
        None => !file.metadata.contains_key(IDS_KEY) && !IdsTable::path_for(path).is_file(),
    }
}

impl std::fmt::Debug for LatentsStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LatentsStream")
            .field("path", &self.path)
            .field("rows", &self.rows)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{FileError, Precision, RowsError, write_npy_f32};
    use zbridge_core::{DiagonalGaussian, Latents, Posterior, RandomStream};

    fn file(rows: usize, ids: impl Fn(usize) -> String) -> LatentsFile {
        let draw = |name: &str| {
            let mut values = vec![0.0; rows * 6];
            RandomStream::named(1, name).fill_standard_normal(&mut values);
            Latents::from_vec(values, 6).unwrap()
        };
        let gaussian = DiagonalGaussian::new(draw("mean"), draw("log_var")).unwrap();
        let labels = Some((0..rows).map(|row| row as u8).collect());
        let latent_shape = vec![2, 3];
        LatentsFile {
            ids: (0..rows).map(ids).collect(),
            labels,
            latent_shape,
            ..LatentsFile::numbered(gaussian.into())
        }
    }

    fn written(file: &LatentsFile) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.safetensors");
        file.write(&path, Precision::F32).unwrap();
        (folder, path)
    }

    #[test]
    fn ranges_are_the_rows_of_the_whole() {
        // Numbers are read from the disk, also those that do not rise; names are read whole.
        let ids: [&dyn Fn(usize) -> String; 3] = [
            &|row| (7 * row).to_string(),
            &|row| format!("n{row}"),
            &|row| (100 - row).to_string(),
        ];
        for (kind, ids) in ids.into_iter().enumerate() {
            let whole = file(10, ids);
            let (_folder, path) = written(&whole);
            let stream = LatentsStream::open(&path).unwrap();
            assert_eq!(matches!(stream.storage, Storage::Disk(_)), kind != 1);
            assert_eq!(
                (stream.rows(), stream.dim(), stream.latent_shape()),
                (10, 6, &[2, 3][..])
            );
            for rows in stream.blocks(4) {
                assert_eq!(
                    stream.read(rows.clone()).unwrap(),
                    whole.select(&rows.clone().collect::<Vec<_>>())
                );
                assert_eq!(stream.ids(rows.clone()).unwrap(), whole.ids[rows]);
            }
            let chosen = [7, 0, 3, 7, 9];
            assert_eq!(stream.select(&chosen).unwrap(), whole.select(&chosen));
            assert_eq!(stream.select(&[]).unwrap().ids.len(), 0);
        }
    }

    #[test]
    fn distant_rows_are_read_in_the_requested_order() {
        let whole = file(5000, |row| row.to_string());
        let (_folder, path) = written(&whole);
        let chosen = [4999, 3, 1500, 2, 1024, 1023];
        assert_eq!(
            LatentsStream::open(&path).unwrap().select(&chosen).unwrap(),
            whole.select(&chosen)
        );
    }

    #[test]
    fn npy_files_are_read_by_row() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.npy");
        write_npy_f32(
            &path,
            &[5, 2],
            &[0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0],
        )
        .unwrap();
        let stream = LatentsStream::open(&path).unwrap();
        assert!(matches!(stream.storage, Storage::Disk(_)));
        let part = stream.read(2..4).unwrap();
        assert_eq!(part.ids, ["2", "3"]);
        let Posterior::Samples(samples) = part.posterior else {
            unreachable!()
        };
        assert_eq!(samples.points().values(), [4.0, 5.0, 6.0, 7.0]);
    }

    #[test]
    fn errors_name_rows_of_the_whole_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.npy");
        let mut values = vec![0.0; 20];
        values[13] = f32::NAN;
        write_npy_f32(&path, &[10, 2], &values).unwrap();
        let stream = LatentsStream::open(&path).unwrap();
        let error = stream.read(4..8).unwrap_err().to_string();
        assert!(
            error.contains("row 6") && error.contains("column 1"),
            "{error}"
        );
        assert!(stream.read(0..4).is_ok());
    }

    #[test]
    fn an_id_that_occurs_twice_is_found_on_opening() {
        let (_folder, path) = written(&file(6, |row| row.to_string()));
        let mut bytes = std::fs::read(&path).unwrap();
        let length = u64::from_le_bytes(*bytes.first_chunk().unwrap()) as usize;
        // Ids come first; the fifth becomes the second.
        bytes[8 + length + 8 * 4] = 1;
        std::fs::write(&path, bytes).unwrap();
        let error = LatentsStream::open(&path).unwrap_err();
        assert!(
            matches!(
                error.fault(),
                Some(FileError::Rows(RowsError::DuplicateId {
                    first: 1,
                    second: 4,
                    ..
                }))
            ),
            "{error}"
        );
    }

    #[test]
    fn a_cut_file_has_the_error_of_whole_reading() {
        let (_folder, path) = written(&file(6, |row| row.to_string()));
        let bytes = std::fs::read(&path).unwrap();
        for length in [bytes.len() - 1, 40, 4] {
            std::fs::write(&path, &bytes[..length]).unwrap();
            let [whole, stream] = [
                LatentsFile::read(&path).map(drop),
                LatentsStream::open(&path).map(drop),
            ]
            .map(Result::unwrap_err);
            assert_eq!(whole.to_string(), stream.to_string());
        }
    }
}
