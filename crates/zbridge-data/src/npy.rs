use crate::{DataError, read_bytes, write_atomically};
use half::f16;
use npyz::{AutoSerialize, DType, NpyFile, Order, TypeChar, WriteOptions, WriterBuilder};
use std::io;
use std::path::Path;
use zbridge_core::ShapeError;

/// An array of numbers as f32, row-major.
#[derive(Debug, Clone, PartialEq)]
pub struct Array {
    /// The dimensions, slowest first.
    pub shape: Vec<usize>,
    /// The values: as many as the product of the dimensions.
    pub values: Vec<f32>,
}

impl Array {
    /// The array in the `.npy` file at `path`: f16, f32, f64, u8, i32 or i64, in C or Fortran
    /// order; rounded to f32.
    ///
    /// # Errors
    /// [`DataError::Read`], [`DataError::WrongMagic`], [`DataError::Header`],
    /// [`DataError::NumberType`], [`DataError::Truncated`] or [`DataError::TrailingBytes`], each
    /// with the path.
    pub fn read(path: &Path) -> Result<Self, DataError> {
        let (shape, order, numbers) = read_numbers(path)?;
        let values = row_major(numbers.into_f32(), &shape, order);
        Ok(Self { shape, values })
    }

    /// Nothing, when every value is finite.
    ///
    /// # Errors
    /// [`DataError::Value`] with the row and column of the first NaN or infinity; a row is
    /// everything behind the first dimension.
    pub fn expect_finite(&self, path: &Path) -> Result<(), DataError> {
        let width = self.shape.iter().skip(1).product::<usize>().max(1);
        let Some(i) = self.values.iter().position(|value| !value.is_finite()) else {
            return Ok(());
        };
        let reason = ShapeError::NotFinite {
            row: i / width,
            column: i % width,
            value: self.values[i],
        };
        Err(DataError::Value {
            path: path.to_owned(),
            tensor: "the array".to_owned(),
            reason,
        })
    }
}

/// The whole numbers in the `.npy` file at `path`, of shape `[n]` or `[n, 1]`: row ids, for
/// example.
///
/// # Errors
/// As [`Array::read`]; [`DataError::Shape`]; [`DataError::NotInRange`] with the first row that is
/// no whole number.
pub fn read_integers(path: &Path) -> Result<Vec<i64>, DataError> {
    let (shape, _, numbers) = read_numbers(path)?;
    match shape[..] {
        [_] | [_, 1] => numbers
            .into_i64()
            .map_err(|(row, value)| not_in_range(path, row, value, i64::MIN, i64::MAX)),
        _ => Err(DataError::Shape {
            path: path.to_owned(),
            tensor: "the array".to_owned(),
            expected: "[n], one whole number a row".to_owned(),
            found: shape,
        }),
    }
}

/// The class ids in the `.npy` file at `path`, each below `classes`.
///
/// # Errors
/// As [`read_integers`]; [`DataError::NotInRange`] with the first row that is no class.
pub fn read_class_ids(path: &Path, classes: usize) -> Result<Vec<u8>, DataError> {
    let highest = i64::try_from(classes.min(256)).unwrap_or(256) - 1;
    let class = |(row, id): (usize, i64)| match u8::try_from(id) {
        Ok(class) if id <= highest => Ok(class),
        _ => Err(not_in_range(path, row, id as f64, 0, highest)),
    };
    read_integers(path)?
        .into_iter()
        .enumerate()
        .map(class)
        .collect()
}

fn not_in_range(path: &Path, row: usize, value: f64, lowest: i64, highest: i64) -> DataError {
    DataError::NotInRange {
        path: path.to_owned(),
        row,
        value,
        lowest,
        highest,
    }
}

/// Writes `values` as an f32 `.npy` file of shape `shape`, whole or not at all.
///
/// # Errors
/// [`DataError::Unstorable`] when the values do not fill the shape, [`DataError::Write`].
pub fn write_f32(path: &Path, shape: &[usize], values: &[f32]) -> Result<(), DataError> {
    write(path, shape, values)
}

/// Writes `values` as an i64 `.npy` file of shape `shape`, whole or not at all.
///
/// # Errors
/// As [`write_f32`].
pub fn write_i64(path: &Path, shape: &[usize], values: &[i64]) -> Result<(), DataError> {
    write(path, shape, values)
}

fn write<T: AutoSerialize + Copy>(
    path: &Path,
    shape: &[usize],
    values: &[T],
) -> Result<(), DataError> {
    if shape.iter().product::<usize>() != values.len() {
        let why = format!("{} values do not fill the shape {shape:?}", values.len());
        return Err(DataError::Unstorable {
            path: path.to_owned(),
            why,
        });
    }
    let dims: Vec<u64> = shape.iter().map(|&size| size as u64).collect();
    write_atomically(path, |file| {
        let mut writer = WriteOptions::new()
            .default_dtype()
            .shape(&dims)
            .writer(file)
            .begin_nd()?;
        writer.extend(values.iter().copied())?;
        writer.finish()
    })
}

/// The numbers of a file in the type they are stored in.
enum Numbers {
    F16(Vec<f16>),
    F32(Vec<f32>),
    F64(Vec<f64>),
    U8(Vec<u8>),
    I32(Vec<i32>),
    I64(Vec<i64>),
}

impl Numbers {
    fn into_f32(self) -> Vec<f32> {
        match self {
            Self::F16(values) => values.into_iter().map(f16::to_f32).collect(),
            Self::F32(values) => values,
            Self::F64(values) => values.into_iter().map(|value| value as f32).collect(),
            Self::U8(values) => values.into_iter().map(f32::from).collect(),
            Self::I32(values) => values.into_iter().map(|value| value as f32).collect(),
            Self::I64(values) => values.into_iter().map(|value| value as f32).collect(),
        }
    }

    /// The numbers as whole ones, or the row and value of the first that is not whole.
    fn into_i64(self) -> Result<Vec<i64>, (usize, f64)> {
        match self {
            Self::F16(values) => whole(values.into_iter().map(f16::to_f64)),
            Self::F32(values) => whole(values.into_iter().map(f64::from)),
            Self::F64(values) => whole(values.into_iter()),
            Self::U8(values) => Ok(values.into_iter().map(i64::from).collect()),
            Self::I32(values) => Ok(values.into_iter().map(i64::from).collect()),
            Self::I64(values) => Ok(values),
        }
    }
}

fn whole(values: impl Iterator<Item = f64>) -> Result<Vec<i64>, (usize, f64)> {
    /// From here on, f64 skips whole numbers.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    let exact = |value: f64| value.fract() == 0.0 && value.abs() < EXACT;
    values
        .enumerate()
        .map(|(row, value)| {
            if exact(value) {
                Ok(value as i64)
            } else {
                Err((row, value))
            }
        })
        .collect()
}

/// Shape, order and numbers of the file.
fn read_numbers(path: &Path) -> Result<(Vec<usize>, Order, Numbers), DataError> {
    let bytes = read_bytes(path)?;
    check_header(path, &bytes)?;
    let file =
        NpyFile::new(bytes.as_slice()).map_err(|reason| bad_header(path, reason.to_string()))?;
    let (shape, order) = (
        file.shape().iter().map(|&size| size as usize).collect(),
        file.order(),
    );
    Ok((shape, order, typed(path, file, bytes.len() as u64)?))
}

fn typed(path: &Path, file: NpyFile<&[u8]>, file_bytes: u64) -> Result<Numbers, DataError> {
    let unsupported = |found| DataError::NumberType {
        path: path.to_owned(),
        tensor: "the array".to_owned(),
        expected: "f16, f32, f64, u8, i32 or i64",
        found,
    };
    let dtype = file.dtype();
    let DType::Plain(number) = &dtype else {
        return Err(unsupported(dtype.descr()));
    };
    let (kind, size) = (number.type_char(), number.size_field());
    if !matches!(
        (kind, size),
        (TypeChar::Float, 2 | 4 | 8) | (TypeChar::Uint, 1) | (TypeChar::Int, 4 | 8)
    ) {
        return Err(unsupported(number.to_string()));
    }
    expect_length(path, &file, size, file_bytes)?;
    let numbers = match (kind, size) {
        (TypeChar::Float, 2) => file.into_vec().map(Numbers::F16),
        (TypeChar::Float, 4) => file.into_vec().map(Numbers::F32),
        (TypeChar::Float, _) => file.into_vec().map(Numbers::F64),
        (TypeChar::Uint, _) => file.into_vec().map(Numbers::U8),
        (_, 4) => file.into_vec().map(Numbers::I32),
        _ => file.into_vec().map(Numbers::I64),
    };
    numbers.map_err(|reason: io::Error| bad_header(path, reason.to_string()))
}

fn expect_length(
    path: &Path,
    file: &NpyFile<&[u8]>,
    number_bytes: u64,
    found: u64,
) -> Result<(), DataError> {
    let header = found - file.clone().into_inner().len() as u64;
    let data = file
        .len()
        .checked_mul(number_bytes)
        .and_then(|data| data.checked_add(header));
    let expected = data
        .ok_or_else(|| bad_header(path, format!("shape {:?} is beyond any file", file.shape())))?;
    match expected.cmp(&found) {
        std::cmp::Ordering::Equal => Ok(()),
        std::cmp::Ordering::Greater => Err(DataError::Truncated {
            path: path.to_owned(),
            expected,
            found,
        }),
        std::cmp::Ordering::Less => Err(DataError::TrailingBytes {
            path: path.to_owned(),
            expected,
        }),
    }
}

pub(crate) fn bad_header(path: &Path, why: String) -> DataError {
    DataError::Header {
        path: path.to_owned(),
        why,
    }
}

/// What npyz takes on trust: it allocates the header before it reads it, multiplies the shape
/// without a check, and parses brackets by recursion.
pub(crate) fn check_header(path: &Path, bytes: &[u8]) -> Result<(), DataError> {
    if !bytes.starts_with(b"\x93NUMPY") {
        return Err(wrong_magic(path, bytes));
    }
    let text = header_text(bytes)
        .ok_or_else(|| bad_header(path, "it ends before its own length".to_owned()))?;
    let brackets = text.iter().filter(|byte| b"([{".contains(byte)).count();
    if brackets > 64 {
        return Err(bad_header(path, format!("{brackets} brackets")));
    }
    if shape_overflows(&String::from_utf8_lossy(text)) {
        return Err(bad_header(
            path,
            "the product of its shape is beyond any file".to_owned(),
        ));
    }
    Ok(())
}

/// The dictionary that describes the array, or nothing when the file ends within it.
fn header_text(bytes: &[u8]) -> Option<&[u8]> {
    bytes.get(header_place(bytes)?)
}

/// Where the dictionary lies, when `start` is at least the first 12 bytes of the file.
pub(crate) fn header_place(start: &[u8]) -> Option<std::ops::Range<usize>> {
    let (first, length): (usize, usize) = match *start.get(6)? {
        1 => (
            10,
            usize::from(u16::from_le_bytes(start.get(8..10)?.try_into().ok()?)),
        ),
        _ => (
            12,
            u32::from_le_bytes(start.get(8..12)?.try_into().ok()?) as usize,
        ),
    };
    Some(first..first.checked_add(length)?)
}

/// Whether the dimensions in `header` multiply to more than 64 bits hold, a zero among them or not.
fn shape_overflows(header: &str) -> bool {
    let shape = header.split_once("shape").map_or("", |(_, rest)| rest);
    let numbers = shape
        .split([')', ']'])
        .next()
        .unwrap_or("")
        .split(|c: char| !c.is_ascii_digit());
    let mut sizes = numbers
        .filter(|number| !number.is_empty())
        .map(str::parse::<u64>);
    sizes
        .try_fold(1u64, |product, size| product.checked_mul(size.ok()?.max(1)))
        .is_none()
}

fn wrong_magic(path: &Path, bytes: &[u8]) -> DataError {
    let found = match bytes {
        [] => "nothing: it is empty".to_owned(),
        [b'P', b'K', ..] => {
            "PK: this is an .npz archive; save one array with numpy.save".to_owned()
        }
        _ => bytes
            .iter()
            .take(6)
            .map(|byte| format!("{byte:02x}"))
            .collect::<Vec<_>>()
            .join(" "),
    };
    DataError::WrongMagic {
        path: path.to_owned(),
        format: "an .npy file",
        found,
    }
}

/// `values` with the last dimension fastest.
fn row_major<T: Copy>(values: Vec<T>, shape: &[usize], order: Order) -> Vec<T> {
    if order == Order::C || shape.len() < 2 || values.is_empty() {
        return values;
    }
    (0..values.len())
        .map(|place| values[fortran_place(place, shape)])
        .collect()
}

/// Where the element that is at `place` in C order lies in Fortran order.
pub(crate) fn fortran_place(mut place: usize, shape: &[usize]) -> usize {
    let mut stride: usize = shape.iter().product();
    let mut found = 0;
    for &size in shape.iter().rev() {
        stride /= size;
        found += place % size * stride;
        place /= size;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::path::PathBuf;
    use tempfile::TempDir;

    fn folder() -> (TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.npy");
        (folder, path)
    }

    /// A version 1 file with this dictionary and data, as numpy lays it out.
    fn file(dictionary: &str, data: &[u8]) -> Vec<u8> {
        let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
        bytes.extend((dictionary.len() as u16 + 1).to_le_bytes());
        bytes.extend(dictionary.as_bytes());
        bytes.push(b'\n');
        bytes.extend(data);
        bytes
    }

    fn read(bytes: &[u8]) -> Result<Array, DataError> {
        let (_folder, path) = folder();
        std::fs::write(&path, bytes).unwrap();
        Array::read(&path)
    }

    fn described(descr: &str, data: &[u8]) -> Result<Array, DataError> {
        read(&file(
            &format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': (2,), }}"),
            data,
        ))
    }

    proptest! {
        #[test]
        fn an_array_is_read_as_written(shape in prop::collection::vec(0usize..5, 0..4), first: f32) {
            let values: Vec<f32> = (0..shape.iter().product::<usize>()).map(|i| first + i as f32).collect();
            let (_folder, path) = folder();
            write_f32(&path, &shape, &values).unwrap();
            let array = Array::read(&path).unwrap();
            prop_assert_eq!(&array.shape, &shape);
            let bits = |values: &[f32]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
            prop_assert_eq!(bits(&array.values), bits(&values));
        }

        #[test]
        fn a_damaged_file_never_panics(place in 0usize..80, byte: u8) {
            let mut bytes = file("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 1), }", &[0; 8]);
            let length = bytes.len();
            bytes[place % length] = byte;
            let _ = read(&bytes);
        }
    }

    #[test]
    fn every_number_type_is_read() {
        for (descr, data) in [
            (
                "<f2",
                [f16::ONE, f16::from_f32(-2.0)]
                    .iter()
                    .flat_map(|v| v.to_le_bytes())
                    .collect::<Vec<u8>>(),
            ),
            (
                "<f4",
                [1f32, -2.0].iter().flat_map(|v| v.to_le_bytes()).collect(),
            ),
            (
                ">f8",
                [1f64, -2.0].iter().flat_map(|v| v.to_be_bytes()).collect(),
            ),
            (
                "<i4",
                [1i32, -2].iter().flat_map(|v| v.to_le_bytes()).collect(),
            ),
            (
                "<i8",
                [1i64, -2].iter().flat_map(|v| v.to_le_bytes()).collect(),
            ),
        ] {
            assert_eq!(
                described(descr, &data).unwrap().values,
                [1.0, -2.0],
                "{descr}"
            );
        }
        assert_eq!(described("|u1", &[1, 254]).unwrap().values, [1.0, 254.0]);
    }

    #[test]
    fn fortran_order_is_turned_round() {
        // numpy.asfortranarray(numpy.arange(24, dtype='u1').reshape(2, 3, 4)) lies in memory like
        // this:
        let memory = [
            0, 12, 4, 16, 8, 20, 1, 13, 5, 17, 9, 21, 2, 14, 6, 18, 10, 22, 3, 15, 7, 19, 11, 23,
        ];
        let array = read(&file(
            "{'descr': '|u1', 'fortran_order': True, 'shape': (2, 3, 4), }",
            &memory,
        ))
        .unwrap();
        assert_eq!(array.values, (0..24).map(|i| i as f32).collect::<Vec<_>>());
    }

    #[test]
    fn wrong_files_say_what_is_wrong() {
        assert!(
            read(b"PK\x03\x04")
                .unwrap_err()
                .to_string()
                .contains("numpy.save")
        );
        assert!(matches!(read(b""), Err(DataError::WrongMagic { .. })));
        assert!(matches!(
            read(b"\x93NUMPY\x01\x00\xff\xffabc"),
            Err(DataError::Header { .. })
        ));
        assert!(matches!(
            described("<f4", &[0; 7]),
            Err(DataError::Truncated { .. })
        ));
        assert!(matches!(
            described("<f4", &[0; 9]),
            Err(DataError::TrailingBytes { .. })
        ));
        let error = described("<c8", &[0; 16]).unwrap_err();
        assert!(
            matches!(&error, DataError::NumberType { found, .. } if found.contains("c8")),
            "{error}"
        );
        assert!(matches!(
            described("|O", &[0; 16]),
            Err(DataError::NumberType { .. })
        ));
    }

    #[test]
    fn a_header_that_lies_neither_allocates_nor_overflows() {
        for shape in [
            "(18446744073709551615, 2)",
            "(99999999999999999999999,)",
            "(9223372036854775807,)",
            "(4294967296, 4294967296, 0)",
        ] {
            let dictionary =
                format!("{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}");
            assert!(
                matches!(
                    read(&file(&dictionary, &[0; 8])),
                    Err(DataError::Header { .. })
                ),
                "{shape}"
            );
        }
        assert!(matches!(
            read(&file(&"[".repeat(60_000), &[])),
            Err(DataError::Header { .. })
        ));
    }

    #[test]
    fn the_first_value_that_is_not_finite_is_named() {
        let array = Array {
            shape: vec![2, 1, 2],
            values: vec![0.0, 1.0, 2.0, f32::NAN],
        };
        let error = array.expect_finite(Path::new("a.npy")).unwrap_err();
        assert!(
            error
                .to_string()
                .contains("a.npy: the array: row 1, column 1 is NaN"),
            "{error}"
        );
    }

    #[test]
    fn class_ids_must_be_whole_and_in_range() {
        let (_folder, path) = folder();
        write_i64(&path, &[3], &[0, 9, 4]).unwrap();
        assert_eq!(read_class_ids(&path, 10).unwrap(), [0, 9, 4]);
        assert!(matches!(
            read_class_ids(&path, 9),
            Err(DataError::NotInRange {
                row: 1,
                highest: 8,
                ..
            })
        ));
        write_f32(&path, &[2, 1], &[3.0, 0.5]).unwrap();
        assert!(matches!(
            read_class_ids(&path, 10),
            Err(DataError::NotInRange { row: 1, .. })
        ));
        write_f32(&path, &[2, 2], &[0.0; 4]).unwrap();
        assert!(matches!(
            read_class_ids(&path, 10),
            Err(DataError::Shape { .. })
        ));
        write_i64(&path, &[2], &[i64::MAX, i64::MAX - 1]).unwrap();
        assert_eq!(read_integers(&path).unwrap(), [i64::MAX, i64::MAX - 1]);
    }

    #[test]
    fn values_that_do_not_fill_the_shape_are_not_written() {
        let (_folder, path) = folder();
        assert!(matches!(
            write_f32(&path, &[2, 2], &[0.0; 3]),
            Err(DataError::Unstorable { .. })
        ));
        assert!(!path.exists());
    }
}
