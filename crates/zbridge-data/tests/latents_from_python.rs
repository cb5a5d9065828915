//! Latents files as Python writes them, made by `fixtures/latents/make.py`: read to the same
//! numbers, and, damaged, to an error or to something sound.

use proptest::prelude::*;
use std::path::{Path, PathBuf};
use zbridge_core::Posterior;
use zbridge_data::{ArrayError, Container, FileError, IdSource, LatentsFile, LatentsSummary};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/latents")
        .join(name)
}

fn read(name: &str) -> LatentsFile {
    LatentsFile::read(&fixture(name)).unwrap_or_else(|error| panic!("{error}"))
}

fn mean() -> Vec<f32> {
    (0..12).map(|k| k as f32 / 8.0 - 1.0).collect()
}

fn log_var() -> Vec<f32> {
    (0..12).map(|k| -(k as f32) / 4.0).collect()
}

fn expect_gaussian(name: &str, ids: [&str; 3], labels: Option<[u8; 3]>) {
    let file = read(name);
    let gaussian = file
        .posterior
        .as_diagonal()
        .unwrap_or_else(|| panic!("{name}: no Gaussian"));
    assert_eq!(gaussian.mean().values(), mean(), "{name}");
    assert!(
        gaussian
            .log_var()
            .values()
            .iter()
            .zip(log_var())
            .all(|(a, b)| (a - b).abs() < 1e-6),
        "{name}"
    );
    assert_eq!(
        (file.ids, file.latent_shape),
        (ids.map(str::to_owned).to_vec(), vec![4]),
        "{name}"
    );
    assert_eq!(file.labels, labels.map(|labels| labels.to_vec()), "{name}");
}

fn expect_points(name: &str, latent_shape: &[usize]) -> LatentsFile {
    let file = read(name);
    let Posterior::Samples(samples) = &file.posterior else {
        panic!("{name}: no samples")
    };
    assert_eq!(
        (samples.draws(), samples.points().values()),
        (1, &mean()[..]),
        "{name}"
    );
    assert_eq!(file.latent_shape, latent_shape, "{name}");
    file
}

/// Each row once as it is, and once with 1 added.
fn expect_two_draws(name: &str, latent_shape: &[usize]) {
    let file = read(name);
    let Posterior::Samples(samples) = &file.posterior else {
        panic!("{name}: no samples")
    };
    let rows = mean();
    let expected: Vec<f32> = rows
        .chunks(4)
        .flat_map(|row| {
            row.iter()
                .copied()
                .chain(row.iter().map(|value| value + 1.0))
        })
        .collect();
    assert_eq!(
        (samples.draws(), samples.points().values()),
        (2, &expected[..]),
        "{name}"
    );
    assert_eq!(file.latent_shape, latent_shape, "{name}");
}

const NAMES: [&str; 3] = ["a", "é", "ccc"];
const NUMBERS: [&str; 3] = ["7", "-3", "12"];
const LABELS: Option<[u8; 3]> = Some([2, 0, 1]);

#[test]
fn numpy_arrays_are_points() {
    let named = expect_points("c_f32.npy", &[4]);
    assert_eq!(
        (named.ids, named.labels),
        (NAMES.map(str::to_owned).to_vec(), Some(vec![2, 0, 1]))
    );
    assert_eq!(expect_points("fortran_f64.npy", &[4]).ids, ["0", "1", "2"]);
    expect_points("big_endian_f32.npy", &[4]);
    expect_points("f16_axes.npy", &[1, 2, 2]);
}

#[test]
fn numpy_archives_are_read_stored_and_deflated() {
    expect_gaussian("stored.npz", NUMBERS, LABELS);
    expect_gaussian("deflated.npz", NAMES, None);
    expect_gaussian("bytes_ids.npz", ["a", "bb", "c"], LABELS);
    expect_two_draws("samples.npz", &[2, 2]);
}

#[test]
fn safetensors_hold_points_and_gaussians() {
    assert_eq!(
        expect_points("points.safetensors", &[4]).ids,
        ["17", "7", "22"]
    );
    expect_gaussian("gaussian.safetensors", NUMBERS, None);
}

#[test]
fn parquet_is_read_as_pyarrow_pandas_and_polars_write_it() {
    for packed in ["none", "snappy", "gzip", "zstd", "v2"] {
        expect_gaussian(&format!("pyarrow_{packed}.parquet"), NAMES, LABELS);
    }
    expect_gaussian("pyarrow_fixed.parquet", NUMBERS, LABELS);
    expect_gaussian("pandas.parquet", NAMES, LABELS);
    expect_gaussian("polars.parquet", NAMES, LABELS);
    expect_two_draws("pyarrow_nested.parquet", &[4]);
}

#[test]
fn a_column_that_is_not_an_array_is_named_with_its_row() {
    let fault = |name: &str| LatentsFile::read(&fixture(name)).unwrap_err();
    for name in ["null_value.parquet", "null_list.parquet"] {
        assert!(
            matches!(
                fault(name).fault(),
                Some(FileError::Array(ArrayError::Null { row: 1, .. }))
            ),
            "{}",
            fault(name)
        );
    }
    for name in ["ragged.parquet", "empty_list.parquet"] {
        assert!(
            matches!(
                fault(name).fault(),
                Some(FileError::Array(ArrayError::Ragged { row: 1, .. }))
            ),
            "{}",
            fault(name)
        );
    }
    let text = fault("pyarrow_lz4.parquet").to_string();
    assert!(text.contains("snappy, gzip, zstd"), "{text}");
}

#[test]
fn an_inspection_tells_containers_roles_and_sources() {
    let found = LatentsFile::inspect(&fixture("c_f32.npy")).unwrap();
    assert_eq!(
        (found.container, found.rows, found.draws),
        (Container::Npy, Some(3), Some(1))
    );
    assert_eq!(found.ids, Some(IdSource::Table(fixture("c_f32.ids.csv"))));
    let found = LatentsFile::inspect(&fixture("pandas.parquet")).unwrap();
    assert!(found.is_sound(), "{:?}", found.faults);
    let summary = LatentsSummary::read(&fixture("pandas.parquet")).unwrap();
    assert_eq!(
        (Some(summary.kind), Some(summary.rows), Some(summary.ids)),
        (found.kind, found.rows, found.ids)
    );
    let roles: Vec<_> = found
        .arrays
        .iter()
        .map(|array| (array.name.as_str(), array.dtype.as_str(), array.role))
        .collect();
    let expected = [
        ("mean", "f64", Some("means")),
        ("log_var", "f64", Some("log-variances")),
        ("label", "u32", Some("labels")),
        ("id", "text", Some("ids")),
    ];
    assert_eq!(roles, expected);
}

const SOUND: [&str; 14] = [
    "c_f32.npy",
    "fortran_f64.npy",
    "f16_axes.npy",
    "stored.npz",
    "deflated.npz",
    "bytes_ids.npz",
    "gaussian.safetensors",
    "pyarrow_none.parquet",
    "pyarrow_snappy.parquet",
    "pyarrow_zstd.parquet",
    "pyarrow_v2.parquet",
    "pyarrow_fixed.parquet",
    "pyarrow_nested.parquet",
    "polars.parquet",
];

#[test]
fn a_file_cut_anywhere_is_an_error() {
    for name in SOUND {
        let bytes = std::fs::read(fixture(name)).unwrap();
        for end in 0..bytes.len() {
            assert!(
                LatentsFile::from_bytes(&bytes[..end]).is_err(),
                "{name} cut at {end}"
            );
        }
    }
}

#[test]
fn a_flipped_byte_anywhere_never_panics() {
    for name in SOUND {
        let bytes = std::fs::read(fixture(name)).unwrap();
        for (place, flip) in
            (0..bytes.len()).flat_map(|place| [0x01, 0x80, 0xff].map(|flip| (place, flip)))
        {
            let mut damaged = bytes.clone();
            damaged[place] ^= flip;
            _ = LatentsFile::from_bytes(&damaged);
        }
    }
}

proptest! {
    #[test]
    fn damaged_files_never_panic(
        which in 0..SOUND.len(),
        places in prop::collection::vec((any::<usize>(), any::<u8>()), 1..5),
    ) {
        let mut bytes = std::fs::read(fixture(SOUND[which])).unwrap();
        let length = bytes.len();
        for (place, byte) in places {
            bytes[place % length] = byte;
        }
        _ = LatentsFile::from_bytes(&bytes);
    }
}
