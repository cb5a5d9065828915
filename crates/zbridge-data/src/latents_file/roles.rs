use super::contents::Contents;
use crate::DataError;

/// Which arrays of a file say what, by their places in it.
pub(super) struct Roles {
    pub(super) latents: LatentsRole,
    pub(super) layout: Layout,
    /// Means and log-variances of other looks.
    pub(super) views: Option<[usize; 2]>,
}

/// In what form the latents are given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LatentsRole {
    /// Gaussians: means, and log-variances or standard deviations.
    Gaussian {
        mean: usize,
        spread: usize,
        is_scale: bool,
    },
    /// Draws: `[n, draws, …]`.
    Samples(usize),
    /// One point a row: `[n, …]`.
    Points(usize),
}

/// How many latents there are, and how one of them looks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Layout {
    pub(super) rows: usize,
    /// Draws of a row; 1 where there are no draws.
    pub(super) draws: usize,
    pub(super) latent_shape: Vec<usize>,
}

pub(super) const MEAN: [&str; 2] = ["mean", "mu"];
pub(super) const SPREAD: [&str; 4] = ["log_var", "logvar", "std", "scale"];
pub(super) const SAMPLES: [&str; 1] = ["samples"];
pub(super) const POINTS: [&str; 2] = ["z", "latents"];
pub(super) const VIEWS: [&str; 2] = ["view_mean", "view_log_var"];
pub(super) const IDS: [&str; 2] = ["ids", "id"];
pub(super) const LABELS: [&str; 2] = ["labels", "label"];

const WANTED: &str = "`mean` (or `mu`) with `log_var`, the posterior means and log-variances; nor `samples`, draws of \
                      the posteriors; nor `z` (or `latents`), one point for each observation";

impl Roles {
    pub(super) fn of(contents: &Contents<'_>) -> Result<Self, DataError> {
        let latents = LatentsRole::of(contents)?;
        let layout = Layout::of(contents, latents)?;
        let views = views(contents, &layout)?;
        Ok(Self {
            latents,
            layout,
            views,
        })
    }
}

impl LatentsRole {
    pub(super) fn of(contents: &Contents<'_>) -> Result<Self, DataError> {
        let [mean, spread, samples, points] =
            [&MEAN[..], &SPREAD[..], &SAMPLES[..], &POINTS[..]].map(|names| contents.find(names));
        if let (Some(samples), Some(other)) = (samples, mean.or(spread).or(points)) {
            let names = [samples, other].map(|index| contents.name(index).to_owned());
            return Err(DataError::AmbiguousLatents {
                path: contents.path.clone(),
                names,
            });
        }
        match (mean, spread, samples.or(points)) {
            (Some(mean), Some(spread), _) => {
                let is_scale = matches!(contents.name(spread), "std" | "scale");
                Ok(Self::Gaussian {
                    mean,
                    spread,
                    is_scale,
                })
            }
            (Some(mean), None, _) => {
                let (path, mean) = (contents.path.clone(), contents.named(mean));
                Err(DataError::MissingSpread {
                    path,
                    mean,
                    found: contents.listing(),
                })
            }
            (None, _, Some(index)) if samples.is_some() => Ok(Self::Samples(index)),
            (None, _, Some(index)) => Ok(Self::Points(index)),
            _ => Err(missing(contents, WANTED)),
        }
    }

    /// The array whose shape tells how many latents there are.
    fn first(self) -> usize {
        match self {
            Self::Gaussian { mean, .. } => mean,
            Self::Samples(index) | Self::Points(index) => index,
        }
    }
}

impl Layout {
    fn of(contents: &Contents<'_>, latents: LatentsRole) -> Result<Self, DataError> {
        let index = latents.first();
        let shape = contents.shape(index);
        let wrong = |expected: &str| contents.wrong_shape(index, expected.to_owned());
        match (latents, shape) {
            (LatentsRole::Samples(_), [rows, draws, latent @ ..])
                if *draws > 0 && !latent.is_empty() =>
            {
                Ok(Self {
                    rows: *rows,
                    draws: *draws,
                    latent_shape: latent.to_vec(),
                })
            }
            (LatentsRole::Samples(_), _) => Err(wrong(
                "[n, draws, d] or [n, draws, …]: so many draws of each row",
            )),
            (_, [rows, latent @ ..]) if !latent.is_empty() => {
                let layout = Self {
                    rows: *rows,
                    draws: 1,
                    latent_shape: latent.to_vec(),
                };
                layout.expect_spread(contents, latents, shape)?;
                Ok(layout)
            }
            _ => Err(wrong("[n, d] or [n, …]: one row for each observation")),
        }
    }

    fn expect_spread(
        &self,
        contents: &Contents<'_>,
        latents: LatentsRole,
        shape: &[usize],
    ) -> Result<(), DataError> {
        match latents {
            LatentsRole::Gaussian { mean, spread, .. } if contents.shape(spread) != shape => {
                Err(contents.wrong_shape(
                    spread,
                    format!("{shape:?}, that of `{}`", contents.name(mean)),
                ))
            }
            _ => Ok(()),
        }
    }

    /// Dimensions of a latent.
    pub(super) fn dim(&self) -> usize {
        self.latent_shape.iter().product()
    }
}

/// The posteriors of augmented observations: `view_mean` and `view_log_var`, both or neither.
fn views(contents: &Contents<'_>, layout: &Layout) -> Result<Option<[usize; 2]>, DataError> {
    let (mean, log_var) = match VIEWS.map(|name| contents.find(&[name])) {
        [None, None] => return Ok(None),
        [Some(mean), Some(log_var)] => (mean, log_var),
        [None, _] => {
            return Err(missing(
                contents,
                "`view_mean`, the means of augmented observations",
            ));
        }
        [_, None] => return Err(missing(contents, "`view_log_var`, beside `view_mean`")),
    };
    match contents.shape(mean) {
        [rows, _, latent @ ..] if *rows == layout.rows && *latent == layout.latent_shape => {}
        _ => {
            let latent: String = layout
                .latent_shape
                .iter()
                .map(|size| format!(", {size}"))
                .collect();
            let expected = format!(
                "[{}, views{latent}]: so many views of each row",
                layout.rows
            );
            return Err(contents.wrong_shape(mean, expected));
        }
    }
    if contents.shape(log_var) != contents.shape(mean) {
        let expected = format!(
            "{:?}, that of `{}`",
            contents.shape(mean),
            contents.name(mean)
        );
        return Err(contents.wrong_shape(log_var, expected));
    }
    Ok(Some([mean, log_var]))
}

fn missing(contents: &Contents<'_>, wanted: &'static str) -> DataError {
    let (path, part) = (contents.path.clone(), contents.container.part());
    DataError::MissingTensor {
        path,
        part,
        wanted,
        found: contents.listing(),
    }
}
