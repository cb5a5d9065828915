use super::finding::{Finding, Severity};
use crate::Error;
use crate::paired_files::paired_rows;
use serde::Serialize;
use std::collections::HashSet;
use std::path::Path;
use zbridge_bridge::{CheckedConfig, FitPlan, RecipeName};
use zbridge_core::RandomStream;
use zbridge_data::LatentsFile;
use zbridge_eval::{Dependence, LatentHealth};

/// How two files belong together.
#[derive(Debug, Clone, Serialize)]
pub struct PairsHealth {
    /// Pairs.
    pub pairs: usize,
    /// Numbers of rows of x and of y that are in no pair.
    pub alone: [usize; 2],
    /// The first few ids of x that y lacks, and of y that x lacks, where ids are the pairs.
    pub missing_ids: [Vec<String>; 2],
    /// Whether partners depend on each other; `None` for fewer than 8 pairs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dependence: Option<Dependence>,
    /// A shift of the partners under which they depend on each other much more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shift: Option<Shift>,
}

/// A shift of the rows of y against those of x.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Shift {
    /// Rows by which the better partner stands after the partner in the file of y: 1 or −1.
    pub rows: isize,
    /// The distance correlation with that partner.
    pub distance_correlation: f64,
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

/// Rows that are pairs, and what the doctor says of them.
pub(super) struct Pairing<'f> {
    x: &'f LatentsFile,
    y: &'f LatentsFile,
    pub(super) x_rows: Vec<usize>,
    pub(super) y_rows: Vec<usize>,
    pub(super) health: PairsHealth,
}

/// Pairs below which a fit has next to nothing to learn from.
const FEW_PAIRS: usize = 32;
/// Ids that are listed.
const LISTED: usize = 5;
/// The p-value of the dependence above which pairs look shuffled.
const BY_CHANCE: f64 = 0.05;
/// The largest p-value of a dependence that is taken for a shift: none of the permutations may be
/// as dependent, since two shifts are tried.
const SURELY_DEPENDENT: f64 = 0.005;

impl<'f> Pairing<'f> {
    /// # Errors
    /// [`Error`] if the CSV cannot be read or ids do not join.
    pub(super) fn of(
        x: &'f LatentsFile,
        y: &'f LatentsFile,
        pairs: Option<&Path>,
        seed: u64,
    ) -> Result<Self, Error> {
        let (x_rows, y_rows) = paired_rows(&x.ids, &y.ids, pairs)?;
        let mut pairing = Self::new(x, y, x_rows, y_rows, seed);
        if pairs.is_none() {
            pairing.health.missing_ids = [missing(x, y), missing(y, x)];
        }
        Ok(pairing)
    }

    pub(super) fn new(
        x: &'f LatentsFile,
        y: &'f LatentsFile,
        x_rows: Vec<usize>,
        y_rows: Vec<usize>,
        seed: u64,
    ) -> Self {
        let health = PairsHealth {
            pairs: x_rows.len(),
            alone: [rows_alone(x, &x_rows), rows_alone(y, &y_rows)],
            missing_ids: [vec![], vec![]],
            dependence: dependence(x, &x_rows, y, &y_rows, seed),
            shift: None,
        };
        let mut pairing = Self {
            x,
            y,
            x_rows,
            y_rows,
            health,
        };
        pairing.health.shift = pairing.shift(seed);
        pairing
    }

    /// Returns the shift of the partners by one row under which they depend on each other at least
    /// twice as much as without it, by the part of the distance correlation that is not chance.
    fn shift(&self, seed: u64) -> Option<Shift> {
        // Above what shuffled partners have: distance correlation is positive even by chance.
        let aligned = excess(&self.health.dependence?);
        let mut shifts = vec![];
        for rows in [-1, 1] {
            let Some(found) = self.shifted_dependence(rows, seed) else {
                continue;
            };
            let is_stronger = excess(&found) > 2.0 * aligned.max(0.0);
            if found.p_value <= SURELY_DEPENDENT && is_stronger {
                shifts.push(Shift {
                    rows,
                    distance_correlation: found.distance_correlation,
                });
            }
        }
        let correlation = |shift: &Shift| shift.distance_correlation;
        shifts
            .into_iter()
            .max_by(|a, b| correlation(a).total_cmp(&correlation(b)))
    }

    /// Returns the dependence between x and the rows of y that stand `shift` rows after its
    /// partners in the file.
    fn shifted_dependence(&self, shift: isize, seed: u64) -> Option<Dependence> {
        let (mut x_rows, mut y_rows) = (vec![], vec![]);
        for (&x_row, &y_row) in self.x_rows.iter().zip(&self.y_rows) {
            let shifted = y_row.checked_add_signed(shift);
            if let Some(shifted) = shifted.filter(|&row| row < self.y.posterior.rows()) {
                x_rows.push(x_row);
                y_rows.push(shifted);
            }
        }
        dependence(self.x, &x_rows, self.y, &y_rows, seed)
    }

    pub(super) fn findings(&self) -> Vec<Finding> {
        let mut found = vec![];
        found.extend(self.few_pairs());
        found.extend(self.rows_without_partner());
        // Shifted pairs look shuffled, too: the shift says what to do.
        found.extend(self.shifted().or_else(|| self.shuffled()));
        found.extend(self.many_dimensions("x", self.x, &self.x_rows));
        found.extend(self.many_dimensions("y", self.y, &self.y_rows));
        found
    }

    fn few_pairs(&self) -> Option<Finding> {
        let pairs = self.health.pairs;
        (pairs < FEW_PAIRS).then(|| {
            warning(
                format!("{pairs} pairs are few: what a bridge learns from them is a guess"),
                "give 100 or more, and latents without partners of both sides",
            )
        })
    }

    fn rows_without_partner(&self) -> Vec<Finding> {
        let mut found = vec![];
        let [alone_x, alone_y] = self.health.alone;
        let [missing_x, missing_y] = &self.health.missing_ids;
        for (side, other, alone, missing) in [
            ("x", "y", alone_x, missing_x),
            ("y", "x", alone_y, missing_y),
        ] {
            if let Some(first) = missing.first() {
                let what = format!(
                    "{alone} rows of {side} have no partner: {other} lacks the id {first:?}, among \
                     others"
                );
                let remedy = "give them as latents without partners if they shall count";
                found.push(Finding::new(Severity::Note, "pairs", what, remedy));
            }
        }
        found
    }

    fn shifted(&self) -> Option<Finding> {
        let (shift, aligned) = (self.health.shift?, self.health.dependence?);
        let place = match shift.rows {
            1 => "after",
            _ => "before",
        };
        let what = format!(
            "the partners look shifted by one row: with the row of y {place} its partner, x has \
             the distance correlation {:.3}, and {:.3} with the partner itself",
            shift.distance_correlation, aligned.distance_correlation
        );
        Some(warning(
            what,
            "check whether one file has a header or a first row that the other lacks, or counts \
             its rows from 1",
        ))
    }

    fn shuffled(&self) -> Option<Finding> {
        let found = self.health.dependence?;
        (found.p_value > BY_CHANCE).then(|| {
            let what = format!(
                "the pairs look shuffled: their distance correlation is {:.3}, and {:.3} by chance \
                 (p = {:.2} over {} pairs)",
                found.distance_correlation, found.by_chance, found.p_value, found.rows
            );
            warning(
                what,
                "check that rows of x and y that are paired show the same thing",
            )
        })
    }

    fn many_dimensions(&self, side: &str, file: &LatentsFile, rows: &[usize]) -> Option<Finding> {
        let pairs = self.health.pairs;
        let health = LatentHealth::of(&file.posterior.select(rows));
        // Few pairs cannot show how many dimensions depend on each other.
        if health.active <= 4 * pairs.max(1) {
            return None;
        }
        let what = format!(
            "{side} has {} dimensions that vary, {pairs} pairs show {:.0} directions of them",
            health.active, health.effective_dim
        );
        let kept = (pairs / 4).clamp(8, 128);
        let remedy = format!("fit with {kept} principal components of {side}");
        Some(warning(what, &remedy))
    }
}

fn warning(what: String, remedy: &str) -> Finding {
    Finding::new(Severity::Warning, "pairs", what, remedy)
}

/// Returns the part of the distance correlation that is not chance.
fn excess(found: &Dependence) -> f64 {
    found.distance_correlation - found.by_chance
}

/// Returns the number of rows of a file that are in no pair.
fn rows_alone(file: &LatentsFile, rows: &[usize]) -> usize {
    file.ids.len() - rows.iter().collect::<HashSet<_>>().len()
}

/// Returns the dependence between draws of the posteriors in these rows.
fn dependence(
    x: &LatentsFile,
    x_rows: &[usize],
    y: &LatentsFile,
    y_rows: &[usize],
    seed: u64,
) -> Option<Dependence> {
    let drawn = |file: &LatentsFile, rows: &[usize], side: &str| {
        let mut stream = RandomStream::named(seed, &format!("doctor/{side}"));
        file.posterior.select(rows).sample(&mut stream)
    };
    Dependence::of(&drawn(x, x_rows, "x"), &drawn(y, y_rows, "y"), seed)
}

/// Returns the first few ids of `file` that `other` lacks.
fn missing(file: &LatentsFile, other: &LatentsFile) -> Vec<String> {
    let known: HashSet<&String> = other.ids.iter().collect();
    file.ids
        .iter()
        .filter(|id| !known.contains(id))
        .take(LISTED)
        .cloned()
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use zbridge_core::{DiagonalGaussian, Latents, Posterior};

    fn file(means: Latents) -> LatentsFile {
        let narrow = Latents::filled(means.rows(), means.dim(), -6.0);
        let posterior: Posterior = DiagonalGaussian::new(means, narrow).unwrap().into();
        LatentsFile::numbered(posterior)
    }

    fn shift(y_row: impl Fn(usize) -> usize) -> Option<isize> {
        let z = DiagonalGaussian::standard(120, 2).sample(&mut RandomStream::named(1, "z"));
        let rows: Vec<usize> = (0..120).map(y_row).collect();
        let (x, y) = (file(z.clone()), file(z.select(&rows)));
        let pairing = Pairing::of(&x, &y, None, 1).unwrap();
        let warned = pairing
            .findings()
            .iter()
            .any(|f| f.what.contains("shifted"));
        assert_eq!(warned, pairing.health.shift.is_some());
        pairing.health.shift.map(|shift| shift.rows)
    }

    #[test]
    fn partners_shifted_by_one_row_are_noticed() {
        assert_eq!(shift(|row| row), None);
        assert_eq!(shift(|row| (row + 1) % 120), Some(-1));
        assert_eq!(shift(|row| (row + 119) % 120), Some(1));
        assert_eq!(shift(|row| (row * 37) % 120), None);
    }
}
