//! Whether latents files and pairs are fit to be fitted on, and what a fit would do with them.

mod finding;
mod pairing;
mod side;

pub use finding::{Finding, Severity};
pub use pairing::{PairsHealth, PlannedFit};
pub use side::{ArrayOfFile, SideHealth};

use crate::Error;
use pairing::Pairing;
use serde::Serialize;
use side::Side;
use std::path::{Path, PathBuf};
use zbridge_bridge::{CheckedConfig, FitPlan};
use zbridge_data::LatentsFile;
use zbridge_eval::LatentHealth;

/// What is to be looked at.
#[derive(Debug, Clone)]
pub struct DoctorRequest {
    /// Latents file of x.
    pub x: PathBuf,
    /// Latents file of y, if there is one.
    pub y: Option<PathBuf>,
    /// CSV that pairs them; without it, equal ids are pairs.
    pub pairs: Option<PathBuf>,
    /// How a fit would go about.
    pub config: CheckedConfig,
}

/// What was found.
#[derive(Debug, Clone, Serialize)]
pub struct DoctorReport {
    /// Each file.
    pub sides: Vec<SideHealth>,
    /// Both files together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pairs: Option<PairsHealth>,
    /// What a fit would try.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plan: Option<PlannedFit>,
    /// What is wrong, doubtful or worth knowing, the worst first.
    pub findings: Vec<Finding>,
    /// What was written: nothing.
    pub files: Vec<PathBuf>,
}

/// Looks at the files, as far as they can be read, and at how they belong together.
///
/// # Errors
/// None for what is wrong with a file: that is a [`Finding`].
pub fn doctor(request: &DoctorRequest) -> Result<DoctorReport, Error> {
    let x = Side::examined("x", &request.x);
    let y = request.y.as_deref().map(|path| Side::examined("y", path));
    let mut findings: Vec<Finding> = x.findings.clone();
    findings.extend(y.iter().flat_map(|side| side.findings.clone()));
    let (mut pairs, mut plan) = (None, None);
    if let (Some(x), Some(y)) = (&x.file, y.as_ref().and_then(|side| side.file.as_ref())) {
        match Pairing::of((x, y), request.pairs.as_deref(), request.config.seed) {
            Err(fault) => findings.push(Finding::fault("pairs", &fault)),
            Ok(pairing) => {
                findings.extend(pairing.findings((x, y)));
                plan = planned(&pairing, (x, y), &request.config, &mut findings);
                pairs = Some(pairing.health);
            }
        }
    }
    findings.sort_by_key(|finding| finding.severity);
    let sides = std::iter::once(x)
        .chain(y)
        .map(|side| side.health)
        .collect();
    Ok(DoctorReport {
        sides,
        pairs,
        plan,
        findings,
        files: vec![],
    })
}

impl DoctorReport {
    /// Nothing, when a fit would go through.
    ///
    /// # Errors
    /// [`Error::Sick`] with the number of faults.
    pub fn sound(&self) -> Result<(), Error> {
        let faults = self
            .findings
            .iter()
            .filter(|finding| finding.severity == Severity::Fault)
            .count();
        if faults == 0 {
            Ok(())
        } else {
            Err(Error::Sick { faults })
        }
    }
}

fn planned(
    pairing: &Pairing,
    (x, y): (&LatentsFile, &LatentsFile),
    config: &CheckedConfig,
    findings: &mut Vec<Finding>,
) -> Option<PlannedFit> {
    let (x, y) = (
        x.posterior.select(&pairing.x_rows),
        y.posterior.select(&pairing.y_rows),
    );
    match FitPlan::of(&zbridge_bridge::FitData::pairs(&x, &y), config) {
        Ok(plan) => Some(PlannedFit::of(&plan, config)),
        Err(reason) => {
            findings.push(Finding::fault("pairs", &reason.into()));
            None
        }
    }
}

/// What gives cause for doubt in latents that a fit is about to use: the same that [`doctor`] says
/// of them.
pub(crate) fn doubts(
    (x, y): (&LatentsFile, &LatentsFile),
    (x_rows, y_rows): (&[usize], &[usize]),
    (x_path, y_path): (&Path, &Path),
    seed: u64,
) -> Vec<String> {
    let pairing = Pairing::new((x, y), x_rows.to_vec(), y_rows.to_vec(), seed);
    let of_side = |side, path, file: &LatentsFile| {
        side::findings(side, path, file, &LatentHealth::of(&file.posterior))
    };
    let mut findings = of_side("x", x_path, x);
    findings.extend(of_side("y", y_path, y));
    findings.extend(pairing.findings((x, y)));
    findings
        .into_iter()
        .filter(|finding| finding.severity == Severity::Warning)
        .map(|finding| finding.in_words())
        .collect()
}
