use super::ids::{IDS_KEY, expect_count, expect_different};
use super::ids_table::write_ids;
use super::stored::{Precision, Stored, integers, joined, safetensors_bytes};
use super::write::{expect_shape, unstorable};
use crate::{DataError, write_atomically, write_f32};
use std::collections::BTreeMap;
use std::io::{Cursor, Write};
use std::path::Path;
use zbridge_core::PosteriorSamples;
use zip::write::{SimpleFileOptions, ZipWriter};

/// Latents that were drawn, so many for each source row: what a decoder elsewhere makes observations of.
#[derive(Debug, Clone, PartialEq)]
pub struct GeneratedLatents {
    /// The id of each source row, all different.
    pub ids: Vec<String>,
    /// The draws, `[n, draws, d]`.
    pub draws: PosteriorSamples,
    /// The shape of one latent, of `d` elements.
    pub latent_shape: Vec<usize>,
    /// What else is said of them; only safetensors keeps it.
    pub metadata: BTreeMap<String, String>,
}

impl GeneratedLatents {
    /// Writes the file that the extension of `path` names, whole or not at all: `.safetensors`, `.npy` or `.npz`.
    ///
    /// The draws are `samples`, `[n, draws, …]`, or, where each row has one, `z`, `[n, …]`, as f32. Ids stand beside them as
    /// `ids`; those of an `.npy` file in a table, `x.ids.csv` for `x.npy`. [`LatentsFile::read`](super::LatentsFile::read)
    /// reads them again; only an `.npy` file, which has no names, does not tell draws from another axis of the latents.
    ///
    /// # Errors
    /// [`DataError::Write`]; [`DataError::Unstorable`] for another extension, a shape that the latents do not fill, or an
    /// id with a line break; [`DataError::DuplicateId`] and [`DataError::CountMismatch`] where ids and rows do not belong
    /// together.
    pub fn write(&self, path: &Path) -> Result<(), DataError> {
        self.expect_belonging(path)?;
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("safetensors") => self.write_bytes(path, self.to_safetensors(path)?),
            Some("npz") => self.write_bytes(path, self.to_npz(path)?),
            Some("npy") => {
                let values = self.draws.points().values();
                write_ids(path, &self.ids, || write_f32(path, &self.shape(), values))
            }
            _ => Err(unstorable(path, "the name must end in .safetensors, .npy or .npz")),
        }
    }

    fn write_bytes(&self, path: &Path, bytes: Vec<u8>) -> Result<(), DataError> {
        write_atomically(path, |file| file.write_all(&bytes))
    }

    fn rows(&self) -> usize {
        self.draws.points().rows() / self.draws.draws()
    }

    /// `z`, where every row has one draw, else `samples`.
    fn name(&self) -> &'static str {
        if self.draws.draws() == 1 { "z" } else { "samples" }
    }

    fn shape(&self) -> Vec<usize> {
        let axes: &[usize] = if self.draws.draws() == 1 { &[self.rows()] } else { &[self.rows(), self.draws.draws()] };
        [axes, &self.latent_shape[..]].concat()
    }

    fn to_safetensors(&self, path: &Path) -> Result<Vec<u8>, DataError> {
        let (name, mut metadata) = (self.name(), self.metadata.clone());
        let latents = Stored::floats(path, name, self.draws.points(), Precision::F32)?.shaped(self.shape());
        let mut tensors = vec![(name, latents)];
        metadata.remove(IDS_KEY);
        match integers(&self.ids) {
            Some(ids) => tensors.push(("ids", Stored::integers(&ids))),
            None => _ = metadata.insert(IDS_KEY.to_owned(), joined(path, &self.ids)?),
        }
        safetensors_bytes(path, &tensors, metadata)
    }

    fn to_npz(&self, path: &Path) -> Result<Vec<u8>, DataError> {
        let floats = self.draws.points().values().iter().flat_map(|value| value.to_le_bytes()).collect();
        let ids = match integers(&self.ids) {
            Some(ids) => npy_bytes("<i8", &[ids.len()], ids.iter().flat_map(|id| id.to_le_bytes()).collect()),
            None => texts(&self.ids),
        };
        let latents = npy_bytes("<f4", &self.shape(), floats);
        zipped(&[(self.name(), latents), ("ids", ids)]).map_err(|reason| unstorable(path, &reason.to_string()))
    }

    fn expect_belonging(&self, path: &Path) -> Result<(), DataError> {
        expect_different(path, &self.ids)?;
        expect_count(path, "ids", self.rows(), self.ids.len())?;
        expect_shape(path, &self.latent_shape, self.draws.points().dim())
    }
}

/// The archive of these arrays, not compressed: floats of latents have nothing to compress. Its times are fixed.
fn zipped(arrays: &[(&str, Vec<u8>)]) -> zip::result::ZipResult<Vec<u8>> {
    let options = SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    let mut archive = ZipWriter::new(Cursor::new(vec![]));
    for (name, bytes) in arrays {
        // Zip counts with 32 bits unless told that an entry is larger.
        archive.start_file(format!("{name}.npy"), options.large_file(u32::try_from(bytes.len()).is_err()))?;
        archive.write_all(bytes)?;
    }
    Ok(archive.finish()?.into_inner())
}

/// An array in numpy's format, version 1.
fn npy_bytes(descr: &str, shape: &[usize], data: Vec<u8>) -> Vec<u8> {
    let sizes: String = shape.iter().map(|size| format!("{size}, ")).collect();
    let mut header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({}), }}", sizes.trim_end());
    // The elements begin at a multiple of 64 bytes, behind 10 bytes and a line break.
    let padding = 63 - (10 + header.len()) % 64;
    header.extend(std::iter::repeat_n(' ', padding));
    header.push('\n');
    let length = (header.len() as u16).to_le_bytes();
    [b"\x93NUMPY\x01\x00", &length[..], header.as_bytes(), &data].concat()
}

/// Texts as numpy keeps them: code points of 32 bits, as many for each as the longest has.
fn texts(texts: &[String]) -> Vec<u8> {
    let longest = texts.iter().map(|text| text.chars().count()).max().unwrap_or(0).max(1);
    let padded = |text: &String| -> Vec<u8> {
        let points = text.chars().map(u32::from).chain(std::iter::repeat(0)).take(longest);
        points.flat_map(u32::to_le_bytes).collect()
    };
    npy_bytes(&format!("<U{longest}"), &[texts.len()], texts.iter().flat_map(padded).collect())
}
