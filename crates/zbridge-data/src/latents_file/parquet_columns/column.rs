use super::levels::{Irregular, Levels, lengths};
use super::pages::Pages;
use super::{ParquetFile, named};
use crate::DataError;
use crate::latents_file::array::{Element, Elements};
use bytes::Bytes;
use parquet::basic::{ConvertedType, LogicalType, Type};
use parquet::column::reader::{ColumnReader, ColumnReaderImpl, get_column_reader};
use parquet::data_type::DataType;
use parquet::file::metadata::ColumnChunkMetaData;
use parquet::schema::types::ColumnDescriptor;

/// More values than so many for a byte of the file are no latents, but a file made to fill memory.
const MOST_VALUES_A_BYTE: usize = 1024;
/// Rows that are decoded at a time.
const BATCH: usize = 1024;

/// One column: its name, what its values are, and where it stands in the schema.
pub(super) struct Column {
    pub(super) name: String,
    pub(super) element: Element,
    /// Nothing, when the column is a structure of several.
    index: Option<usize>,
    /// How deep lists nest in it.
    depth: i16,
    /// The definition level of a value.
    full: i16,
    /// The definition level of an empty list, where that is known.
    empty: Option<i16>,
}

impl Column {
    pub(super) fn new(index: Option<usize>, name: String, leaf: &ColumnDescriptor) -> Self {
        let element = if index.is_some() {
            element(leaf)
        } else {
            Element::Other("structure".to_owned())
        };
        let (depth, full) = (leaf.max_rep_level(), leaf.max_def_level());
        let empty = (depth == 1).then(|| full - i16::from(leaf.self_type().is_optional()) - 1);
        Self {
            name,
            element,
            index,
            depth,
            full,
            empty,
        }
    }

    /// Rows, then the lengths of the first row's lists.
    pub(super) fn shape(&self, file: &ParquetFile<'_>) -> Result<Vec<usize>, DataError> {
        let mut shape = vec![file.rows()];
        if self.depth > 0 && !matches!(self.element, Element::Other(_)) {
            let first = self.decode(file, 1)?;
            shape.extend(lengths(&first.levels.repetitions, self.depth));
        }
        Ok(shape)
    }

    /// All values, which must be as many as `shape` says.
    pub(super) fn load(
        &self,
        file: &ParquetFile<'_>,
        shape: &[usize],
    ) -> Result<Elements<'static>, DataError> {
        let Decoded { values, levels } = self.decode(file, usize::MAX)?;
        levels
            .expect_regular(&shape[1..], self.full, self.empty)
            .map_err(|why| self.irregular(file, &why, shape))?;
        let expected = shape.iter().product::<usize>();
        if values.len() != expected {
            let why = format!(
                "{} values, but its shape {shape:?} asks for {expected}",
                values.len()
            );
            return Err(file.unsound(&self.name, &why));
        }
        values
            .elements(&self.element)
            .map_err(|row| file.unsound(&self.name, &format!("row {row} is not UTF-8 text")))
    }

    fn irregular(&self, file: &ParquetFile<'_>, why: &Irregular, shape: &[usize]) -> DataError {
        let (path, column) = (file.path.clone(), named(&self.name));
        match *why {
            Irregular::Null { row } => DataError::Null { path, column, row },
            Irregular::Ragged { row } => DataError::Ragged {
                path,
                column,
                row,
                expected: shape[1..].to_vec(),
            },
        }
    }

    /// The values of the first `most` rows.
    fn decode(&self, file: &ParquetFile<'_>, most: usize) -> Result<Decoded, DataError> {
        let mut decoded = Decoded {
            values: Values::none(&self.element),
            levels: Levels::default(),
        };
        let Some(index) = self.index else {
            return Ok(decoded);
        };
        let mut left = most;
        for group in file.footer.row_groups() {
            let rows = usize::try_from(group.num_rows()).unwrap_or(0).min(left);
            left -= rows;
            let chunk = group
                .columns()
                .get(index)
                .ok_or_else(|| file.unsound(&self.name, &"it is not in every group"))?;
            if rows > 0 {
                self.decode_chunk(file, chunk, rows, &mut decoded)
                    .map_err(|why| file.unsound(&self.name, &why))?;
            }
        }
        Ok(decoded)
    }

    fn decode_chunk(
        &self,
        file: &ParquetFile<'_>,
        chunk: &ColumnChunkMetaData,
        rows: usize,
        into: &mut Decoded,
    ) -> Result<(), String> {
        let pages = self.pages(file, chunk)?;
        let levels = &mut into.levels;
        let read = match (
            get_column_reader(chunk.column_descr_ptr(), Box::new(pages)),
            &mut into.values,
        ) {
            (ColumnReader::FloatColumnReader(reader), Values::Numbers(bytes, _)) => {
                read(reader, rows, levels, |value| {
                    bytes.extend(value.to_le_bytes())
                })
            }
            (ColumnReader::DoubleColumnReader(reader), Values::Numbers(bytes, _)) => {
                read(reader, rows, levels, |value| {
                    bytes.extend(value.to_le_bytes())
                })
            }
            (ColumnReader::Int32ColumnReader(reader), Values::Numbers(bytes, _)) => {
                read(reader, rows, levels, |value| {
                    bytes.extend(value.to_le_bytes())
                })
            }
            (ColumnReader::Int64ColumnReader(reader), Values::Numbers(bytes, _)) => {
                read(reader, rows, levels, |value| {
                    bytes.extend(value.to_le_bytes())
                })
            }
            (ColumnReader::FixedLenByteArrayColumnReader(reader), Values::Numbers(bytes, _)) => {
                read(reader, rows, levels, |value| {
                    bytes.extend_from_slice(value.data())
                })
            }
            (ColumnReader::ByteArrayColumnReader(reader), Values::Texts(texts)) => {
                read(reader, rows, levels, |value| {
                    texts.push(value.data().to_vec())
                })
            }
            _ => return Err("its values are of another type than the schema says".to_owned()),
        };
        read.map_err(|reason| reason.to_string())
    }

    /// The pages of a part of the column, which must lie in the file.
    fn pages(&self, file: &ParquetFile<'_>, chunk: &ColumnChunkMetaData) -> Result<Pages, String> {
        let start = chunk
            .dictionary_page_offset()
            .unwrap_or(chunk.data_page_offset())
            .min(chunk.data_page_offset());
        let place = usize::try_from(start)
            .ok()
            .zip(usize::try_from(chunk.compressed_size()).ok());
        let end = place.and_then(|(start, length)| start.checked_add(length));
        let bytes = place
            .zip(end)
            .and_then(|((start, _), end)| file.bytes.get(start..end));
        let bytes = bytes
            .ok_or("its bytes lie outside the file: the file was cut, or its footer is damaged")?;
        let values_left =
            usize::try_from(chunk.num_values()).map_err(|_| "a negative number of values")?;
        if values_left / MOST_VALUES_A_BYTE > file.bytes.len() {
            return Err(format!(
                "it says that it holds {values_left} values, far more than the file can"
            ));
        }
        Ok(Pages {
            bytes: Bytes::copy_from_slice(bytes),
            compression: chunk.compression(),
            values_left,
            least_width: if self.element == Element::Text {
                4
            } else {
                self.element.width().max(1)
            },
            has_dictionary: false,
        })
    }
}

/// What the values of a column are, in the words of arrays.
fn element(leaf: &ColumnDescriptor) -> Element {
    let other = || {
        Element::Other(format!("{} {}", leaf.physical_type(), leaf.converted_type()).to_lowercase())
    };
    match (leaf.physical_type(), leaf.converted_type()) {
        (Type::FLOAT, ConvertedType::NONE) => Element::F32,
        (Type::DOUBLE, ConvertedType::NONE) => Element::F64,
        (Type::FIXED_LEN_BYTE_ARRAY, _) => match leaf.logical_type_ref() {
            Some(LogicalType::Float16) if leaf.type_length() == 2 => Element::F16,
            _ => other(),
        },
        (Type::INT32, ConvertedType::UINT_8 | ConvertedType::UINT_16 | ConvertedType::UINT_32) => {
            Element::U32
        }
        (
            Type::INT32,
            ConvertedType::NONE
            | ConvertedType::INT_8
            | ConvertedType::INT_16
            | ConvertedType::INT_32,
        ) => Element::I32,
        (Type::INT64, ConvertedType::UINT_64) => Element::U64,
        (Type::INT64, ConvertedType::NONE | ConvertedType::INT_64) => Element::I64,
        (Type::BYTE_ARRAY, ConvertedType::NONE | ConvertedType::UTF8 | ConvertedType::ENUM) => {
            Element::Text
        }
        _ => other(),
    }
}

struct Decoded {
    values: Values,
    levels: Levels,
}

/// The values that are there: nulls take no place.
enum Values {
    /// Little-endian, each of so many bytes.
    Numbers(Vec<u8>, usize),
    Texts(Vec<Vec<u8>>),
}

impl Values {
    fn none(element: &Element) -> Self {
        if *element == Element::Text {
            Self::Texts(vec![])
        } else {
            Self::Numbers(vec![], element.width())
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::Numbers(bytes, width) => bytes.len() / (*width).max(1),
            Self::Texts(texts) => texts.len(),
        }
    }

    /// The row of the first text that is none, as error.
    fn elements(self, element: &Element) -> Result<Elements<'static>, usize> {
        match self {
            Self::Numbers(bytes, _) => Ok(Elements::Numbers(element.clone(), bytes.into())),
            Self::Texts(texts) => {
                let texts = texts.into_iter().enumerate();
                let texts = texts.map(|(row, bytes)| String::from_utf8(bytes).map_err(|_| row));
                texts.collect::<Result<_, _>>().map(Elements::Texts)
            }
        }
    }
}

/// Decodes so many rows, value by value.
fn read<T: DataType>(
    mut reader: ColumnReaderImpl<T>,
    rows: usize,
    levels: &mut Levels,
    mut each: impl FnMut(&T::T),
) -> Result<(), parquet::errors::ParquetError> {
    let (mut left, mut values) = (rows, vec![]);
    while left > 0 {
        let (definitions, repetitions) = (&mut levels.definitions, &mut levels.repetitions);
        let (read, _, _) = reader.read_records(
            left.min(BATCH),
            Some(definitions),
            Some(repetitions),
            &mut values,
        )?;
        if read == 0 {
            break;
        }
        values.drain(..).for_each(|value| each(&value));
        left -= read.min(left);
    }
    Ok(())
}
