use serde::Serialize;
use std::path::{Path, PathBuf};
use zbridge_data::LatentsSummary;

/// What the headers of a latents file say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LatentsFacts {
    /// The file.
    pub path: PathBuf,
    /// The kind of file: safetensors, `.npy`, `.npz` or Parquet.
    pub container: String,
    /// The form of the latents: Gaussian posteriors, samples or points.
    pub form: String,
    /// The number of rows.
    pub rows: usize,
    /// Dimensions of a latent.
    pub dim: usize,
    /// The shape of one latent.
    pub latent_shape: Vec<usize>,
    /// Draws of each row; 1 for Gaussians and points.
    pub draws: usize,
    /// Augmented views of each row; 0 if there are none.
    pub views: usize,
    /// Where ids come from.
    pub ids: String,
    /// Where labels come from; `None` if there are none.
    pub labels: Option<String>,
    /// The model that encoded them; `None` if the file does not say.
    pub model: Option<String>,
}

impl LatentsFacts {
    pub(super) fn of(path: &Path, summary: &LatentsSummary) -> Self {
        Self {
            path: path.to_owned(),
            container: summary.container.to_string(),
            form: summary.kind.to_string(),
            rows: summary.rows,
            dim: summary.dim(),
            latent_shape: summary.latent_shape.clone(),
            draws: summary.draws,
            views: summary.views,
            ids: summary.ids.to_string(),
            labels: summary.labels.as_ref().map(ToString::to_string),
            model: summary.model().map(str::to_owned),
        }
    }
}
