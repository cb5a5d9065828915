use super::LatentsFile;
use super::ids::{IDS_KEY, expect_count, expect_different};
use super::stored::{Precision, Stored, integers, joined, safetensors_bytes};
use crate::{DataError, write_atomically};
use std::collections::BTreeMap;
use std::path::Path;
use zbridge_core::{Latents, Posterior};

/// Tensors by name.
type Named = Vec<(&'static str, Stored)>;
/// The tensors and the metadata of a file.
pub(super) type Parts = (Named, BTreeMap<String, String>);

impl LatentsFile {
    /// Writes the safetensors file, whole or not at all. The same contents give the same bytes.
    ///
    /// Latents stand in it with their [`latent_shape`](Self::latent_shape): Gaussians as `mean` and
    /// `log_var`, draws as `samples`, `[n, draws, …]`.
    ///
    /// # Errors
    /// [`DataError::Write`]; [`DataError::Unstorable`] when a value is beyond f16, an id holds a
    /// line break, or views are known by samples only; [`DataError::DuplicateId`] and
    /// [`DataError::CountMismatch`] when the parts do not belong together.
    pub fn write(&self, path: &Path, precision: Precision) -> Result<(), DataError> {
        let bytes = self.to_bytes(path, precision)?;
        write_atomically(path, |file| file.write_all(&bytes))
    }

    pub(super) fn to_bytes(&self, path: &Path, precision: Precision) -> Result<Vec<u8>, DataError> {
        let (tensors, metadata) = self.parts(path, 0, precision)?;
        safetensors_bytes(path, tensors, &metadata)
    }

    /// What the file holds of these rows, the first of which is the file's row `first`.
    pub(super) fn parts(
        &self,
        path: &Path,
        first: usize,
        precision: Precision,
    ) -> Result<Parts, DataError> {
        self.expect_belonging(path)?;
        let mut tensors = self.latents(path, first, precision)?;
        tensors.extend(self.stored_views(path, first, precision)?);
        let mut metadata = self.metadata.clone();
        metadata.remove(IDS_KEY);
        match integers(&self.ids) {
            Some(ids) => tensors.push(("ids", Stored::integers(&ids))),
            None => _ = metadata.insert(IDS_KEY.to_owned(), joined(path, &self.ids)?),
        }
        tensors.extend(
            self.labels
                .as_ref()
                .map(|labels| ("labels", Stored::bytes(labels))),
        );
        Ok((tensors, metadata))
    }

    fn latents(&self, path: &Path, first: usize, precision: Precision) -> Result<Named, DataError> {
        let rows = self.posterior.rows();
        let stored = |name, latents: &Latents, axes: &[usize]| {
            let shape = [axes, &self.latent_shape[..]].concat();
            let first = first * (latents.rows() / rows.max(1));
            Ok((
                name,
                Stored::floats(path, name, latents, first, precision)?.shaped(shape),
            ))
        };
        match &self.posterior {
            Posterior::DiagonalGaussian(gaussian) => Ok(vec![
                stored("mean", gaussian.mean(), &[rows])?,
                stored("log_var", gaussian.log_var(), &[rows])?,
            ]),
            Posterior::Samples(samples) => Ok(vec![stored(
                "samples",
                samples.points(),
                &[rows, samples.draws()],
            )?]),
            _ => Err(unstorable(
                path,
                "a latents file holds Gaussians or samples; these posteriors are neither",
            )),
        }
    }

    fn stored_views(
        &self,
        path: &Path,
        first: usize,
        precision: Precision,
    ) -> Result<Named, DataError> {
        let Some(views) = &self.views else {
            return Ok(vec![]);
        };
        let why = "views are stored as means and log-variances; these are known by samples only";
        let gaussian = views.as_diagonal().ok_or_else(|| unstorable(path, why))?;
        let rows = self.posterior.rows();
        let each = views.rows() / rows.max(1);
        let shape = [&[rows, each], &self.latent_shape[..]].concat();
        let stored = [
            ("view_mean", gaussian.mean()),
            ("view_log_var", gaussian.log_var()),
        ]
        .map(|(name, latents)| {
            Ok((
                name,
                Stored::floats(path, name, latents, first * each, precision)?.shaped(shape.clone()),
            ))
        });
        stored.into_iter().collect()
    }

    fn expect_belonging(&self, path: &Path) -> Result<(), DataError> {
        expect_different(path, &self.ids)?;
        let rows = self.posterior.rows();
        let views = self.views.as_ref().map_or(0, Posterior::rows);
        expect_count(path, "views", views.div_ceil(rows.max(1)) * rows, views)?;
        expect_count(path, "ids", rows, self.ids.len())?;
        expect_count(
            path,
            "labels",
            rows,
            self.labels.as_ref().map_or(rows, Vec::len),
        )?;
        expect_shape(path, &self.latent_shape, self.posterior.dim())
    }
}

/// An error unless a latent of this shape has `dim` elements.
pub(super) fn expect_shape(
    path: &Path,
    latent_shape: &[usize],
    dim: usize,
) -> Result<(), DataError> {
    match latent_shape
        .iter()
        .try_fold(1usize, |product, size| product.checked_mul(*size))
    {
        Some(elements) if elements == dim => Ok(()),
        _ => Err(unstorable(
            path,
            &format!("latents of {dim} elements do not fill the shape {latent_shape:?}"),
        )),
    }
}

pub(super) fn unstorable(path: &Path, why: &str) -> DataError {
    DataError::Unstorable {
        path: path.to_owned(),
        why: why.to_owned(),
    }
}
