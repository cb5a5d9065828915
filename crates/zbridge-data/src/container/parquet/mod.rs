//! Columns of a Parquet file: numbers, texts, and lists of numbers that are equally long in every
//! row.
//!
//! The `parquet` crate decodes footers and values. It trusts sizes and counts that a file gives
//! ([arrow-rs 10734]), and panics at some damaged pages ([arrow-rs 7102], [arrow-rs 10722]), so
//! that the pages are read here, within bounds, and decoding is guarded.
//!
//! [arrow-rs 7102]: https://github.com/apache/arrow-rs/issues/7102
//! [arrow-rs 10722]: https://github.com/apache/arrow-rs/issues/10722
//! [arrow-rs 10734]: https://github.com/apache/arrow-rs/issues/10734

mod column;
mod levels;
mod pages;
mod thrift;
mod values;

use super::NamedArrays;
use crate::array::{ArrayHeader, Elements};
use crate::{FileError, FormatError, printable};
use column::Column;
use parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader};
use parquet::schema::types::ColumnDescriptor;
use std::fmt::Display;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};

const MAGIC: &[u8; 4] = b"PAR1";
/// Bytes after the footer: its length and the magic bytes.
const TAIL: usize = 8;

/// The columns of a Parquet file. When it is opened, no more than the first row of a column is
/// decoded.
pub(super) struct ParquetFile<'a> {
    table: Table<'a>,
    columns: Vec<Column>,
    headers: Vec<ArrayHeader>,
}

/// The bytes of a file and what its footer says of them.
struct Table<'a> {
    bytes: &'a [u8],
    footer: ParquetMetaData,
}

impl<'a> ParquetFile<'a> {
    pub(super) fn open(bytes: &'a [u8]) -> Result<Self, FormatError> {
        let footer = footer(bytes)?;
        let columns = columns(&footer);
        let table = Table { bytes, footer };
        let mut headers = vec![];
        for column in &columns {
            headers.push(ArrayHeader {
                name: column.name.clone(),
                element_type: column.element_type.clone(),
                shape: guarded(column, || column.shape(&table))?,
            });
        }
        Ok(Self {
            table,
            columns,
            headers,
        })
    }
}

impl NamedArrays for ParquetFile<'_> {
    fn headers(&self) -> &[ArrayHeader] {
        &self.headers
    }

    fn load(&self, index: usize) -> Result<Elements<'_>, FileError> {
        let column = &self.columns[index];
        guarded(column, || {
            column.load(&self.table, &self.headers[index].shape)
        })
    }
}

impl Table<'_> {
    fn rows(&self) -> usize {
        // The footer was checked to have no negative number of rows.
        usize::try_from(self.footer.file_metadata().num_rows()).unwrap_or(0)
    }
}

/// Returns what `decode` returns; an error if it panics.
fn guarded<T, E: From<FormatError>>(
    column: &Column,
    decode: impl FnOnce() -> Result<T, E>,
) -> Result<T, E> {
    // Nothing that a panic could leave half changed is used again: an error ends the reading.
    let decoded = catch_unwind(AssertUnwindSafe(decode));
    decoded.unwrap_or_else(|_| {
        let reason = "a page is damaged: it cannot be decoded";
        Err(unsound(&column.described(), reason).into())
    })
}

fn footer(bytes: &[u8]) -> Result<ParquetMetaData, FormatError> {
    let range = footer_range(bytes)?;
    let decoded = catch_unwind(|| ParquetMetaDataReader::decode_metadata(&bytes[range]));
    let footer = decoded
        .map_err(|_| unsound_footer("it is damaged"))?
        .map_err(unsound_footer)?;
    expect_rows(&footer)?;
    Ok(footer)
}

/// Returns the bytes of the footer, which are checked to be in the file.
fn footer_range(bytes: &[u8]) -> Result<Range<usize>, FormatError> {
    let end = bytes.len().checked_sub(TAIL);
    let end = end.filter(|end| *end >= MAGIC.len());
    let end = end.ok_or_else(|| unsound_footer("the file ends before it"))?;
    let (length, magic) = bytes[end..].split_at(TAIL - MAGIC.len());
    if magic != MAGIC {
        let reason = "the file does not end as Parquet does: it was cut, or is encrypted";
        return Err(unsound_footer(reason));
    }
    let length = u32::from_le_bytes(*length.first_chunk().expect("four bytes")) as usize;
    // The footer is read backwards: its length comes after it.
    let start = end.checked_sub(length);
    let start = start.ok_or_else(|| unsound_footer("it says that it is longer than the file"))?;
    Ok(start..end)
}

/// Returns an error unless the groups of rows have as many rows as the file.
fn expect_rows(footer: &ParquetMetaData) -> Result<(), FormatError> {
    let mut groups = footer.row_groups().iter();
    let rows = groups.try_fold(0i64, |rows, group| rows.checked_add(group.num_rows()));
    if rows == Some(footer.file_metadata().num_rows()) && rows >= Some(0) {
        return Ok(());
    }
    Err(unsound_footer("its numbers of rows contradict each other"))
}

/// Returns the columns of the table; one that is a structure of several sequences of values is
/// listed, but not read.
fn columns(footer: &ParquetMetaData) -> Vec<Column> {
    let leaves = footer.file_metadata().schema_descr().columns();
    let mut columns = vec![];
    let mut first = 0;
    // The sequences of values of one structure are neighbours.
    for leaves in leaves.chunk_by(|a, b| name(a) == name(b)) {
        let index = (leaves.len() == 1).then_some(first);
        columns.push(Column::new(index, name(&leaves[0]), &leaves[0]));
        first += leaves.len();
    }
    columns
}

/// Returns the name of the column that a sequence of values belongs to.
fn name(leaf: &ColumnDescriptor) -> String {
    leaf.path().parts().first().cloned().unwrap_or_default()
}

fn unsound_footer(reason: impl Display) -> FormatError {
    unsound("the footer", reason)
}

fn unsound(place: &str, reason: impl Display) -> FormatError {
    FormatError::Parquet {
        place: place.to_owned(),
        reason: printable(reason),
    }
}
