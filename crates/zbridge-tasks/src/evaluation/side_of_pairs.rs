use crate::Error;
use crate::binarise::{BINARISED, binarised};
use crate::input::Input;
use crate::models::BridgeOfFile;
use crate::side::Side;
use std::collections::{HashMap, HashSet};
use std::path::Path;
use zbridge::GivenModel;
use zbridge_bridge::Bridge;
use zbridge_core::{Latents, Observations, Posterior};
use zbridge_data::LatentsFile;
use zbridge_datasets::Split;

/// One side of the pairs, row by row.
pub(crate) struct SideOfPairs {
    pub(crate) posterior: Posterior,
    /// The given model, if it is named and can be opened.
    pub(crate) given: Option<GivenModel>,
    /// The observations that the posteriors are of.
    pub(crate) observations: Option<Observations>,
    /// Observations of the pairs that the bridge was fitted on, if they can be found.
    pub(crate) fitted: Option<Observations>,
}

/// Where one side of the pairs comes from.
pub(super) struct SideSource<'s> {
    pub(super) side: Side,
    pub(super) file: &'s LatentsFile,
    /// The rows of the file that are pairs.
    pub(super) rows: &'s [usize],
    /// The model, in place of the one that the bridge file names.
    pub(super) model: Option<&'s str>,
    /// What the latents were encoded from.
    pub(super) data: Option<&'s Path>,
}

impl SideOfPairs {
    pub(super) fn read(
        source: &SideSource<'_>,
        bridge: BridgeOfFile<'_>,
        split: Split,
        labels: Option<&[u8]>,
    ) -> Result<Self, Error> {
        let mut side = Self {
            posterior: source.file.posterior.select(source.rows),
            given: bridge.model_of(source.side, source.model)?,
            observations: None,
            fitted: None,
        };
        match (&side.given, source.data) {
            (Some(given), Some(data)) => {
                let input = source.input(given, data, split)?;
                let observations = source.observed(&input, data)?;
                expect_encoded(given, &observations, &side.posterior, data)?;
                side.observations = Some(observations);
                side.fitted = source.fitted(bridge.bridge, &input);
            }
            // A model of classes observes the class itself.
            (Some(given), None) => {
                if let (Some(classes), Some(labels)) = (given.classes(), labels) {
                    side.observations = Some(Observations::one_hot(labels, classes)?);
                }
            }
            (None, Some(data)) => return Err(source.no_model(data)),
            (None, None) => {}
        }
        Ok(side)
    }
}

impl SideSource<'_> {
    /// Returns the error of data that no model can read.
    fn no_model(&self, data: &Path) -> Error {
        let side = self.side;
        let reason =
            format!("no model of {side} is known that could read it: name the model of {side}");
        Error::bad_file(data, reason)
    }

    /// Returns the observations in the data, black and white if the latents are of such images.
    fn input(&self, given: &GivenModel, data: &Path, split: Split) -> Result<Input, Error> {
        let mut input = Input::read(data, split, given)?;
        // The same seed draws the same pixels as when the latents were encoded.
        let seed = self.file.metadata.get(BINARISED);
        if let Some(seed) = seed.and_then(|seed| seed.parse().ok()) {
            input.observations = binarised(&input.observations, seed, 0);
        }
        Ok(input)
    }

    /// Returns the ids of the pairs.
    fn ids(&self) -> impl Iterator<Item = &String> {
        self.rows.iter().map(|&row| &self.file.ids[row])
    }

    /// Returns the observations of the pairs, by their ids.
    fn observed(&self, input: &Input, path: &Path) -> Result<Observations, Error> {
        let row_of = rows_by_id(&input.ids);
        let mut rows = Vec::with_capacity(self.rows.len());
        for id in self.ids() {
            let Some(&row) = row_of.get(id) else {
                let reason = format!(
                    "has no observation with the id {id:?} of the held-out latents; give what \
                     they were encoded from (and the right part of the data set: train or test)"
                );
                return Err(Error::bad_file(path, reason));
            };
            rows.push(row);
        }
        Ok(input.observations.select(&rows))
    }

    /// Returns the observations of the pairs that the bridge was fitted on; `None` unless the
    /// latents that it was fitted on are still at their path, were encoded from the same data, and
    /// are, apart from held-out rows, those of its pairs only.
    fn fitted(&self, bridge: &Bridge, input: &Input) -> Option<Observations> {
        if !self.is_same_data(bridge, "data_digest") || !self.is_same_data(bridge, "data") {
            return None;
        }
        let path = bridge.provenance().get(&format!("{}.latents", self.side))?;
        // The latents may be gone by now: then the figures that need them are left out.
        let file = LatentsFile::read(Path::new(path)).ok()?;
        let held_out: HashSet<&String> = self.ids().collect();
        let row_of = rows_by_id(&input.ids);
        let mut rows = vec![];
        for id in file.ids.iter().filter(|id| !held_out.contains(id)) {
            rows.push(*row_of.get(id)?);
        }
        // Any other number means that some rows of the file were not fitted on.
        (rows.len() == bridge.pairs()).then(|| input.observations.select(&rows))
    }

    /// Returns whether the bridge was fitted on latents with the same metadata under `key`.
    fn is_same_data(&self, bridge: &Bridge, key: &str) -> bool {
        let recorded = bridge.provenance().get(&format!("{}.{key}", self.side));
        recorded.is_some() && recorded == self.file.metadata.get(key)
    }
}

/// Returns the row of each id.
fn rows_by_id(ids: &[String]) -> HashMap<&String, usize> {
    ids.iter().enumerate().map(|(row, id)| (id, row)).collect()
}

/// Rows that are encoded again.
const ENCODED_AGAIN: usize = 16;
/// Differences of means and of log-variances that are rounding: files of 16-bit floats differ in
/// the third digit.
const MEAN_ROUNDING: f32 = 0.05;
const LOG_VAR_ROUNDING: f32 = 0.1;

/// Checks that the latents were encoded from these observations: the first few are encoded again.
fn expect_encoded(
    given: &GivenModel,
    observations: &Observations,
    posterior: &Posterior,
    path: &Path,
) -> Result<(), Error> {
    // A few rows show wrong data or a wrong order; all would take as long as encoding.
    let rows: Vec<usize> = (0..observations.rows().min(ENCODED_AGAIN)).collect();
    let again = given.model.posterior(&observations.select(&rows))?;
    let before = posterior.select(&rows);
    let (again, before) = (again.moments(), before.moments());
    if largest_gap(again.mean(), before.mean()) < MEAN_ROUNDING
        && largest_gap(again.log_var(), before.log_var()) < LOG_VAR_ROUNDING
    {
        return Ok(());
    }
    let reason = format!(
        "is not what the held-out latents were encoded from: encoded again by {}, row by row, it \
         gives other posteriors; check the part of the data set (train or test) and the order of \
         rows",
        given.name
    );
    Err(Error::bad_file(path, reason))
}

fn largest_gap(a: &Latents, b: &Latents) -> f32 {
    let gaps = a
        .values()
        .iter()
        .zip(b.values())
        .map(|(a, b)| (a - b).abs());
    gaps.fold(0.0, f32::max)
}
