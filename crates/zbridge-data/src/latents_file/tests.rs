use super::*;
use crate::container::ArrayFile;
use crate::{
    ArrayError, Container, DataError, FileError, FormatError, LatentsError, RowsError,
    write_npy_f32,
};
use half::bf16;
use proptest::prelude::*;
use safetensors::serialize;
use safetensors::tensor::{Dtype, TensorView};
use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use zbridge_core::{DiagonalGaussian, Latents, Posterior, PosteriorSamples};

fn fault<T>(result: Result<T, DataError>) -> FileError {
    match result.map(drop).unwrap_err() {
        DataError::File { fault, .. } => fault,
        other => panic!("{other}"),
    }
}

fn posterior(mean: Vec<f32>, log_var: Vec<f32>, dim: usize) -> Posterior {
    let (mean, log_var) = (
        Latents::from_vec(mean, dim).unwrap(),
        Latents::from_vec(log_var, dim).unwrap(),
    );
    DiagonalGaussian::new(mean, log_var).unwrap().into()
}

fn small() -> LatentsFile {
    LatentsFile::numbered(posterior(
        vec![0.5, -1.0, 2.0, 3.0],
        vec![-4.0, 0.0, 1.0, -1.0],
        2,
    ))
}

/// A file as another program may write it.
fn foreign(tensors: &[(&str, Dtype, &[usize], Vec<u8>)], ids: Option<&str>) -> Vec<u8> {
    let metadata = ids.map(|ids| HashMap::from([("ids".to_owned(), ids.to_owned())]));
    let views = tensors.iter().map(|(name, dtype, shape, data)| {
        (
            *name,
            TensorView::new(*dtype, shape.to_vec(), data).unwrap(),
        )
    });
    serialize(views, metadata).unwrap()
}

fn f32s(values: &[f32]) -> Vec<u8> {
    values
        .iter()
        .flat_map(|value| value.to_le_bytes())
        .collect()
}

/// A sound pair of tensors plus one more.
fn with(
    name: &str,
    dtype: Dtype,
    shape: &[usize],
    data: Vec<u8>,
) -> Result<LatentsFile, DataError> {
    let zeros = f32s(&[0.0; 4]);
    let sound = [
        ("mean", Dtype::F32, &[2, 2][..], zeros.clone()),
        ("log_var", Dtype::F32, &[2, 2], zeros),
    ];
    LatentsFile::from_bytes(&foreign(
        &[&sound[..], &[(name, dtype, shape, data)]].concat(),
        None,
    ))
}

#[test]
fn views_belong_to_their_rows() {
    let views = posterior((0..8).map(|i| i as f32).collect(), vec![-1.0; 8], 2);
    let file = LatentsFile {
        views: Some(views),
        ..small()
    };
    let back = round_trip(&file, Precision::F32);
    assert_eq!(back, file);
    let of_second = back.views_of(&[1]).unwrap();
    assert_eq!(
        of_second.as_diagonal().unwrap().mean().values(),
        [4.0, 5.0, 6.0, 7.0]
    );
    assert!(small().views_of(&[0]).is_none());
    let error = with("view_mean", Dtype::F32, &[2, 2, 2], f32s(&[0.0; 8])).unwrap_err();
    assert!(error.to_string().contains("view_log_var"), "{error}");
    let error = with("view_log_var", Dtype::F32, &[2, 2, 2], f32s(&[0.0; 8])).unwrap_err();
    assert!(error.to_string().contains("view_mean"), "{error}");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("latents.safetensors");
    let odd = LatentsFile {
        views: Some(posterior(vec![0.0; 6], vec![0.0; 6], 2)),
        ..small()
    };
    assert!(matches!(
        fault(odd.write(&path, Precision::F32)),
        FileError::Rows(RowsError::Count { what: "views", .. })
    ));
    assert!(!path.exists());
}

fn round_trip(file: &LatentsFile, precision: Precision) -> LatentsFile {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("latents.safetensors");
    file.write(&path, precision).unwrap();
    LatentsFile::read(&path).unwrap()
}

prop_compose! {
    fn arbitrary_file()(rows in 0usize..6, dim in 1usize..5)(
        mean in prop::collection::vec(-1e30f32..1e30, rows * dim),
        log_var in prop::collection::vec(-80f32..80.0, rows * dim),
        names in prop::collection::btree_set("[a-zé0-9 -]{1,6}", rows),
        labels in prop::option::of(prop::collection::vec(any::<u8>(), rows)),
        metadata in prop::collection::btree_map("[a-h]{1,4}", "\\PC{0,8}", 0..5),
        dim in Just(dim),
    ) -> LatentsFile {
        LatentsFile {
            ids: names.into_iter().collect(),
            labels,
            metadata,
            ..LatentsFile::numbered(posterior(mean, log_var, dim))
        }
    }
}

proptest! {
    #[test]
    fn a_file_is_read_as_written_and_written_the_same_twice(file in arbitrary_file()) {
        prop_assert_eq!(&round_trip(&file, Precision::F32), &file);
        let path = Path::new("a");
        let metadata = file.metadata.clone().into_iter().rev().collect();
        let copy = LatentsFile { metadata, ..file.clone() };
        let bytes = file.to_bytes(path, Precision::F32).unwrap();
        prop_assert_eq!(bytes, copy.to_bytes(path, Precision::F32).unwrap());
    }

    #[test]
    fn damaged_bytes_never_panic(place: usize, byte: u8) {
        let mut bytes = small().to_bytes(Path::new("a"), Precision::F32).unwrap();
        let length = bytes.len();
        bytes[place % length] = byte;
        let _ = LatentsFile::from_bytes(&bytes);
        let _ = LatentsFile::from_bytes(&bytes[..place % length]);
    }
}

#[test]
fn half_precision_rounds_but_does_not_overflow() {
    let read = round_trip(&small(), Precision::F16);
    assert_eq!(read, small(), "these values are exact in 16 bits");
    let huge = LatentsFile::numbered(posterior(vec![0.0, 1e6], vec![0.0; 2], 2));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a");
    let error = huge.write(&path, Precision::F16).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("mean, row 0, column 1 is 1000000"),
        "{error}"
    );
    assert!(!path.exists());
}

#[test]
fn other_names_and_number_types_are_read() {
    let e = std::f64::consts::E;
    let mu: Vec<u8> = [1.0f32, -2.0]
        .iter()
        .flat_map(|&v| bf16::from_f32(v).to_le_bytes())
        .collect();
    let scale: Vec<u8> = [1.0, e].iter().flat_map(|v| v.to_le_bytes()).collect();
    let bytes = foreign(
        &[
            ("mu", Dtype::BF16, &[1, 2], mu),
            ("scale", Dtype::F64, &[1, 2], scale),
        ],
        None,
    );
    let read = LatentsFile::from_bytes(&bytes).unwrap();
    assert_eq!(
        read,
        LatentsFile::numbered(posterior(vec![1.0, -2.0], vec![0.0, 2.0], 2))
    );
}

#[test]
fn ids_come_from_the_tensor_the_metadata_or_the_rows() {
    let numbers: Vec<u8> = [40i64, -7].iter().flat_map(|v| v.to_le_bytes()).collect();
    assert_eq!(
        with("ids", Dtype::I64, &[2], numbers).unwrap().ids,
        ["40", "-7"]
    );
    let zeros = f32s(&[0.0; 4]);
    let sound = [
        ("mean", Dtype::F32, &[2, 2][..], zeros.clone()),
        ("log_var", Dtype::F32, &[2, 2], zeros),
    ];
    assert_eq!(
        LatentsFile::from_bytes(&foreign(&sound, Some("a\nb c")))
            .unwrap()
            .ids,
        ["a", "b c"]
    );
    assert_eq!(
        LatentsFile::from_bytes(&foreign(&sound, None)).unwrap().ids,
        ["0", "1"]
    );
    let short = fault(LatentsFile::from_bytes(&foreign(&sound, Some("a"))));
    assert!(
        matches!(
            short,
            FileError::Rows(RowsError::Count {
                expected: 2,
                found: 1,
                ..
            })
        ),
        "{short}"
    );
    let twice = fault(LatentsFile::from_bytes(&foreign(&sound, Some("a\na"))));
    assert!(
        matches!(
            twice,
            FileError::Rows(RowsError::DuplicateId {
                first: 0,
                second: 1,
                ..
            })
        ),
        "{twice}"
    );
}

#[test]
fn leading_zeros_survive() {
    let file = LatentsFile {
        ids: vec!["007".to_owned(), "7".to_owned()],
        ..small()
    };
    assert_eq!(round_trip(&file, Precision::F32).ids, ["007", "7"]);
}

#[test]
fn labels_are_bytes_or_integers_in_range() {
    let labels = |values: [i64; 2]| {
        with(
            "labels",
            Dtype::I64,
            &[2],
            values.iter().flat_map(|v| v.to_le_bytes()).collect(),
        )
    };
    assert_eq!(labels([3, 255]).unwrap().labels, Some(vec![3, 255]));
    assert!(matches!(
        fault(labels([3, 256])),
        FileError::Array(ArrayError::NotInRange { row: 1, .. })
    ));
    assert_eq!(
        with("labels", Dtype::U8, &[2], vec![1, 2]).unwrap().labels,
        Some(vec![1, 2])
    );
    assert!(matches!(
        fault(with("labels", Dtype::U8, &[3], vec![1, 2, 3])),
        FileError::Array(ArrayError::Shape { .. })
    ));
    assert!(matches!(
        fault(with("labels", Dtype::F32, &[2], f32s(&[1.0, 2.0]))),
        FileError::Array(ArrayError::ElementType { .. })
    ));
}

#[test]
fn a_file_without_posteriors_lists_what_it_holds() {
    let bytes = foreign(&[("weight", Dtype::F32, &[1, 2], f32s(&[0.0; 2]))], None);
    let text = LatentsFile::from_bytes(&bytes).unwrap_err().to_string();
    assert!(
        text.contains("`mean`") && text.contains("`weight` f32 [1, 2]"),
        "{text}"
    );
    let bytes = foreign(&[("mean", Dtype::F32, &[1, 2], f32s(&[0.0; 2]))], None);
    let text = LatentsFile::from_bytes(&bytes).unwrap_err().to_string();
    assert!(text.contains("`log_var`"), "{text}");
}

#[test]
fn wrong_tensors_are_named_with_what_was_expected_and_found() {
    let case = |mean: (Dtype, &[usize], Vec<u8>), log_var: (Dtype, &[usize], Vec<u8>)| {
        let tensors = [
            ("mean", mean.0, mean.1, mean.2),
            ("log_var", log_var.0, log_var.1, log_var.2),
        ];
        LatentsFile::from_bytes(&foreign(&tensors, None))
            .unwrap_err()
            .to_string()
    };
    let zeros =
        |shape: &'static [usize]| (Dtype::F32, shape, f32s(&vec![0.0; shape.iter().product()]));
    let text = case(zeros(&[4]), zeros(&[4]));
    assert!(
        text.contains("`mean` has shape [4]; expected [n, d]"),
        "{text}"
    );
    let text = case(zeros(&[2, 2]), zeros(&[2, 1]));
    assert!(
        text.contains("`log_var` has shape [2, 1]; expected [2, 2]"),
        "{text}"
    );
    let text = case((Dtype::I32, &[1, 1], vec![0; 4]), zeros(&[1, 1]));
    assert!(text.contains("`mean` has type i32; expected f16"), "{text}");
    let text = case(
        (Dtype::F32, &[2, 2], f32s(&[0.0, 0.0, f32::NAN, 0.0])),
        zeros(&[2, 2]),
    );
    assert!(text.contains("`mean`: row 1, column 0 is NaN"), "{text}");
    let text = case(zeros(&[2, 0]), zeros(&[2, 0]));
    assert!(text.contains("empty"), "{text}");
}

#[test]
fn a_standard_deviation_must_be_positive() {
    let tensors = [
        ("mean", Dtype::F32, &[1, 2][..], f32s(&[0.0; 2])),
        ("std", Dtype::F32, &[1, 2], f32s(&[1.0, 0.0])),
    ];
    let error = fault(LatentsFile::from_bytes(&foreign(&tensors, None)));
    assert!(
        matches!(
            error,
            FileError::Array(ArrayError::ScaleNotPositive {
                row: 0,
                column: 1,
                ..
            })
        ),
        "{error}"
    );
}

#[test]
fn inconsistent_parts_are_not_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a");
    let ids = |ids: &[&str]| ids.iter().map(|&id| id.to_owned()).collect::<Vec<_>>();
    for file in [
        LatentsFile {
            ids: ids(&["a", "a"]),
            ..small()
        },
        LatentsFile {
            ids: ids(&["a"]),
            ..small()
        },
        LatentsFile {
            ids: ids(&["a", "b\nc"]),
            ..small()
        },
        LatentsFile {
            labels: Some(vec![1]),
            ..small()
        },
    ] {
        assert!(file.write(&path, Precision::F32).is_err());
        assert!(!path.exists());
    }
}

#[test]
fn damaged_files_name_themselves() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), b"\xff\xff\xff\xff\xff\xff\xff\x7f{}").unwrap();
    let error = LatentsFile::read(file.path()).unwrap_err();
    let name = file.path().display().to_string();
    assert!(
        matches!(
            error.fault(),
            Some(FileError::Format(FormatError::Safetensors(_)))
        ) && error.to_string().contains(&name),
        "{error}"
    );
}

#[test]
fn latents_of_several_axes_keep_their_shape() {
    let axes = LatentsFile {
        latent_shape: vec![1, 2],
        views: Some(posterior(vec![0.5; 8], vec![-1.0; 8], 2)),
        ..small()
    };
    assert_eq!(round_trip(&axes, Precision::F32), axes);
    let bytes = axes.to_bytes(Path::new("a"), Precision::F32).unwrap();
    let file = ArrayFile::open(Path::new("a"), &bytes).unwrap();
    assert_eq!(
        file.listing()[2..4],
        ["`mean` f32 [2, 1, 2]", "`view_log_var` f32 [2, 2, 1, 2]"]
    );
    let wrong = LatentsFile {
        latent_shape: vec![3],
        ..small()
    };
    assert!(matches!(
        fault(wrong.to_bytes(Path::new("a"), Precision::F32)),
        FileError::Unstorable(_)
    ));
}

#[test]
fn samples_are_read_as_written() {
    let points = Latents::from_vec((0..12).map(|i| i as f32).collect(), 2).unwrap();
    let samples = PosteriorSamples::new(points, 3).unwrap();
    let file = LatentsFile::numbered(samples.clone().into());
    assert_eq!(round_trip(&file, Precision::F32), file);
    let views = LatentsFile {
        views: Some(samples.into()),
        ..small()
    };
    assert!(matches!(
        fault(views.to_bytes(Path::new("a"), Precision::F32)),
        FileError::Unstorable(_)
    ));
}

#[test]
fn a_draw_that_is_not_finite_is_named_with_its_row() {
    let values = [&[0.0; 10][..], &[f32::NAN, 0.0]].concat();
    let bytes = foreign(&[("samples", Dtype::F32, &[2, 3, 2], f32s(&values))], None);
    let text = LatentsFile::from_bytes(&bytes).unwrap_err().to_string();
    assert!(
        text.contains("tensor `samples`, draw 2: row 1, column 0 is NaN"),
        "{text}"
    );
}

#[test]
fn latents_are_given_in_one_way() {
    let zeros = |name| (name, Dtype::F32, &[2, 2][..], f32s(&[0.0; 4]));
    let samples = ("samples", Dtype::F32, &[2, 1, 2][..], f32s(&[0.0; 4]));
    for other in ["mean", "log_var", "z"] {
        let bytes = foreign(&[samples.clone(), zeros(other)], None);
        let error = fault(LatentsFile::from_bytes(&bytes));
        assert!(
            matches!(error, FileError::Latents(LatentsError::Ambiguous { .. })),
            "{error}"
        );
    }
    let text = LatentsFile::from_bytes(&foreign(&[zeros("mean")], None))
        .unwrap_err()
        .to_string();
    assert!(
        text.contains("add `log_var`") && text.contains("call the means `z`"),
        "{text}"
    );
    let points = LatentsFile::from_bytes(&foreign(&[zeros("latents")], None)).unwrap();
    assert_eq!(
        points.posterior,
        PosteriorSamples::new(Latents::filled(2, 2, 0.0), 1)
            .unwrap()
            .into()
    );
}

/// Writes eight numbers as generated latents of four elements to `path`; returns the ids and the
/// draws.
fn write_generated(
    path: &Path,
    draws: usize,
    latent_shape: Vec<usize>,
) -> Result<(Vec<String>, Posterior), DataError> {
    let values: Vec<f32> = (0..8).map(|i| i as f32).collect();
    let ids = if draws == 1 {
        vec!["é, b".to_owned(), "c".to_owned()]
    } else {
        vec!["40".to_owned()]
    };
    let of = |rows: std::ops::Range<usize>| Ok(ids[rows].to_vec());
    let latents = GeneratedLatents {
        rows: ids.len(),
        ids: &of,
        draws,
        latent_shape,
        metadata: BTreeMap::new(),
    };
    latents.write(path, |sink| {
        values.chunks(3).try_for_each(|block| sink.put(block))
    })?;
    let draws = PosteriorSamples::new(Latents::from_vec(values, 4).unwrap(), draws).unwrap();
    Ok((ids, draws.into()))
}

#[test]
fn generated_latents_are_read_back_from_every_container() {
    let folder = tempfile::tempdir().unwrap();
    for (name, draws) in [
        ("a.safetensors", 1),
        ("a.npz", 1),
        ("a.npy", 1),
        ("b.safetensors", 2),
        ("b.npz", 2),
    ] {
        let path = folder.path().join(name);
        let (ids, posterior) = write_generated(&path, draws, vec![2, 1, 2]).unwrap();
        let read = LatentsFile::read(&path).unwrap();
        assert_eq!(
            (&read.posterior, &read.ids, &read.latent_shape[..]),
            (&posterior, &ids, &[2, 1, 2][..]),
            "{name}"
        );
        let first = std::fs::read(&path).unwrap();
        write_generated(&path, draws, vec![2, 1, 2]).unwrap();
        assert!(
            first == std::fs::read(&path).unwrap(),
            "{name} is written the same twice"
        );
    }
    for (name, size) in [("a.pt", 4), ("c.npy", 3), ("c.safetensors", 5)] {
        let error = fault(write_generated(&folder.path().join(name), 1, vec![size]));
        assert!(matches!(error, FileError::Unstorable(_)), "{name}");
        assert!(!folder.path().join(name).exists() && !folder.path().join("c.ids.csv").exists());
    }
}

#[test]
fn neither_table_nor_array_appears_without_the_other() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.npy");
    std::fs::create_dir(&path).unwrap();
    let error = write_generated(&path, 1, vec![4]).unwrap_err();
    assert!(
        error.to_string().contains("a.npy: cannot be written"),
        "{error}"
    );
    assert!(!folder.path().join("a.ids.csv").exists());
}

#[test]
fn a_table_beside_the_file_names_its_rows() {
    let folder = tempfile::tempdir().unwrap();
    let (path, table) = (folder.path().join("x.npy"), folder.path().join("x.ids.csv"));
    write_npy_f32(&path, &[2, 3], &[0.0; 6]).unwrap();
    assert_eq!(LatentsFile::read(&path).unwrap().ids, ["0", "1"]);
    std::fs::write(&table, "id,label\nb,7\na,0\n").unwrap();
    let read = LatentsFile::read(&path).unwrap();
    assert_eq!(
        (read.ids, read.labels),
        (vec!["b".to_owned(), "a".to_owned()], Some(vec![7, 0]))
    );
    for (text, wrong) in [
        ("name\n", "line 1"),
        ("id,label\na,1\nb,300\n", "line 3"),
        ("id\na,b\n", "line 2"),
    ] {
        std::fs::write(&table, text).unwrap();
        let error = LatentsFile::read(&path).unwrap_err();
        assert!(
            matches!(
                error.fault(),
                Some(FileError::Rows(RowsError::IdsTable { .. }))
            ) && error.to_string().contains(wrong),
            "{error}"
        );
    }
    std::fs::write(&table, "id\na\n").unwrap();
    let error = LatentsFile::read(&path).unwrap_err();
    assert!(
        error.to_string().contains("x.ids.csv: 1 ids, but 2 rows"),
        "{error}"
    );
}

#[test]
fn an_inspection_lists_everything_and_does_not_stop_at_a_fault() {
    let nan = f32s(&[0.0, f32::NAN, f32::INFINITY, 0.0]);
    let ids: Vec<u8> = [5i64, 5].iter().flat_map(|id| id.to_le_bytes()).collect();
    let tensors = [
        ("mean", Dtype::F32, &[2, 2][..], nan),
        ("log_var", Dtype::F32, &[2, 2], f32s(&[0.0; 4])),
        ("ids", Dtype::I64, &[2], ids),
        ("labels", Dtype::U8, &[1], vec![3]),
        ("weight", Dtype::F32, &[1], f32s(&[f32::NAN])),
    ];
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), foreign(&tensors, None)).unwrap();
    let found = LatentsFile::inspect(file.path()).unwrap();
    assert!(!found.is_sound() && found.container == Container::Safetensors);
    let array = |name: &str| {
        found
            .arrays
            .iter()
            .find(|array| array.name == name)
            .unwrap()
    };
    assert_eq!(
        array("mean").not_finite,
        Some(NotFinite {
            nan: 1,
            infinite: 1,
            row: 0,
            column: 1
        })
    );
    assert_eq!(
        (array("log_var").role, array("weight").role),
        (Some("log-variances"), None)
    );
    assert_eq!(
        (found.rows, found.ids.clone(), found.repeated),
        (Some(2), Some(IdSource::Array("ids".to_owned())), 1)
    );
    assert_eq!(
        found.repeated_ids,
        [RepeatedId {
            id: "5".to_owned(),
            first: 0,
            second: 1
        }]
    );
    let faults: Vec<String> = found.faults.iter().map(DataError::to_string).collect();
    assert_eq!(faults.len(), 3, "{faults:?}");
}

/// An archive of these entries, each a name and its bytes, deflated.
fn archive(entries: &[(&str, Vec<u8>)]) -> Vec<u8> {
    use std::io::Write;
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(vec![]));
    for (name, bytes) in entries {
        let options = zip::write::SimpleFileOptions::default();
        archive
            .start_file(
                *name,
                options.compression_method(zip::CompressionMethod::Deflated),
            )
            .unwrap();
        archive.write_all(bytes).unwrap();
    }
    archive.finish().unwrap().into_inner()
}

fn npy(shape: &str, data: &[u8]) -> Vec<u8> {
    let header = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}\n");
    [
        b"\x93NUMPY\x01\x00",
        &(header.len() as u16).to_le_bytes()[..],
        header.as_bytes(),
        data,
    ]
    .concat()
}

#[test]
fn archives_are_not_decompressed_beyond_their_shapes() {
    let fault = |entries: &[(&str, Vec<u8>)]| {
        LatentsFile::from_bytes(&archive(entries))
            .unwrap_err()
            .to_string()
    };
    let text = fault(&[("z.npy", npy("(1000000000, 64)", &[0; 8]))]);
    assert!(
        text.contains("array `z`: its shape [1000000000, 64] asks for 256000"),
        "{text}"
    );
    let long = [npy("(1, 2)", &[]), vec![0; 10 << 20]].concat();
    let text = fault(&[("z.npy", long)]);
    assert!(
        text.contains("array `z`: its shape [1, 2] asks for"),
        "{text}"
    );
    let text = fault(&[("z.npy", npy("(4294967296, 4294967296, 4294967296)", &[]))]);
    assert!(text.contains("beyond any file"), "{text}");
    assert!(fault(&[("notes.txt", vec![])]).contains("without .npy files"));
    assert!(fault(&[("archive/data.pkl", vec![])]).contains("torch.save"));
    let text = fault(&[("arr_0.npy", npy("(1, 2)", &[0; 8]))]);
    assert!(
        text.contains("holds no array `mean`") && text.contains("found `arr_0` f32 [1, 2]"),
        "{text}"
    );
}

#[test]
fn a_file_of_another_kind_says_what_is_read() {
    for bytes in [&b""[..], b"id,z\n", b"\x89HDF\r\n\x1a\n"] {
        let error = fault(LatentsFile::from_bytes(bytes));
        assert!(
            matches!(error, FileError::Format(FormatError::WrongMagic { .. })),
            "{error}"
        );
    }
}

#[test]
fn a_summary_is_that_of_the_headers() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.safetensors");
    let file = LatentsFile {
        ids: vec!["b".to_owned(), "a".to_owned()],
        latent_shape: vec![1, 2],
        views: Some(posterior(vec![0.5; 12], vec![-1.0; 12], 2)),
        labels: Some(vec![1, 2]),
        metadata: BTreeMap::from([("model".to_owned(), "vae\u{1b}[31m".to_owned())]),
        ..small()
    };
    file.write(&path, Precision::F16).unwrap();
    let summary = LatentsSummary::read(&path).unwrap();
    assert_eq!(
        (summary.container, summary.kind, summary.rows, summary.draws),
        (Container::Safetensors, LatentsKind::Gaussian, 2, 1)
    );
    assert_eq!(
        (summary.dim(), &summary.latent_shape[..], summary.views),
        (2, &[1, 2][..], 3)
    );
    assert_eq!(summary.ids, IdSource::Metadata);
    assert_eq!(summary.labels, Some(IdSource::Array("labels".to_owned())));
    assert_eq!(summary.model(), Some(r"vae\u{1b}[31m"));
    assert_eq!(summary.metadata.len(), 1);
    let bytes = archive(&[("samples.npy", npy("(1, 3, 2)", &f32s(&[0.0; 6])))]);
    let path = folder.path().join("a.npz");
    std::fs::write(&path, bytes).unwrap();
    let summary = LatentsSummary::read(&path).unwrap();
    assert_eq!(
        (summary.kind, summary.draws, summary.ids, summary.labels),
        (LatentsKind::Samples, 3, IdSource::RowNumbers, None)
    );
}

#[test]
fn names_of_a_file_cannot_control_a_terminal() {
    let tensors = [("\u{1b}[2Kmean", Dtype::F32, &[1, 2][..], f32s(&[0.0; 2]))];
    let bytes = foreign(&tensors, None);
    let text = LatentsFile::from_bytes(&bytes).unwrap_err().to_string();
    assert!(text.contains(r"`\u{1b}[2Kmean` f32 [1, 2]"), "{text}");
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), bytes).unwrap();
    let inspection = LatentsFile::inspect(file.path()).unwrap();
    assert_eq!(inspection.arrays[0].name, r"\u{1b}[2Kmean");
}
