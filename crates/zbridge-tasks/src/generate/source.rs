use super::{GenerateRequest, GenerateSource};
use crate::Error;
use crate::input::{Input, readable, text_observations};
use crate::models::expect_dim;
use std::ops::Range;
use std::path::Path;
use zbridge::GivenModel;
use zbridge_bridge::Bridge;
use zbridge_core::{EventKind, Observations, Posterior};
use zbridge_data::{DataError, LatentsStream};
use zbridge_datasets::Split;

/// Posteriors that targets are drawn for, with their ids.
pub(super) enum Source {
    Latents(LatentsStream),
    Observations {
        ids: Vec<String>,
        posterior: Posterior,
    },
}

impl Source {
    pub(super) fn open(request: &GenerateRequest, bridge: &Bridge) -> Result<Self, Error> {
        let side = request.to.other();
        match &request.from {
            GenerateSource::Latents(path) => {
                let stream = LatentsStream::open(path)?;
                expect_dim(path, side, stream.dim(), bridge)?;
                Ok(Self::Latents(stream))
            }
            GenerateSource::Observations(from) => {
                let model = request.expected_model(bridge, side)?;
                let (ids, observations) = source_observations(from, &model)?;
                let posterior = model.model.posterior(&observations)?;
                Ok(Self::Observations { ids, posterior })
            }
        }
    }

    pub(super) fn rows(&self) -> usize {
        match self {
            Self::Latents(stream) => stream.rows(),
            Self::Observations { posterior, .. } => posterior.rows(),
        }
    }

    pub(super) fn posterior(&self, rows: Range<usize>) -> Result<Posterior, Error> {
        match self {
            Self::Latents(stream) => Ok(stream.read(rows)?.posterior),
            Self::Observations { posterior, .. } => Ok(posterior.select(&rows.collect::<Vec<_>>())),
        }
    }

    pub(super) fn ids(&self, rows: Range<usize>) -> Result<Vec<String>, DataError> {
        match self {
            Self::Latents(stream) => stream.ids(rows),
            Self::Observations { ids, .. } => Ok(ids[rows].to_vec()),
        }
    }
}

/// Returns one label, one text, or the observations of a file, with their ids.
fn source_observations(
    from: &str,
    model: &GivenModel,
) -> Result<(Vec<String>, Observations), Error> {
    let (path, event) = (Path::new(from), model.model.event());
    // A number is a label for a model of classes, even if a file has that name.
    if let (Some(classes), Ok(label)) = (model.classes(), from.parse::<u8>()) {
        return Ok((only_id(), one_class(label, classes)?));
    }
    if path.exists() {
        let input = Input::read(path, Split::Test, model)?;
        return Ok((input.ids, input.observations));
    }
    match event {
        EventKind::Text { .. } => {
            let text = text_observations(from, event);
            let text = text.map_err(|reason| Error::usage(format!("the text: {reason}")))?;
            Ok((only_id(), text))
        }
        _ => Err(Error::bad_file(
            path,
            format!("does not exist; give {}", readable(event)),
        )),
    }
}

/// Returns the ids of a single observation.
fn only_id() -> Vec<String> {
    vec!["0".to_owned()]
}

fn one_class(label: u8, classes: usize) -> Result<Observations, Error> {
    if usize::from(label) >= classes {
        return Err(Error::usage(format!(
            "there is no class {label}: the model has the classes 0 to {}",
            classes - 1
        )));
    }
    Ok(Observations::one_hot(&[label], classes)?)
}
