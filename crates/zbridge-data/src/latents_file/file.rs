use super::ids::row_numbers;
use std::collections::BTreeMap;
use zbridge_core::Posterior;

/// Posteriors of many observations, with the ids that pair them and, where known, their classes.
///
/// On the disk: a safetensors, `.npy`, `.npz` or Parquet file, which its first bytes tell. It has
/// `mean` and `log_var`, `[n, d]`; or `samples`, `[n, draws, d]`; or, from a deterministic encoder,
/// `z`, `[n, d]`. Latents of more than one axis, such as `[n, 4, 32, 32]`, are read as vectors, and
/// their shape is kept. There may also be `labels` and `ids`, `[n]`, and posteriors of augmented
/// observations, `view_mean` and `view_log_var`, `[n, views, d]`.
#[derive(Debug, Clone, PartialEq)]
pub struct LatentsFile {
    /// The id of each row, all different.
    pub ids: Vec<String>,
    /// p(z|x) of each row, `[n, d]`.
    pub posterior: Posterior,
    /// The shape of one latent, of `d` elements: `[d]` unless the file has more axes.
    pub latent_shape: Vec<usize>,
    /// p(z|x′) of augmented views x′ of each observation, `[n · views, d]`; the views of a row
    /// are neighbours.
    pub views: Option<Posterior>,
    /// The class of each row, if known.
    pub labels: Option<Vec<u8>>,
    /// Texts about the file, such as its model and the digest of its data; all keys but `ids`.
    /// Only safetensors has them.
    pub metadata: BTreeMap<String, String>,
}

impl LatentsFile {
    /// Returns the posteriors with their row numbers, from 0, as ids, and without labels or
    /// metadata.
    pub fn numbered(posterior: Posterior) -> Self {
        Self {
            ids: row_numbers(0..posterior.rows()),
            latent_shape: vec![posterior.dim()],
            posterior,
            views: None,
            labels: None,
            metadata: BTreeMap::new(),
        }
    }

    /// Returns the posteriors of the views of these rows, in their order; `None` if there are no
    /// views.
    pub fn views_of(&self, rows: &[usize]) -> Option<Posterior> {
        let views = self.views.as_ref()?;
        // Every row has as many views, which are neighbours.
        let views_per_row = views.rows() / self.posterior.rows().max(1);
        let mut selected = Vec::with_capacity(rows.len() * views_per_row);
        for row in rows {
            selected.extend(row * views_per_row..(row + 1) * views_per_row);
        }
        Some(views.select(&selected))
    }

    /// Returns these rows as a file of their own, in their order; a row may occur more than once.
    pub(super) fn select(&self, rows: &[usize]) -> Self {
        let labels = self.labels.as_ref();
        Self {
            ids: rows.iter().map(|&row| self.ids[row].clone()).collect(),
            posterior: self.posterior.select(rows),
            latent_shape: self.latent_shape.clone(),
            views: self.views_of(rows),
            labels: labels.map(|labels| rows.iter().map(|&row| labels[row]).collect()),
            metadata: self.metadata.clone(),
        }
    }
}
