use super::finding::{Finding, Severity};
use crate::Error;
use crate::paired_files::paired_rows;
use serde::Serialize;
use std::collections::HashSet;
use std::path::Path;
use zbridge_bridge::{CheckedConfig, FitPlan, RecipeName};
use zbridge_core::{Posterior, RandomStream};
use zbridge_data::LatentsFile;
use zbridge_eval::{Dependence, LatentHealth};

/// How two files belong together.
#[derive(Debug, Clone, Serialize)]
pub struct PairsHealth {
    /// Pairs.
    pub pairs: usize,
    /// Rows of x and of y that are in no pair.
    pub alone: [usize; 2],
    /// The first few ids of x that y lacks, and of y that x lacks, where ids are the pairs.
    pub missing_ids: [Vec<String>; 2],
    /// Whether partners have to do with each other; none for a few pairs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dependence: Option<Dependence>,
}

/// What a fit would try.
#[derive(Debug, Clone, Serialize)]
pub struct PlannedFit {
    /// The recipe.
    pub recipe: String,
    /// Families in the order in which x → y tries them.
    pub x_to_y: Vec<String>,
    /// The same for y → x.
    pub y_to_x: Vec<String>,
    /// Dimensions of x and y that densities are about.
    pub active: [usize; 2],
    /// How many different posteriors x and y have, where they are discrete.
    pub discrete: [Option<usize>; 2],
}

impl PlannedFit {
    pub(super) fn of(plan: &FitPlan, config: &CheckedConfig) -> Self {
        let names = |families: &[zbridge_bridge::Family]| {
            families.iter().map(ToString::to_string).collect()
        };
        Self {
            recipe: config.recipe.name().to_string(),
            x_to_y: names(&plan.x_to_y),
            y_to_x: names(&plan.y_to_x),
            active: plan.active,
            discrete: plan.atoms,
        }
    }

    /// The plan in a line or two.
    pub fn in_words(&self) -> String {
        if self.recipe == RecipeName::Paper.name() {
            return "recipe paper: a Gaussian network for each direction, as in the paper".into();
        }
        format!(
            "recipe {}: x → y tries {}; y → x tries {}; held-out pairs choose",
            self.recipe,
            self.x_to_y.join(", "),
            self.y_to_x.join(", ")
        )
    }
}

/// Rows that are pairs, and what is to be said of them.
pub(super) struct Pairing {
    pub(super) x_rows: Vec<usize>,
    pub(super) y_rows: Vec<usize>,
    pub(super) health: PairsHealth,
}

/// Pairs below which a fit has next to nothing to learn from.
const FEW_PAIRS: usize = 32;
/// Ids that are listed.
const LISTED: usize = 5;
/// Probability of so much dependence by chance, above which pairs look shuffled.
const BY_CHANCE: f64 = 0.05;

impl Pairing {
    /// # Errors
    /// [`Error`] when the CSV cannot be read or ids do not join.
    pub(super) fn of(
        (x, y): (&LatentsFile, &LatentsFile),
        pairs: Option<&Path>,
        seed: u64,
    ) -> Result<Self, Error> {
        let (x_rows, y_rows) = paired_rows(&x.ids, &y.ids, pairs)?;
        let mut pairing = Self::new((x, y), x_rows, y_rows, seed);
        if pairs.is_none() {
            pairing.health.missing_ids = [missing(x, y), missing(y, x)];
        }
        Ok(pairing)
    }

    pub(super) fn new(
        (x, y): (&LatentsFile, &LatentsFile),
        x_rows: Vec<usize>,
        y_rows: Vec<usize>,
        seed: u64,
    ) -> Self {
        let alone = |file: &LatentsFile, rows: &[usize]| {
            file.ids.len() - rows.iter().collect::<HashSet<_>>().len()
        };
        let drawn = |posterior: &Posterior, rows: &[usize], side: &str| {
            posterior
                .select(rows)
                .sample(&mut RandomStream::named(seed, &format!("doctor/{side}")))
        };
        let (x_points, y_points) = (
            drawn(&x.posterior, &x_rows, "x"),
            drawn(&y.posterior, &y_rows, "y"),
        );
        let health = PairsHealth {
            pairs: x_rows.len(),
            alone: [alone(x, &x_rows), alone(y, &y_rows)],
            missing_ids: [vec![], vec![]],
            dependence: Dependence::of(&x_points, &y_points, seed),
        };
        Self {
            x_rows,
            y_rows,
            health,
        }
    }

    pub(super) fn findings(&self, (x, y): (&LatentsFile, &LatentsFile)) -> Vec<Finding> {
        let PairsHealth {
            pairs,
            alone,
            missing_ids,
            dependence,
        } = &self.health;
        let mut found = Vec::new();
        let mut tell = |severity, what: String, remedy: &str| {
            found.push(Finding::new(severity, "pairs", what, remedy))
        };
        if *pairs < FEW_PAIRS {
            tell(
                Severity::Warning,
                format!("{pairs} pairs are few: what a bridge learns from them is a guess"),
                "give 100 or more, and latents without partners with --x-unpaired and --y-unpaired",
            );
        }
        for (place, (side, other)) in [("x", "y"), ("y", "x")].into_iter().enumerate() {
            if let [first, ..] = &missing_ids[place][..] {
                let what = format!(
                    "{} rows of {side} have no partner: {other} lacks the id {first:?}, among others",
                    alone[place]
                );
                tell(
                    Severity::Note,
                    what,
                    "give them as latents without partners if they shall count",
                );
            }
        }
        match dependence {
            Some(found) if found.p_value > BY_CHANCE => {
                let what = format!(
                    "the pairs look shuffled: their distance correlation is {:.3}, and {:.3} by chance (p = {:.2} over {} pairs)",
                    found.distance_correlation, found.by_chance, found.p_value, found.rows
                );
                tell(
                    Severity::Warning,
                    what,
                    "check that rows of x and y that are paired show the same thing",
                );
            }
            _ => {}
        }
        for (side, file, rows) in [("x", x, &self.x_rows), ("y", y, &self.y_rows)] {
            let health = LatentHealth::of(&file.posterior.select(rows));
            if health.active > 4 * pairs.max(&1) {
                let what = format!(
                    "{side} has {} dimensions that vary, {} pairs show {:.0} directions of them",
                    health.active, pairs, health.effective_dim
                );
                let remedy = format!(
                    "fit --{side}-pca {} keeps the directions that vary most",
                    (pairs / 4).clamp(8, 128)
                );
                tell(Severity::Warning, what, &remedy);
            }
        }
        found
    }
}

/// The first few ids of `file` that `other` lacks.
fn missing(file: &LatentsFile, other: &LatentsFile) -> Vec<String> {
    let known: HashSet<&String> = other.ids.iter().collect();
    file.ids
        .iter()
        .filter(|id| !known.contains(id))
        .take(LISTED)
        .cloned()
        .collect()
}
