use super::ids_table::IdsTable;
use super::roles::IDS_KEY;
use super::roles::{IDS, LABELS};
use crate::array::Elements;
use crate::container::ArrayFile;
use crate::error::AtPath;
use crate::{ArrayError, DataError, RowsError, printable};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;
use std::path::{Path, PathBuf};

/// Where the ids or the labels of the rows come from.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum IdSource {
    /// An array of the file, of this name.
    Array(String),
    /// The metadata key `ids` of a safetensors file.
    Metadata,
    /// A table beside the file.
    Table(PathBuf),
    /// The file has none: rows are numbered from 0.
    RowNumbers,
}

impl fmt::Display for IdSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Array(name) => write!(f, "`{}`", printable(name)),
            Self::Metadata => f.write_str("the metadata key `ids`"),
            Self::Table(path) => write!(f, "{}", path.display()),
            Self::RowNumbers => f.write_str("row numbers, from 0"),
        }
    }
}

/// The ids and labels of the rows of a file.
pub(super) struct RowNames<'f, 'a> {
    file: &'f ArrayFile<'a>,
    /// The table beside the file, which is read only if the file has no ids.
    table: Option<IdsTable>,
    rows: usize,
}

impl<'f, 'a> RowNames<'f, 'a> {
    pub(super) fn new(file: &'f ArrayFile<'a>, table: Option<IdsTable>, rows: usize) -> Self {
        Self { file, table, rows }
    }

    pub(super) fn id_source(&self) -> IdSource {
        if let Some(index) = self.file.find(&IDS) {
            return IdSource::Array(self.file.name(index).to_owned());
        }
        if self.file.metadata.contains_key(IDS_KEY) {
            return IdSource::Metadata;
        }
        match &self.table {
            Some(table) => IdSource::Table(table.path.clone()),
            None => IdSource::RowNumbers,
        }
    }

    /// Returns the ids, one for each row; they may have duplicates.
    pub(super) fn ids(&self) -> Result<Vec<String>, DataError> {
        if let Some(index) = self.file.find(&IDS) {
            return self.ids_of_array(index);
        }
        if let Some(lines) = self.file.metadata.get(IDS_KEY) {
            // An id may be empty, so that blank lines are ids.
            let ids = lines.split('\n').map(str::to_owned).collect();
            return self.expect_rows("ids", ids, &self.file.path);
        }
        if let Some(table) = &self.table {
            return self.expect_rows("ids", table.ids.clone(), &table.path);
        }
        let numbers = (0..self.rows).map(|row| self.file.row_number(row));
        Ok(row_numbers(numbers))
    }

    fn ids_of_array(&self, index: usize) -> Result<Vec<String>, DataError> {
        let names = self.column(index)?.into_names();
        names.ok_or_else(|| {
            self.file
                .wrong_type(index, "i64, another whole number, or text")
        })
    }

    /// Returns the ids as numbers; `None` if the file has no ids that are whole numbers.
    pub(super) fn integer_ids(&self) -> Result<Option<Vec<i128>>, DataError> {
        match self.file.find(&IDS) {
            Some(index) => Ok(self.column(index)?.integers()),
            None => Ok(None),
        }
    }

    pub(super) fn label_source(&self) -> Option<IdSource> {
        if let Some(index) = self.file.find(&LABELS) {
            return Some(IdSource::Array(self.file.name(index).to_owned()));
        }
        let table = self.table.as_ref()?;
        table.labels.as_ref()?;
        Some(IdSource::Table(table.path.clone()))
    }

    /// Returns the classes, one for each row; `None` if the file and its table have none.
    pub(super) fn labels(&self) -> Result<Option<Vec<u8>>, DataError> {
        if let Some(index) = self.file.find(&LABELS) {
            return self.labels_of_array(index).map(Some);
        }
        let Some(table) = &self.table else {
            return Ok(None);
        };
        let Some(labels) = table.labels.clone() else {
            return Ok(None);
        };
        self.expect_rows("labels", labels, &table.path).map(Some)
    }

    fn labels_of_array(&self, index: usize) -> Result<Vec<u8>, DataError> {
        let integers = self.column(index)?.integers();
        let integers = integers.ok_or_else(|| {
            self.file
                .wrong_type(index, "u8, i64 or another whole number")
        })?;
        let mut labels = Vec::with_capacity(integers.len());
        for (row, &integer) in integers.iter().enumerate() {
            let label = u8::try_from(integer);
            labels.push(label.map_err(|_| self.out_of_range(index, row, integer))?);
        }
        Ok(labels)
    }

    fn out_of_range(&self, index: usize, row: usize, value: i128) -> DataError {
        self.file.error(ArrayError::NotInRange {
            array: self.file.named(index),
            row: self.file.row_number(row),
            value: value as f64,
            lowest: 0,
            highest: 255,
        })
    }

    /// Returns the values, which must be one for each row.
    fn expect_rows<T>(
        &self,
        what: &'static str,
        values: Vec<T>,
        path: &Path,
    ) -> Result<Vec<T>, DataError> {
        RowsError::expect_count(what, self.rows, values.len()).at(path)?;
        Ok(values)
    }

    /// Returns the elements of an array, which must have one for each row.
    fn column(&self, index: usize) -> Result<Elements<'_>, DataError> {
        if self.file.shape(index) != [self.rows] {
            let expected = format!("[{}], one for each row", self.rows);
            return Err(self.file.wrong_shape(index, expected));
        }
        self.file.load(index)
    }
}

pub(super) fn row_numbers(rows: impl Iterator<Item = usize>) -> Vec<String> {
    rows.map(|row| row.to_string()).collect()
}

/// An id that occurs again.
pub(super) struct Repeat<'a> {
    pub(super) id: &'a str,
    /// The first row with this id.
    pub(super) first: usize,
    /// A later row with this id.
    pub(super) second: usize,
}

/// Returns the rows whose id occurred before.
pub(super) fn repeats(ids: &[String]) -> impl Iterator<Item = Repeat<'_>> {
    let mut first_rows = HashMap::with_capacity(ids.len());
    let rows = ids.iter().enumerate();
    // One pass: a table of the first row of each id, and the rows that are in it already.
    rows.filter_map(move |(second, id)| match first_rows.entry(id.as_str()) {
        Entry::Occupied(first) => Some(Repeat {
            id,
            first: *first.get(),
            second,
        }),
        Entry::Vacant(place) => {
            place.insert(second);
            None
        }
    })
}

/// Returns an error if an id occurs twice.
pub(super) fn expect_different(path: &Path, ids: &[String]) -> Result<(), DataError> {
    match repeats(ids).next() {
        None => Ok(()),
        Some(repeat) => Err(DataError::of_file(path, repeat.error())),
    }
}

impl Repeat<'_> {
    pub(super) fn error(&self) -> RowsError {
        RowsError::DuplicateId {
            id: self.id.to_owned(),
            first: self.first,
            second: self.second,
        }
    }
}
