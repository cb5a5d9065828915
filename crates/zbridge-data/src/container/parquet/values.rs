use super::levels::Levels;
use crate::array::{ElementType, Elements};
use parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use parquet::data_type::{DataType, FixedLenByteArray};

/// Rows that are decoded at a time.
const BATCH: usize = 1024;
const WRONG_TYPE: &str = "its values are of another type than the schema says";

/// Values of a column, and how they are nested.
pub(super) struct Decoded {
    pub(super) values: Values,
    pub(super) levels: Levels,
}

/// The values of a column that are not null.
pub(super) enum Values {
    /// Little-endian numbers of `width` bytes each.
    Numbers {
        bytes: Vec<u8>,
        width: usize,
    },
    Texts(Vec<Vec<u8>>),
}

impl Values {
    pub(super) fn empty(element_type: &ElementType) -> Self {
        match element_type {
            ElementType::Text => Self::Texts(vec![]),
            _ => Self::Numbers {
                bytes: vec![],
                width: element_type.width(),
            },
        }
    }

    pub(super) fn len(&self) -> usize {
        match self {
            Self::Numbers { bytes, width } => bytes.len() / (*width).max(1),
            Self::Texts(texts) => texts.len(),
        }
    }

    /// Returns the values as elements of this type.
    ///
    /// # Errors
    /// The row of the first text that is not UTF-8.
    pub(super) fn into_elements(
        self,
        element_type: &ElementType,
    ) -> Result<Elements<'static>, usize> {
        let texts = match self {
            Self::Numbers { bytes, .. } => {
                return Ok(Elements::Numbers(element_type.clone(), bytes.into()));
            }
            Self::Texts(texts) => texts,
        };
        let mut names = Vec::with_capacity(texts.len());
        for (row, bytes) in texts.into_iter().enumerate() {
            names.push(String::from_utf8(bytes).map_err(|_| row)?);
        }
        Ok(Elements::Texts(names))
    }
}

/// Decodes the next `rows` rows into `into`; in words, why they cannot be decoded.
pub(super) fn decode(reader: ColumnReader, rows: usize, into: &mut Decoded) -> Result<(), String> {
    let levels = &mut into.levels;
    match &mut into.values {
        Values::Numbers { bytes, .. } => decode_numbers(reader, rows, levels, bytes),
        Values::Texts(texts) => decode_texts(reader, rows, levels, texts),
    }
}

fn decode_numbers(
    reader: ColumnReader,
    rows: usize,
    levels: &mut Levels,
    bytes: &mut Vec<u8>,
) -> Result<(), String> {
    match reader {
        ColumnReader::FloatColumnReader(reader) => append_numbers(reader, rows, levels, bytes),
        ColumnReader::DoubleColumnReader(reader) => append_numbers(reader, rows, levels, bytes),
        ColumnReader::Int32ColumnReader(reader) => append_numbers(reader, rows, levels, bytes),
        ColumnReader::Int64ColumnReader(reader) => append_numbers(reader, rows, levels, bytes),
        ColumnReader::FixedLenByteArrayColumnReader(reader) => {
            append_numbers(reader, rows, levels, bytes)
        }
        _ => Err(WRONG_TYPE.to_owned()),
    }
}

fn decode_texts(
    reader: ColumnReader,
    rows: usize,
    levels: &mut Levels,
    texts: &mut Vec<Vec<u8>>,
) -> Result<(), String> {
    match reader {
        ColumnReader::ByteArrayColumnReader(reader) => decode_each(reader, rows, levels, |text| {
            texts.push(text.data().to_vec())
        }),
        _ => Err(WRONG_TYPE.to_owned()),
    }
}

fn append_numbers<T: DataType<T: Number>>(
    reader: ColumnReaderImpl<T>,
    rows: usize,
    levels: &mut Levels,
    bytes: &mut Vec<u8>,
) -> Result<(), String> {
    decode_each(reader, rows, levels, |number| number.append_to(bytes))
}

/// Calls `each` with the values of the next `rows` rows.
fn decode_each<T: DataType>(
    mut reader: ColumnReaderImpl<T>,
    rows: usize,
    levels: &mut Levels,
    mut each: impl FnMut(&T::T),
) -> Result<(), String> {
    // In batches, since the values of a row group may be many and each is copied once more.
    let (mut missing, mut values) = (rows, vec![]);
    while missing > 0 {
        let read = reader.read_records(
            missing.min(BATCH),
            Some(&mut levels.definitions),
            Some(&mut levels.repetitions),
            &mut values,
        );
        let (records, _, _) = read.map_err(|reason| reason.to_string())?;
        // A column may have fewer rows than its group says; the caller counts them.
        if records == 0 {
            break;
        }
        values.drain(..).for_each(|value| each(&value));
        missing -= records.min(missing);
    }
    Ok(())
}

/// A number that is stored as little-endian bytes.
trait Number {
    fn append_to(&self, bytes: &mut Vec<u8>);
}

impl Number for f32 {
    fn append_to(&self, bytes: &mut Vec<u8>) {
        bytes.extend(self.to_le_bytes());
    }
}

impl Number for f64 {
    fn append_to(&self, bytes: &mut Vec<u8>) {
        bytes.extend(self.to_le_bytes());
    }
}

impl Number for i32 {
    fn append_to(&self, bytes: &mut Vec<u8>) {
        bytes.extend(self.to_le_bytes());
    }
}

impl Number for i64 {
    fn append_to(&self, bytes: &mut Vec<u8>) {
        bytes.extend(self.to_le_bytes());
    }
}

/// A 16-bit float, which a file has as bytes.
impl Number for FixedLenByteArray {
    fn append_to(&self, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(self.data());
    }
}
