//! A latents file written some rows at a time.

use super::LatentsFile;
use super::stored::{Described, Precision, Stored, integers, into_order, safetensors_header};
use super::write::unstorable;
use crate::DataError;
use crate::row_sink::atomically_anywhere;
use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::path::Path;

impl LatentsFile {
    /// Writes the file that [`write`](Self::write) writes of all `blocks` joined, whole or not at
    /// all; one block is in memory at a time. There are `rows` rows in all, and their ids are whole
    /// numbers that rise, which is how they are known to differ.
    ///
    /// # Errors
    /// Those of `blocks`; as [`write`](Self::write); [`DataError::Unstorable`] for other ids,
    /// another number of rows, and blocks that hold different things.
    pub fn write_blocks<E: From<DataError>>(
        path: &Path,
        rows: usize,
        precision: Precision,
        blocks: impl Iterator<Item = Result<Self, E>>,
    ) -> Result<(), E> {
        atomically_anywhere(path, |file| put_all(path, rows, precision, blocks, file))
    }
}

fn put_all<E: From<DataError>>(
    path: &Path,
    rows: usize,
    precision: Precision,
    blocks: impl Iterator<Item = Result<LatentsFile, E>>,
    file: &mut File,
) -> Result<(), E> {
    let (mut layout, mut done, mut last) = (None, 0, None);
    for block in blocks {
        let block = block?;
        last = expect_rising(path, &block.ids, last)?;
        let (mut tensors, metadata) = block.parts(path, done, precision)?;
        into_order(path, &mut tensors)?;
        let layout = match &mut layout {
            Some(layout) => layout,
            empty => {
                let header = |parts: &[Described<'_>]| safetensors_header(&metadata, parts);
                empty.insert(Layout::begin(path, rows, &tensors, header, file)?)
            }
        };
        layout.put(path, &tensors, file)?;
        done += block.posterior.rows();
        if done > rows {
            break;
        }
    }
    match done == rows && layout.is_some() {
        true => Ok(()),
        false => Err(unstorable(
            path,
            &format!("there are not as many rows as the {rows} announced"),
        )
        .into()),
    }
}

/// The last of the ids, behind `last`.
fn expect_rising(path: &Path, ids: &[String], last: Option<i64>) -> Result<Option<i64>, DataError> {
    let numbers =
        integers(ids).ok_or_else(|| unstorable(path, "ids of rows in blocks are whole numbers"))?;
    let all: Vec<i64> = last.into_iter().chain(numbers).collect();
    match all.windows(2).find(|pair| pair[0] >= pair[1]) {
        None => Ok(all.last().copied()),
        Some(pair) => Err(unstorable(
            path,
            &format!(
                "ids of rows in blocks rise; {} stands behind {}",
                pair[1], pair[0]
            ),
        )),
    }
}

/// Where each tensor of the file goes on.
struct Layout(Vec<(&'static str, u64)>);

impl Layout {
    /// Writes the beginning of a file of `rows` rows like those of `tensors`.
    fn begin(
        path: &Path,
        rows: usize,
        tensors: &[(&'static str, Stored)],
        header: impl FnOnce(&[Described<'_>]) -> Vec<u8>,
        file: &mut File,
    ) -> Result<Self, DataError> {
        let mut described: Vec<Described<'_>> = tensors
            .iter()
            .map(|(name, stored)| stored.described(name))
            .collect();
        described
            .iter_mut()
            .filter_map(|part| part.shape.first_mut())
            .for_each(|first| *first = rows);
        let header = header(&described);
        file.write_all(&header).map_err(|reason| DataError::Write {
            path: path.to_owned(),
            reason,
        })?;
        let mut place = header.len() as u64;
        let places = tensors.iter().zip(&described).map(|((name, _), part)| {
            let start = place;
            place += (part.shape.iter().product::<usize>() * part.dtype.bitsize() / 8) as u64;
            (*name, start)
        });
        Ok(Self(places.collect()))
    }

    /// Writes a block's tensors where those before them ended.
    fn put(
        &mut self,
        path: &Path,
        tensors: &[(&str, Stored)],
        file: &mut File,
    ) -> Result<(), DataError> {
        if !self
            .0
            .iter()
            .map(|(name, _)| *name)
            .eq(tensors.iter().map(|(name, _)| *name))
        {
            return Err(unstorable(path, "its blocks hold different tensors"));
        }
        for ((_, place), (_, stored)) in self.0.iter_mut().zip(tensors) {
            let written = file
                .seek(SeekFrom::Start(*place))
                .and_then(|_| file.write_all(&stored.data));
            written.map_err(|reason| DataError::Write {
                path: path.to_owned(),
                reason,
            })?;
            *place += stored.data.len() as u64;
        }
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
    fn what_is_no_file_leaves_none() {
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
        assert!(fails(8, vec![file(4..8, 0), file(0..4, 0)]).contains("0 stands behind 21"));
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
