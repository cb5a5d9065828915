//! Columns of a Parquet file: numbers, texts, and lists of numbers that are equally long in every
//! row.

mod column;
mod levels;
mod pages;
mod thrift;

use super::array::{Elements, Header};
use super::contents::Arrays;
use crate::DataError;
use column::Column;
use parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader};
use parquet::schema::types::ColumnDescriptor;
use std::collections::HashMap;
use std::fmt::Display;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

const MAGIC: &[u8; 4] = b"PAR1";
/// Behind the footer stand its length and the magic bytes.
const TAIL: usize = 8;

/// The columns of a Parquet file, none of which is decoded, but for its first row, before it is
/// asked for.
pub(super) struct ParquetColumns<'a> {
    file: ParquetFile<'a>,
    columns: Vec<Column>,
    headers: Vec<Header>,
}

/// The bytes of a file and what its footer says of them.
struct ParquetFile<'a> {
    path: PathBuf,
    bytes: &'a [u8],
    footer: ParquetMetaData,
}

impl<'a> ParquetColumns<'a> {
    pub(super) fn open(path: &Path, bytes: &'a [u8]) -> Result<Self, DataError> {
        let footer = footer(path, bytes)?;
        let file = ParquetFile {
            path: path.to_owned(),
            bytes,
            footer,
        };
        let (mut columns, mut headers) = (vec![], vec![]);
        for (index, name, descriptor) in leaves(&file.footer) {
            let column = Column::new(index, name, descriptor);
            let shape = file.guarded(&column.name, || column.shape(&file))?;
            headers.push(Header {
                name: column.name.clone(),
                element: column.element.clone(),
                shape,
            });
            columns.push(column);
        }
        Ok(Self {
            file,
            columns,
            headers,
        })
    }
}

impl Arrays for ParquetColumns<'_> {
    fn headers(&self) -> &[Header] {
        &self.headers
    }

    fn load(&self, index: usize) -> Result<Elements<'_>, DataError> {
        let column = &self.columns[index];
        self.file.guarded(&column.name, || {
            column.load(&self.file, &self.headers[index].shape)
        })
    }
}

impl ParquetFile<'_> {
    fn rows(&self) -> usize {
        usize::try_from(self.footer.file_metadata().num_rows()).unwrap_or(0)
    }

    fn unsound(&self, column: &str, why: &dyn Display) -> DataError {
        unsound(&self.path, &named(column), why)
    }

    /// What `decode` gives. The library's decoders take pages to be sound and panic at some that
    /// are not.
    fn guarded<T>(
        &self,
        column: &str,
        decode: impl FnOnce() -> Result<T, DataError>,
    ) -> Result<T, DataError> {
        let decoded = catch_unwind(AssertUnwindSafe(decode));
        decoded.unwrap_or_else(|_| {
            Err(self.unsound(column, &"a page is damaged: it cannot be decoded"))
        })
    }
}

/// The footer of the file, checked to lie in it.
fn footer(path: &Path, bytes: &[u8]) -> Result<ParquetMetaData, DataError> {
    let unsound = |why: &dyn Display| unsound(path, "the footer", why);
    let tail = bytes
        .len()
        .checked_sub(TAIL)
        .filter(|tail| *tail >= MAGIC.len());
    let tail = tail.ok_or_else(|| unsound(&"the file ends before it"))?;
    let (length, magic) = bytes[tail..].split_at(TAIL - MAGIC.len());
    if magic != MAGIC {
        return Err(unsound(
            &"the file does not end as Parquet does: it was cut, or is encrypted",
        ));
    }
    let length = length
        .try_into()
        .map_or(usize::MAX, |length| u32::from_le_bytes(length) as usize);
    let start = tail
        .checked_sub(length)
        .ok_or_else(|| unsound(&"it says that it is longer than the file"))?;
    let decoded = catch_unwind(|| ParquetMetaDataReader::decode_metadata(&bytes[start..tail]));
    let footer = decoded
        .map_err(|_| unsound(&"it is damaged"))?
        .map_err(|reason| unsound(&reason))?;
    let rows = footer
        .row_groups()
        .iter()
        .try_fold(0i64, |rows, group| rows.checked_add(group.num_rows()));
    match rows {
        Some(rows) if rows == footer.file_metadata().num_rows() && rows >= 0 => Ok(footer),
        _ => Err(unsound(&"its numbers of rows contradict each other")),
    }
}

/// The columns that are one sequence of values: number, name, description. Those of structures are
/// several.
fn leaves(footer: &ParquetMetaData) -> Vec<(Option<usize>, String, &ColumnDescriptor)> {
    let schema = footer.file_metadata().schema_descr();
    let root = |index: usize| {
        schema
            .column(index)
            .path()
            .parts()
            .first()
            .cloned()
            .unwrap_or_default()
    };
    let mut parts: HashMap<String, usize> = HashMap::new();
    (0..schema.num_columns()).for_each(|index| *parts.entry(root(index)).or_default() += 1);
    let mut leaves: Vec<_> = vec![];
    for (index, descriptor) in schema.columns().iter().enumerate() {
        let name = root(index);
        let single = parts.get(&name) == Some(&1);
        if single || leaves.last().is_none_or(|(_, last, _)| *last != name) {
            leaves.push((single.then_some(index), name, descriptor.as_ref()));
        }
    }
    leaves
}

fn named(column: &str) -> String {
    format!("column `{column}`")
}

fn unsound(path: &Path, place: &str, why: &dyn Display) -> DataError {
    DataError::Parquet {
        path: path.to_owned(),
        place: place.to_owned(),
        why: why.to_string(),
    }
}
