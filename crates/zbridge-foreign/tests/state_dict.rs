//! Tensors of PyTorch's files are read as they were saved, and no code in a file is run.

#![allow(clippy::unwrap_used)]

mod support;

use support::fixture;
use zbridge_foreign::{ForeignError, NumberType, StateDict};

fn read(name: &str) -> Result<StateDict, ForeignError> {
    StateDict::read(fixture(&format!("state-dicts/{name}")))
}

fn eighths(numbers: &[i32]) -> Vec<f32> {
    numbers.iter().map(|&number| number as f32 / 8.0).collect()
}

#[test]
fn every_type_and_view_is_read() {
    let file = read("plain.pt").unwrap();
    let floats = |name: &str| -> Vec<f32> {
        let tensor = file.tensor(name).unwrap();
        let values = tensor.to_f32().unwrap();
        assert_eq!(values.shape(), tensor.shape(), "{name}");
        values.iter().copied().collect()
    };
    let all: Vec<i32> = (0..12).collect();
    for name in ["weight", "half", "brain", "double"] {
        assert_eq!(floats(name), eighths(&all), "{name}");
    }
    assert_eq!(
        floats("transposed"),
        eighths(&[0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11])
    );
    assert_eq!(floats("part"), eighths(&[5, 6, 9, 10]));
    assert_eq!((floats("scalar"), floats("empty")), (vec![2.5], vec![]));
    let steps = file.tensor("steps").unwrap().to_i64().unwrap();
    assert_eq!(steps.as_slice(), Some(&[7, -1][..]));
    assert_eq!(
        file.tensor("brain").unwrap().number_type(),
        NumberType::Bfloat16
    );
    assert!(matches!(
        file.values("steps", &[2]),
        Err(ForeignError::NumberType { .. })
    ));
}

#[test]
fn only_the_state_dict_of_a_checkpoint_is_read() {
    let (checkpoint, plain) = (
        read("checkpoint.pth").unwrap(),
        read("plain.safetensors").unwrap(),
    );
    let names = |file: &StateDict| {
        file.tensors()
            .map(|(name, _)| name.to_string())
            .collect::<Vec<_>>()
    };
    assert_eq!(names(&checkpoint), names(&plain));
    assert_eq!(names(&plain)[0], "0.bias");
    let values = |file: &StateDict| file.values("0.weight", &[2, 3]).unwrap();
    let gap = values(&checkpoint)
        .iter()
        .zip(values(&plain))
        .map(|(a, b)| (a - b).abs())
        .fold(0.0, f32::max);
    assert!(gap < 1e-2, "one step of the optimiser at most");
}

#[test]
fn whole_modules_and_old_formats_are_refused_by_name() {
    let module = read("whole-module.pt").unwrap_err();
    assert!(
        matches!(&module, ForeignError::Refused { global, .. } if global.starts_with("torch.nn")),
        "{module}"
    );
    let legacy = read("legacy.pth").unwrap_err();
    assert!(
        matches!(&legacy, ForeignError::OldTorchFile { .. }),
        "{legacy}"
    );
    let message = legacy.to_string();
    assert!(message.contains("1.6"), "{message}");
    assert!(
        message.contains("torch.save(torch.load(f, weights_only=True), g)"),
        "{message}"
    );
}

#[test]
fn cut_and_scrambled_files_are_errors_and_no_panic() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["plain.pt", "plain.safetensors"] {
        let whole = std::fs::read(fixture(&format!("state-dicts/{name}"))).unwrap();
        let path = folder.path().join(name);
        for length in (0..whole.len()).step_by(61) {
            std::fs::write(&path, &whole[..length]).unwrap();
            assert!(StateDict::read(&path).is_err(), "{name} cut to {length}");
        }
        for byte in (0..whole.len()).step_by(13) {
            let mut scrambled = whole.clone();
            scrambled[byte] ^= 0xa5;
            std::fs::write(&path, &scrambled).unwrap();
            let _ = StateDict::read(&path);
        }
    }
}
