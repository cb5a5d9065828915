use super::LatentsFile;
use super::ids::expect_different;
use super::roles::IDS_KEY;
use super::safetensors_writer::{
    Precision, StoredTensor, id_lines, integer_ids, safetensors_bytes,
};
use crate::error::AtPath;
use crate::files::write_atomically;
use crate::{DataError, FileError, RowsError};
use std::collections::BTreeMap;
use std::path::Path;
use zbridge_core::{Latents, Posterior};

/// The contents of a safetensors file.
pub(super) struct FileContents {
    pub(super) tensors: Vec<StoredTensor>,
    pub(super) metadata: BTreeMap<String, String>,
}

impl FileContents {
    /// Adds the ids as a tensor, or, if they are not integers, as metadata.
    fn add_ids(&mut self, path: &Path, ids: &[String]) -> Result<(), DataError> {
        // Ids of an earlier file, which may be others.
        self.metadata.remove(IDS_KEY);
        if let Some(integers) = integer_ids(ids) {
            self.tensors.push(StoredTensor::of_i64("ids", &integers));
        } else {
            let lines = id_lines(path, ids)?;
            self.metadata.insert(IDS_KEY.to_owned(), lines);
        }
        Ok(())
    }
}

impl LatentsFile {
    /// Writes the safetensors file, whole or not at all. The same contents give the same bytes.
    ///
    /// Latents have their [`latent_shape`](Self::latent_shape) in it: Gaussians as `mean` and
    /// `log_var`, `[n, …]`; draws as `samples`, `[n, draws, …]`.
    ///
    /// # Errors
    /// [`FileError::Write`]; [`FileError::Unstorable`] if a value is beyond f16, an id has a line
    /// break, or views are known by samples only; [`RowsError`] if an id occurs twice or the parts
    /// have different numbers of rows.
    pub fn write(&self, path: &Path, precision: Precision) -> Result<(), DataError> {
        let bytes = self.to_bytes(path, precision)?;
        write_atomically(path, |file| file.write_all(&bytes))
    }

    pub(super) fn to_bytes(&self, path: &Path, precision: Precision) -> Result<Vec<u8>, DataError> {
        let contents = self.contents(path, 0, precision)?;
        safetensors_bytes(path, contents.tensors, &contents.metadata)
    }

    /// Returns what the file holds of these rows, the first of which is row `first` of the file.
    pub(super) fn contents(
        &self,
        path: &Path,
        first: usize,
        precision: Precision,
    ) -> Result<FileContents, DataError> {
        self.expect_consistent(path)?;
        let unstorable = |reason| FileError::Unstorable(reason).at(path);
        let mut contents = FileContents {
            tensors: self.latent_tensors(first, precision).map_err(unstorable)?,
            metadata: self.metadata.clone(),
        };
        let views = self.view_tensors(first, precision).map_err(unstorable)?;
        contents.tensors.extend(views);
        if let Some(labels) = &self.labels {
            contents.tensors.push(StoredTensor::of_u8("labels", labels));
        }
        contents.add_ids(path, &self.ids)?;
        Ok(contents)
    }

    /// Returns the tensors of the latents; in words, why they cannot be stored.
    fn latent_tensors(
        &self,
        first: usize,
        precision: Precision,
    ) -> Result<Vec<StoredTensor>, String> {
        let rows = self.posterior.rows();
        match &self.posterior {
            Posterior::DiagonalGaussian(gaussian) => Ok(vec![
                self.tensor("mean", gaussian.mean(), &[rows], first, precision)?,
                self.tensor("log_var", gaussian.log_var(), &[rows], first, precision)?,
            ]),
            Posterior::Samples(samples) => {
                let (draws, points) = (samples.draws(), samples.points());
                let first = first * draws;
                let samples = self.tensor("samples", points, &[rows, draws], first, precision)?;
                Ok(vec![samples])
            }
            _ => Err(
                "a latents file holds Gaussians or samples; these posteriors are neither"
                    .to_owned(),
            ),
        }
    }

    /// Returns the tensors of the views, none if there are none; in words, why they cannot be
    /// stored.
    fn view_tensors(
        &self,
        first: usize,
        precision: Precision,
    ) -> Result<Vec<StoredTensor>, String> {
        let Some(views) = &self.views else {
            return Ok(vec![]);
        };
        let gaussian = views.as_diagonal().ok_or(
            "views are stored as means and log-variances; these are known by samples only",
        )?;
        let rows = self.posterior.rows();
        let axes = [rows, views.rows() / rows.max(1)];
        let first = first * axes[1];
        Ok(vec![
            self.tensor("view_mean", gaussian.mean(), &axes, first, precision)?,
            self.tensor("view_log_var", gaussian.log_var(), &axes, first, precision)?,
        ])
    }

    /// Returns latents as a tensor whose last axes are those of one latent.
    fn tensor(
        &self,
        name: &'static str,
        latents: &Latents,
        first_axes: &[usize],
        first_row: usize,
        precision: Precision,
    ) -> Result<StoredTensor, String> {
        let shape = [first_axes, &self.latent_shape[..]].concat();
        match precision {
            Precision::F32 => Ok(StoredTensor::of_f32(name, shape, latents.values())),
            Precision::F16 => StoredTensor::of_f16(name, shape, latents, first_row),
        }
    }

    /// Returns an error unless ids differ and all parts have the same number of rows.
    fn expect_consistent(&self, path: &Path) -> Result<(), DataError> {
        expect_different(path, &self.ids)?;
        let rows = self.posterior.rows();
        RowsError::expect_count("ids", rows, self.ids.len()).at(path)?;
        if let Some(views) = self.views.as_ref().map(Posterior::rows) {
            // Rounded up to whole rows: equal to the number of views if no row lacks one.
            let whole_rows = views.div_ceil(rows.max(1)) * rows;
            RowsError::expect_count("views", whole_rows, views).at(path)?;
        }
        if let Some(labels) = &self.labels {
            RowsError::expect_count("labels", rows, labels.len()).at(path)?;
        }
        expect_shape(path, &self.latent_shape, self.posterior.dim())
    }
}

/// Returns an error unless a latent of this shape has `dim` elements.
fn expect_shape(path: &Path, latent_shape: &[usize], dim: usize) -> Result<(), DataError> {
    let mut sizes = latent_shape.iter();
    let elements = sizes.try_fold(1usize, |elements, size| elements.checked_mul(*size));
    if elements == Some(dim) {
        return Ok(());
    }
    let reason = format!("latents of {dim} elements do not fill the shape {latent_shape:?}");
    Err(FileError::Unstorable(reason).at(path))
}
