use crate::Error;
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

/// A bound on a figure, as in `accuracy>=0.95`.
#[derive(Debug, Clone, PartialEq)]
pub struct Requirement {
    figure: String,
    relation: Relation,
    bound: f64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Relation {
    AtLeast,
    Above,
    AtMost,
    Below,
}

/// Relations as they are written; those of two characters first, since they begin like the others.
const RELATIONS: [(&str, Relation); 4] = [
    (">=", Relation::AtLeast),
    ("<=", Relation::AtMost),
    (">", Relation::Above),
    ("<", Relation::Below),
];

/// Whether a requirement is met.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Outcome {
    /// As it was asked for.
    pub requirement: String,
    /// The figure's full name.
    pub figure: String,
    /// Its value.
    pub value: f64,
    /// Whether it meets the bound; never for a value that is no number.
    pub met: bool,
}

impl FromStr for Requirement {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let wrong = || {
            Error::usage(format!(
                "--require {text:?}: write a figure, a relation (>=, <=, > or <) and a number, as in 'accuracy>=0.95'"
            ))
        };
        let (sign, relation) = RELATIONS
            .into_iter()
            .find(|(sign, _)| text.contains(sign))
            .ok_or_else(wrong)?;
        let (figure, bound) = text.split_once(sign).ok_or_else(wrong)?;
        let bound: f64 = bound.trim().parse().map_err(|_| wrong())?;
        let figure = figure.trim();
        let is_name = !figure.is_empty()
            && figure
                .chars()
                .all(|c| c.is_alphanumeric() || "._".contains(c));
        if !is_name || !bound.is_finite() {
            return Err(wrong());
        }
        Ok(Self {
            figure: figure.to_owned(),
            relation,
            bound,
        })
    }
}

impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = RELATIONS
            .iter()
            .find(|(_, relation)| *relation == self.relation)
            .map_or("", |(sign, _)| sign);
        write!(f, "{}{sign}{}", self.figure, self.bound)
    }
}

impl Requirement {
    /// Whether `report` meets it. Figures have the names that `--json` gives them, with dots
    /// between levels. The end of a name will do where only one has it, or one has fewer levels
    /// than the others; the name of an estimate stands for its mean.
    ///
    /// # Errors
    /// [`Error::Usage`] when there is no such figure or more than one, with those there are.
    pub fn outcome(&self, report: &impl Serialize) -> Result<Outcome, Error> {
        let figures = figures(report);
        let (figure, value) = self.found_in(&figures)?;
        let met = match self.relation {
            Relation::AtLeast => value >= self.bound,
            Relation::Above => value > self.bound,
            Relation::AtMost => value <= self.bound,
            Relation::Below => value < self.bound,
        };
        Ok(Outcome {
            requirement: self.to_string(),
            figure: figure.to_owned(),
            value,
            met,
        })
    }

    fn found_in<'f>(&self, figures: &'f BTreeMap<String, f64>) -> Result<(&'f str, f64), Error> {
        let names = [self.figure.clone(), format!("{}.mean", self.figure)];
        if let Some((name, value)) = names.iter().find_map(|name| figures.get_key_value(name)) {
            return Ok((name, *value));
        }
        let ends = |name: &str| {
            names
                .iter()
                .any(|wanted| name.ends_with(&format!(".{wanted}")))
        };
        let levels = |name: &str| name.split('.').count();
        let found: Vec<(&String, &f64)> = figures.iter().filter(|(name, _)| ends(name)).collect();
        let least = found.iter().map(|(name, _)| levels(name)).min();
        let nearest: Vec<&(&String, &f64)> = found
            .iter()
            .filter(|(name, _)| Some(levels(name)) == least)
            .collect();
        match nearest[..] {
            [(name, value)] => Ok((name, **value)),
            [] => Err(Error::usage(format!(
                "--require {self}: there is no figure `{}`; there are: {}",
                self.figure,
                figures.keys().cloned().collect::<Vec<_>>().join(", ")
            ))),
            _ => Err(Error::usage(format!(
                "--require {self}: `{}` may mean {}; write one of these",
                self.figure,
                nearest
                    .iter()
                    .map(|(name, _)| name.as_str())
                    .collect::<Vec<_>>()
                    .join(", ")
            ))),
        }
    }
}

/// Every number of a report under its name, levels joined by dots; elements of lists have none.
/// `null` is a figure that is no number.
fn figures(report: &impl Serialize) -> BTreeMap<String, f64> {
    let mut figures = BTreeMap::new();
    collect(
        &serde_json::to_value(report).unwrap_or_default(),
        String::new(),
        &mut figures,
    );
    figures
}

fn collect(value: &Value, name: String, figures: &mut BTreeMap<String, f64>) {
    match value {
        Value::Object(entries) => {
            for (key, value) in entries {
                let name = if name.is_empty() {
                    key.clone()
                } else {
                    format!("{name}.{key}")
                };
                collect(value, name, figures);
            }
        }
        Value::Number(number) => _ = figures.insert(name, number.as_f64().unwrap_or(f64::NAN)),
        Value::Null => _ = figures.insert(name, f64::NAN),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn outcome(text: &str) -> Result<Outcome, Error> {
        let report = json!({
            "pairs": 10,
            "read": {"accuracy": 0.93, "log_p": {"mean": -0.5, "standard_error": 0.1}},
            "made": {"coherence": 0.9, "sd": null},
            "x": {"gain": 1.0}, "y": {"gain": 2.0}, "own": {"read": {"accuracy": 0.97}},
        });
        text.parse::<Requirement>()?.outcome(&report)
    }

    #[test]
    fn the_end_of_a_name_is_enough_where_it_is_unique() {
        let met = outcome("accuracy >= 0.93").unwrap();
        assert!(met.met && met.figure == "read.accuracy" && met.value == 0.93);
        assert!(!outcome("read.accuracy>0.93").unwrap().met);
        assert!(outcome("pairs<=10").unwrap().met && !outcome("pairs<10").unwrap().met);
        assert!(
            outcome("log_p>-1").unwrap().met,
            "an estimate's name stands for its mean"
        );
        assert!(outcome("log_p.standard_error<0.2").unwrap().met);
    }

    #[test]
    fn what_is_no_number_meets_nothing() {
        assert!(!outcome("sd>=0").unwrap().met && !outcome("sd<=0").unwrap().met);
    }

    #[test]
    fn wrong_requirements_say_what_to_write() {
        let message = |text: &str| outcome(text).unwrap_err().to_string();
        assert!(message("gain>=1").contains("x.gain, y.gain"));
        assert!(message("acuracy>=1").contains("read.accuracy"));
        for text in [
            "accuracy",
            "accuracy=0.9",
            ">=0.9",
            "accuracy>=high",
            "accuracy>=inf",
            "a b>=1",
        ] {
            assert!(
                message(text).contains("accuracy>=0.95") || message(text).contains("no figure"),
                "{text}"
            );
        }
        assert_eq!(outcome("accuracy>=x").unwrap_err().failure().exit_code(), 2);
    }
}
