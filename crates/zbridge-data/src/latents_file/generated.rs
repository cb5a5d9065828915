use super::ids::IDS_KEY;
use super::ids_table::write_ids;
use super::stored::{Described, float_bytes, integer_bytes, integers, joined, safetensors_header};
use super::write::unstorable;
use crate::row_sink::atomically;
use crate::{DataError, RowSink, write_npy_rows};
use safetensors::tensor::Dtype;
use std::collections::BTreeMap;
use std::io::{Cursor, Write};
use std::ops::Range;
use std::path::Path;
use zip::write::{SimpleFileOptions, ZipWriter};

/// Latents that are drawn, so many for each source row, and written as they come: what a decoder
/// elsewhere makes observations of.
pub struct GeneratedLatents<'a> {
    /// Source rows.
    pub rows: usize,
    /// The ids of a range of source rows, all different.
    pub ids: &'a dyn Fn(Range<usize>) -> Result<Vec<String>, DataError>,
    /// Draws of each row.
    pub draws: usize,
    /// The shape of one latent, of `d` elements.
    pub latent_shape: Vec<usize>,
    /// What else is said of them; only safetensors keeps it.
    pub metadata: BTreeMap<String, String>,
}

/// Rows whose ids are looked at together.
const ROWS_AT_ONCE: usize = 1 << 16;

impl GeneratedLatents<'_> {
    /// Writes the file that the extension of `path` names, whole or not at all: `.safetensors`,
    /// `.npy` or `.npz`; `fill` puts the latents, `[n · draws, d]`, row by row. Only an `.npz` file
    /// has to fit into memory.
    ///
    /// The draws are `samples`, `[n, draws, …]`, or, where each row has one, `z`, `[n, …]`, as f32.
    /// Ids stand beside them as `ids`; those of an `.npy` file in a table, `x.ids.csv` for `x.npy`.
    /// [`LatentsFile::read`](super::LatentsFile::read) reads them again; only an `.npy` file, which
    /// has no names, does not tell draws from another axis of the latents.
    ///
    /// # Errors
    /// Those of `fill`; [`DataError::Write`]; [`DataError::Unstorable`] for another extension,
    /// latents that do not fill their shape, or an id with a line break.
    pub fn write<E: From<DataError>>(
        &self,
        path: &Path,
        fill: impl FnOnce(&mut RowSink<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("safetensors") => self.write_safetensors(path, fill),
            Some("npz") => self.write_npz(path, fill),
            Some("npy") => write_ids(path, self.blocks_of_ids(), || {
                write_npy_rows(path, &self.shape(), fill)
            }),
            _ => Err(unstorable(path, "the name must end in .safetensors, .npy or .npz").into()),
        }
    }

    /// `z`, where every row has one draw, else `samples`.
    fn name(&self) -> &'static str {
        if self.draws == 1 { "z" } else { "samples" }
    }

    fn shape(&self) -> Vec<usize> {
        let axes: &[usize] = if self.draws == 1 {
            &[self.rows]
        } else {
            &[self.rows, self.draws]
        };
        [axes, &self.latent_shape[..]].concat()
    }

    fn numbers(&self) -> usize {
        self.shape().iter().product()
    }

    fn blocks_of_ids(&self) -> impl Iterator<Item = Result<Vec<String>, DataError>> {
        let block = |first: usize| (self.ids)(first..self.rows.min(first + ROWS_AT_ONCE));
        (0..self.rows).step_by(ROWS_AT_ONCE).map(block)
    }

    fn all_ids(&self) -> Result<Vec<String>, DataError> {
        Ok(self
            .blocks_of_ids()
            .collect::<Result<Vec<_>, _>>()?
            .concat())
    }

    /// Ids first, latents behind them. The same contents give the same bytes.
    fn write_safetensors<E: From<DataError>>(
        &self,
        path: &Path,
        fill: impl FnOnce(&mut RowSink<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut numbered = true;
        for ids in self.blocks_of_ids() {
            numbered = numbered && integers(&ids?).is_some();
        }
        let mut metadata = self.metadata.clone();
        metadata.remove(IDS_KEY);
        let mut tensors = vec![];
        if numbered {
            tensors.push(Described {
                name: "ids",
                dtype: Dtype::I64,
                shape: vec![self.rows],
            });
        } else {
            metadata.insert(IDS_KEY.to_owned(), joined(path, &self.all_ids()?)?);
        }
        tensors.push(Described {
            name: self.name(),
            dtype: Dtype::F32,
            shape: self.shape(),
        });
        let header = safetensors_header(&metadata, &tensors);
        let failed = |reason| DataError::Write {
            path: path.to_owned(),
            reason,
        };
        atomically(path, |file| {
            file.write_all(&header).map_err(failed)?;
            for ids in self
                .blocks_of_ids()
                .take(if numbered { usize::MAX } else { 0 })
            {
                file.write_all(&integer_bytes(&integers(&ids?).unwrap_or_default()))
                    .map_err(failed)?;
            }
            let mut put = |values: &[f32]| file.write_all(&float_bytes(values));
            RowSink::new(path, self.numbers(), &mut put).filled(fill)
        })
    }

    fn write_npz<E: From<DataError>>(
        &self,
        path: &Path,
        fill: impl FnOnce(&mut RowSink<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut floats = Vec::with_capacity(4 * self.numbers());
        let mut put = |values: &[f32]| {
            floats.extend(float_bytes(values));
            Ok(())
        };
        RowSink::new(path, self.numbers(), &mut put).filled(fill)?;
        let ids = self.all_ids()?;
        let ids = match integers(&ids) {
            Some(ids) => npy_bytes("<i8", &[ids.len()], integer_bytes(&ids)),
            None => texts(&ids),
        };
        let latents = npy_bytes("<f4", &self.shape(), floats);
        let bytes = zipped(&[(self.name(), latents), ("ids", ids)]);
        let bytes = bytes.map_err(|reason| unstorable(path, &reason.to_string()))?;
        Ok(crate::write_atomically(path, |file| {
            file.write_all(&bytes)
        })?)
    }
}

/// The archive of these arrays, not compressed: floats of latents have nothing to compress. Its
/// times are fixed.
fn zipped(arrays: &[(&str, Vec<u8>)]) -> zip::result::ZipResult<Vec<u8>> {
    let options = SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    let mut archive = ZipWriter::new(Cursor::new(vec![]));
    for (name, bytes) in arrays {
        // Zip counts with 32 bits unless told that an entry is larger.
        archive.start_file(
            format!("{name}.npy"),
            options.large_file(u32::try_from(bytes.len()).is_err()),
        )?;
        archive.write_all(bytes)?;
    }
    Ok(archive.finish()?.into_inner())
}

/// An array in numpy's format, version 1.
fn npy_bytes(descr: &str, shape: &[usize], data: Vec<u8>) -> Vec<u8> {
    let sizes: String = shape.iter().map(|size| format!("{size}, ")).collect();
    let mut header = format!(
        "{{'descr': '{descr}', 'fortran_order': False, 'shape': ({}), }}",
        sizes.trim_end()
    );
    // The elements begin at a multiple of 64 bytes, behind 10 bytes and a line break.
    let padding = 63 - (10 + header.len()) % 64;
    header.extend(std::iter::repeat_n(' ', padding));
    header.push('\n');
    let length = (header.len() as u16).to_le_bytes();
    [b"\x93NUMPY\x01\x00", &length[..], header.as_bytes(), &data].concat()
}

/// Texts as numpy keeps them: code points of 32 bits, as many for each as the longest has.
fn texts(texts: &[String]) -> Vec<u8> {
    let longest = texts
        .iter()
        .map(|text| text.chars().count())
        .max()
        .unwrap_or(0)
        .max(1);
    let padded = |text: &String| -> Vec<u8> {
        let points = text
            .chars()
            .map(u32::from)
            .chain(std::iter::repeat(0))
            .take(longest);
        points.flat_map(u32::to_le_bytes).collect()
    };
    npy_bytes(
        &format!("<U{longest}"),
        &[texts.len()],
        texts.iter().flat_map(padded).collect(),
    )
}
