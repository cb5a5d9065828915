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
        Self::parsed(text).ok_or_else(|| {
            Error::usage(format!(
                "requirement {text:?}: write a figure, a relation (>=, <=, > or <) and a number, \
                 as in 'accuracy>=0.95'"
            ))
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
    fn parsed(text: &str) -> Option<Self> {
        // `>=` before `>`, which it contains.
        let mut relations = RELATIONS.into_iter();
        let (sign, relation) = relations.find(|(sign, _)| text.contains(sign))?;
        let (figure, bound) = text.split_once(sign)?;
        let figure = figure.trim();
        let bound: f64 = bound.trim().parse().ok()?;
        let in_name = |c: char| c.is_alphanumeric() || "._".contains(c);
        let is_name = !figure.is_empty() && figure.chars().all(in_name);
        (is_name && bound.is_finite()).then(|| Self {
            figure: figure.to_owned(),
            relation,
            bound,
        })
    }

    /// Returns whether `report` meets it. Figures have the names that they have in JSON, with dots
    /// between levels. The end of a name suffices if only one has it, or one has fewer levels than
    /// the others; the name of an estimate stands for its mean.
    ///
    /// # Errors
    /// [`Error::Usage`] if there is no such figure or more than one, with those there are.
    pub fn outcome(&self, report: &impl Serialize) -> Result<Outcome, Error> {
        let figures = figures(report)?;
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

    /// Returns the name and value of the figure.
    fn found_in<'f>(&self, figures: &'f BTreeMap<String, f64>) -> Result<(&'f str, f64), Error> {
        // An estimate is an object in JSON: its name alone means its mean.
        let names = [self.figure.clone(), format!("{}.mean", self.figure)];
        for name in &names {
            if let Some((name, value)) = figures.get_key_value(name) {
                return Ok((name, *value));
            }
        }
        match nearest(&names, figures)[..] {
            [(name, value)] => Ok((name, value)),
            [] => Err(Error::usage(format!(
                "requirement {self}: there is no figure `{}`; there are: {}",
                self.figure,
                figures.keys().cloned().collect::<Vec<_>>().join(", ")
            ))),
            ref several => Err(Error::usage(format!(
                "requirement {self}: `{}` may mean {}; write one of these",
                self.figure,
                several
                    .iter()
                    .map(|(name, _)| *name)
                    .collect::<Vec<_>>()
                    .join(", ")
            ))),
        }
    }
}

/// Returns the figures of the fewest levels whose names end in one of `names`.
fn nearest<'f>(names: &[String], figures: &'f BTreeMap<String, f64>) -> Vec<(&'f str, f64)> {
    let levels = |name: &str| name.split('.').count();
    let mut found: Vec<(&str, f64)> = vec![];
    for (name, &value) in figures {
        let ends_in = |wanted: &String| name.ends_with(&format!(".{wanted}"));
        if names.iter().any(ends_in) {
            found.push((name, value));
        }
    }
    let fewest = found.iter().map(|(name, _)| levels(name)).min();
    found.retain(|(name, _)| Some(levels(name)) == fewest);
    found
}

/// Returns every number of a report under its name, levels joined by dots; elements of lists have
/// none. `null` is a figure that is no number.
fn figures(report: &impl Serialize) -> Result<BTreeMap<String, f64>, Error> {
    let report = serde_json::to_value(report).map_err(|reason| Error::Json { reason })?;
    let mut figures = BTreeMap::new();
    collect(&report, String::new(), &mut figures);
    Ok(figures)
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
        // JSON has no NaN: a figure that is one is written as null, and meets no bound.
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
