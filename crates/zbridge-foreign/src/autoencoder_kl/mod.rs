//! diffusers' `AutoencoderKL`.

use crate::ForeignError;
use crate::foreign_model::ForeignModel;
use crate::manifest::Manifest;
use std::path::Path;

pub(crate) fn open(name: String, folder: &Path, manifest: &Manifest) -> Result<ForeignModel, ForeignError> {
    let _ = (manifest, name);
    Err(ForeignError::Unknown { path: folder.into(), found: "not yet".into(), expected: "" })
}
