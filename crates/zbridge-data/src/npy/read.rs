use super::NpyLayout;
use crate::array::{ArrayHeader, Elements};
use crate::error::AtPath;
use crate::files::read_bytes;
use crate::{ArrayError, DataError, FileError, FormatError};
use ndarray::ArrayD;
use std::path::Path;

/// The name that an `.npy` file, which has none for its array, is given: that of points in a latent
/// space.
pub(crate) const UNNAMED: &str = "z";

const ARRAY: &str = "the array";
const NUMBERS: &str = "f16, f32, f64 or a whole number of up to 64 bits";

/// The bytes of an `.npy` file, taken apart.
pub(crate) struct NpyArray<'a> {
    pub(crate) layout: NpyLayout,
    data: &'a [u8],
}

impl<'a> NpyArray<'a> {
    pub(crate) fn parse(bytes: &'a [u8]) -> Result<Self, FormatError> {
        let layout = NpyLayout::parse(bytes)?;
        layout.expect_file_length(bytes.len() as u64)?;
        Ok(Self {
            data: &bytes[layout.start..layout.start + layout.length],
            layout,
        })
    }

    pub(crate) fn header(&self) -> ArrayHeader {
        self.layout.header(UNNAMED)
    }

    pub(crate) fn elements(&self) -> Elements<'a> {
        self.layout.elements(self.data.into())
    }

    fn wrong_type(&self) -> ArrayError {
        ArrayError::ElementType {
            array: ARRAY.to_owned(),
            expected: NUMBERS,
            found: self.header().element_type.to_string(),
        }
    }
}

/// Returns the array in the `.npy` file at `path`, rounded to f32; all values are finite.
///
/// Floats and whole numbers of up to 64 bits are read, in C or Fortran order.
///
/// # Errors
/// [`FileError::Read`]; [`FormatError`] if the file is not an array; [`ArrayError::ElementType`]
/// if its elements are not numbers; [`ArrayError::Value`] with the row and column of the first NaN
/// or infinity, where a row is everything after the first axis.
pub fn read_npy(path: &Path) -> Result<ArrayD<f32>, DataError> {
    let bytes = read_bytes(path)?;
    array_f32(&bytes).at(path)
}

fn array_f32(bytes: &[u8]) -> Result<ArrayD<f32>, FileError> {
    let array = NpyArray::parse(bytes)?;
    let values = array.elements().numbers_f32();
    let values = values.ok_or_else(|| array.wrong_type())?;
    let row_size = array.header().row_size();
    ArrayError::expect_finite(ARRAY, &values, 0, row_size)?;
    let values = ArrayD::from_shape_vec(array.layout.shape, values);
    Ok(values.expect("the layout has as many elements as the shape says"))
}

/// Returns the whole numbers in the `.npy` file at `path`, of shape `[n]` or `[n, 1]`. Floats are
/// read as well, if they are whole.
///
/// # Errors
/// As [`read_npy`]; [`ArrayError::Shape`]; [`ArrayError::NotInRange`] with the first row that is
/// not a whole number.
pub fn read_npy_integers(path: &Path) -> Result<Vec<i64>, DataError> {
    let bytes = read_bytes(path)?;
    integers(&bytes).at(path)
}

fn integers(bytes: &[u8]) -> Result<Vec<i64>, FileError> {
    let array = NpyArray::parse(bytes)?;
    expect_column(&array.layout.shape)?;
    let elements = array.elements();
    // Integers are not converted to floats, which do not have all of those beyond 2⁵³.
    if let Some(integers) = elements.integers() {
        let numbers = integers.iter();
        let numbers = numbers.map(|&number| (i64::try_from(number).ok(), number as f64));
        return Ok(expect_whole(numbers)?);
    }
    let floats = elements.floats_f64().ok_or_else(|| array.wrong_type())?;
    let numbers = floats.iter().map(|&value| (whole_number(value), value));
    Ok(expect_whole(numbers)?)
}

/// Returns an error unless an array of this shape has one value a row.
fn expect_column(shape: &[usize]) -> Result<(), ArrayError> {
    match shape {
        [_] | [_, 1] => Ok(()),
        _ => Err(ArrayError::Shape {
            array: ARRAY.to_owned(),
            expected: "[n], one whole number a row".to_owned(),
            found: shape.to_vec(),
        }),
    }
}

/// Returns the integers of values `(integer, value)`, which has none where it is not a whole
/// number in the range of i64.
fn expect_whole(values: impl Iterator<Item = (Option<i64>, f64)>) -> Result<Vec<i64>, ArrayError> {
    let mut integers = Vec::new();
    for (row, (integer, value)) in values.enumerate() {
        let out_of_range = || not_in_range(row, value, i64::MIN, i64::MAX);
        integers.push(integer.ok_or_else(out_of_range)?);
    }
    Ok(integers)
}

fn whole_number(value: f64) -> Option<i64> {
    /// 2⁵³: from here on, f64 leaves out whole numbers.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    let is_exact = value.fract() == 0.0 && value.abs() < EXACT;
    is_exact.then_some(value as i64)
}

/// Returns the classes in the `.npy` file at `path`, each below `classes`; at most 256 are
/// distinguished.
///
/// # Errors
/// As [`read_npy_integers`]; [`ArrayError::NotInRange`] with the first row that is not a class.
pub fn read_npy_classes(path: &Path, classes: usize) -> Result<Vec<u8>, DataError> {
    // Classes are stored as bytes.
    let highest = classes.min(256) as i64 - 1;
    let mut labels = Vec::new();
    for (row, integer) in read_npy_integers(path)?.into_iter().enumerate() {
        let label = u8::try_from(integer).ok().filter(|_| integer <= highest);
        let out_of_range = || not_in_range(row, integer as f64, 0, highest);
        labels.push(label.ok_or_else(out_of_range).at(path)?);
    }
    Ok(labels)
}

fn not_in_range(row: usize, value: f64, lowest: i64, highest: i64) -> ArrayError {
    ArrayError::NotInRange {
        array: ARRAY.to_owned(),
        row,
        value,
        lowest,
        highest,
    }
}
