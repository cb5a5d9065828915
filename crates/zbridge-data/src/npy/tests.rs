use super::*;
use crate::{ArrayError, DataError, FileError, FormatError};
use half::f16;
use ndarray::ArrayD;
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

fn fault<T>(result: Result<T, DataError>) -> FileError {
    match result.map(drop).unwrap_err() {
        DataError::File { fault, .. } => fault,
        other => panic!("{other}"),
    }
}

fn read(bytes: &[u8]) -> Result<ArrayD<f32>, FileError> {
    let (_folder, path) = folder();
    std::fs::write(&path, bytes).unwrap();
    read_npy(&path).map_err(|error| fault(Err::<(), _>(error)))
}

fn described(descr: &str, data: &[u8]) -> Result<ArrayD<f32>, FileError> {
    read(&file(
        &format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': (2,), }}"),
        data,
    ))
}

proptest! {
    #[test]
    fn an_array_is_read_as_written(
        shape in prop::collection::vec(0usize..5, 0..4),
        first in -1e30f32..1e30,
    ) {
        let count = shape.iter().product::<usize>();
        let values: Vec<f32> = (0..count).map(|i| first + i as f32).collect();
        let (_folder, path) = folder();
        write_npy_f32(&path, &shape, &values).unwrap();
        let array = read_npy(&path).unwrap();
        prop_assert_eq!(array.shape(), &shape[..]);
        prop_assert_eq!(array.into_raw_vec_and_offset().0, values);
    }

    #[test]
    fn a_damaged_file_never_panics(place in 0usize..80, byte: u8) {
        let header = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 1), }";
        let mut bytes = file(header, &[0; 8]);
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
            described(descr, &data).unwrap().as_slice().unwrap(),
            [1.0, -2.0],
            "{descr}"
        );
    }
    let bytes = described("|u1", &[1, 254]).unwrap();
    assert_eq!(bytes.as_slice().unwrap(), [1.0, 254.0]);
}

#[test]
fn fortran_order_becomes_c_order() {
    // The bytes of numpy.asfortranarray(numpy.arange(24, dtype='u1').reshape(2, 3, 4)).
    let memory = [
        0, 12, 4, 16, 8, 20, 1, 13, 5, 17, 9, 21, 2, 14, 6, 18, 10, 22, 3, 15, 7, 19, 11, 23,
    ];
    let array = read(&file(
        "{'descr': '|u1', 'fortran_order': True, 'shape': (2, 3, 4), }",
        &memory,
    ))
    .unwrap();
    let expected: Vec<f32> = (0..24).map(|i| i as f32).collect();
    assert_eq!(array.as_slice().unwrap(), expected);
}

#[test]
fn dictionaries_of_other_writers_are_read() {
    for header in [
        "{'shape': (2,), 'fortran_order': False, 'descr': '|u1'}",
        "{\"descr\":\"|u1\",\"fortran_order\":False,\"shape\":(2L,)}",
        "  {'descr' : '|u1' , 'fortran_order' : False , 'shape' : ( 2 , 1 ) , }  ",
    ] {
        assert_eq!(
            read(&file(header, &[3, 4])).unwrap().as_slice().unwrap(),
            [3.0, 4.0]
        );
    }
    let scalar = "{'descr': '|u1', 'fortran_order': False, 'shape': (), }";
    assert_eq!(read(&file(scalar, &[3])).unwrap().shape(), [0usize; 0]);
}

#[test]
fn wrong_dictionaries_are_refused() {
    for header in [
        "",
        "{}",
        "{'descr': '|u1', 'fortran_order': False}",
        "{'descr': '|u1', 'fortran_order': False, 'shape': (2,)} 1",
        "{'descr': '|u1', 'fortran_order': 0, 'shape': (2,)}",
        "{'descr': '|u1', 'fortran_order': False, 'shape': 2}",
        "{'descr': '|u1', 'fortran_order': False, 'shape': (-2,)}",
        "{'descr': '|u1, 'fortran_order': False, 'shape': (2,)}",
        "{'descr': [('a', '|u1'), 'fortran_order': False, 'shape': (2,)}",
        "{'descr': '|u1', 'fortran_order': False, 'shape': (2,), 'é': 1}",
    ] {
        assert!(
            matches!(
                read(&file(header, &[3, 4])),
                Err(FileError::Format(FormatError::Header(_)))
            ),
            "{header}"
        );
    }
}

#[test]
fn wrong_files_say_what_is_wrong() {
    let text = read(b"PK\x03\x04").unwrap_err().to_string();
    assert!(text.contains("numpy.save"), "{text}");
    let format = |result: Result<ArrayD<f32>, FileError>| match result {
        Err(FileError::Format(fault)) => fault,
        other => panic!("{other:?}"),
    };
    assert!(matches!(format(read(b"")), FormatError::WrongMagic { .. }));
    assert!(matches!(
        format(read(b"\x93NUMPY\x01\x00\xff\xffabc")),
        FormatError::Header(_)
    ));
    assert!(matches!(
        format(described("<f4", &[0; 7])),
        FormatError::Truncated { .. }
    ));
    assert!(matches!(
        format(described("<f4", &[0; 9])),
        FormatError::TrailingBytes { .. }
    ));
    for (descr, name) in [("<c8", "c8"), ("|O", "O"), ("<U2", "text")] {
        let error = described(descr, &[0; 16]).unwrap_err();
        assert!(
            matches!(&error, FileError::Array(ArrayError::ElementType { found, .. })
                if found.contains(name)),
            "{error}"
        );
    }
}

#[test]
fn a_structure_is_named_as_numpy_writes_it() {
    let header =
        "{'descr': [('a', '<f4'), ('b\u{1b}', '<i8')], 'fortran_order': False, 'shape': (1,), }";
    let text = read(&file(header, &[0; 12])).unwrap_err().to_string();
    assert!(
        text.contains("[('a', '<f4'), ('b\\u{1b}', '<i8')]"),
        "{text}"
    );
}

#[test]
fn a_wrong_header_neither_allocates_nor_overflows() {
    for shape in [
        "(18446744073709551615, 2)",
        "(99999999999999999999999,)",
        "(9223372036854775807,)",
        "(4294967296, 4294967296, 0)",
    ] {
        let dictionary = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}");
        assert!(
            matches!(
                read(&file(&dictionary, &[0; 8])),
                Err(FileError::Format(FormatError::Header(_)))
            ),
            "{shape}"
        );
    }
    for brackets in [
        "[".repeat(60_000),
        format!("{{'descr': {}", "[".repeat(60_000)),
    ] {
        assert!(matches!(
            read(&file(&brackets, &[])),
            Err(FileError::Format(FormatError::Header(_)))
        ));
    }
}

#[test]
fn the_first_value_that_is_not_finite_is_named() {
    let (_folder, path) = folder();
    write_npy_f32(&path, &[2, 1, 2], &[0.0, 1.0, 2.0, f32::NAN]).unwrap();
    let text = read_npy(&path).unwrap_err().to_string();
    assert!(
        text.contains("a.npy: the array: row 1, column 1 is NaN"),
        "{text}"
    );
}

#[test]
fn classes_must_be_whole_and_in_range() {
    let (_folder, path) = folder();
    let out_of_range = |error: &FileError| match error {
        FileError::Array(ArrayError::NotInRange { row, highest, .. }) => (*row, *highest),
        other => panic!("{other}"),
    };
    write_npy_i64(&path, &[3], &[0, 9, 4]).unwrap();
    assert_eq!(read_npy_classes(&path, 10).unwrap(), [0, 9, 4]);
    assert_eq!(out_of_range(&fault(read_npy_classes(&path, 9))), (1, 8));
    write_npy_f32(&path, &[2, 1], &[3.0, 0.5]).unwrap();
    assert_eq!(out_of_range(&fault(read_npy_classes(&path, 10))).0, 1);
    write_npy_f32(&path, &[2, 2], &[0.0; 4]).unwrap();
    assert!(matches!(
        fault(read_npy_classes(&path, 10)),
        FileError::Array(ArrayError::Shape { .. })
    ));
    write_npy_i64(&path, &[2], &[i64::MAX, i64::MAX - 1]).unwrap();
    assert_eq!(read_npy_integers(&path).unwrap(), [i64::MAX, i64::MAX - 1]);
}

#[test]
fn values_that_do_not_fill_the_shape_are_not_written() {
    let (_folder, path) = folder();
    assert!(matches!(
        fault(write_npy_f32(&path, &[2, 2], &[0.0; 3])),
        FileError::Unstorable(_)
    ));
    assert!(!path.exists());
}

#[test]
fn files_begin_as_numpy_writes_them() {
    for (shape, tuple) in [(&[][..], "()"), (&[3], "(3,)"), (&[3, 2], "(3, 2)")] {
        let header = npy_bytes("<f4", shape, &[]);
        let text = String::from_utf8_lossy(&header[10..]).into_owned();
        let expected = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': {tuple}, }}");
        assert_eq!(text.trim_end(), expected);
        assert!(header.len().is_multiple_of(64) && text.ends_with('\n'));
    }
}
