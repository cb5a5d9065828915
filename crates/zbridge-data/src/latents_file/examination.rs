use super::array::Header;
use super::container::Container;
use super::contents::Contents;
use super::ids::{Naming, Source, repeated, table_of};
use super::roles::{IDS, LABELS, LatentsRole, MEAN, POINTS, Roles, SAMPLES, SPREAD, VIEWS};
use crate::{DataError, LatentsFile, read_bytes};
use std::path::{Path, PathBuf};

/// How many ids that come twice are listed.
const LISTED: usize = 10;

/// Everything that a look at a latents file tells, faults included.
#[derive(Debug)]
pub struct Examination {
    /// The file.
    pub path: PathBuf,
    /// What kind of file it is, by its content.
    pub container: Container,
    /// Every array of the file.
    pub arrays: Vec<ExaminedArray>,
    /// Rows, if the latents were found.
    pub rows: Option<usize>,
    /// Draws of each row, where the latents are given as draws: 1 for a deterministic encoder.
    pub draws: Option<usize>,
    /// The shape of one latent, if the latents were found.
    pub latent_shape: Option<Vec<usize>>,
    /// Where ids come from, if they can be read.
    pub ids: Option<Source>,
    /// Where labels come from, if there are any that can be read.
    pub labels: Option<Source>,
    /// The first ids that come twice.
    pub repeated_ids: Vec<RepeatedId>,
    /// How many rows have an id that came before.
    pub repeated: usize,
    /// What is wrong, one for each part: the file can be read if there is nothing.
    pub faults: Vec<DataError>,
}

/// One array of a file.
#[derive(Debug, Clone, PartialEq)]
pub struct ExaminedArray {
    /// Its name; the array of an `.npy` file, which has none, is `z`.
    pub name: String,
    /// The type of its elements: `f32`, `text`.
    pub dtype: String,
    /// Its axes.
    pub shape: Vec<usize>,
    /// What it is used for, in a word; nothing when it is not used.
    pub role: Option<&'static str>,
    /// Its values that are NaN or infinite, if there are any.
    pub not_finite: Option<NotFinite>,
}

/// Values that are no numbers to reckon with.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NotFinite {
    /// How many are NaN.
    pub nan: usize,
    /// How many are infinite, or beyond f32.
    pub infinite: usize,
    /// The row of the first, from 0.
    pub row: usize,
    /// Its place in the row, from 0.
    pub column: usize,
}

/// An id that comes twice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepeatedId {
    /// The id.
    pub id: String,
    /// The row where it comes first, from 0.
    pub first: usize,
    /// The row where it comes again.
    pub second: usize,
}

impl LatentsFile {
    /// What there is in the file at `path`, used or not, right or wrong.
    ///
    /// # Errors
    /// [`DataError`] where the file cannot be opened as a container of arrays; every other fault is
    /// one of [`Examination::faults`].
    pub fn examine(path: &Path) -> Result<Examination, DataError> {
        let bytes = read_bytes(path)?;
        let contents = Contents::open(path, &bytes)?;
        let mut examination = Examination::of_arrays(&contents);
        match Roles::of(&contents) {
            Ok(roles) => examination.look_at(&contents, &roles),
            Err(fault) => examination.faults.push(fault),
        }
        Ok(examination)
    }
}

impl Examination {
    /// Whether [`LatentsFile::read`] reads the file.
    pub fn is_sound(&self) -> bool {
        self.faults.is_empty()
    }

    fn of_arrays(contents: &Contents<'_>) -> Self {
        let latents = LatentsRole::of(contents).ok();
        let arrays = contents.headers().iter().enumerate();
        Self {
            path: contents.path.clone(),
            container: contents.container,
            arrays: arrays
                .map(|(index, header)| examined(contents, index, header, latents))
                .collect(),
            rows: None,
            draws: None,
            latent_shape: None,
            ids: None,
            labels: None,
            repeated_ids: vec![],
            repeated: 0,
            faults: vec![],
        }
    }

    fn look_at(&mut self, contents: &Contents<'_>, roles: &Roles) {
        let layout = &roles.layout;
        self.rows = Some(layout.rows);
        self.latent_shape = Some(layout.latent_shape.clone());
        self.draws =
            (!matches!(roles.latents, LatentsRole::Gaussian { .. })).then_some(layout.draws);
        _ = self.noted(roles.posterior(contents));
        _ = self.noted(roles.views(contents));
        let table = self.noted(table_of(contents)).flatten();
        let naming = Naming::new(contents, table, layout.rows);
        self.labels = self
            .noted(naming.labels())
            .flatten()
            .map(|(source, _)| source);
        if let Some((source, ids)) = self.noted(naming.ids()) {
            self.ids = Some(source);
            self.look_at_ids(&ids);
        }
    }

    fn look_at_ids(&mut self, ids: &[String]) {
        for (id, first, second) in repeated(ids) {
            self.repeated += 1;
            if self.repeated_ids.len() < LISTED {
                self.repeated_ids.push(RepeatedId {
                    id: id.to_owned(),
                    first,
                    second,
                });
            }
        }
        if let Some(RepeatedId { id, first, second }) = self.repeated_ids.first().cloned() {
            self.faults.push(DataError::DuplicateId {
                path: self.path.clone(),
                id,
                first,
                second,
            });
        }
    }

    /// What was found, or nothing when it is a fault, which is noted down.
    fn noted<T>(&mut self, found: Result<T, DataError>) -> Option<T> {
        found.map_err(|fault| self.faults.push(fault)).ok()
    }
}

fn examined(
    contents: &Contents<'_>,
    index: usize,
    header: &Header,
    latents: Option<LatentsRole>,
) -> ExaminedArray {
    let role = role(contents, index, latents);
    ExaminedArray {
        name: header.name.clone(),
        dtype: header.element.to_string(),
        shape: header.shape.clone(),
        role,
        not_finite: not_finite(contents, index, header),
    }
}

/// What the array is used for, when the latents are given like this.
fn role(
    contents: &Contents<'_>,
    index: usize,
    latents: Option<LatentsRole>,
) -> Option<&'static str> {
    let first_of = |names: &[&str]| contents.find(names) == Some(index);
    match latents {
        Some(LatentsRole::Gaussian { mean, .. }) if mean == index => Some("means"),
        Some(LatentsRole::Gaussian {
            spread, is_scale, ..
        }) if spread == index => Some(if is_scale {
            "standard deviations"
        } else {
            "log-variances"
        }),
        Some(LatentsRole::Samples(samples)) if samples == index => Some("draws"),
        Some(LatentsRole::Points(points)) if points == index => Some("points"),
        _ if first_of(&VIEWS[..1]) => Some("means of views"),
        _ if first_of(&VIEWS[1..]) => Some("log-variances of views"),
        _ if first_of(&IDS) => Some("ids"),
        _ if first_of(&LABELS) => Some("labels"),
        _ => None,
    }
}

/// The values that are not finite in an array that has a name of latents; others are not read.
fn not_finite(contents: &Contents<'_>, index: usize, header: &Header) -> Option<NotFinite> {
    let latents = [
        &MEAN[..],
        &SPREAD[..],
        &SAMPLES[..],
        &POINTS[..],
        &VIEWS[..],
    ]
    .concat();
    if !latents.contains(&header.name.as_str()) {
        return None;
    }
    let values = contents.rounded(index).ok()?;
    let first = values.iter().position(|value| !value.is_finite())?;
    let width = header.shape.iter().skip(1).product::<usize>().max(1);
    let nan = values.iter().filter(|value| value.is_nan()).count();
    let infinite = values.iter().filter(|value| value.is_infinite()).count();
    Some(NotFinite {
        nan,
        infinite,
        row: first / width,
        column: first % width,
    })
}
