//! `zbridge doctor`: whether files are fit to be fitted on.

use crate::context::Context;
use clap::Args;
use std::path::PathBuf;
use zbridge_bridge::{BridgeConfig, RecipeName};
use zbridge_tasks::Error;
use zbridge_tasks::doctor::{
    ArrayOfFile, DoctorReport, DoctorRequest, Finding, Severity, SideHealth, doctor,
};

/// Arguments of `zbridge doctor`.
#[derive(Debug, Args)]
pub struct DoctorArgs {
    /// Latents of modality x
    #[arg(long, value_name = "LATENTS")]
    x: PathBuf,
    /// Latents of modality y
    #[arg(long, value_name = "LATENTS")]
    y: Option<PathBuf>,
    /// CSV that pairs ids (x,y) or rows (x_index,y_index); without it, equal ids are pairs
    #[arg(long, value_name = "CSV", requires = "y")]
    pairs: Option<PathBuf>,
    /// As in fit: what is asked for
    #[arg(long, default_value_t = RecipeName::Auto)]
    recipe: RecipeName,
}

/// Looks at the files and says what it found.
///
/// # Errors
/// [`Error::Sick`] when a fit would refuse the files.
pub fn run(args: &DoctorArgs, context: &Context) -> Result<(), Error> {
    let report = doctor(&DoctorRequest {
        x: args.x.clone(),
        y: args.y.clone(),
        pairs: args.pairs.clone(),
        config: BridgeConfig::named(args.recipe)
            .with_seed(context.seed)
            .check()?,
    })?;
    context.output.print(&report, as_text)?;
    report.sound()
}

fn as_text(report: &DoctorReport) -> String {
    let mut lines: Vec<String> = report.sides.iter().flat_map(side).collect();
    if let Some(pairs) = &report.pairs {
        lines.push(format!(
            "pairs: {}; without a partner: {} of x, {} of y",
            pairs.pairs, pairs.alone[0], pairs.alone[1]
        ));
        lines.extend(pairs.dependence.iter().map(|found| {
            format!(
                "  distance correlation {:.3}, {:.3} by chance, p = {:.3}",
                found.distance_correlation, found.by_chance, found.p_value
            )
        }));
    }
    lines.extend(
        report
            .plan
            .iter()
            .map(|plan| format!("fit: {}", plan.in_words())),
    );
    // First what the files hold, then what to think of it.
    lines.push(String::new());
    lines.extend(report.findings.iter().map(finding));
    lines.push(verdict(report));
    lines.join("\n")
}

fn side(side: &SideHealth) -> Vec<String> {
    let container = side.container.as_deref().unwrap_or("cannot be read");
    let path = side.path.display();
    let mut lines = vec![format!("{}: {path} ({container})", side.side)];
    lines.extend(side.arrays.iter().map(array));
    if let Some(latents) = &side.latents {
        lines.push(format!(
            "  {} rows, {} dimensions: {} active, {} collapsed, {} constant; effective dimension \
         {:.1}; means vary by {:.2} to {:.2}",
            latents.rows,
            latents.dim,
            latents.active,
            latents.collapsed.len(),
            latents.constant.len(),
            latents.effective_dim,
            latents.scale[0],
            latents.scale[1]
        ));
    }
    lines.extend(side.ids.iter().map(|ids| format!("  ids: {ids}")));
    let labels = side.labels.iter();
    lines.extend(labels.map(|labels| format!("  labels: {labels}")));
    lines
}

fn array(array: &ArrayOfFile) -> String {
    let role = array.role.as_deref().unwrap_or("not used");
    format!(
        "  `{}` {} {:?}: {role}",
        array.name, array.dtype, array.shape
    )
}

fn finding(finding: &Finding) -> String {
    let kind = match finding.severity {
        Severity::Fault => "fault",
        Severity::Warning => "warning",
        Severity::Note => "note",
    };
    let remedy = if finding.remedy.is_empty() {
        String::new()
    } else {
        format!("\n  → {}", finding.remedy)
    };
    format!("{kind}: {}: {}{remedy}", finding.place, finding.what)
}

fn verdict(report: &DoctorReport) -> String {
    let count = |severity| {
        report
            .findings
            .iter()
            .filter(|finding| finding.severity == severity)
            .count()
    };
    match (count(Severity::Fault), count(Severity::Warning)) {
        (0, 0) => "healthy: a fit has all it needs".into(),
        (0, warnings) => format!("a fit goes through; {warnings} cause(s) for doubt"),
        (faults, _) => format!("a fit would refuse this: {faults} fault(s)"),
    }
}
