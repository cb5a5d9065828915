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
    /// What kind of file it is; `None` if the file cannot be opened.
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
    /// What the posteriors say; `None` if they cannot be read.
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

/// A file that was examined, with its latents if they can be read.
pub(super) struct Side {
    pub(super) health: SideHealth,
    pub(super) file: Option<LatentsFile>,
    pub(super) findings: Vec<Finding>,
}

impl Side {
    pub(super) fn examined(side: &str, path: &Path) -> Self {
        let mut examined = Self {
            health: SideHealth::of_path(side, path),
            file: None,
            findings: vec![],
        };
        match LatentsFile::inspect(path) {
            Ok(inspection) => examined.add_inspection(inspection),
            Err(fault) => examined.findings.push(Finding::fault(side, &fault.into())),
        }
        examined
    }

    fn add_inspection(&mut self, inspection: Inspection) {
        let side = self.health.side.clone();
        self.health.add_inspection(&inspection);
        self.findings.extend(not_finite(&side, &inspection));
        // Where values are told one by one, the error for the first of them says nothing new.
        let values_are_told = !self.findings.is_empty();
        for fault in inspection.faults {
            if !(values_are_told && is_value(&fault)) {
                self.findings.push(Finding::fault(&side, &fault.into()));
            }
        }
        // Why a file cannot be read is among the faults already.
        if let Ok(file) = LatentsFile::read(&inspection.path) {
            let latents = LatentHealth::of(&file.posterior);
            let found = findings(&side, &inspection.path, &file, &latents);
            self.findings.extend(found);
            self.health.latents = Some(latents);
            self.file = Some(file);
        }
    }
}

impl SideHealth {
    fn of_path(side: &str, path: &Path) -> Self {
        Self {
            side: side.into(),
            path: path.to_owned(),
            container: None,
            arrays: vec![],
            ids: None,
            labels: None,
            latent_shape: None,
            draws: None,
            latents: None,
        }
    }

    fn add_inspection(&mut self, examined: &Inspection) {
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
/// The ratio of scales above which columns may be something else than latents.
const SCALES_APART: f64 = 1e4;

/// Returns what is doubtful or worth knowing of latents that can be read.
pub(super) fn findings(
    side: &str,
    path: &Path,
    file: &LatentsFile,
    health: &LatentHealth,
) -> Vec<Finding> {
    let mut found = vec![];
    if health.active == 0 {
        found.push(all_collapsed(side, path));
    } else {
        found.extend(constant_dimensions(side, health));
        found.extend(collapsed_dimensions(side, health));
    }
    found.extend(far_mean(side, file, health));
    found.extend(scales_apart(side, health));
    found
}

fn all_collapsed(side: &str, path: &Path) -> Finding {
    let what = format!(
        "{}: no dimension varies with the observations: the posteriors have collapsed, and nothing \
         can be learned from them",
        path.display()
    );
    let remedy = "train the encoder with a lower weight of the KL term, or check that it saw \
                  different observations";
    Finding::new(Severity::Warning, side, what, remedy)
}

fn constant_dimensions(side: &str, health: &LatentHealth) -> Option<Finding> {
    if health.constant.is_empty() {
        return None;
    }
    let what = format!(
        "{} of {} dimensions are constant ({})",
        health.constant.len(),
        health.dim,
        listed(&health.constant)
    );
    let remedy = "they are left out of sources and drawn from their Gaussian in targets";
    Some(Finding::new(Severity::Note, side, what, remedy))
}

fn collapsed_dimensions(side: &str, health: &LatentHealth) -> Option<Finding> {
    if health.collapsed.is_empty() {
        return None;
    }
    let what = format!(
        "{} of {} dimensions have collapsed to the prior ({}): they say nothing of the \
         observations",
        health.collapsed.len(),
        health.dim,
        listed(&health.collapsed)
    );
    let remedy = "they are left out of sources and drawn again in targets";
    Some(Finding::new(Severity::Note, side, what, remedy))
}

fn far_mean(side: &str, file: &LatentsFile, health: &LatentHealth) -> Option<Finding> {
    let FarthestMean { value, row, column } = health.farthest;
    if value.abs() <= FAR {
        return None;
    }
    let id = &file.ids[row];
    let what = format!(
        "a mean is {value:.1} (row {row}, id {id:?}, column {column}), where a standard normal \
         prior has its mass within ±4: is that observation of the kind that the encoder was \
         trained on?"
    );
    let remedy = "check how observations were scaled and cropped before they were encoded";
    Some(Finding::new(Severity::Warning, side, what, remedy))
}

fn scales_apart(side: &str, health: &LatentHealth) -> Option<Finding> {
    // Without an active dimension both are 0, which has a finding of its own.
    let [low, high] = health.scale;
    if low <= 0.0 || high / low <= SCALES_APART {
        return None;
    }
    let what =
        format!("means vary by {low:.2e} along one dimension and by {high:.2e} along another");
    let remedy = "nothing to do for zbridge, which standardises; but check that columns are \
                  latents, all of them";
    Some(Finding::new(Severity::Warning, side, what, remedy))
}

/// Returns the first few numbers as text.
fn listed(places: &[usize]) -> String {
    let first: Vec<String> = places.iter().take(8).map(ToString::to_string).collect();
    let more = places.len().saturating_sub(8);
    if more == 0 {
        first.join(", ")
    } else {
        format!("{}, and {more} more", first.join(", "))
    }
}
