//! `train --tensorboard`: the event files, read by a few lines of our own and by TensorBoard
//! itself.
//!
//! TensorBoard's reader is run by the Python that `ZBRIDGE_TEST_PYTHON` names, else by `python3`;
//! where that has no TensorBoard, its tests say that they are skipped.
#![allow(clippy::unwrap_used)] // the helpers of a test file are tests too

mod program;

use program::{fails, folder_with_data, json};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

const TINY: &[&str] = &[
    "train",
    "mnist-label",
    "--data",
    "data",
    "--epochs",
    "3",
    "--tensorboard",
    "runs/label",
];

/// Points of each tag, in order: step and value.
type Curves = BTreeMap<String, Vec<(u64, f32)>>;

#[test]
fn an_event_file_opens_with_its_version_and_tells_steps_and_epochs() {
    let folder = folder_with_data();
    let report = json(&folder, TINY);
    let [file] = &event_files(&folder.path().join("runs/label"))[..] else {
        panic!("one file")
    };
    let events = events(file);
    assert_eq!(events[0].version.as_deref(), Some("brain.Event:2"));
    assert_eq!((events[1].starts_session, events[1].step), (true, 1));
    let curves = curves(&events);
    assert_eq!(
        curves["step/learning_rate"][0].0, 1,
        "the first step is always told"
    );
    assert!(
        curves["step/rows_per_second"]
            .iter()
            .all(|&(_, value)| value > 0.0)
    );
    let expected: Vec<(u64, f32)> = report["objective_nats"]
        .as_array()
        .unwrap()
        .iter()
        .zip(1..)
        .map(|(nats, epoch)| (2 * epoch, nats.as_f64().unwrap() as f32))
        .collect();
    assert_eq!(
        curves["epoch/objective_nats"], expected,
        "300 rows are 2 steps an epoch"
    );
    let last = |tag: &str| curves[tag].last().unwrap().1;
    let [elbo, reconstruction, kl] =
        ["elbo", "reconstruction", "kl"].map(|name| last(&format!("held_out/{name}_nats")));
    assert!(
        (elbo - (reconstruction - kl)).abs() < 1e-4,
        "{elbo} = {reconstruction} − {kl}"
    );
}

#[test]
fn the_learning_rate_is_that_of_the_schedule() {
    let folder = folder_with_data();
    json(&folder, TINY);
    let (first, rate) = curves_in(&folder.path().join("runs/label"))["step/learning_rate"][0];
    let recipe = zbridge_models::recipes::Recipe::named("mnist-label").unwrap();
    assert_eq!((first, rate), (1, recipe.schedule.rate(0, 3 * 2)));
}

#[test]
fn the_judge_tells_its_accuracy_and_the_image_model_its_likelihood() {
    let folder = folder_with_data();
    let of = |recipe| {
        [
            "train",
            recipe,
            "--data",
            "data",
            "--epochs",
            "1",
            "--tensorboard",
            recipe,
        ]
    };
    let report = json(&folder, &of("mnist-judge"));
    let told = curves_in(&folder.path().join("mnist-judge"))["held_out/accuracy"][0].1;
    let share = report["held_out"]["accuracy"]["share"].as_f64().unwrap();
    assert!(
        (f64::from(told) - share).abs() < 0.05,
        "{told} in 32 bits, {share} in 16"
    );
    let few = ["--likelihood-images", "2", "--likelihood-draws", "5"];
    let report = json(&folder, &[&of("mnist-image")[..], &few].concat());
    let nats = report["held_out"]["log_p_x"]["nats"]["mean"]
        .as_f64()
        .unwrap();
    assert_eq!(
        curves_in(&folder.path().join("mnist-image"))["held_out/log_p_x_nats"],
        [(3, nats as f32)]
    );
}

/// Its command line in the metadata aside, the model does not depend on who watches.
#[test]
fn curves_change_no_number_of_the_model() {
    let folder = folder_with_data();
    let figures = |arguments: &[&str]| json(&folder, arguments)["held_out"].take();
    assert_eq!(figures(TINY), figures(&TINY[..TINY.len() - 2]));
}

#[test]
fn a_training_that_never_began_leaves_no_file() {
    let folder = folder_with_data();
    let absent = [
        "train",
        "mnist-label",
        "--data",
        "absent",
        "--quiet",
        "--tensorboard",
        "runs",
    ];
    fails(&folder, &absent, 3, &["not a folder with MNIST"]);
    assert_eq!(event_files(&folder.path().join("runs")), [] as [PathBuf; 0]);
}

#[test]
fn a_folder_that_cannot_be_made_ends_the_command_before_the_training() {
    let folder = folder_with_data();
    fs::write(folder.path().join("runs"), "a file").unwrap();
    fails(&folder, TINY, 1, &["could not write events to runs/label"]);
    assert!(
        !folder
            .path()
            .join("mnist-label.safetensors.checkpoint")
            .exists()
    );
}

#[cfg(unix)]
#[test]
fn a_resumed_training_goes_on_in_a_file_of_its_own() {
    let folder = folder_with_data();
    let (steps_done, first, second) = interrupted_and_resumed(&folder);
    assert!(
        first.iter().all(|event| event.step <= steps_done),
        "{steps_done}: {first:?}"
    );
    assert_eq!(
        (second[1].starts_session, second[1].step),
        (true, steps_done + 1)
    );
    assert_eq!(curves(&second)["step/objective_nats"][0].0, steps_done + 1);
}

/// A training of many epochs is stopped, and goes on for a few: the steps before, and the events
/// before and after.
#[cfg(unix)]
fn interrupted_and_resumed(folder: &TempDir) -> (u64, Vec<Event>, Vec<Event>) {
    let long = [
        "train",
        "mnist-label",
        "--data",
        "data",
        "--epochs",
        "20000",
        "--tensorboard",
        "runs",
    ];
    let told = stopped_by_control_c(folder, &long);
    let number = |after: &str| -> u64 {
        let rest = &told[told.find(after).unwrap() + after.len()..];
        rest[..rest.find(|c: char| !c.is_ascii_digit()).unwrap()]
            .parse()
            .unwrap()
    };
    let (step, epoch) = (number("stopped before step "), number(" of epoch "));
    json(
        folder,
        &[
            &long[..],
            &["--resume", "--stop-after", &(epoch + 2).to_string()],
        ]
        .concat(),
    );
    let [first, second] = &event_files(&folder.path().join("runs"))[..] else {
        panic!("two files")
    };
    (2 * (epoch - 1) + step - 1, events(first), events(second))
}

/// What the program says in the end.
#[cfg(unix)]
fn stopped_by_control_c(folder: &TempDir, arguments: &[&str]) -> String {
    use std::io::{BufRead, BufReader};
    use std::process::Stdio;
    let mut child = Command::new(assert_cmd::cargo::cargo_bin("zbridge"))
        .current_dir(folder)
        .args(arguments)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap())
        .lines()
        .map(Result::unwrap);
    lines.find(|line| line.starts_with("epoch 3/")).unwrap();
    assert!(
        Command::new("kill")
            .args(["-INT", &child.id().to_string()])
            .status()
            .unwrap()
            .success()
    );
    let rest: Vec<String> = lines.collect();
    assert_eq!(child.wait().unwrap().code(), Some(130), "{rest:?}");
    rest.join("\n")
}

#[test]
fn tensorboard_reads_what_was_written() {
    let Some(python) = python_with_tensorboard() else {
        return;
    };
    let folder = folder_with_data();
    let data = real_mnist().unwrap_or_else(|| folder.path().join("data"));
    let arguments = [
        "train",
        "mnist-label",
        "--epochs",
        "1",
        "--likelihood-images",
        "0",
        "--tensorboard",
        "runs",
    ];
    json(
        &folder,
        &[&arguments[..], &["--data", data.to_str().unwrap()]].concat(),
    );
    let runs = folder.path().join("runs");
    let ours = curves_in(&runs);
    assert_eq!(ours.len(), 7, "{:?}", ours.keys());
    assert_eq!(by_tensorboard(&python, &runs), ours);
}

#[cfg(unix)]
#[test]
fn tensorboard_draws_a_resumed_training_as_one() {
    let Some(python) = python_with_tensorboard() else {
        return;
    };
    let folder = folder_with_data();
    let (_, first, second) = interrupted_and_resumed(&folder);
    let mut joined = curves(&first);
    for (tag, points) in curves(&second) {
        joined.entry(tag).or_default().extend(points);
    }
    assert_eq!(by_tensorboard(&python, &folder.path().join("runs")), joined);
}

#[test]
fn tensorboard_forgets_the_training_that_a_fresh_one_replaces() {
    let Some(python) = python_with_tensorboard() else {
        return;
    };
    let folder = folder_with_data();
    json(&folder, TINY);
    json(&folder, TINY);
    let runs = folder.path().join("runs/label");
    let [_, second] = &event_files(&runs)[..] else {
        panic!("two files")
    };
    assert_eq!(by_tensorboard(&python, &runs), curves(&events(second)));
}

/// The Python that has TensorBoard; says so when there is none.
fn python_with_tensorboard() -> Option<PathBuf> {
    let python =
        std::env::var_os("ZBRIDGE_TEST_PYTHON").map_or_else(|| "python3".into(), PathBuf::from);
    let imports = Command::new(&python)
        .args([
            "-c",
            "import tensorboard.backend.event_processing.event_accumulator",
        ])
        .output();
    if imports.is_ok_and(|output| output.status.success()) {
        return Some(python);
    }
    let python = python.display();
    eprintln!(
        "skipped: {python} has no TensorBoard; pip install tensorboard, or name another by \
         ZBRIDGE_TEST_PYTHON"
    );
    None
}

/// MNIST where it is at hand; says so where it is not.
fn real_mnist() -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/mnist");
    let folder = std::env::var_os("ZBRIDGE_DATA").map_or_else(beside, PathBuf::from);
    if folder.is_dir() {
        return Some(folder.canonicalize().unwrap());
    }
    eprintln!("no MNIST at {}: bars instead of digits", folder.display());
    None
}

/// Every scalar that TensorBoard finds in a folder.
fn by_tensorboard(python: &Path, folder: &Path) -> Curves {
    const SCRIPT: &str = "
import json, sys
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
events = EventAccumulator(sys.argv[1], size_guidance={'scalars': 0}).Reload()
scalars = lambda tag: [(point.step, point.value) for point in events.Scalars(tag)]
print(json.dumps({tag: scalars(tag) for tag in events.Tags()['scalars']}))
";
    let output = Command::new(python)
        .args(["-c", SCRIPT])
        .arg(folder)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).unwrap()
}

fn event_files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    assert!(files.iter().all(|file| {
        file.file_name()
            .unwrap()
            .to_str()
            .unwrap()
            .starts_with("events.out.tfevents.")
    }));
    files.sort();
    files
}

fn curves_in(folder: &Path) -> Curves {
    let [file] = &event_files(folder)[..] else {
        panic!("one file")
    };
    curves(&events(file))
}

fn curves(events: &[Event]) -> Curves {
    let mut curves = Curves::new();
    for event in events {
        for (tag, value) in &event.scalars {
            curves
                .entry(tag.clone())
                .or_default()
                .push((event.step, *value));
        }
    }
    curves
}

#[derive(Debug, Default)]
struct Event {
    step: u64,
    version: Option<String>,
    starts_session: bool,
    scalars: Vec<(String, f32)>,
}

/// The events of a file, whose framing and checksums are checked.
fn events(file: &Path) -> Vec<Event> {
    let bytes = fs::read(file).unwrap();
    let (mut rest, mut events) = (&bytes[..], vec![]);
    while !rest.is_empty() {
        let length = checked(&mut rest, 8);
        let length = u64::from_le_bytes(length.try_into().unwrap());
        events.push(event(checked(&mut rest, length as usize)));
    }
    events
}

/// Takes so many bytes and the masked checksum after them.
fn checked<'b>(rest: &mut &'b [u8], length: usize) -> &'b [u8] {
    let data = take(rest, length);
    let masked = u32::from_le_bytes(take(rest, 4).try_into().unwrap());
    assert_eq!(
        masked.wrapping_sub(0xa282_ead8).rotate_left(15),
        crc_32c(data),
        "the checksum of {data:?}"
    );
    data
}

/// CRC-32C by its definition, a bit at a time.
fn crc_32c(data: &[u8]) -> u32 {
    let bit = |crc: u32, _| (crc >> 1) ^ (0x82f6_3b78 * (crc & 1));
    !data.iter().fold(u32::MAX, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), bit)
    })
}

fn event(bytes: &[u8]) -> Event {
    let mut event = Event::default();
    for (number, value) in fields(bytes) {
        match number {
            1 => assert!(
                f64::from_le_bytes(value.try_into().unwrap()) > 1.7e9,
                "a time of today"
            ),
            2 => event.step = varint(&mut &value[..]),
            3 => event.version = Some(String::from_utf8(value).unwrap()),
            5 => {
                event.scalars = fields(&value)
                    .into_iter()
                    .map(|(_, scalar)| tag_and_value(&scalar))
                    .collect()
            }
            7 => event.starts_session = value == [8, 1],
            _ => panic!("field {number} in {bytes:?}"),
        }
    }
    event
}

fn tag_and_value(scalar: &[u8]) -> (String, f32) {
    let [(1, tag), (2, value)] = &fields(scalar)[..] else {
        panic!("{scalar:?}")
    };
    (
        String::from_utf8(tag.clone()).unwrap(),
        f32::from_le_bytes(value[..].try_into().unwrap()),
    )
}

/// The fields of a protocol buffer: number and bytes of the value.
fn fields(mut bytes: &[u8]) -> Vec<(u64, Vec<u8>)> {
    let mut fields = vec![];
    while !bytes.is_empty() {
        let key = varint(&mut bytes);
        let length = match key & 7 {
            0 => bytes.iter().position(|byte| byte & 0x80 == 0).unwrap() + 1,
            1 => 8,
            2 => varint(&mut bytes) as usize,
            5 => 4,
            encoding => panic!("encoding {encoding}"),
        };
        fields.push((key >> 3, take(&mut bytes, length).to_vec()));
    }
    fields
}

fn varint(bytes: &mut &[u8]) -> u64 {
    let length = bytes.iter().position(|byte| byte & 0x80 == 0).unwrap() + 1;
    take(bytes, length)
        .iter()
        .rev()
        .fold(0, |number, byte| number << 7 | u64::from(byte & 0x7f))
}

fn take<'b>(rest: &mut &'b [u8], length: usize) -> &'b [u8] {
    let (taken, after) = rest.split_at(length);
    *rest = after;
    taken
}
