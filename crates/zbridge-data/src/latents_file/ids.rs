use super::array::Elements;
use super::contents::Contents;
use super::ids_table::IdsTable;
use super::roles;
use crate::DataError;
use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};

/// The metadata key of a safetensors file that holds ids which are no integers, one a line.
pub(super) const IDS_KEY: &str = "ids";

/// Where the ids or the labels of a latents file come from.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Source {
    /// An array of the file itself, of this name.
    Array(String),
    /// The metadata key `ids` of a safetensors file.
    Metadata,
    /// A table beside the file.
    Table(PathBuf),
    /// Nowhere: rows are numbered from 0.
    RowNumbers,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Array(name) => write!(f, "`{name}`"),
            Self::Metadata => f.write_str("the metadata key `ids`"),
            Self::Table(path) => write!(f, "{}", path.display()),
            Self::RowNumbers => f.write_str("row numbers, from 0"),
        }
    }
}

/// The table beside a file that holds no ids itself; beside others it is not looked at.
pub(super) fn table_of(contents: &Contents<'_>) -> Result<Option<IdsTable>, DataError> {
    match contents.find(&roles::IDS).is_some() || contents.metadata.contains_key(IDS_KEY) {
        true => Ok(None),
        false => IdsTable::beside(&contents.path),
    }
}

/// Everything that may say how rows are called and what classes they are of.
pub(super) struct Naming<'c, 'a> {
    contents: &'c Contents<'a>,
    table: Option<IdsTable>,
    rows: usize,
}

impl<'c, 'a> Naming<'c, 'a> {
    /// What the file says of its `rows`, and the table beside it.
    pub(super) fn new(contents: &'c Contents<'a>, table: Option<IdsTable>, rows: usize) -> Self {
        Self {
            contents,
            table,
            rows,
        }
    }

    /// The ids, which may still come twice, and their source: the file itself, else its table, else
    /// the rows.
    pub(super) fn ids(&self) -> Result<(Source, Vec<String>), DataError> {
        let contents = self.contents;
        let (source, ids) = match (
            contents.find(&roles::IDS),
            contents.metadata.get(IDS_KEY),
            &self.table,
        ) {
            (Some(index), _, _) => (
                Source::Array(contents.name(index).to_owned()),
                self.of_array(index)?,
            ),
            (None, Some(lines), _) => (
                Source::Metadata,
                lines.split('\n').map(str::to_owned).collect(),
            ),
            (None, None, Some(table)) => (Source::Table(table.path.clone()), table.ids.clone()),
            (None, None, None) => (
                Source::RowNumbers,
                row_numbers((0..self.rows).map(|row| contents.row(row))),
            ),
        };
        let path = if let Source::Table(path) = &source {
            path
        } else {
            &contents.path
        };
        expect_count(path, "ids", self.rows, ids.len())?;
        Ok((source, ids))
    }

    fn of_array(&self, index: usize) -> Result<Vec<String>, DataError> {
        let names = self.column(index)?.names();
        names.ok_or_else(|| {
            self.contents
                .wrong_type(index, "i64, another whole number, or text")
        })
    }

    /// The classes and where they come from, if anything knows them.
    pub(super) fn labels(&self) -> Result<Option<(Source, Vec<u8>)>, DataError> {
        if let Some(index) = self.contents.find(&roles::LABELS) {
            let classes = self.column(index)?.integers();
            let classes = classes.ok_or_else(|| {
                self.contents
                    .wrong_type(index, "u8, i64 or another whole number")
            })?;
            let source = Source::Array(self.contents.name(index).to_owned());
            return Ok(Some((source, classes_in_range(self.contents, &classes)?)));
        }
        let Some(IdsTable {
            path,
            labels: Some(labels),
            ..
        }) = &self.table
        else {
            return Ok(None);
        };
        expect_count(path, "labels", self.rows, labels.len())?;
        Ok(Some((Source::Table(path.clone()), labels.clone())))
    }

    /// An array with one element for each row.
    fn column(&self, index: usize) -> Result<Elements<'_>, DataError> {
        if self.contents.shape(index) == [self.rows] {
            self.contents.load(index)
        } else {
            Err(self
                .contents
                .wrong_shape(index, format!("[{}], one for each row", self.rows)))
        }
    }
}

pub(super) fn row_numbers(rows: impl Iterator<Item = usize>) -> Vec<String> {
    rows.map(|row| row.to_string()).collect()
}

fn classes_in_range(contents: &Contents<'_>, labels: &[i128]) -> Result<Vec<u8>, DataError> {
    let out_of_range = |row: usize, value: i128| {
        let (path, row, value) = (contents.path.clone(), contents.row(row), value as f64);
        DataError::NotInRange {
            path,
            row,
            value,
            lowest: 0,
            highest: 255,
        }
    };
    let rows = labels.iter().enumerate();
    rows.map(|(row, &label)| u8::try_from(label).map_err(|_| out_of_range(row, label)))
        .collect()
}

pub(super) fn expect_count(
    path: &Path,
    what: &'static str,
    expected: usize,
    found: usize,
) -> Result<(), DataError> {
    let wrong = || DataError::CountMismatch {
        path: path.to_owned(),
        what,
        expected,
        found,
    };
    if found == expected {
        Ok(())
    } else {
        Err(wrong())
    }
}

/// An id that comes twice, with the row where it came first and the one where it comes again.
pub(super) fn repeated(ids: &[String]) -> impl Iterator<Item = (&str, usize, usize)> {
    let mut seen = HashMap::with_capacity(ids.len());
    let rows = ids.iter().enumerate();
    rows.filter_map(move |(row, id)| match seen.entry(id.as_str()) {
        std::collections::hash_map::Entry::Occupied(first) => {
            Some((id.as_str(), *first.get(), row))
        }
        std::collections::hash_map::Entry::Vacant(place) => {
            place.insert(row);
            None
        }
    })
}

pub(super) fn expect_different(path: &Path, ids: &[String]) -> Result<(), DataError> {
    match repeated(ids).next() {
        None => Ok(()),
        Some((id, first, second)) => Err(DataError::DuplicateId {
            path: path.to_owned(),
            id: id.to_owned(),
            first,
            second,
        }),
    }
}
