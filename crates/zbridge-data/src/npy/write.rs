use crate::array::{f32_bytes, i64_bytes};
use crate::error::IoAtPath;
use crate::files::{replace_with, write_atomically};
use crate::{DataError, FileError, RowSink};
use std::path::Path;

/// Elements begin at a multiple of this many bytes, so that they can be mapped into memory.
const ALIGNMENT: usize = 64;
/// Bytes before the dictionary in version 1 of the format.
const PREFIX: usize = 10;

/// Writes `values` as an f32 `.npy` file of shape `shape`, whole or not at all.
///
/// # Errors
/// [`FileError::Unstorable`] if the values do not fill the shape; [`FileError::Write`].
pub fn write_npy_f32(path: &Path, shape: &[usize], values: &[f32]) -> Result<(), DataError> {
    expect_filled(path, shape, values.len())?;
    write(path, "<f4", shape, &f32_bytes(values))
}

/// Writes `values` as an i64 `.npy` file of shape `shape`, whole or not at all.
///
/// # Errors
/// As [`write_npy_f32`].
pub fn write_npy_i64(path: &Path, shape: &[usize], values: &[i64]) -> Result<(), DataError> {
    expect_filled(path, shape, values.len())?;
    write(path, "<i8", shape, &i64_bytes(values))
}

fn write(path: &Path, type_string: &str, shape: &[usize], data: &[u8]) -> Result<(), DataError> {
    let bytes = npy_bytes(type_string, shape, data);
    write_atomically(path, |file| file.write_all(&bytes))
}

/// Writes an f32 `.npy` file of shape `shape`, whose values `fill` puts into the sink some rows at
/// a time.
///
/// # Errors
/// Those of `fill`; [`FileError::Write`]; [`FileError::Unstorable`] if the values do not fill the
/// shape. Then there is no file.
pub fn write_npy_rows<E: From<DataError>>(
    path: &Path,
    shape: &[usize],
    fill: impl FnOnce(&mut RowSink<'_>) -> Result<(), E>,
) -> Result<(), E> {
    replace_with(path, |file| {
        file.write_all(&npy_header("<f4", shape)).written_at(path)?;
        RowSink::new(path, shape.iter().product(), file).filled_by(fill)
    })
}

/// Returns the bytes of an `.npy` file with this data.
pub(crate) fn npy_bytes(type_string: &str, shape: &[usize], data: &[u8]) -> Vec<u8> {
    let mut bytes = npy_header(type_string, shape);
    bytes.extend_from_slice(data);
    bytes
}

/// Returns the beginning of an `.npy` file of version 1, as numpy writes it.
fn npy_header(type_string: &str, shape: &[usize]) -> Vec<u8> {
    let mut dictionary = format!(
        "{{'descr': '{type_string}', 'fortran_order': False, 'shape': {}, }}",
        tuple(shape)
    );
    // One more byte is the line break, which is the last.
    let unpadded = PREFIX + dictionary.len() + 1;
    let padding = unpadded.next_multiple_of(ALIGNMENT) - unpadded;
    dictionary.extend(std::iter::repeat_n(' ', padding));
    dictionary.push('\n');
    // Version 1 is enough for headers of up to 64 KiB.
    let length = u16::try_from(dictionary.len()).expect("an array has a few axes");
    let mut header = b"\x93NUMPY\x01\x00".to_vec();
    header.extend(length.to_le_bytes());
    header.extend(dictionary.into_bytes());
    header
}

/// Returns the sizes as a tuple in Python.
fn tuple(shape: &[usize]) -> String {
    match shape {
        [size] => format!("({size},)"),
        _ => {
            let sizes: Vec<String> = shape.iter().map(usize::to_string).collect();
            format!("({})", sizes.join(", "))
        }
    }
}

fn expect_filled(path: &Path, shape: &[usize], values: usize) -> Result<(), DataError> {
    if shape.iter().product::<usize>() == values {
        return Ok(());
    }
    let reason = format!("{values} values do not fill the shape {shape:?}");
    Err(FileError::Unstorable(reason).at(path))
}
