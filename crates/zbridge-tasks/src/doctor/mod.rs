//! Whether latents files and pairs are fit to be fitted on, and what a fit would do with them.

mod finding;
mod pairing;
mod side;

pub use finding::{Finding, Severity};
pub use pairing::{PairsHealth, PlannedFit, Shift};
pub use side::{ArrayOfFile, SideHealth};

use crate::Error;
use crate::paired_files::PairedFiles;
use pairing::Pairing;
use serde::Serialize;
use side::Side;
use std::path::{Path, PathBuf};
use zbridge_bridge::{CheckedConfig, FitData, FitPlan};
use zbridge_data::LatentsFile;
use zbridge_eval::LatentHealth;

/// Which files are examined.
#[derive(Debug, Clone)]
pub struct DoctorRequest {
    /// Latents file of x.
    pub x: PathBuf,
    /// Latents file of y, if there is one.
    pub y: Option<PathBuf>,
    /// CSV file of the pairs; without it, equal ids are pairs.
    pub pairs: Option<PathBuf>,
    /// The recipe and seed of the fit.
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
    /// Written files: none.
    pub files: Vec<PathBuf>,
}

/// Returns what can be said of the files, as far as they can be read, and of their pairs.
///
/// # Errors
/// None for what is wrong with a file: that is a [`Finding`].
pub fn doctor(request: &DoctorRequest) -> Result<DoctorReport, Error> {
    let x = Side::examined("x", &request.x);
    let y = request.y.as_deref().map(|path| Side::examined("y", path));
    let mut findings = x.findings.clone();
    if let Some(y) = &y {
        findings.extend(y.findings.clone());
    }
    let mut report = DoctorReport {
        sides: vec![x.health],
        pairs: None,
        plan: None,
        findings,
        files: vec![],
    };
    if let Some(y) = y {
        report.sides.push(y.health);
        if let (Some(x), Some(y)) = (&x.file, &y.file) {
            report.add_pairs(x, y, request);
        }
    }
    // The sort is stable: findings of one severity stay in the order of the files.
    report.findings.sort_by_key(|finding| finding.severity);
    Ok(report)
}

impl DoctorReport {
    /// Adds what is to be said of the pairs, and what a fit of them would do.
    fn add_pairs(&mut self, x: &LatentsFile, y: &LatentsFile, request: &DoctorRequest) {
        let config = &request.config;
        let pairing = match Pairing::of(x, y, request.pairs.as_deref(), config.seed) {
            Ok(pairing) => pairing,
            Err(fault) => return self.findings.push(Finding::fault("pairs", &fault)),
        };
        self.findings.extend(pairing.findings());
        let x = x.posterior.select(&pairing.x_rows);
        let y = y.posterior.select(&pairing.y_rows);
        match FitPlan::of(&FitData::pairs(&x, &y), config) {
            Ok(plan) => self.plan = Some(PlannedFit::of(&plan, config)),
            Err(reason) => self.findings.push(Finding::fault("pairs", &reason.into())),
        }
        self.pairs = Some(pairing.health);
    }

    /// Returns `Ok` if a fit would go through.
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

/// Returns what gives cause for doubt in latents that a fit is about to use: the warnings that
/// [`doctor`] gives of them.
pub(crate) fn doubts(files: &PairedFiles, [x_path, y_path]: [&Path; 2], seed: u64) -> Vec<String> {
    let PairedFiles {
        x,
        y,
        x_rows,
        y_rows,
    } = files;
    let mut findings = vec![];
    for (side, path, file) in [("x", x_path, x), ("y", y_path, y)] {
        let health = LatentHealth::of(&file.posterior);
        findings.extend(side::findings(side, path, file, &health));
    }
    findings.extend(Pairing::new(x, y, x_rows.clone(), y_rows.clone(), seed).findings());
    findings.retain(|finding| finding.severity == Severity::Warning);
    findings.iter().map(Finding::in_words).collect()
}
