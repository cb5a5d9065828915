//! Help texts and error messages as they are printed. After a wanted change, run
//! `INSTA_UPDATE=always cargo test -p zbridge-cli` and read the difference.
#![allow(clippy::unwrap_used)] // the helpers of a test file are tests too

mod program;

use program::run;

const COMMANDS: [&str; 14] = [
    "demo",
    "encode",
    "inspect",
    "doctor",
    "suggest",
    "fit",
    "generate",
    "evaluate",
    "report",
    "learning-curve",
    "experiment",
    "compare",
    "reproduce",
    "train",
];

#[test]
fn help_of_every_command() {
    let folder = tempfile::tempdir().unwrap();
    insta::assert_snapshot!("help", run(&folder, &["--help"]).1);
    for command in COMMANDS {
        let (code, text, err) = run(&folder, &[command, "--help"]);
        assert_eq!((code, err.as_str()), (0, ""), "{command}");
        insta::assert_snapshot!(format!("help-{command}"), text);
    }
}

/// Wrong calls and wrong files, each with its exit code and its message.
#[test]
fn messages_of_wrong_calls() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("empty.safetensors"), b"").unwrap();
    std::fs::write(folder.path().join("pairs.csv"), "x,y\n0\n").unwrap();
    program::write_npy(&folder.path().join("nan.npy"), &[2, 1], &[0.0, f32::NAN]);
    program::write_npy(&folder.path().join("good.npy"), &[3, 1], &[0.0, 1.0, 2.0]);
    program::write_npy(&folder.path().join("one.npy"), &[1, 1], &[0.0]);
    let calls: [&[&str]; 16] = [
        &["fitt"],
        &["fit"],
        &["fit", "--x", "absent.npy", "--y", "good.npy"],
        &["fit", "--x", "empty.safetensors", "--y", "good.npy"],
        &["fit", "--x", "nan.npy", "--y", "good.npy"],
        &["fit", "--x", "one.npy", "--y", "one.npy"],
        &[
            "fit",
            "--x",
            "good.npy",
            "--y",
            "good.npy",
            "--pairs",
            "pairs.csv",
        ],
        &["fit", "--x", "good.npy", "--y", "good.npy", "--steps", "9"],
        &["fit", "--x", "good.npy", "--y", "good.npy", "--budget", "0"],
        &[
            "fit", "--x", "good.npy", "--y", "good.npy", "--recipe", "autto",
        ],
        &["encode", "--model", "mnist-imago", "--data", "good.npy"],
        &["encode", "--model", "mnist-image", "--data", "good.npy"],
        &[
            "generate",
            "--bridge",
            "absent.bridge",
            "--from",
            "7",
            "--to",
            "x",
        ],
        &[
            "generate", "--bridge", "good.npy", "--from", "7", "--to", "z",
        ],
        &["inspect", "absent"],
        &["train", "mnist-imago"],
    ];
    let mut told = String::new();
    for call in calls {
        let (code, out, err) = run(&folder, call);
        assert_eq!(out, "", "{call:?}");
        told += &format!(
            "$ zbridge {}\nexit code {code}\n{}\n\n",
            call.join(" "),
            err.trim_end()
        );
    }
    insta::assert_snapshot!(told);
}

#[test]
fn an_instruction_set_that_does_not_exist_is_wrong_usage() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = assert_cmd::Command::cargo_bin("zbridge").unwrap();
    command.current_dir(&folder).env("ZBRIDGE_ISA", "avx1024");
    let output = command.args(["train", "--list"]).output().unwrap();
    let message = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{message}");
    assert!(message.contains("avx512"), "{message}");
}
