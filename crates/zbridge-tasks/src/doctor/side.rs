use super::finding::{Finding, Severity};
use serde::Serialize;
use std::path::{Path, PathBuf};
use zbridge_data::{ArrayError, DataError, FileError, InspectedArray, Inspection, LatentsFile};
use zbridge_eval::FarthestMean;
use zbridge_eval::LatentHealth;

/// A latents file.
#[derive(Debug, Clone, Serialize)]
pub struct SideHealth {
    /// `x` or `y`.
    pub side: String,
    /// The file.
    pub path: PathBuf,
    /// What kind of file it is; none where it is none that can hold latents.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub container: Option<String>,
    /// What is in it.
    pub arrays: Vec<ArrayOfFile>,
    /// Where ids come from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ids: Option<String>,
    /// Where labels come from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub labels: Option<String>,
    /// The shape of one latent, where it has more than one axis.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latent_shape: Option<Vec<usize>>,
    /// Draws of each row, where posteriors are known by draws.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub draws: Option<usize>,
    /// What the posteriors say; none where they cannot be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latents: Option<LatentHealth>,
}

/// An array of a latents file.
#[derive(Debug, Clone, Serialize)]
pub struct ArrayOfFile {
    /// Its name.
    pub name: String,
    /// The type of its numbers.
    pub dtype: String,
    /// Its shape.
    pub shape: Vec<usize>,
    /// What it is used for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
}

/// A file that was looked at, read if that was possible.
pub(super) struct Side {
    pub(super) health: SideHealth,
    pub(super) file: Option<LatentsFile>,
    pub(super) findings: Vec<Finding>,
}

impl Side {
    pub(super) fn examined(side: &str, path: &Path) -> Self {
        let mut health = SideHealth {
            side: side.into(),
            path: path.to_owned(),
            container: None,
            arrays: vec![],
            ids: None,
            labels: None,
            latent_shape: None,
            draws: None,
            latents: None,
        };
        let mut examined = match LatentsFile::inspect(path) {
            Ok(examined) => examined,
            Err(fault) => {
                return Self {
                    health,
                    file: None,
                    findings: vec![Finding::fault(side, &fault.into())],
                };
            }
        };
        health.tell(&examined);
        let mut found = not_finite(side, &examined);
        // Where values are told one by one, the error for the first of them says nothing new.
        let told = !found.is_empty();
        let faults = examined
            .faults
            .drain(..)
            .filter(|fault| !(told && is_value(fault)));
        found.extend(faults.map(|fault| Finding::fault(side, &fault.into())));
        let file = LatentsFile::read(path).ok();
        if let Some(file) = &file {
            let latents = LatentHealth::of(&file.posterior);
            found.extend(findings(side, path, file, &latents));
            health.latents = Some(latents);
        }
        Self {
            health,
            file,
            findings: found,
        }
    }
}

impl SideHealth {
    fn tell(&mut self, examined: &Inspection) {
        self.container = Some(examined.container.to_string());
        self.arrays = examined.arrays.iter().map(ArrayOfFile::of).collect();
        self.ids = examined.ids.as_ref().map(ToString::to_string);
        self.labels = examined.labels.as_ref().map(ToString::to_string);
        self.latent_shape = examined
            .latent_shape
            .clone()
            .filter(|shape| shape.len() > 1);
        self.draws = examined.draws;
    }
}

impl ArrayOfFile {
    fn of(array: &InspectedArray) -> Self {
        let InspectedArray {
            name,
            dtype,
            shape,
            role,
            ..
        } = array.clone();
        Self {
            name,
            dtype,
            shape,
            role: role.map(str::to_owned),
        }
    }
}

fn is_value(fault: &DataError) -> bool {
    matches!(
        fault.fault(),
        Some(FileError::Array(ArrayError::Value { .. }))
    )
}

fn not_finite(side: &str, examined: &Inspection) -> Vec<Finding> {
    let used = examined.arrays.iter().filter(|array| array.role.is_some());
    let told = used.filter_map(|array| {
        let found = array.not_finite?;
        let what = format!(
            "`{}` has {} NaN and {} infinite values, the first in row {}, column {}",
            array.name, found.nan, found.infinite, found.row, found.column
        );
        let remedy =
            "see what the encoder was given there, and leave the row out or encode it again";
        Some(Finding::new(Severity::Fault, side, what, remedy))
    });
    told.collect()
}

/// Means beyond this are not where a standard normal prior has its mass.
const FAR: f64 = 12.0;
/// A space with scales further apart than this was standardised by nobody.
const SCALES_APART: f64 = 1e4;

/// What is doubtful or worth knowing of latents that can be read.
pub(super) fn findings(
    side: &str,
    path: &Path,
    file: &LatentsFile,
    health: &LatentHealth,
) -> Vec<Finding> {
    let warning = |what: String, remedy: &str| Finding::new(Severity::Warning, side, what, remedy);
    let mut found = Vec::new();
    if health.active == 0 {
        found.push(warning(
            format!("{}: no dimension varies with the observations: the posteriors have collapsed, and nothing can be learned from them", path.display()),
            "train the encoder with a lower weight of the KL term, or check that it saw different observations",
        ));
    } else if !health.constant.is_empty() {
        let what = format!(
            "{} of {} dimensions are constant ({})",
            health.constant.len(),
            health.dim,
            listed(&health.constant)
        );
        found.push(Finding::new(
            Severity::Note,
            side,
            what,
            "they are left out of sources and drawn from their Gaussian in targets",
        ));
    }
    if health.active > 0 && !health.collapsed.is_empty() {
        let what = format!(
            "{} of {} dimensions have collapsed to the prior ({}): they say nothing of the observations",
            health.collapsed.len(),
            health.dim,
            listed(&health.collapsed)
        );
        found.push(Finding::new(
            Severity::Note,
            side,
            what,
            "they are left out of sources and drawn again in targets",
        ));
    }
    let FarthestMean { value, row, column } = health.farthest;
    if value.abs() > FAR {
        let id = file.ids.get(row).cloned().unwrap_or_default();
        found.push(warning(
            format!("a mean is {value:.1} (row {row}, id {id:?}, column {column}), where a standard normal prior has its mass within ±4: is that observation of the kind that the encoder was trained on?"),
            "check how observations were scaled and cropped before they were encoded",
        ));
    }
    let [low, high] = health.scale;
    if low > 0.0 && high / low > SCALES_APART {
        found.push(warning(
            format!("means vary by {low:.2e} along one dimension and by {high:.2e} along another"),
            "nothing to do for zbridge, which standardises; but check that columns are latents, all of them",
        ));
    }
    found
}

/// The first few numbers.
fn listed(places: &[usize]) -> String {
    let first: Vec<String> = places.iter().take(8).map(ToString::to_string).collect();
    let more = places.len().saturating_sub(8);
    if more == 0 {
        first.join(", ")
    } else {
        format!("{}, and {more} more", first.join(", "))
    }
}
