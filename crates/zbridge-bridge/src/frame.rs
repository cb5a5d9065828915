//! Standardised coordinates of a latent space: what makes a few hundred pairs enough.

use crate::families::responsibilities;
use crate::principal::Principal;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::HashSet;
use zbridge_core::{
    DiagonalGaussian, Latents, Posterior, PosteriorSamples, RandomStream, ShapeError,
};

/// How a latent space is seen by a density: its active dimensions, centred and scaled by the
/// aggregate posterior.
///
/// A dimension is active when the posteriors' means vary along it. Along the others the encoder
/// says the same of every observation (a collapsed posterior, Lucas et al. 2019): they carry
/// nothing about the other modality, so they are left out of a source, and drawn from their own
/// Gaussian in a target.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Frame {
    mean: Vec<f32>,
    deviation: Vec<f32>,
    active: Vec<usize>,
    /// The few directions of the active dimensions that are kept, where these are too many.
    #[serde(skip)]
    pub(crate) principal: Option<Principal>,
    /// The few posteriors that there are, where the modality is discrete: means and log-variances
    /// of the active dimensions, standardised.
    atoms: Option<(Vec<f32>, Vec<f32>)>,
}

/// Share of an active dimension's variance that is carried by the posteriors' means.
const LEAST_ACTIVE_SHARE: f64 = 0.02;
/// Draws by which a posterior is known where only some directions are kept.
const DRAWS_OF_TURNED: usize = 16;
/// Most distinct posteriors of a modality that counts as discrete.
const MOST_ATOMS: usize = 256;

impl Frame {
    /// Coordinates as they are.
    pub(crate) fn identity(dim: usize) -> Self {
        Self {
            mean: vec![0.0; dim],
            deviation: vec![1.0; dim],
            active: (0..dim).collect(),
            principal: None,
            atoms: None,
        }
    }

    /// Coordinates standardised by the aggregate of these posteriors.
    #[cfg(test)]
    pub(crate) fn of(posteriors: &[&Posterior]) -> Self {
        Self::keeping(posteriors, None)
    }

    /// Coordinates standardised by the aggregate of these posteriors; of more dimensions than
    /// `directions`, so many principal directions.
    pub(crate) fn keeping(posteriors: &[&Posterior], directions: Option<usize>) -> Self {
        let moments: Vec<_> = posteriors
            .iter()
            .map(|posterior| posterior.moments())
            .collect();
        let dim = moments.first().map_or(0, |moments| moments.dim());
        let rows = moments.iter().map(|moments| moments.rows()).sum::<usize>() as f64;
        let (mut sums, mut squares, mut variances) =
            (vec![0.0f64; dim], vec![0.0f64; dim], vec![0.0f64; dim]);
        for (means, log_vars) in moments.iter().flat_map(|moments| rows_of(moments)) {
            for (column, (&mean, &log_var)) in means.iter().zip(log_vars).enumerate() {
                sums[column] += f64::from(mean);
                squares[column] += f64::from(mean) * f64::from(mean);
                variances[column] += f64::from(log_var).exp();
            }
        }
        let mean: Vec<f64> = sums.iter().map(|sum| sum / rows).collect();
        let between: Vec<f64> = squares
            .iter()
            .zip(&mean)
            .map(|(square, m)| (square / rows - m * m).max(0.0))
            .collect();
        let total: Vec<f64> = between
            .iter()
            .zip(&variances)
            .map(|(b, within)| b + within / rows)
            .collect();
        let mut active: Vec<usize> = (0..dim)
            .filter(|&column| between[column] > LEAST_ACTIVE_SHARE * total[column])
            .collect();
        if active.is_empty() {
            active = (0..dim).collect();
        }
        let mut frame = Self {
            mean: mean.iter().map(|&m| m as f32).collect(),
            deviation: total
                .iter()
                .map(|variance| (variance.sqrt() as f32).max(1e-6))
                .collect(),
            active,
            principal: None,
            atoms: None,
        };
        frame.principal = directions.and_then(|count| frame.directions_among(&moments, count));
        if frame.principal.is_none() {
            frame.atoms = frame.atoms_among(&moments);
        }
        frame
    }

    /// The principal directions of the means, among at most so many of them.
    fn directions_among(
        &self,
        moments: &[Cow<'_, DiagonalGaussian>],
        count: usize,
    ) -> Option<Principal> {
        const ROWS: usize = 4096;
        let means = moments
            .iter()
            .flat_map(|moments| moments.mean().values().chunks_exact(self.dim()));
        let points: Vec<f32> = means
            .take(ROWS)
            .flat_map(|mean| self.columns_of(mean))
            .collect();
        Principal::of(&points, self.active.len(), count)
    }

    /// The distinct posteriors, if they are few and come again.
    fn atoms_among(&self, moments: &[Cow<'_, DiagonalGaussian>]) -> Option<(Vec<f32>, Vec<f32>)> {
        let bits = |(means, log_vars): &(&[f32], &[f32])| -> Vec<u32> {
            means
                .iter()
                .chain(*log_vars)
                .map(|value| value.to_bits())
                .collect()
        };
        let mut seen = HashSet::new();
        let all = moments.iter().flat_map(|moments| rows_of(moments));
        let distinct: Vec<(&[f32], &[f32])> = all
            .filter(|row| seen.insert(bits(row)))
            .take(MOST_ATOMS + 1)
            .collect();
        let rows: usize = moments.iter().map(|moments| moments.rows()).sum();
        // Posteriors of a continuous modality never come twice; a quarter of repeats is no
        // accident.
        if distinct.len() > MOST_ATOMS || 4 * distinct.len() > 3 * rows {
            return None;
        }
        let (mut means, mut log_vars) = (Vec::new(), Vec::new());
        for (mean, log_var) in distinct {
            for &column in &self.active {
                means.push((mean[column] - self.mean[column]) / self.deviation[column]);
                log_vars.push(log_var[column] - 2.0 * self.deviation[column].ln());
            }
        }
        Some((means, log_vars))
    }

    /// Dimensions of the latent space.
    pub(crate) fn dim(&self) -> usize {
        self.mean.len()
    }

    /// Active dimensions, or the directions of them that are kept: what a density over this space
    /// models.
    pub(crate) fn active(&self) -> usize {
        self.principal
            .as_ref()
            .map_or(self.active.len(), Principal::count)
    }

    /// Active dimensions, whether all of their directions are kept or not.
    pub(crate) fn active_dimensions(&self) -> usize {
        self.active.len()
    }

    /// Width of [`features`](Self::features).
    pub(crate) fn feature_width(&self) -> usize {
        self.active()
            + self
                .atoms
                .as_ref()
                .map_or(0, |(means, _)| means.len() / self.active())
    }

    /// The distinct posteriors of a discrete modality, standardised.
    pub(crate) fn atoms(&self) -> Option<DiagonalGaussian> {
        let (means, log_vars) = self.atoms.clone()?;
        let wide = |values| Latents::from_vec(values, self.active()).ok();
        DiagonalGaussian::new(wide(means)?, wide(log_vars)?).ok()
    }

    /// Whether the file that this frame was read from tells of one latent space of `dim`
    /// dimensions.
    pub(crate) fn is_sound(&self, dim: usize) -> bool {
        let finite = |values: &[f32]| values.iter().all(|value| value.is_finite());
        let atoms = self.atoms.as_ref().is_none_or(|(means, log_vars)| {
            !means.is_empty()
                && means.len() == log_vars.len()
                && means.len().is_multiple_of(self.active.len().max(1))
                && finite(means)
                && finite(log_vars)
        });
        self.mean.len() == dim
            && self.deviation.len() == dim
            && finite(&self.mean)
            && self
                .deviation
                .iter()
                .all(|deviation| deviation.is_finite() && *deviation > 0.0)
            && !self.active.is_empty()
            && self.active.windows(2).all(|pair| pair[0] < pair[1])
            && self.active.last().is_some_and(|&last| last < dim)
            && atoms
    }

    /// Points of the latent space, `[rows, dim]`, in the frame: `[rows, active]`.
    pub(crate) fn standardised(&self, points: &[f32]) -> Vec<f32> {
        let columns: Vec<f32> = points
            .chunks_exact(self.dim())
            .flat_map(|row| self.columns_of(row))
            .collect();
        match &self.principal {
            Some(principal) => principal.inside(&columns),
            None => columns,
        }
    }

    /// The active dimensions of a point, standardised.
    fn columns_of(&self, point: &[f32]) -> impl Iterator<Item = f32> {
        self.active
            .iter()
            .map(|&column| (point[column] - self.mean[column]) / self.deviation[column])
    }

    /// What a density is told of source points that lie in the frame, `[rows, active]`: the points,
    /// and the probability of each atom, `[rows, features]`.
    pub(crate) fn features(&self, standardised: Vec<f32>) -> Vec<f32> {
        let Some(atoms) = self.atoms() else {
            return standardised;
        };
        let codes = responsibilities(&atoms, &standardised);
        let rows = standardised
            .chunks_exact(self.active())
            .zip(codes.chunks_exact(atoms.rows()));
        rows.flat_map(|(point, codes)| point.iter().chain(codes).copied())
            .collect()
    }

    /// Features of source points `[rows, dim]`.
    ///
    /// # Errors
    /// [`ShapeError::Mismatch`] when they are of another space.
    pub(crate) fn features_of(&self, source: &Latents) -> Result<Latents, ShapeError> {
        if source.dim() != self.dim() {
            let (expected, found) = ((source.rows(), self.dim()), (source.rows(), source.dim()));
            return Err(ShapeError::Mismatch {
                what: "source latents of the bridge",
                expected,
                found,
            });
        }
        Latents::clamped(
            self.features(self.standardised(source.values())),
            self.feature_width(),
        )
    }

    /// Points in the frame, `[rows, active]`, as points of the latent space: what the frame leaves
    /// out is drawn.
    pub(crate) fn restored(
        &self,
        points: &[f32],
        stream: &mut RandomStream,
    ) -> Result<Latents, ShapeError> {
        let rows = points.len() / self.active();
        let mut values = vec![0.0; rows * self.dim()];
        if self.active() < self.dim() {
            stream.fill_standard_normal(&mut values);
        }
        let mut columns = Cow::Borrowed(points);
        if let Some(principal) = &self.principal {
            let mut noise = vec![0.0; rows * self.active.len()];
            stream.fill_standard_normal(&mut noise);
            principal.restore(points, &mut noise);
            columns = Cow::Owned(noise);
        }
        for (row, point) in values
            .chunks_exact_mut(self.dim())
            .zip(columns.chunks_exact(self.active.len()))
        {
            for (&column, &value) in self.active.iter().zip(point) {
                row[column] = value;
            }
            for ((value, mean), deviation) in row.iter_mut().zip(&self.mean).zip(&self.deviation) {
                *value = mean + deviation * *value;
            }
        }
        Latents::clamped(values, self.dim())
    }

    /// What the log density of a point of the latent space has beyond that of its place in the
    /// frame, in nats: the scaling, and the dimensions that the frame leaves out.
    pub(crate) fn log_density_outside(&self, point: &[f32]) -> f64 {
        let mut nats = 0.0;
        let mut active = self.active.iter().peekable();
        for (column, ((&value, &mean), &deviation)) in point
            .iter()
            .zip(&self.mean)
            .zip(&self.deviation)
            .enumerate()
        {
            nats -= f64::from(deviation).ln();
            if active.next_if(|&&next| next == column).is_none() {
                let standard = f64::from(value - mean) / f64::from(deviation);
                nats -= 0.5 * (standard * standard + zbridge_core::LN_TWO_PI);
            }
        }
        let beside = self.principal.as_ref().map(|principal| {
            principal.log_density_beside(&self.columns_of(point).collect::<Vec<f32>>())
        });
        nats + beside.unwrap_or(0.0)
    }

    /// These posteriors inside the frame.
    pub(crate) fn inside(&self, posterior: &Posterior) -> FramedPosterior {
        let width = self.active();
        match posterior {
            Posterior::Samples(samples) => FramedPosterior {
                width,
                views: None,
                kind: Framed::Samples {
                    points: self.standardised(PosteriorSamples::points(samples).values()),
                    draws: samples.draws(),
                },
            },
            // Along turned directions a diagonal Gaussian is none: it is known by draws there.
            other if self.principal.is_some() => {
                let points = other.sample_each(
                    DRAWS_OF_TURNED,
                    &mut RandomStream::named(0, "bridge/turned"),
                );
                let points = self.standardised(points.values());
                FramedPosterior {
                    width,
                    views: None,
                    kind: Framed::Samples {
                        points,
                        draws: DRAWS_OF_TURNED,
                    },
                }
            }
            other => {
                let moments = other.moments();
                let scales = self.active.iter().map(|&column| self.deviation[column]);
                let scales: Vec<f32> = scales.collect();
                let deviations = moments
                    .log_var()
                    .values()
                    .chunks_exact(self.dim())
                    .flat_map(|row| {
                        let active = self.active.iter().zip(&scales);
                        active
                            .map(|(&column, scale)| ((0.5 * row[column]).exp() / scale).min(1e6))
                            .collect::<Vec<f32>>()
                    });
                let deviations = deviations.collect();
                FramedPosterior {
                    width,
                    views: None,
                    kind: Framed::Gaussian {
                        means: self.standardised(moments.mean().values()),
                        deviations,
                    },
                }
            }
        }
    }
}

/// (means, log-variances) of every row.
fn rows_of(gaussian: &DiagonalGaussian) -> impl Iterator<Item = (&[f32], &[f32])> {
    (0..gaussian.rows()).map(|row| {
        (
            gaussian.mean().row_values(row),
            gaussian.log_var().row_values(row),
        )
    })
}

/// A batch of posteriors in standardised coordinates, ready to be drawn from.
#[derive(Debug, Clone)]
pub(crate) struct FramedPosterior {
    width: usize,
    kind: Framed,
    /// Posteriors of augmented observations, so many of each row.
    views: Option<Box<FramedPosterior>>,
}

#[derive(Debug, Clone)]
enum Framed {
    Gaussian {
        means: Vec<f32>,
        deviations: Vec<f32>,
    },
    Samples {
        points: Vec<f32>,
        draws: usize,
    },
}

impl FramedPosterior {
    /// How many posteriors.
    pub(crate) fn rows(&self) -> usize {
        match &self.kind {
            Framed::Gaussian { means, .. } => means.len() / self.width,
            Framed::Samples { points, draws } => points.len() / self.width / draws,
        }
    }

    /// The same, seen in other ways too.
    pub(crate) fn with_views(self, views: Option<FramedPosterior>) -> Self {
        Self {
            views: views.map(Box::new),
            ..self
        }
    }

    /// Whether there are other looks at what these are posteriors of.
    pub(crate) fn has_views(&self) -> bool {
        self.views.is_some()
    }

    /// One draw from each of `rows` as a source in training: of the observation itself, or of one
    /// of the other looks at it, each equally often.
    pub(crate) fn draw_seen(&self, rows: &[usize], stream: &mut RandomStream, out: &mut Vec<f32>) {
        let Some(views) = &self.views else {
            return self.draw(rows, stream, out);
        };
        let each = views.rows() / self.rows();
        let looks: Vec<usize> = rows.iter().map(|_| stream.below(each + 1)).collect();
        self.draw(rows, stream, out);
        let others: Vec<usize> = (0..rows.len()).filter(|&place| looks[place] > 0).collect();
        let view_rows: Vec<usize> = others
            .iter()
            .map(|&place| rows[place] * each + looks[place] - 1)
            .collect();
        let mut seen = Vec::new();
        views.draw(&view_rows, stream, &mut seen);
        for (place, point) in others.iter().zip(seen.chunks_exact(self.width)) {
            out[place * self.width..(place + 1) * self.width].copy_from_slice(point);
        }
    }

    /// One draw from each of `rows`, `[rows, active]`, in place of what `out` held.
    pub(crate) fn draw(&self, rows: &[usize], stream: &mut RandomStream, out: &mut Vec<f32>) {
        let width = self.width;
        out.resize(rows.len() * width, 0.0);
        match &self.kind {
            Framed::Gaussian { means, deviations } => {
                stream.fill_standard_normal(out);
                for (draw, &row) in out.chunks_exact_mut(width).zip(rows) {
                    let parameters = means[row * width..].iter().zip(&deviations[row * width..]);
                    draw.iter_mut()
                        .zip(parameters)
                        .for_each(|(value, (m, deviation))| *value = m + deviation * *value);
                }
            }
            Framed::Samples { points, draws } => {
                for (draw, &row) in out.chunks_exact_mut(width).zip(rows) {
                    let at = (row * draws + stream.below(*draws)) * width;
                    draw.copy_from_slice(&points[at..at + width]);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `rows` posteriors in three dimensions: the first varies, the second is collapsed, the third
    /// varies a little.
    fn posterior(rows: usize) -> Posterior {
        let mut mean = vec![0.0; rows * 3];
        RandomStream::named(1, "frame").fill_standard_normal(&mut mean);
        for row in mean.chunks_exact_mut(3) {
            (row[0], row[1], row[2]) = (5.0 + 2.0 * row[0], 0.01 * row[1], 0.5 * row[2] - 1.0);
        }
        let log_var = (0..rows).flat_map(|_| [-2.0, 0.0, -3.0]).collect();
        DiagonalGaussian::new(
            Latents::from_vec(mean, 3).unwrap(),
            Latents::from_vec(log_var, 3).unwrap(),
        )
        .unwrap()
        .into()
    }

    #[test]
    fn collapsed_dimensions_are_left_out_and_drawn_again() {
        let posterior = posterior(2000);
        let frame = Frame::of(&[&posterior]);
        assert_eq!(frame.active, [0, 2]);
        let mut stream = RandomStream::named(2, "frame");
        let points = posterior.sample(&mut stream);
        let inside = frame.standardised(points.values());
        let (mean, square) = inside
            .iter()
            .fold((0.0, 0.0), |(m, s), v| (m + v, s + v * v));
        assert!(
            (mean / inside.len() as f32).abs() < 0.05
                && (square / inside.len() as f32 - 1.0).abs() < 0.05
        );
        let back = frame.restored(&inside, &mut stream).unwrap();
        let spread: f32 = back
            .values()
            .chunks_exact(3)
            .map(|row| row[1] * row[1])
            .sum::<f32>()
            / 2000.0;
        assert!(
            (spread - 1.0).abs() < 0.15,
            "the collapsed dimension is drawn: {spread}"
        );
        for (before, after) in points
            .values()
            .chunks_exact(3)
            .zip(back.values().chunks_exact(3))
        {
            assert!((before[0] - after[0]).abs() < 1e-4 && (before[2] - after[2]).abs() < 1e-4);
        }
    }

    #[test]
    fn densities_count_the_scale_and_what_is_left_out() {
        let frame = Frame::of(&[&posterior(2000)]);
        let point = [5.0, 0.3, -1.0];
        let expected = -f64::from(frame.deviation[0]).ln() - f64::from(frame.deviation[2]).ln()
            + zbridge_core::LatentDistribution::log_prob(
                &DiagonalGaussian::new(
                    Latents::filled(1, 1, frame.mean[1]),
                    Latents::filled(1, 1, 2.0 * frame.deviation[1].ln()),
                )
                .unwrap(),
                &Latents::filled(1, 1, point[1]),
            )
            .unwrap()[0];
        assert!((frame.log_density_outside(&point) - expected).abs() < 1e-5);
    }

    #[test]
    fn posteriors_that_come_again_are_atoms_and_continuous_ones_are_not() {
        let few = posterior(5);
        let rows: Vec<usize> = (0..40).map(|row| row % 5).collect();
        let frame = Frame::of(&[&few.select(&rows)]);
        assert_eq!(frame.atoms().unwrap().rows(), 5);
        assert_eq!(frame.feature_width(), frame.active() + 5);
        assert!(Frame::of(&[&posterior(40)]).atoms().is_none());
        // Unpaired posteriors count too.
        assert_eq!(
            Frame::of(&[&few.select(&[0, 1]), &few.select(&rows)])
                .atoms()
                .unwrap()
                .rows(),
            5
        );
    }

    #[test]
    fn views_are_seen_as_often_as_the_observation_itself() {
        let at = |values: &[f32]| -> Posterior {
            let (mean, log_var) = (
                Latents::from_vec(values.to_vec(), 1).unwrap(),
                Latents::filled(values.len(), 1, -20.0),
            );
            DiagonalGaussian::new(mean, log_var).unwrap().into()
        };
        let frame = Frame::identity(1);
        let own = frame
            .inside(&at(&[0.0, 10.0]))
            .with_views(Some(frame.inside(&at(&[1.0, 2.0, 11.0, 12.0]))));
        let (mut stream, mut seen, rows) = (
            RandomStream::named(1, "views"),
            Vec::new(),
            [0, 1].repeat(3000),
        );
        own.draw_seen(&rows, &mut stream, &mut seen);
        for expected in [0.0, 1.0, 2.0, 10.0, 11.0, 12.0] {
            let count = seen
                .iter()
                .filter(|value| (*value - expected).abs() < 0.1)
                .count();
            assert!(
                (850..1150).contains(&count),
                "{expected} came {count} times"
            );
        }
        own.draw(&rows, &mut stream, &mut seen);
        assert!(
            seen.iter()
                .zip(&rows)
                .all(|(value, &row)| (value - 10.0 * row as f32).abs() < 0.1)
        );
    }

    #[test]
    fn frames_that_contradict_themselves_are_not_sound() {
        let frame = Frame::of(&[&posterior(50)]);
        assert!(frame.is_sound(3) && !frame.is_sound(4));
        for broken in [
            Frame {
                deviation: vec![1.0, 0.0, 1.0],
                ..frame.clone()
            },
            Frame {
                active: vec![],
                ..frame.clone()
            },
            Frame {
                active: vec![0, 3],
                ..frame.clone()
            },
            Frame {
                active: vec![2, 0],
                ..frame.clone()
            },
            Frame {
                mean: vec![f32::NAN; 3],
                ..frame.clone()
            },
            Frame {
                atoms: Some((vec![0.0; 4], vec![0.0; 2])),
                ..frame.clone()
            },
        ] {
            assert!(!broken.is_sound(3), "{broken:?}");
        }
    }
}
