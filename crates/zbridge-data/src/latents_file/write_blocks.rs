use super::LatentsFile;
use super::safetensors_writer::{
    Precision, StoredTensor, TensorHeader, integer_ids, safetensors_header, sort_tensors,
};
use super::write::FileContents;
use crate::error::IoAtPath;
use crate::files::replace_with_seeks;
use crate::{DataError, FileError};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::path::Path;

impl LatentsFile {
    /// Writes the file that [`write`](Self::write) writes of all `blocks` joined, whole or not at
    /// all; one block is in memory at a time. All blocks have `rows` rows together, and their ids
    /// are whole numbers that rise, so that they are known to differ.
    ///
    /// # Errors
    /// Those of `blocks`; as [`write`](Self::write); [`FileError::Unstorable`] for other ids,
    /// another number of rows, and blocks that hold different tensors.
    pub fn write_blocks<E: From<DataError>>(
        path: &Path,
        rows: usize,
        precision: Precision,
        blocks: impl Iterator<Item = Result<Self, E>>,
    ) -> Result<(), E> {
        replace_with_seeks(path, |file| {
            let mut writer = BlockWriter {
                path,
                file,
                rows,
                rows_done: 0,
                last_id: None,
                places: vec![],
            };
            for block in blocks {
                writer.write(&block?, precision)?;
            }
            Ok(writer.finish()?)
        })
    }
}

/// A file that is written block by block.
struct BlockWriter<'f> {
    path: &'f Path,
    file: &'f mut File,
    /// Rows of the whole file.
    rows: usize,
    rows_done: usize,
    last_id: Option<i64>,
    /// Where each tensor goes on; none before the first block.
    places: Vec<Place>,
}

/// Where the next elements of a tensor are written.
struct Place {
    name: &'static str,
    byte: u64,
}

impl BlockWriter<'_> {
    fn write(&mut self, block: &LatentsFile, precision: Precision) -> Result<(), DataError> {
        self.expect_rising_ids(&block.ids)?;
        let contents = block.contents(self.path, self.rows_done, precision)?;
        let FileContents {
            mut tensors,
            metadata,
        } = contents;
        sort_tensors(self.path, &mut tensors)?;
        if self.places.is_empty() {
            self.write_header(&tensors, &metadata)?;
        }
        // Checked before the block is written: it would overwrite the next tensor.
        self.rows_done += block.posterior.rows();
        if self.rows_done > self.rows {
            return Err(self.wrong_number_of_rows());
        }
        self.write_tensors(&tensors)
    }

    /// Returns an error unless the ids are whole numbers that rise, also from the last block.
    fn expect_rising_ids(&mut self, ids: &[String]) -> Result<(), DataError> {
        let integers = integer_ids(ids);
        let integers = integers
            .ok_or_else(|| self.unstorable("ids of rows in blocks are whole numbers".to_owned()))?;
        for id in integers {
            if let Some(last) = self.last_id.filter(|last| *last >= id) {
                let reason = format!("ids of rows in blocks rise; {id} comes after {last}");
                return Err(self.unstorable(reason));
            }
            self.last_id = Some(id);
        }
        Ok(())
    }

    /// Writes the header of a file of all rows, whose tensors are otherwise those of a block.
    fn write_header(
        &mut self,
        tensors: &[StoredTensor],
        metadata: &BTreeMap<String, String>,
    ) -> Result<(), DataError> {
        let mut headers: Vec<TensorHeader> = tensors.iter().map(StoredTensor::header).collect();
        for header in &mut headers {
            // Rows are the first axis of every tensor of a latents file.
            header.shape[0] = self.rows;
        }
        let header = safetensors_header(metadata, &headers);
        self.file.write_all(&header).written_at(self.path)?;
        let mut byte = header.len() as u64;
        for header in &headers {
            self.places.push(Place {
                name: header.name,
                byte,
            });
            byte += header.byte_count() as u64;
        }
        Ok(())
    }

    /// Writes the tensors of a block after those of the blocks before it.
    fn write_tensors(&mut self, tensors: &[StoredTensor]) -> Result<(), DataError> {
        let names = self.places.iter().map(|place| place.name);
        if !names.eq(tensors.iter().map(|tensor| tensor.name)) {
            return Err(self.unstorable("its blocks hold different tensors".to_owned()));
        }
        for (place, tensor) in self.places.iter_mut().zip(tensors) {
            place.write(self.file, &tensor.data).written_at(self.path)?;
        }
        Ok(())
    }

    fn finish(self) -> Result<(), DataError> {
        // Without any block there is not even a header.
        if self.places.is_empty() || self.rows_done != self.rows {
            return Err(self.wrong_number_of_rows());
        }
        Ok(())
    }

    fn wrong_number_of_rows(&self) -> DataError {
        let rows = self.rows;
        self.unstorable(format!(
            "there are not as many rows as the {rows} announced"
        ))
    }

    fn unstorable(&self, reason: String) -> DataError {
        FileError::Unstorable(reason).at(self.path)
    }
}

impl Place {
    fn write(&mut self, file: &mut File, data: &[u8]) -> io::Result<()> {
        file.seek(SeekFrom::Start(self.byte))?;
        file.write_all(data)?;
        self.byte += data.len() as u64;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ops::Range;
    use zbridge_core::{DiagonalGaussian, Latents, Posterior, RandomStream};

    fn file(rows: Range<usize>, views: usize) -> LatentsFile {
        let draw = |name: &str, each: usize| {
            let row = |row: usize| {
                let mut values = vec![0.0; each * 6];
                RandomStream::named(1, name)
                    .child(row as u64)
                    .fill_standard_normal(&mut values);
                values
            };
            Latents::from_vec(rows.clone().flat_map(row).collect(), 6).unwrap()
        };
        let gaussian =
            |each: usize| DiagonalGaussian::new(draw("mean", each), draw("log_var", each)).unwrap();
        LatentsFile {
            ids: rows.clone().map(|row| (3 * row).to_string()).collect(),
            labels: Some(rows.clone().map(|row| row as u8).collect()),
            views: (views > 0).then(|| gaussian(views).into()),
            latent_shape: vec![2, 3],
            metadata: [("model".to_owned(), "m".to_owned())].into(),
            ..LatentsFile::numbered(gaussian(1).into())
        }
    }

    #[test]
    fn blocks_are_the_bytes_of_the_whole() {
        let folder = tempfile::tempdir().unwrap();
        let (whole, parts) = (folder.path().join("whole"), folder.path().join("parts"));
        for (precision, views) in [(Precision::F32, 0), (Precision::F16, 2)] {
            file(0..10, views).write(&whole, precision).unwrap();
            let blocks = [0..4, 4..8, 8..10].map(|rows| Ok::<_, DataError>(file(rows, views)));
            LatentsFile::write_blocks(&parts, 10, precision, blocks.into_iter()).unwrap();
            assert_eq!(
                std::fs::read(&whole).unwrap(),
                std::fs::read(&parts).unwrap()
            );
        }
    }

    #[test]
    fn faulty_blocks_leave_no_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        let fails = |rows: usize, blocks: Vec<LatentsFile>| {
            let blocks = blocks.into_iter().map(Ok::<_, DataError>);
            let error = LatentsFile::write_blocks(&path, rows, Precision::F32, blocks).unwrap_err();
            assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
            error.to_string()
        };
        assert!(fails(9, vec![file(0..4, 0), file(4..8, 0)]).contains("9 announced"));
        assert!(fails(7, vec![file(0..4, 0), file(4..8, 0)]).contains("7 announced"));
        assert!(fails(0, vec![]).contains("0 announced"));
        assert!(fails(8, vec![file(4..8, 0), file(0..4, 0)]).contains("0 comes after 21"));
        assert!(fails(8, vec![file(0..4, 0), file(4..8, 1)]).contains("different tensors"));
        let named = LatentsFile {
            ids: vec!["a".into(), "b".into()],
            ..file(0..2, 0)
        };
        assert!(fails(2, vec![named]).contains("whole numbers"));
        let wide = Posterior::from(
            DiagonalGaussian::new(Latents::filled(1, 6, 1e6), Latents::filled(1, 6, 0.0)).unwrap(),
        );
        let wide = LatentsFile {
            posterior: wide,
            ..file(2..3, 0)
        };
        let blocks = [Ok::<_, DataError>(file(0..2, 0)), Ok(wide)].into_iter();
        let error = LatentsFile::write_blocks(&path, 3, Precision::F16, blocks)
            .unwrap_err()
            .to_string();
        assert!(error.contains("row 2, column 0"), "{error}");
    }
}
