use super::contents::Contents;
use super::ids::{IDS_KEY, expect_different};
use super::ids_table::IdsTable;
use super::roles::{self, Roles};
use super::row_file::RowFile;
use super::{LatentsFile, Repeats, row_numbers};
use crate::DataError;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// A latents file of any size, read some rows at a time.
///
/// Safetensors files and `.npy` files in C order, with whole numbers as ids or without any, are
/// read from the disk row by row. Every other file of [`LatentsFile::read`] is read whole, once.
pub struct LatentsStream {
    path: PathBuf,
    rows: usize,
    latent_shape: Vec<usize>,
    source: Source,
}

enum Source {
    Rows(RowFile),
    Whole(Box<LatentsFile>),
}

/// Rows that are looked at together where all are looked at.
const ROWS_AT_ONCE: usize = 1 << 16;
impl LatentsStream {
    /// Opens the file: headers and ids are looked at, latents are not.
    ///
    /// # Errors
    /// As [`LatentsFile::read`], but for what only the latents themselves show.
    pub fn open(path: &Path) -> Result<Self, DataError> {
        let Some(file) = RowFile::open(path)?.filter(|file| names_rows_by_numbers(path, file))
        else {
            let whole = LatentsFile::read(path)?;
            let (rows, latent_shape) = (whole.posterior.rows(), whole.latent_shape.clone());
            return Ok(Self {
                path: path.to_owned(),
                rows,
                latent_shape,
                source: Source::Whole(Box::new(whole)),
            });
        };
        let layout = Roles::of(&Contents::of_rows(path, &file, vec![], usize::MAX))?.layout;
        let (rows, latent_shape) = (layout.rows, layout.latent_shape);
        let stream = Self {
            path: path.to_owned(),
            rows,
            latent_shape,
            source: Source::Rows(file),
        };
        stream.expect_different_ids()?;
        Ok(stream)
    }

    /// How many rows it has.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Dimensions of a latent.
    pub fn dim(&self) -> usize {
        self.latent_shape.iter().product()
    }

    /// The shape of one latent.
    pub fn latent_shape(&self) -> &[usize] {
        &self.latent_shape
    }

    /// Those rows as a file of their own.
    ///
    /// # Errors
    /// As [`LatentsFile::read`]; rows in errors are those of the whole file.
    ///
    /// # Panics
    /// When the range ends beyond the last row.
    pub fn read(&self, rows: Range<usize>) -> Result<LatentsFile, DataError> {
        assert!(rows.end <= self.rows, "row {} of {}", rows.end, self.rows);
        self.select(&rows.collect::<Vec<_>>())
    }

    /// Those rows as a file of their own, in this order; a row may come again. The others are
    /// passed over.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    ///
    /// # Panics
    /// When a row is beyond the last.
    pub fn select(&self, rows: &[usize]) -> Result<LatentsFile, DataError> {
        match &self.source {
            Source::Rows(file) => LatentsFile::of(
                Contents::of_rows(&self.path, file, rows.to_vec(), self.rows),
                None,
                Repeats::Allowed,
            ),
            Source::Whole(whole) => Ok(whole.chosen(rows)),
        }
    }

    /// The ids of those rows.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn ids(&self, rows: Range<usize>) -> Result<Vec<String>, DataError> {
        match &self.source {
            Source::Whole(whole) => Ok(whole.ids[rows].to_vec()),
            Source::Rows(file) => {
                let contents =
                    Contents::of_rows(&self.path, file, rows.clone().collect(), self.rows);
                match contents.find(&roles::IDS) {
                    None => Ok(row_numbers(rows)),
                    Some(index) => {
                        let names = contents.load(index)?.names();
                        names.ok_or_else(|| contents.wrong_type(index, "a whole number"))
                    }
                }
            }
        }
    }

    /// Whole numbers that only rise are all different; others have to be looked at together.
    fn expect_different_ids(&self) -> Result<(), DataError> {
        let Source::Rows(file) = &self.source else {
            return Ok(());
        };
        let Some(index) = Contents::of_rows(&self.path, file, vec![], self.rows).find(&roles::IDS)
        else {
            return Ok(());
        };
        let mut last = None;
        for rows in self.blocks(ROWS_AT_ONCE) {
            let contents = Contents::of_rows(&self.path, file, rows.clone().collect(), self.rows);
            if contents.shape(index) != [rows.len()] {
                return Err(
                    contents.wrong_shape(index, format!("[{}], one for each row", self.rows))
                );
            }
            for id in contents.load(index)?.integers().unwrap_or_default() {
                if last.is_some_and(|last| last >= id) {
                    return expect_different(&self.path, &self.ids(0..self.rows)?);
                }
                last = Some(id);
            }
        }
        Ok(())
    }

    /// All rows, so many at a time.
    pub fn blocks(&self, at_once: usize) -> impl Iterator<Item = Range<usize>> + use<> {
        let rows = self.rows;
        (0..rows)
            .step_by(at_once.max(1))
            .map(move |first| first..rows.min(first.saturating_add(at_once)))
    }
}

/// Whether the ids are numbers in the file itself, or nowhere.
fn names_rows_by_numbers(path: &Path, file: &RowFile) -> bool {
    let in_file = file
        .headers
        .iter()
        .find(|header| roles::IDS.contains(&header.name.as_str()));
    match in_file {
        Some(header) => !header.element.is_float() && header.element.width() > 0,
        None => !file.metadata.contains_key(IDS_KEY) && !IdsTable::place(path).is_file(),
    }
}

impl LatentsFile {
    fn chosen(&self, rows: &[usize]) -> Self {
        Self {
            ids: rows.iter().map(|&row| self.ids[row].clone()).collect(),
            posterior: self.posterior.select(rows),
            latent_shape: self.latent_shape.clone(),
            views: self.views_of(rows),
            labels: self
                .labels
                .as_ref()
                .map(|labels| rows.iter().map(|&row| labels[row]).collect()),
            metadata: self.metadata.clone(),
        }
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
    use crate::{Precision, write_f32};
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
    fn windows_are_the_rows_of_the_whole() {
        // Numbers are read row by row; names, and numbers that do not rise, are read as well.
        let ids: [&dyn Fn(usize) -> String; 3] = [
            &|row| (7 * row).to_string(),
            &|row| format!("n{row}"),
            &|row| (100 - row).to_string(),
        ];
        for (kind, ids) in ids.into_iter().enumerate() {
            let whole = file(10, ids);
            let (_folder, path) = written(&whole);
            let stream = LatentsStream::open(&path).unwrap();
            assert_eq!(matches!(stream.source, Source::Rows(_)), kind != 1);
            assert_eq!(
                (stream.rows(), stream.dim(), stream.latent_shape()),
                (10, 6, &[2, 3][..])
            );
            for rows in stream.blocks(4) {
                assert_eq!(
                    stream.read(rows.clone()).unwrap(),
                    whole.chosen(&rows.clone().collect::<Vec<_>>())
                );
                assert_eq!(stream.ids(rows.clone()).unwrap(), whole.ids[rows]);
            }
            let chosen = [7, 0, 3, 7, 9];
            assert_eq!(stream.select(&chosen).unwrap(), whole.chosen(&chosen));
            assert_eq!(stream.select(&[]).unwrap().ids.len(), 0);
        }
    }

    #[test]
    fn rows_far_apart_are_read_in_the_order_asked_for() {
        let whole = file(5000, |row| row.to_string());
        let (_folder, path) = written(&whole);
        let chosen = [4999, 3, 1500, 2, 1024, 1023];
        assert_eq!(
            LatentsStream::open(&path).unwrap().select(&chosen).unwrap(),
            whole.chosen(&chosen)
        );
    }

    #[test]
    fn arrays_of_numpy_are_read_by_row() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.npy");
        write_f32(
            &path,
            &[5, 2],
            &[0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0],
        )
        .unwrap();
        let stream = LatentsStream::open(&path).unwrap();
        assert!(matches!(stream.source, Source::Rows(_)));
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
        write_f32(&path, &[10, 2], &values).unwrap();
        let stream = LatentsStream::open(&path).unwrap();
        let error = stream.read(4..8).unwrap_err().to_string();
        assert!(
            error.contains("row 6") && error.contains("column 1"),
            "{error}"
        );
        assert!(stream.read(0..4).is_ok());
    }

    #[test]
    fn an_id_that_comes_twice_is_found_at_once() {
        let (_folder, path) = written(&file(6, |row| row.to_string()));
        let mut bytes = std::fs::read(&path).unwrap();
        let length = u64::from_le_bytes(*bytes.first_chunk().unwrap()) as usize;
        // Ids come first; the fifth becomes the second.
        bytes[8 + length + 8 * 4] = 1;
        std::fs::write(&path, bytes).unwrap();
        let error = LatentsStream::open(&path).unwrap_err();
        assert!(
            matches!(
                error,
                DataError::DuplicateId {
                    first: 1,
                    second: 4,
                    ..
                }
            ),
            "{error}"
        );
    }

    #[test]
    fn a_cut_file_is_named_as_whole_reading_names_it() {
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
