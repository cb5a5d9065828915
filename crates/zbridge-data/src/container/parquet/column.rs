use super::levels::{Irregularity, Levels, lengths};
use super::pages::Pages;
use super::values::{Decoded, Values, decode};
use super::{Table, unsound};
use crate::array::{ElementType, Elements};
use crate::{ArrayError, FileError, FormatError, printable};
use bytes::Bytes;
use parquet::basic::{ConvertedType, LogicalType, Type};
use parquet::column::reader::get_column_reader;
use parquet::file::metadata::ColumnChunkMetaData;
use parquet::schema::types::ColumnDescriptor;

/// A file with more values than this for each of its bytes is not latents: it was made to fill the
/// memory.
const MOST_VALUES_PER_BYTE: usize = 1024;

/// One column: its name, the type of its values, and its place in the schema.
pub(super) struct Column {
    pub(super) name: String,
    pub(super) element_type: ElementType,
    /// The number of its sequence of values; `None` if the column is a structure of several.
    index: Option<usize>,
    /// How deeply lists are nested in it.
    depth: i16,
    /// The definition level of a value.
    full: i16,
    /// The definition level of an empty list, where that is known.
    empty: Option<i16>,
}

impl Column {
    pub(super) fn new(index: Option<usize>, name: String, leaf: &ColumnDescriptor) -> Self {
        let element_type = match index {
            Some(_) => element_type(leaf),
            None => ElementType::Other("structure".to_owned()),
        };
        let (depth, full) = (leaf.max_rep_level(), leaf.max_def_level());
        // Below the level of a value: one for the entry of the list, one for a value that may be
        // null.
        let below = 1 + i16::from(leaf.self_type().is_optional());
        Self {
            name,
            element_type,
            index,
            depth,
            full,
            empty: (depth == 1).then_some(full - below),
        }
    }

    /// Returns the column as messages name it.
    pub(super) fn described(&self) -> String {
        format!("column `{}`", printable(&self.name))
    }

    /// Returns the number of rows, then the lengths of the lists of the first row.
    pub(super) fn shape(&self, table: &Table<'_>) -> Result<Vec<usize>, FormatError> {
        let mut shape = vec![table.rows()];
        if self.depth > 0 && !matches!(self.element_type, ElementType::Other(_)) {
            let first = self.decode(table, 1)?;
            shape.extend(lengths(&first.levels.repetitions, self.depth));
        }
        Ok(shape)
    }

    /// Returns all values, which are checked to be as many as `shape` says.
    pub(super) fn load(
        &self,
        table: &Table<'_>,
        shape: &[usize],
    ) -> Result<Elements<'static>, FileError> {
        let Decoded { values, levels } = self.decode(table, usize::MAX)?;
        let regular = levels.expect_regular(&shape[1..], self.full, self.empty);
        regular.map_err(|irregularity| self.irregular(irregularity, shape))?;
        self.expect_count(values.len(), shape)?;
        let elements = values.into_elements(&self.element_type);
        let not_text = |row| self.unsound(format!("row {row} is not UTF-8 text"));
        Ok(elements.map_err(not_text)?)
    }

    fn expect_count(&self, found: usize, shape: &[usize]) -> Result<(), FormatError> {
        let expected = shape.iter().product::<usize>();
        if found == expected {
            return Ok(());
        }
        let reason = format!("{found} values, but its shape {shape:?} asks for {expected}");
        Err(self.unsound(reason))
    }

    fn irregular(&self, irregularity: Irregularity, shape: &[usize]) -> ArrayError {
        let array = self.described();
        match irregularity {
            Irregularity::Null { row } => ArrayError::Null { array, row },
            Irregularity::Ragged { row } => ArrayError::Ragged {
                array,
                row,
                expected: shape[1..].to_vec(),
            },
        }
    }

    /// Returns the values of the first `most` rows.
    fn decode(&self, table: &Table<'_>, most: usize) -> Result<Decoded, FormatError> {
        let mut decoded = Decoded {
            values: Values::empty(&self.element_type),
            levels: Levels::default(),
        };
        let Some(index) = self.index else {
            return Ok(decoded);
        };
        let mut missing = most;
        // Rows are split into groups, each with a part of every column.
        for group in table.footer.row_groups() {
            let chunk = group.columns().get(index);
            let chunk = chunk.ok_or_else(|| self.unsound("it is not in every group of rows"))?;
            let rows = usize::try_from(group.num_rows()).unwrap_or(0).min(missing);
            self.decode_chunk(table, chunk, rows, &mut decoded)?;
            missing -= rows;
        }
        Ok(decoded)
    }

    /// Decodes the first `rows` rows of a part of the column.
    fn decode_chunk(
        &self,
        table: &Table<'_>,
        chunk: &ColumnChunkMetaData,
        rows: usize,
        into: &mut Decoded,
    ) -> Result<(), FormatError> {
        // The parts after the rows that are wanted are not even looked for in the file.
        if rows == 0 {
            return Ok(());
        }
        let pages = self.pages(table, chunk)?;
        let reader = get_column_reader(chunk.column_descr_ptr(), Box::new(pages));
        decode(reader, rows, into).map_err(|reason| self.unsound(reason))
    }

    /// Returns the pages of a part of the column, which are checked to be in the file.
    fn pages(&self, table: &Table<'_>, chunk: &ColumnChunkMetaData) -> Result<Pages, FormatError> {
        let bytes = chunk_bytes(table.bytes, chunk);
        let bytes = bytes.ok_or_else(|| {
            self.unsound(
                "its bytes lie outside the file: the file was cut, or its footer is damaged",
            )
        })?;
        Ok(Pages {
            // The crate wants bytes that it can share; those of the file are borrowed.
            bytes: Bytes::copy_from_slice(bytes),
            compression: chunk.compression(),
            values_left: self.value_count(table, chunk)?,
            least_width: match self.element_type {
                // The length of a text takes four bytes.
                ElementType::Text => 4,
                _ => self.element_type.width().max(1),
            },
            has_dictionary: false,
        })
    }

    fn value_count(
        &self,
        table: &Table<'_>,
        chunk: &ColumnChunkMetaData,
    ) -> Result<usize, FormatError> {
        let count = usize::try_from(chunk.num_values());
        let count = count.map_err(|_| self.unsound("a negative number of values"))?;
        if count / MOST_VALUES_PER_BYTE > table.bytes.len() {
            let reason =
                format!("it says that it holds {count} values, far more than the file can");
            return Err(self.unsound(reason));
        }
        Ok(count)
    }

    fn unsound(&self, reason: impl std::fmt::Display) -> FormatError {
        unsound(&self.described(), reason)
    }
}

/// Returns the bytes of a part of a column; `None` if they are not in the file.
fn chunk_bytes<'a>(file: &'a [u8], chunk: &ColumnChunkMetaData) -> Option<&'a [u8]> {
    let data = chunk.data_page_offset();
    // A dictionary, if there is one, comes before the data.
    let first = chunk
        .dictionary_page_offset()
        .map_or(data, |page| page.min(data));
    let start = usize::try_from(first).ok()?;
    let length = usize::try_from(chunk.compressed_size()).ok()?;
    file.get(start..start.checked_add(length)?)
}

/// Returns the type of the values of a column.
fn element_type(leaf: &ColumnDescriptor) -> ElementType {
    let converted = leaf.converted_type();
    let is_plain = converted == ConvertedType::NONE;
    match leaf.physical_type() {
        Type::FLOAT if is_plain => ElementType::F32,
        Type::DOUBLE if is_plain => ElementType::F64,
        // Older readers know no 16-bit floats: a file has them as two bytes.
        Type::FIXED_LEN_BYTE_ARRAY if is_f16(leaf) => ElementType::F16,
        Type::INT32 => int32_type(converted).unwrap_or_else(|| other_type(leaf)),
        Type::INT64 if converted == ConvertedType::UINT_64 => ElementType::U64,
        Type::INT64 if is_plain || converted == ConvertedType::INT_64 => ElementType::I64,
        Type::BYTE_ARRAY if is_plain || is_text(converted) => ElementType::Text,
        _ => other_type(leaf),
    }
}

fn int32_type(converted: ConvertedType) -> Option<ElementType> {
    use ConvertedType::{INT_8, INT_16, INT_32, NONE, UINT_8, UINT_16, UINT_32};
    match converted {
        UINT_8 | UINT_16 | UINT_32 => Some(ElementType::U32),
        NONE | INT_8 | INT_16 | INT_32 => Some(ElementType::I32),
        _ => None,
    }
}

fn is_f16(leaf: &ColumnDescriptor) -> bool {
    matches!(leaf.logical_type_ref(), Some(LogicalType::Float16)) && leaf.type_length() == 2
}

fn is_text(converted: ConvertedType) -> bool {
    matches!(converted, ConvertedType::UTF8 | ConvertedType::ENUM)
}

fn other_type(leaf: &ColumnDescriptor) -> ElementType {
    let name = format!("{} {}", leaf.physical_type(), leaf.converted_type());
    ElementType::Other(name.to_lowercase())
}
