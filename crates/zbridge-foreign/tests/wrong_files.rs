//! Files that are cut, scrambled, hostile or simply not what they should be are errors that say
//! what to do.

#![allow(clippy::unwrap_used)]

mod support;

use rten_onnx::onnx::{DataLocation, ModelProto, StringStringEntryProto};
use std::path::Path;
use support::{fixture, folder};
use zbridge_foreign::{ForeignError, inspect, open};

/// The error of a folder whose encoder is a fixture that `change` was made to.
fn changed(name: &str, change: impl Fn(&mut ModelProto)) -> ForeignError {
    let folder = tempfile::tempdir().unwrap();
    let mut model = ModelProto::parse_buf(&std::fs::read(fixture(name)).unwrap()).unwrap();
    change(&mut model);
    std::fs::write(
        folder.path().join("encoder.onnx"),
        model.write_buf().unwrap(),
    )
    .unwrap();
    open(folder.path()).unwrap_err()
}

const MLP: &str = "onnx/mlp-encoder.torchscript.onnx";

#[test]
fn an_unknown_operator_is_named_with_its_node() {
    let rename = |operator: &'static str| {
        changed(MLP, move |model| {
            model.graph.as_mut().unwrap().node[1].op_type = Some(operator.into())
        })
    };
    let error = rename("Frobnicate");
    assert!(
        matches!(&error, ForeignError::Operator { operator, node, .. } if operator == "Frobnicate" && !node.is_empty()),
        "{error}"
    );
    let random = rename("RandomNormalLike");
    assert!(random.to_string().contains("without its draws"), "{random}");
}

#[test]
fn data_is_read_from_the_models_own_folder_only() {
    let located = |location: &'static str| {
        changed(MLP, move |model| {
            let tensor = &mut model.graph.as_mut().unwrap().initializer[0];
            tensor.raw_data = None;
            tensor.data_location = Some(DataLocation::EXTERNAL);
            let entry = StringStringEntryProto {
                key: Some("location".into()),
                value: Some(location.into()),
            };
            tensor.external_data = vec![entry];
        })
    };
    for location in [
        "/etc/hostname",
        "../secret.data",
        "a/../../secret.data",
        "",
        "absent.data",
    ] {
        let error = located(location);
        assert!(
            matches!(&error, ForeignError::Outside { .. }),
            "{location}: {error}"
        );
    }
}

#[cfg(unix)]
#[test]
fn a_link_out_of_the_folder_is_refused() {
    let name = "mlp-encoder.external.onnx";
    let folder = folder(&[("onnx/mlp-encoder.external.onnx", "encoder.onnx")], "");
    let data = fixture(&format!("onnx/{name}.data"));
    std::os::unix::fs::symlink(data, folder.path().join(format!("{name}.data"))).unwrap();
    let error = open(folder.path()).unwrap_err();
    assert!(
        matches!(&error, ForeignError::Outside { why, .. } if why.contains("link")),
        "{error}"
    );
}

#[test]
fn data_that_is_too_short_is_an_error() {
    let name = "mlp-encoder.external.onnx";
    let folder = folder(&[("onnx/mlp-encoder.external.onnx", "encoder.onnx")], "");
    std::fs::write(folder.path().join(format!("{name}.data")), [0; 100]).unwrap();
    let error = open(folder.path()).unwrap_err();
    assert!(matches!(&error, ForeignError::Damaged { .. }), "{error}");
}

#[test]
fn inputs_that_are_not_one_batch_of_floats_are_named() {
    let two = changed(MLP, |model| {
        let graph = model.graph.as_mut().unwrap();
        let mut second = graph.input[0].clone();
        second.name = Some("temperature".into());
        graph.input.push(second);
    });
    assert!(
        matches!(&two, ForeignError::Input { why, .. } if why.contains("temperature")),
        "{two}"
    );
    let free = changed(MLP, |model| {
        let input = &mut model.graph.as_mut().unwrap().input[0];
        let shape = input
            .r#type
            .as_mut()
            .unwrap()
            .tensor_type
            .as_mut()
            .unwrap()
            .shape
            .as_mut()
            .unwrap();
        shape.dim[1].dim_value = None;
        shape.dim[1].dim_param = Some("pixels".into());
    });
    assert!(
        matches!(&free, ForeignError::Unresolved { remedy, .. } if remedy.contains("[event]")),
        "{free}"
    );
}

/// Opens a network that was cut, or in which a byte is another.
fn open_damaged(name: &str) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("encoder.onnx");
    let whole = std::fs::read(fixture(name)).unwrap();
    for length in (0..whole.len()).step_by(97) {
        std::fs::write(&path, &whole[..length]).unwrap();
        assert!(open(&path).is_err(), "{name} cut to {length}");
    }
    for byte in (0..whole.len()).step_by(23) {
        let mut scrambled = whole.clone();
        scrambled[byte] ^= 0x55;
        std::fs::write(&path, &scrambled).unwrap();
        let _ = open(&path);
    }
}

#[test]
fn cut_and_scrambled_networks_are_errors_and_no_panic() {
    open_damaged("onnx/pixel-encoder.dynamo.onnx");
}

#[test]
fn cut_and_scrambled_chains_are_errors_and_no_panic() {
    open_damaged("onnx/upsample-decoder.dynamo.onnx");
    open_damaged("onnx/sound-encoder.dynamo.onnx");
}

#[test]
fn manifests_that_do_not_fit_the_networks_name_the_line() {
    let files = [
        ("onnx/conv-encoder.dynamo.onnx", "encoder.onnx"),
        ("onnx/conv-decoder.dynamo.onnx", "decoder.onnx"),
    ];
    let message = |manifest: &str| {
        open(folder(&files, manifest).path())
            .unwrap_err()
            .to_string()
    };
    let output = message("[encoder]\n\nhalves = \"moment\"\n");
    assert!(
        output.contains("line 3") && output.contains("moments"),
        "{output}"
    );
    let file = message("[encoder]\nfile = \"../encoder.onnx\"\n");
    assert!(
        file.contains("line 2") && file.contains("leaves the model's folder"),
        "{file}"
    );
    let both = message("[encoder]\npoint = 0\nhalves = 0\n");
    assert!(both.contains("only one"), "{both}");
    let point = message("[encoder]\npoint = 0\n");
    assert!(point.contains("[12]") && point.contains("[6]"), "{point}");
    let shape = message("[latent]\nshape = [7]\n");
    assert!(shape.contains("line 2"), "{shape}");
    let event = message("[event]\nkind = \"image\"\nheight = 14\nwidth = 14\n");
    assert!(event.contains("[event]"), "{event}");
    let sd = message("[likelihood]\nkind = \"gaussian\"\nsd = 0\n");
    assert!(sd.contains("line 3") && sd.contains("positive"), "{sd}");
    let huge = message("[event]\nkind = \"array\"\nshape = [4000000000000, 4000000000000]\n");
    assert!(huge.contains("[event]"), "{huge}");
}

#[test]
fn what_is_no_model_is_told_what_would_be() {
    let folder = tempfile::tempdir().unwrap();
    for path in [folder.path(), Path::new("/nowhere/at/all")] {
        assert!(open(path).is_err() && inspect(path).is_err());
    }
    let text = folder.path().join("notes.txt");
    std::fs::write(&text, "hello").unwrap();
    assert!(
        open(&text)
            .unwrap_err()
            .to_string()
            .contains("encoder.onnx")
    );
    let empty = folder.path().join("empty.onnx");
    std::fs::write(&empty, "").unwrap();
    assert!(matches!(open(&empty), Err(ForeignError::Unknown { .. })));
}
