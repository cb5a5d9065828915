use super::ids::{IdSource, RowNames, repeats};
use super::ids_table::IdsTable;
use super::roles::{
    IDS, LABELS, LatentsArrays, LatentsKind, MEAN, POINTS, Roles, SAMPLES, SPREAD, VIEWS,
};
use super::summary::printable_metadata;
use crate::array::ArrayHeader;
use crate::container::{ArrayFile, Container};
use crate::files::read_bytes;
use crate::{DataError, LatentsFile, printable};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Most duplicate ids that are listed.
const LISTED: usize = 10;

/// Everything that can be said of a latents file, its faults included. Names and texts in it have
/// their [control characters escaped](printable).
#[derive(Debug)]
#[non_exhaustive]
pub struct Inspection {
    /// The file.
    pub path: PathBuf,
    /// The kind of file, by its content.
    pub container: Container,
    /// Every array of the file.
    pub arrays: Vec<InspectedArray>,
    /// The form of the latents, if they were found.
    pub kind: Option<LatentsKind>,
    /// The number of rows, if the latents were found.
    pub rows: Option<usize>,
    /// Draws of each row, if the latents are given as draws: 1 for a deterministic encoder.
    pub draws: Option<usize>,
    /// The shape of one latent, if the latents were found.
    pub latent_shape: Option<Vec<usize>>,
    /// Where ids come from, if they can be read.
    pub ids: Option<IdSource>,
    /// Where labels come from, if there are any that can be read.
    pub labels: Option<IdSource>,
    /// Texts about the file, such as its model.
    pub metadata: BTreeMap<String, String>,
    /// The first ids that occur twice.
    pub repeated_ids: Vec<RepeatedId>,
    /// The number of rows with an id that occurred before.
    pub repeated: usize,
    /// What is wrong, one error for each part; the file can be read if there is none.
    pub faults: Vec<DataError>,
}

/// One array of a file.
#[derive(Debug, Clone, PartialEq)]
pub struct InspectedArray {
    /// Its name; the array of an `.npy` file, which has no name, is `z`.
    pub name: String,
    /// The type of its elements: `f32`, `text`.
    pub dtype: String,
    /// Its axes.
    pub shape: Vec<usize>,
    /// What it is used for, in a word; `None` if it is not used.
    pub role: Option<&'static str>,
    /// Its values that are NaN or infinite, if there are any.
    pub not_finite: Option<NotFinite>,
}

/// The values of an array that are NaN or infinite.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NotFinite {
    /// The number of NaN.
    pub nan: usize,
    /// The number of values that are infinite, or out of the range of f32.
    pub infinite: usize,
    /// The row of the first, from 0.
    pub row: usize,
    /// The column of the first, from 0.
    pub column: usize,
}

/// An id that occurs twice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepeatedId {
    /// The id.
    pub id: String,
    /// The first row with this id, from 0.
    pub first: usize,
    /// A later row with this id.
    pub second: usize,
}

impl LatentsFile {
    /// Returns what is in the file at `path`, whether it is used or not, and its faults.
    ///
    /// # Errors
    /// [`DataError`] if the file cannot be opened as a container of arrays; every other fault is
    /// one of [`Inspection::faults`].
    pub fn inspect(path: &Path) -> Result<Inspection, DataError> {
        let bytes = read_bytes(path)?;
        let file = ArrayFile::open(path, &bytes)?;
        let mut inspection = Inspection::of_arrays(&file);
        match Roles::of(&file) {
            Ok(roles) => inspection.add_latents(&file, &roles),
            Err(fault) => inspection.faults.push(fault),
        }
        Ok(inspection)
    }
}

impl Inspection {
    /// Returns whether [`LatentsFile::read`] can read the file.
    pub fn is_sound(&self) -> bool {
        self.faults.is_empty()
    }

    fn of_arrays(file: &ArrayFile<'_>) -> Self {
        // The fault, if there is one, is added with those of the roles.
        let latents = LatentsArrays::of(file).ok();
        let indices = 0..file.headers().len();
        Self {
            path: file.path.clone(),
            container: file.container,
            arrays: indices
                .map(|index| InspectedArray::of(file, index, latents))
                .collect(),
            kind: None,
            rows: None,
            draws: None,
            latent_shape: None,
            ids: None,
            labels: None,
            metadata: printable_metadata(&file.metadata),
            repeated_ids: vec![],
            repeated: 0,
            faults: vec![],
        }
    }

    fn add_latents(&mut self, file: &ArrayFile<'_>, roles: &Roles) {
        let (kind, layout) = (roles.latents.kind(), &roles.layout);
        self.kind = Some(kind);
        self.rows = Some(layout.rows);
        self.latent_shape = Some(layout.latent_shape.clone());
        self.draws = (kind != LatentsKind::Gaussian).then_some(layout.draws);
        // Only the faults of the values are of interest here.
        _ = self.noted(roles.posterior(file));
        _ = self.noted(roles.views(file));
        self.add_names(file, layout.rows);
    }

    fn add_names(&mut self, file: &ArrayFile<'_>, rows: usize) {
        let table = self.noted(IdsTable::of(file)).flatten();
        let names = RowNames::new(file, table, rows);
        if self.noted(names.labels()).is_some() {
            self.labels = names.label_source();
        }
        if let Some(ids) = self.noted(names.ids()) {
            self.ids = Some(names.id_source());
            self.add_repeats(&ids);
        }
    }

    fn add_repeats(&mut self, ids: &[String]) {
        for repeat in repeats(ids) {
            // One fault for all of them; the others are listed.
            if self.repeated == 0 {
                let fault = DataError::of_file(&self.path, repeat.error());
                self.faults.push(fault);
            }
            self.repeated += 1;
            if self.repeated_ids.len() < LISTED {
                self.repeated_ids.push(RepeatedId {
                    id: printable(repeat.id),
                    first: repeat.first,
                    second: repeat.second,
                });
            }
        }
    }

    /// Returns the value of a result; adds its error to the faults.
    fn noted<T>(&mut self, result: Result<T, DataError>) -> Option<T> {
        result.map_err(|fault| self.faults.push(fault)).ok()
    }
}

impl InspectedArray {
    fn of(file: &ArrayFile<'_>, index: usize, latents: Option<LatentsArrays>) -> Self {
        let header = file.header(index);
        Self {
            name: printable(&header.name),
            dtype: header.element_type.to_string(),
            shape: header.shape.clone(),
            role: latents_role(index, latents).or_else(|| other_role(file, index)),
            not_finite: not_finite(file, index, header),
        }
    }
}

/// Returns what an array is used for, if it is one of those of the latents.
fn latents_role(index: usize, latents: Option<LatentsArrays>) -> Option<&'static str> {
    match latents? {
        LatentsArrays::Gaussian { mean, .. } if mean == index => Some("means"),
        LatentsArrays::Gaussian {
            spread,
            is_standard_deviation,
            ..
        } if spread == index => Some(match is_standard_deviation {
            true => "standard deviations",
            false => "log-variances",
        }),
        LatentsArrays::Samples(samples) if samples == index => Some("draws"),
        LatentsArrays::Points(points) if points == index => Some("points"),
        _ => None,
    }
}

/// Returns what an array is used for besides latents.
fn other_role(file: &ArrayFile<'_>, index: usize) -> Option<&'static str> {
    let roles: [(&[&str], &'static str); 4] = [
        (&VIEWS[..1], "means of views"),
        (&VIEWS[1..], "log-variances of views"),
        (&IDS, "ids"),
        (&LABELS, "labels"),
    ];
    for (names, role) in roles {
        if file.find(names) == Some(index) {
            return Some(role);
        }
    }
    None
}

/// Returns the values that are not finite, if the array has a name of latents; other arrays are not
/// read.
fn not_finite(file: &ArrayFile<'_>, index: usize, header: &ArrayHeader) -> Option<NotFinite> {
    let names: [&[&str]; 5] = [&MEAN, &SPREAD, &SAMPLES, &POINTS, &VIEWS];
    if !names.concat().contains(&header.name.as_str()) {
        return None;
    }
    // Faults of reading are found again, and reported, with the latents.
    let values = file.floats_f32(index).ok()?;
    NotFinite::of(&values, header.row_size().max(1))
}

impl NotFinite {
    fn of(values: &[f32], row_size: usize) -> Option<Self> {
        let first = values.iter().position(|value| !value.is_finite())?;
        let nan = values.iter().filter(|value| value.is_nan());
        let infinite = values.iter().filter(|value| value.is_infinite());
        Some(Self {
            nan: nan.count(),
            infinite: infinite.count(),
            row: first / row_size,
            column: first % row_size,
        })
    }
}
