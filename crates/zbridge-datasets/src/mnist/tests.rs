use super::*;
use crate::{DatasetError, DigitImageError};
use ndarray::array;
use png::{BitDepth, ColorType, Encoder};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use tempfile::TempDir;
use zbridge_data::{ArrayError, FileError, Idx, ImageError, RowsError};

fn write(folder: &Path, images: &Idx, labels: &Idx) {
    let [images_name, labels_name] = Split::Test.file_names();
    fs::write(folder.join(images_name), images.to_bytes()).unwrap();
    fs::write(folder.join(labels_name), labels.to_bytes()).unwrap();
}

fn images(n: usize) -> Idx {
    Idx {
        shape: vec![n, 28, 28],
        bytes: (0..n * 784).map(|i| i as u8).collect(),
    }
}

fn labels(labels: &[u8]) -> Idx {
    Idx {
        shape: vec![labels.len()],
        bytes: labels.to_vec(),
    }
}

fn fault(error: &DatasetError) -> &FileError {
    match error {
        DatasetError::Data(error) => error.fault().unwrap(),
        other => panic!("{other}"),
    }
}

fn load(images: &Idx, labels: &Idx) -> Result<MnistSplit, DatasetError> {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), images, labels);
    Mnist::load(folder.path(), Split::Test)
}

#[test]
fn one_part_loads_without_the_other() {
    let split = load(&images(2), &labels(&[7, 2])).unwrap();
    assert_eq!((split.rows(), split.labels()), (2, &[7, 2][..]));
    let observations = split.images_observations();
    assert_eq!(observations.kind().shape(), [1, 28, 28]);
    assert_eq!(observations.row(0)[255], 1.0);
}

#[test]
fn other_files_are_refused() {
    let error = load(&images(2), &labels(&[7, 2, 1])).unwrap_err();
    assert!(
        matches!(
            fault(&error),
            FileError::Rows(RowsError::Count {
                expected: 2,
                found: 3,
                ..
            })
        ),
        "{error}"
    );
    let error = load(&images(3), &labels(&[7, 10, 1])).unwrap_err();
    assert!(
        matches!(
            fault(&error),
            FileError::Array(ArrayError::NotInRange { row: 1, .. })
        ),
        "{error}"
    );
    let error = load(&labels(&[7]), &labels(&[7])).unwrap_err();
    assert!(error.to_string().contains("[n, 28, 28]"), "{error}");
    let error = load(&images(1), &images(1)).unwrap_err();
    assert!(error.to_string().contains("[n]"), "{error}");
}

#[test]
fn the_digest_depends_on_every_label() {
    let split = load(&images(2), &labels(&[7, 2])).unwrap();
    let other = MnistSplit {
        labels: array![7, 3],
        ..split.clone()
    };
    assert_eq!(split.digest().len(), 64);
    assert_ne!(split.digest(), other.digest());
}

/// Returns the folder of the real digits, which `ZBRIDGE_DATA` names; says so if there is none.
fn real_folder() -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/mnist");
    let folder = std::env::var_os("ZBRIDGE_DATA").map_or_else(beside, PathBuf::from);
    if folder.is_dir() {
        return Some(folder);
    }
    // The harness hides what a passing test prints with `eprintln`.
    _ = writeln!(
        std::io::stderr(),
        "skipped: no MNIST at {}",
        folder.display()
    );
    None
}

#[test]
fn the_real_digits_are_the_published_ones() {
    let Some(folder) = real_folder() else { return };
    let mnist = Mnist::load_both(&folder).unwrap();
    assert_eq!((mnist.train.rows(), mnist.test.rows()), (60_000, 10_000));
    assert_eq!(mnist.train.labels()[..5], [5, 0, 4, 1, 9]);
    assert_eq!(mnist.test.labels()[..5], [7, 2, 1, 0, 4]);
    // Mean and standard deviation of the pixels of the training images, as they are published with
    // countless models: 0.1307 and 0.3081.
    let pixels = mnist.train.images.mapv(|byte| f64::from(byte) / 255.0);
    let (mean, deviation) = (pixels.mean().unwrap(), pixels.std(0.0));
    assert!(
        (mean - 0.1307).abs() < 1e-4 && (deviation - 0.3081).abs() < 1e-4,
        "{mean} {deviation}"
    );
}

fn save(
    path: &Path,
    (width, height): (usize, usize),
    color: ColorType,
    depth: BitDepth,
    data: &[u8],
) {
    let file = std::fs::File::create(path).unwrap();
    let mut encoder = Encoder::new(file, width as u32, height as u32);
    encoder.set_color(color);
    encoder.set_depth(depth);
    if color == ColorType::Indexed {
        encoder.set_palette(vec![255, 255, 255, 0, 0, 0]);
    }
    encoder
        .write_header()
        .unwrap()
        .write_image_data(data)
        .unwrap();
}

fn written(
    size: (usize, usize),
    color: ColorType,
    depth: BitDepth,
    data: &[u8],
) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("digit.png");
    save(&path, size, color, depth, data);
    (folder, path)
}

/// Whether (x, y) is on a thick upright stroke in a 100×80 drawing.
fn stroke(place: usize) -> bool {
    let (x, y) = (place % 100, place / 100);
    (10..20).contains(&x) && (20..60).contains(&y)
}

fn drawing(color: ColorType, depth: BitDepth, pixel: impl Fn(bool) -> Vec<u8>) -> Vec<f32> {
    let data: Vec<u8> = (0..100 * 80)
        .flat_map(|place| pixel(stroke(place)))
        .collect();
    let (_folder, path) = written((100, 80), color, depth, &data);
    read_digit(&path).unwrap().values().to_vec()
}

#[test]
fn a_stroke_becomes_twenty_pixels_long_in_the_middle() {
    let values = drawing(ColorType::Grayscale, BitDepth::Eight, |ink| {
        vec![if ink { 255 } else { 0 }]
    });
    for (place, &value) in values.iter().enumerate() {
        let (x, y) = (place % 28, place / 28);
        // 10×40 pixels of ink become 5×20; their centre of mass goes into pixel (14, 14).
        let inside = (5..25).contains(&y) && (12..17).contains(&x);
        assert_eq!(value, if inside { 1.0 } else { 0.0 }, "({x}, {y})");
    }
}

#[test]
fn every_kind_of_pixel_gives_the_same_digit_inverted_or_not() {
    let level = |ink: bool| if ink { 0 } else { 255 };
    let expected = drawing(ColorType::Grayscale, BitDepth::Eight, |ink| {
        vec![255 - level(ink)]
    });
    let kinds = [
        drawing(ColorType::Grayscale, BitDepth::Eight, |ink| {
            vec![level(ink)]
        }),
        drawing(ColorType::Grayscale, BitDepth::Sixteen, |ink| {
            vec![level(ink); 2]
        }),
        drawing(ColorType::GrayscaleAlpha, BitDepth::Eight, |ink| {
            vec![0, 255 - level(ink)]
        }),
        drawing(ColorType::Rgb, BitDepth::Eight, |ink| vec![level(ink); 3]),
        drawing(ColorType::Rgba, BitDepth::Eight, |ink| {
            vec![0, 0, 0, 255 - level(ink)]
        }),
        drawing(ColorType::Rgba, BitDepth::Sixteen, |ink| {
            [vec![level(ink); 6], vec![255; 2]].concat()
        }),
        drawing(ColorType::Indexed, BitDepth::Eight, |ink| {
            vec![u8::from(ink)]
        }),
    ];
    for (kind, values) in kinds.iter().enumerate() {
        assert_eq!(values, &expected, "kind {kind}");
    }
}

#[test]
fn grey_paper_is_background_and_not_ink() {
    let faint = drawing(ColorType::Grayscale, BitDepth::Eight, |ink| {
        vec![if ink { 60 } else { 200 }]
    });
    let clean = drawing(ColorType::Grayscale, BitDepth::Eight, |ink| {
        vec![if ink { 0 } else { 255 }]
    });
    assert!(faint.iter().zip(&clean).all(|(a, b)| (a - b).abs() < 1e-6));
}

#[test]
fn an_image_of_28_pixels_is_kept_or_inverted() {
    let data: Vec<u8> = (0..784)
        .map(|i| {
            if (300..500).contains(&i) {
                (i % 256) as u8
            } else {
                0
            }
        })
        .collect();
    let (_folder, path) = written((28, 28), ColorType::Grayscale, BitDepth::Eight, &data);
    let expected: Vec<f32> = data.iter().map(|&byte| f32::from(byte) / 255.0).collect();
    assert_eq!(read_digit(&path).unwrap().values(), expected);
    let inverted: Vec<u8> = data.iter().map(|byte| 255 - byte).collect();
    save(
        &path,
        (28, 28),
        ColorType::Grayscale,
        BitDepth::Eight,
        &inverted,
    );
    let values = read_digit(&path).unwrap();
    assert!(
        values
            .values()
            .iter()
            .zip(&expected)
            .all(|(a, b)| (a - b).abs() < 1e-6)
    );
}

#[test]
fn images_without_a_digit_are_refused() {
    let (_folder, path) = written(
        (40, 27),
        ColorType::Grayscale,
        BitDepth::Eight,
        &[0; 40 * 27],
    );
    assert!(matches!(
        read_digit(&path),
        Err(DatasetError::DigitImage {
            fault: DigitImageError::TooSmall {
                width: 40,
                height: 27,
                ..
            },
            ..
        })
    ));
    for level in [0, 128, 255] {
        let (_folder, path) = written(
            (40, 40),
            ColorType::Grayscale,
            BitDepth::Eight,
            &[level; 1600],
        );
        assert!(matches!(
            read_digit(&path),
            Err(DatasetError::DigitImage {
                fault: DigitImageError::Blank,
                ..
            })
        ));
    }
}

#[test]
fn other_and_damaged_files_are_refused() {
    let (_folder, path) = written((40, 40), ColorType::Grayscale, BitDepth::Eight, &[0; 1600]);
    let png = std::fs::read(&path).unwrap();
    for (bytes, word) in [
        (&b"\xff\xd8\xff\xe0"[..], "JPEG"),
        (b"hello", "not a PNG"),
        (b"", "not a PNG"),
        (&png[..50], "digit.png"),
    ] {
        std::fs::write(&path, bytes).unwrap();
        let error = read_digit(&path).unwrap_err();
        assert!(
            matches!(fault(&error), FileError::Image(ImageError::Undecodable(_)))
                && error.to_string().contains(word),
            "{error}"
        );
    }
    let error = read_digit(Path::new("no/such.png")).unwrap_err();
    assert!(matches!(fault(&error), FileError::Read(_)));
}

#[test]
fn a_folder_is_read_in_the_order_of_names() {
    let (folder, path) = written(
        (28, 28),
        ColorType::Grayscale,
        BitDepth::Eight,
        &[&[0; 400][..], &[255; 384]].concat(),
    );
    for name in ["b.png", "a.PNG"] {
        std::fs::copy(&path, folder.path().join(name)).unwrap();
    }
    std::fs::write(folder.path().join("notes.txt"), "not an image").unwrap();
    let (ids, images) = read_digit_folder(folder.path()).unwrap();
    assert_eq!(
        (ids, images.rows()),
        (vec!["a".to_owned(), "b".to_owned(), "digit".to_owned()], 3)
    );
    let empty = tempfile::tempdir().unwrap();
    let error = read_digit_folder(empty.path()).unwrap_err();
    assert!(matches!(
        fault(&error),
        FileError::Image(ImageError::EmptyFolder)
    ));
}

/// Returns `digit` as ink on white paper, every pixel a square of 9×9, away from the middle.
fn enlarged(digit: &[u8]) -> Vec<u8> {
    let pixel = |place: usize| (place % 300, place / 300);
    let inside = |(x, y): (usize, usize)| (x < 252 && y < 252).then(|| digit[y / 9 * 28 + x / 9]);
    (0..300 * 300)
        .map(|place| 255 - inside(pixel(place)).unwrap_or(0))
        .collect()
}

#[test]
fn a_real_digit_enlarged_on_paper_is_read_as_it_was() {
    let Some(folder) = real_folder() else { return };
    let digits = Mnist::load(&folder, Split::Test).unwrap().images;
    let digits = digits.as_slice().unwrap();
    let gap = |digit: &[u8]| {
        let (_folder, path) = written(
            (300, 300),
            ColorType::Grayscale,
            BitDepth::Eight,
            &enlarged(digit),
        );
        let read = read_digit(&path).unwrap();
        let gaps = read
            .values()
            .iter()
            .zip(digit)
            .map(|(a, &b)| (a - f32::from(b) / 255.0).abs());
        gaps.sum::<f32>() / 784.0
    };
    let gaps: Vec<f32> = digits.chunks_exact(784).take(50).map(gap).collect();
    let mean = gaps.iter().sum::<f32>() / gaps.len() as f32;
    assert!(mean < 1e-3, "{mean}: {gaps:?}");
}
