use super::Frame;
use crate::SourceReading;
use crate::rows::{side_by_side, standard_normal};
use ndarray::{Array2, Axis, Zip};
use zbridge_core::{DiagonalGaussian, Posterior, PosteriorSamples, RandomStream};

/// A batch of posteriors in the coordinates of a frame, ready to be drawn from.
#[derive(Debug, Clone)]
pub(crate) struct FramedPosterior {
    kind: Kind,
    /// The posteriors' means, `[rows, active]`.
    means: Array2<f32>,
    /// Their log-variances as features, if the frame has them: `[rows, active]`.
    log_variances: Option<Array2<f32>>,
    /// Posteriors of augmented observations, the same number for each row.
    views: Option<Box<FramedPosterior>>,
}

#[derive(Debug, Clone)]
enum Kind {
    Gaussian {
        /// `[rows, active]`.
        deviations: Array2<f32>,
    },
    Samples {
        /// `[rows · draws, active]`, the draws of a row side by side.
        points: Array2<f32>,
        draws: usize,
    },
}

/// Draws by which a Gaussian posterior is represented among principal components.
const DRAWS_AMONG_COMPONENTS: usize = 16;
/// Larger deviations, relative to the aggregate's, count as this.
const MAX_DEVIATION: f32 = 1e6;
/// Deviations up to this, relative to the aggregate's, are those of points.
const LEAST_SPREAD: f32 = 1e-3;

impl Frame {
    /// Returns these posteriors in the coordinates of the frame.
    pub(crate) fn inside(&self, posterior: &Posterior) -> FramedPosterior {
        let kind = match posterior {
            Posterior::Samples(samples) => Kind::Samples {
                points: self.standardised(PosteriorSamples::points(samples).view()),
                draws: samples.draws(),
            },
            // Along other directions a diagonal Gaussian is not diagonal: draws represent it there.
            gaussian if self.principal.is_some() => {
                let mut stream = RandomStream::named(0, "bridge/turned");
                let points = gaussian.sample_each(DRAWS_AMONG_COMPONENTS, &mut stream);
                Kind::Samples {
                    points: self.standardised(points.view()),
                    draws: DRAWS_AMONG_COMPONENTS,
                }
            }
            gaussian => self.gaussian_inside(&gaussian.moments()),
        };
        FramedPosterior {
            kind,
            means: self.standardised(posterior.moments().mean().view()),
            log_variances: self.has_log_variances().then(|| {
                let moments = posterior.moments();
                self.standardised_log_variances(moments.log_var().view())
            }),
            views: None,
        }
    }

    fn gaussian_inside(&self, moments: &DiagonalGaussian) -> Kind {
        let shape = (moments.rows(), self.active());
        let log_vars = moments.log_var().view();
        let deviations = Array2::from_shape_fn(shape, |(row, place)| {
            let column = self.active[place];
            let deviation = (0.5 * log_vars[[row, column]]).exp();
            (deviation / self.deviation[column]).min(MAX_DEVIATION)
        });
        Kind::Gaussian { deviations }
    }
}

impl FramedPosterior {
    /// Returns the number of posteriors.
    pub(crate) fn rows(&self) -> usize {
        self.means.nrows()
    }

    /// Returns the same posteriors with those of augmented observations, the same number for each.
    pub(crate) fn with_views(self, views: Option<FramedPosterior>) -> Self {
        let views = views.map(Box::new);
        Self { views, ..self }
    }

    /// Returns whether there are posteriors of augmented observations.
    pub(crate) fn has_views(&self) -> bool {
        self.views.is_some()
    }

    /// Returns one draw from each of `rows`, `[rows, active]`.
    pub(crate) fn draw(&self, rows: &[usize], stream: &mut RandomStream) -> Array2<f32> {
        match &self.kind {
            Kind::Gaussian { deviations } => {
                let mut draws = standard_normal((rows.len(), self.means.ncols()), stream);
                for (draw, &row) in draws.rows_mut().into_iter().zip(rows) {
                    let mean = self.means.row(row);
                    let parameters = Zip::from(draw).and(mean).and(deviations.row(row));
                    parameters
                        .for_each(|value, mean, deviation| *value = mean + deviation * *value);
                }
                draws
            }
            Kind::Samples { points, draws } => {
                let chosen = rows.iter().map(|row| row * draws + stream.below(*draws));
                points.select(Axis(0), &chosen.collect::<Vec<_>>())
            }
        }
    }

    /// Returns the mean of each of `rows`, `[rows, active]`.
    pub(crate) fn means_of(&self, rows: &[usize]) -> Array2<f32> {
        self.means.select(Axis(0), rows)
    }

    /// Returns whether a draw says less than the mean: whether any posterior has a variance.
    pub(crate) fn has_spread(&self) -> bool {
        match &self.kind {
            Kind::Gaussian { deviations } => deviations.iter().any(|&value| value > LEAST_SPREAD),
            Kind::Samples { draws, .. } => *draws > 1,
        }
    }

    /// Returns what a density is given of each of `rows`, `[rows, active]`; of parameters
    /// `[rows, 2 · active]`.
    pub(crate) fn read(
        &self,
        rows: &[usize],
        reading: SourceReading,
        stream: &mut RandomStream,
    ) -> Array2<f32> {
        match reading {
            SourceReading::Draw => self.draw(rows, stream),
            SourceReading::Mean => self.means_of(rows),
            SourceReading::Parameters => {
                let means = self.means_of(rows);
                match &self.log_variances {
                    Some(all) => side_by_side(means.view(), all.select(Axis(0), rows).view()),
                    None => means,
                }
            }
        }
    }

    /// Returns what a density is given of each of `rows` as a source in training,
    /// `[rows, active]`: of the posterior of the observation itself, or of one of its
    /// augmentations, each equally often.
    pub(crate) fn read_source(
        &self,
        rows: &[usize],
        reading: SourceReading,
        stream: &mut RandomStream,
    ) -> Array2<f32> {
        let Some(views) = &self.views else {
            return self.read(rows, reading, stream);
        };
        let views_per_row = views.rows() / self.rows();
        // 0 stands for the observation itself, i for view i − 1.
        let choices: Vec<usize> = rows
            .iter()
            .map(|_| stream.below(views_per_row + 1))
            .collect();
        let mut draws = self.read(rows, reading, stream);
        let places: Vec<usize> = (0..rows.len())
            .filter(|&place| choices[place] > 0)
            .collect();
        let view_row = |&place: &usize| rows[place] * views_per_row + choices[place] - 1;
        let view_rows: Vec<usize> = places.iter().map(view_row).collect();
        let of_views = views.read(&view_rows, reading, stream);
        for (&place, draw) in places.iter().zip(of_views.rows()) {
            draws.row_mut(place).assign(&draw);
        }
        draws
    }
}
