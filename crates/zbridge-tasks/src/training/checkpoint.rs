//! Checkpoints: how far a training is, and which training it is.

use super::as_json;
use super::checkpointed::Checkpointed;
use crate::Error;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;
use zbridge_data::{FileError, write_atomically};
use zbridge_models::recipes::Recipe;
use zbridge_nn::{Position, Precision, TrainingPlan, WeightsFile};

/// The checkpoint file of one run; it refuses what another run left there.
pub(super) struct Checkpoint<'r> {
    path: &'r Path,
    /// What the run is, as metadata entries in JSON.
    run: BTreeMap<String, String>,
}

impl<'r> Checkpoint<'r> {
    pub(super) fn new(
        path: &'r Path,
        recipe: &Recipe,
        plan: &TrainingPlan,
        data_digest: &str,
    ) -> Result<Self, Error> {
        let run = BTreeMap::from([
            ("data_digest".to_owned(), as_json(&data_digest)?),
            ("plan".to_owned(), as_json(plan)?),
            ("recipe".to_owned(), as_json(recipe)?),
        ]);
        Ok(Self { path, run })
    }

    /// Errors when a checkpoint is there already: a fresh start would destroy the training in it.
    pub(super) fn expect_none(&self) -> Result<(), Error> {
        if !self.path.exists() {
            return Ok(());
        }
        let path = self.path.display();
        let message = format!(
            "{path} holds an unfinished training, which a fresh start would overwrite\n\
             hint: resume it, or remove the file"
        );
        Err(Error::Usage { message })
    }

    /// Writes the file whole or not at all.
    pub(super) fn write(
        &self,
        trainee: &impl Checkpointed,
        position: Position,
    ) -> Result<(), Error> {
        let mut file = trainee.checkpoint()?;
        file.metadata.extend(self.run.clone());
        file.metadata.insert("position".into(), as_json(&position)?);
        // At full precision: a resumed training must give the same file.
        let bytes = file.to_bytes(Precision::Single)?;
        Ok(write_atomically(self.path, |out| out.write_all(&bytes))?)
    }

    /// Restores the trainee as it was when the checkpoint was written, and returns the position.
    pub(super) fn restore(&self, trainee: &mut impl Checkpointed) -> Result<Position, Error> {
        let file = WeightsFile::read(self.path)?;
        let position = file.parsed_metadata("position", self.path)?;
        for (key, ours) in &self.run {
            let theirs: Value = file.parsed_metadata(key, self.path)?;
            let ours: Value =
                serde_json::from_str(ours).map_err(|reason| Error::Json { reason })?;
            if let Some(difference) = first_difference(key, &theirs, &ours) {
                return Err(self.of_another_run(&difference));
            }
        }
        trainee.restore(&file, self.path)?;
        Ok(position)
    }

    pub(super) fn remove(&self) -> Result<(), Error> {
        std::fs::remove_file(self.path).or_else(|reason| match reason.kind() {
            // Gone already, which is what was wanted.
            std::io::ErrorKind::NotFound => Ok(()),
            _ => Err(FileError::Write(reason).at(self.path).into()),
        })
    }

    fn of_another_run(&self, difference: &str) -> Error {
        let path = self.path.display();
        let message = format!(
            "{path} is the checkpoint of another training: {difference}\n\
             hint: resume with the settings it was started with, or remove the file and start \
             afresh"
        );
        Error::Usage { message }
    }
}

/// The first place where two JSON values differ, in words. How far a run goes is no difference: the
/// steps until then are the same.
fn first_difference(name: &str, theirs: &Value, ours: &Value) -> Option<String> {
    match (theirs, ours) {
        // A training may go on for longer than was planned at first.
        _ if name.ends_with(".stop_after") => None,
        (Value::Object(theirs), Value::Object(ours)) if theirs.keys().eq(ours.keys()) => ours
            .iter()
            .find_map(|(key, ours)| first_difference(&format!("{name}.{key}"), &theirs[key], ours)),
        (Value::Array(theirs), Value::Array(ours)) if theirs.len() == ours.len() => {
            let pairs = theirs.iter().zip(ours).enumerate();
            pairs.into_iter().find_map(|(i, (theirs, ours))| {
                first_difference(&format!("{name}.{i}"), theirs, ours)
            })
        }
        _ if theirs == ours => None,
        _ => Some(format!("{name} is {theirs} there and {ours} here")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_first_difference_is_named_by_its_path() {
        let theirs = json!({ "schedule": { "peak": 0.001 }, "stop_after": 3, "layers": [1, 2] });
        let mut ours = theirs.clone();
        ours["stop_after"] = json!(80);
        assert_eq!(first_difference("plan", &theirs, &ours), None);
        ours["layers"][1] = json!(4);
        assert_eq!(
            first_difference("plan", &theirs, &ours).unwrap(),
            "plan.layers.1 is 2 there and 4 here"
        );
        ours["schedule"]["peak"] = json!(0.002);
        assert_eq!(
            first_difference("plan", &theirs, &ours).unwrap(),
            "plan.schedule.peak is 0.001 there and 0.002 here"
        );
    }
}
