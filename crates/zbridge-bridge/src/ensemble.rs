use crate::BridgeError;
use crate::density::Density;
use crate::families::put_json;
use crate::frame::Frame;
use crate::principal_components::PrincipalComponents;
use ndarray::Array2;
use std::ops::RangeInclusive;
use std::path::Path;
use zbridge_core::{DensityError, Latents, RandomStream, log_sum_exp};
use zbridge_nn::{NnError, WeightsFile};

/// An even mixture of densities between the coordinates of two frames: a single one, or a few that
/// were fitted under different seeds (Lakshminarayanan et al. 2017).
///
/// Sources are features of the source's frame, targets are points in the target's frame.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Ensemble {
    pub(crate) source: Frame,
    pub(crate) target: Frame,
    pub(crate) members: Vec<Density>,
}

/// Names of the frames' tensors in files.
const SIDES: [&str; 2] = ["source", "target"];
/// Members that a file may have.
const MEMBERS: RangeInclusive<usize> = 1..=64;

impl Ensemble {
    /// Returns the same ensemble with the logits of every mixture multiplied by
    /// `inverse_temperature`.
    pub(crate) fn with_inverse_temperature(&self, inverse_temperature: f32) -> Self {
        let members = self.members.iter().cloned();
        Self {
            members: members
                .map(|member| member.with_inverse_temperature(inverse_temperature))
                .collect(),
            ..self.clone()
        }
    }

    /// Returns log q(point|features) in nats, row by row: the logarithm of the mean over members.
    ///
    /// # Errors
    /// [`DensityError`] if shapes do not belong together, or a member's density is not a number.
    pub(crate) fn log_prob(
        &self,
        features: &Latents,
        points: &Latents,
    ) -> Result<Vec<f64>, DensityError> {
        let log_prob = |member: &Density| member.as_dyn().given(features)?.log_prob(points);
        let of_members: Vec<Vec<f64>> = self
            .members
            .iter()
            .map(log_prob)
            .collect::<Result<_, _>>()?;
        let log_count = (self.members.len() as f64).ln();
        let log_mean = |row: usize| {
            let terms: Vec<f64> = of_members.iter().map(|nats| nats[row]).collect();
            log_sum_exp(&terms) - log_count
        };
        Ok((0..points.rows()).map(log_mean).collect())
    }

    /// Returns one point for each row of features, each from a member drawn at random:
    /// `[rows, active]`.
    ///
    /// # Errors
    /// [`DensityError`] if the features are of another frame, or a draw is NaN.
    pub(crate) fn draw(
        &self,
        features: &Latents,
        stream: &mut RandomStream,
    ) -> Result<Array2<f32>, DensityError> {
        // A single member needs no choice, which would move the stream on.
        if let [member] = self.members.as_slice() {
            let draws = member.as_dyn().given(features)?.sample_each(1, stream)?;
            return Ok(draws.into_array());
        }
        let members = self.members.len();
        let chosen: Vec<usize> = (0..features.rows())
            .map(|_| stream.below(members))
            .collect();
        let mut points = Array2::zeros((features.rows(), self.target.active()));
        for (index, member) in self.members.iter().enumerate() {
            let rows = (0..chosen.len()).filter(|&row| chosen[row] == index);
            let rows: Vec<usize> = rows.collect();
            let given = member.as_dyn().given(&features.select(&rows))?;
            let draws = given.sample_each(1, stream)?;
            for (&row, draw) in rows.iter().zip(draws.view().rows()) {
                points.row_mut(row).assign(&draw);
            }
        }
        Ok(points)
    }

    /// Returns the mean for each row of features, that of the members' means: `[rows, active]`;
    /// `None` if a member's has no closed form.
    ///
    /// # Errors
    /// [`DensityError`] if the features are of another frame, or a mean is NaN.
    pub(crate) fn means(&self, features: &Latents) -> Result<Option<Array2<f32>>, DensityError> {
        let mut sum = Array2::zeros((features.rows(), self.target.active()));
        for member in &self.members {
            let Some(means) = member.as_dyn().given(features)?.means()? else {
                return Ok(None);
            };
            sum += &means.view();
        }
        Ok(Some(sum / self.members.len() as f32))
    }

    pub(crate) fn put_into(&self, file: &mut WeightsFile, prefix: &str) -> Result<(), BridgeError> {
        put_json(
            file,
            format!("{prefix}.frames"),
            &(&self.source, &self.target),
        )?;
        for (side, frame) in SIDES.into_iter().zip([&self.source, &self.target]) {
            if let Some(principal) = &frame.principal {
                principal.put_into(file, &format!("{prefix}.{side}.principal"));
            }
        }
        put_json(file, format!("{prefix}.members"), &self.members.len())?;
        for (index, member) in self.members.iter().enumerate() {
            member.put_into(file, &format!("{prefix}.{index}"))?;
        }
        Ok(())
    }

    /// Returns the ensemble stored under `prefix`; `path` names the file in errors.
    ///
    /// # Errors
    /// [`NnError::Weights`] if a part is missing, or parts contradict each other.
    pub(crate) fn from_file(
        file: &WeightsFile,
        prefix: &str,
        path: &Path,
    ) -> Result<Self, BridgeError> {
        let stored = StoredEnsemble { file, prefix, path };
        let [source, target] = stored.frames()?;
        let members = stored.members()?;
        stored.expect_dims(&members, (source.feature_width(), target.active()))?;
        Ok(Self {
            source,
            target,
            members,
        })
    }
}

/// Where an ensemble is stored.
struct StoredEnsemble<'f> {
    file: &'f WeightsFile,
    prefix: &'f str,
    path: &'f Path,
}

impl StoredEnsemble<'_> {
    fn fault(&self, reason: String) -> BridgeError {
        let path = self.path.to_owned();
        NnError::Weights { path, reason }.into()
    }

    /// Returns the frames of source and target.
    fn frames(&self) -> Result<[Frame; 2], BridgeError> {
        let Self { file, prefix, path } = *self;
        let mut frames: [Frame; 2] = file.parsed_metadata(&format!("{prefix}.frames"), path)?;
        if !frames.iter().all(|frame| frame.is_sound(frame.dim())) {
            return Err(self.fault(format!("metadata `{prefix}.frames` contradicts itself")));
        }
        for (side, frame) in SIDES.into_iter().zip(&mut frames) {
            let columns = frame.active_dimensions();
            let prefix = format!("{prefix}.{side}.principal");
            frame.principal = PrincipalComponents::from_file(file, &prefix, columns, path)?;
        }
        Ok(frames)
    }

    fn members(&self) -> Result<Vec<Density>, BridgeError> {
        let Self { file, prefix, path } = *self;
        let count: usize = file.parsed_metadata(&format!("{prefix}.members"), path)?;
        // Checked before anything is reserved for them: the file may be anybody's.
        if !MEMBERS.contains(&count) {
            return Err(self.fault(format!(
                "metadata `{prefix}.members` is {count}; 1 to 64 are possible"
            )));
        }
        let member = |index| Density::from_file(file, &format!("{prefix}.{index}"), path);
        (0..count).map(member).collect()
    }

    fn expect_dims(
        &self,
        members: &[Density],
        expected: (usize, usize),
    ) -> Result<(), BridgeError> {
        let mut found = members.iter().map(|member| member.as_dyn().dims());
        match found.find(|&found| found != expected) {
            None => Ok(()),
            Some(found) => Err(self.fault(format!(
                "a member of `{}` joins {found:?} dimensions, its frames {expected:?}",
                self.prefix
            ))),
        }
    }
}
