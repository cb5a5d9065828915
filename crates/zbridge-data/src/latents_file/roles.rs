use crate::container::ArrayFile;
use crate::{DataError, LatentsError};
use std::fmt;

pub(super) const MEAN: [&str; 2] = ["mean", "mu"];
pub(super) const SPREAD: [&str; 4] = ["log_var", "logvar", "std", "scale"];
pub(super) const SAMPLES: [&str; 1] = ["samples"];
pub(super) const POINTS: [&str; 2] = ["z", "latents"];
pub(super) const VIEWS: [&str; 2] = ["view_mean", "view_log_var"];
pub(super) const IDS: [&str; 2] = ["ids", "id"];
/// The metadata key of a safetensors file for ids that are not integers, one a line.
pub(super) const IDS_KEY: &str = "ids";
pub(super) const LABELS: [&str; 2] = ["labels", "label"];

/// Names of `SPREAD` for standard deviations; the others are log-variances.
const STANDARD_DEVIATION: [&str; 2] = ["std", "scale"];

const WANTED: &str = "`mean` (or `mu`) with `log_var`, the posterior means and log-variances; nor \
                      `samples`, draws of the posteriors; nor `z` (or `latents`), one point for \
                      each observation";

const POINTS_SHAPE: &str = "[n, d] or [n, …]: one row for each observation";
const SAMPLES_SHAPE: &str = "[n, draws, d] or [n, draws, …]: draws of each row";

/// The form in which a file gives its latents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum LatentsKind {
    /// Means and variances of posteriors: `[n, …]` each.
    Gaussian,
    /// Several draws from each posterior: `[n, draws, …]`.
    Samples,
    /// One point for each observation: `[n, …]`.
    Points,
}

impl fmt::Display for LatentsKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Gaussian => "Gaussian posteriors",
            Self::Samples => "samples of posteriors",
            Self::Points => "points",
        })
    }
}

/// The arrays of a file that hold its latents, by their indices.
pub(super) struct Roles {
    pub(super) latents: LatentsArrays,
    pub(super) layout: LatentsLayout,
    pub(super) views: Option<ViewArrays>,
}

/// The arrays of the latents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LatentsArrays {
    /// `spread` has log-variances or standard deviations.
    Gaussian {
        mean: usize,
        spread: usize,
        is_standard_deviation: bool,
    },
    Samples(usize),
    Points(usize),
}

/// The arrays of the posteriors of augmented views, `[n, views, …]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ViewArrays {
    pub(super) mean: usize,
    pub(super) log_var: usize,
}

/// The number of latents, and the shape of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LatentsLayout {
    pub(super) rows: usize,
    /// Draws of a row; 1 for Gaussians and points.
    pub(super) draws: usize,
    pub(super) latent_shape: Vec<usize>,
}

impl Roles {
    pub(super) fn of(file: &ArrayFile<'_>) -> Result<Self, DataError> {
        let latents = LatentsArrays::of(file)?;
        let layout = LatentsLayout::of(file, latents)?;
        let views = ViewArrays::of(file, &layout)?;
        Ok(Self {
            latents,
            layout,
            views,
        })
    }
}

/// The arrays with a name of latents, by their indices.
struct Candidates {
    mean: Option<usize>,
    spread: Option<usize>,
    samples: Option<usize>,
    points: Option<usize>,
}

impl Candidates {
    fn of(file: &ArrayFile<'_>) -> Self {
        Self {
            mean: file.find(&MEAN),
            spread: file.find(&SPREAD),
            samples: file.find(&SAMPLES),
            points: file.find(&POINTS),
        }
    }

    /// Returns an error if there are samples and another form of latents.
    fn expect_one_form(&self, file: &ArrayFile<'_>) -> Result<(), LatentsError> {
        let other = self.mean.or(self.spread).or(self.points);
        match (self.samples, other) {
            (Some(samples), Some(other)) => Err(LatentsError::Ambiguous {
                names: [samples, other].map(|index| file.name(index).to_owned()),
            }),
            _ => Ok(()),
        }
    }
}

impl LatentsArrays {
    pub(super) fn of(file: &ArrayFile<'_>) -> Result<Self, DataError> {
        // Names decide, and not shapes: draws and axes of a latent look alike.
        let candidates = Candidates::of(file);
        let unambiguous = candidates.expect_one_form(file);
        unambiguous.map_err(|fault| error(file, fault))?;
        match (candidates.mean, candidates.spread) {
            (Some(mean), Some(spread)) => Ok(Self::Gaussian {
                mean,
                spread,
                is_standard_deviation: STANDARD_DEVIATION.contains(&file.name(spread)),
            }),
            (Some(mean), None) => {
                let (mean, found) = (file.named(mean), file.listing());
                Err(error(file, LatentsError::MissingSpread { mean, found }))
            }
            // A spread without means is passed over: it may be of something else.
            (None, _) => {
                let samples = candidates.samples.map(Self::Samples);
                let draws = samples.or(candidates.points.map(Self::Points));
                draws.ok_or_else(|| missing(file, WANTED))
            }
        }
    }

    pub(super) fn kind(self) -> LatentsKind {
        match self {
            Self::Gaussian { .. } => LatentsKind::Gaussian,
            Self::Samples(_) => LatentsKind::Samples,
            Self::Points(_) => LatentsKind::Points,
        }
    }
}

impl LatentsLayout {
    fn of(file: &ArrayFile<'_>, latents: LatentsArrays) -> Result<Self, DataError> {
        let (first, layout, expected) = match latents {
            LatentsArrays::Gaussian { mean, spread, .. } => {
                expect_same_shape(file, spread, mean)?;
                (mean, Self::of_points(file.shape(mean)), POINTS_SHAPE)
            }
            LatentsArrays::Points(points) => {
                (points, Self::of_points(file.shape(points)), POINTS_SHAPE)
            }
            LatentsArrays::Samples(samples) => (
                samples,
                Self::of_samples(file.shape(samples)),
                SAMPLES_SHAPE,
            ),
        };
        layout.ok_or_else(|| file.wrong_shape(first, expected.to_owned()))
    }

    fn of_samples(shape: &[usize]) -> Option<Self> {
        match shape {
            [rows, draws, latent_shape @ ..] if *draws > 0 && !latent_shape.is_empty() => {
                Some(Self {
                    rows: *rows,
                    draws: *draws,
                    latent_shape: latent_shape.to_vec(),
                })
            }
            _ => None,
        }
    }

    fn of_points(shape: &[usize]) -> Option<Self> {
        match shape {
            [rows, latent_shape @ ..] if !latent_shape.is_empty() => Some(Self {
                rows: *rows,
                draws: 1,
                latent_shape: latent_shape.to_vec(),
            }),
            _ => None,
        }
    }

    /// Returns the number of dimensions of a latent.
    pub(super) fn dim(&self) -> usize {
        self.latent_shape.iter().product()
    }
}

impl ViewArrays {
    /// Returns the arrays of the views; `None` if the file has neither of them.
    fn of(file: &ArrayFile<'_>, layout: &LatentsLayout) -> Result<Option<Self>, DataError> {
        let views = match VIEWS.map(|name| file.find(&[name])) {
            [None, None] => return Ok(None),
            [Some(mean), Some(log_var)] => Self { mean, log_var },
            [None, Some(_)] => {
                let wanted = "`view_mean`, the means of augmented observations";
                return Err(missing(file, wanted));
            }
            [Some(_), None] => return Err(missing(file, "`view_log_var`, beside `view_mean`")),
        };
        views.expect_shape(file, layout)?;
        Ok(Some(views))
    }

    fn expect_shape(&self, file: &ArrayFile<'_>, layout: &LatentsLayout) -> Result<(), DataError> {
        let fits = match file.shape(self.mean) {
            [rows, _, latent_shape @ ..] => {
                *rows == layout.rows && *latent_shape == layout.latent_shape
            }
            _ => false,
        };
        if !fits {
            let sizes: Vec<String> = layout.latent_shape.iter().map(usize::to_string).collect();
            let (rows, sizes) = (layout.rows, sizes.join(", "));
            let expected = format!("[{rows}, views, {sizes}]: views of each row");
            return Err(file.wrong_shape(self.mean, expected));
        }
        expect_same_shape(file, self.log_var, self.mean)
    }
}

/// Returns an error unless the array `index` has the shape of the array `other`.
fn expect_same_shape(file: &ArrayFile<'_>, index: usize, other: usize) -> Result<(), DataError> {
    if file.shape(index) == file.shape(other) {
        return Ok(());
    }
    let expected = format!("{:?}, that of `{}`", file.shape(other), file.name(other));
    Err(file.wrong_shape(index, expected))
}

fn missing(file: &ArrayFile<'_>, wanted: &'static str) -> DataError {
    let missing = LatentsError::MissingArray {
        part: file.container.part(),
        wanted,
        found: file.listing(),
    };
    error(file, missing)
}

fn error(file: &ArrayFile<'_>, fault: LatentsError) -> DataError {
    DataError::of_file(&file.path, fault)
}
