//! Chains give the numbers of the general engine, which runs all other graphs.

mod test_graph;

use super::*;
use ndarray::Axis;
use rten_onnx::onnx::AttributeProto;
use test_graph::{TestGraph, int, ints, text, windows};
use zbridge_core::RandomStream;

const FIXTURES: [(&str, bool); 13] = [
    ("conv-decoder.dynamo", true),
    ("conv-decoder.fixed", false),
    ("conv-encoder.dynamo", true),
    ("conv-encoder.torchscript", true),
    ("gru-encoder.dynamo", false),
    ("kl-encoder.dynamo", false),
    ("mlp-decoder.torchscript", true),
    ("mlp-encoder.external", true),
    ("mlp-encoder.torchscript", true),
    ("pixel-encoder.dynamo", false),
    ("sound-encoder.dynamo", true),
    ("transformer-encoder.dynamo", false),
    ("upsample-decoder.dynamo", true),
];

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/fixtures/onnx/{name}.onnx"))
}

fn all_outputs(network: &Network, rows: ArrayView2<'_, f32>) -> Vec<Array2<f32>> {
    let all: Vec<usize> = (0..network.output_shapes().len()).collect();
    network.run(rows, &all).unwrap()
}

fn numbers(count: usize, name: &str) -> Vec<f32> {
    let mut values = vec![0.0; count];
    RandomStream::named(5, name).fill_standard_normal(&mut values);
    values
}

fn rows_for(network: &Network, count: usize) -> Array2<f32> {
    let size = network.input_shape().iter().product::<usize>();
    Array2::from_shape_vec((count, size), numbers(count * size, "rows")).unwrap()
}

/// Opens the file by both engines and compares them, up to 1e-5 of the largest number.
fn agree(what: &str, path: &Path, is_chain: bool) {
    let network = Network::open(path, None).unwrap();
    assert_eq!(
        network.engine(),
        if is_chain {
            Engine::Chain
        } else {
            Engine::Rten
        },
        "{what}"
    );
    let general = Network::open_with(path, None, false).unwrap();
    assert_eq!(general.engine(), Engine::Rten);
    assert_eq!(network.output_shapes(), general.output_shapes(), "{what}");
    let rows = rows_for(&network, 70);
    for (found, expected) in all_outputs(&network, rows.view())
        .iter()
        .zip(&all_outputs(&general, rows.view()))
    {
        assert_eq!(found.dim(), expected.dim(), "{what}");
        let scale = expected
            .iter()
            .fold(0.0f32, |scale, value| scale.max(value.abs()));
        let worst = found
            .iter()
            .zip(expected)
            .map(|(a, b)| (a - b).abs())
            .fold(0.0, f32::max);
        assert!(worst <= 1e-5 * scale, "{what}: off by {worst} of {scale}");
    }
}

#[test]
fn both_engines_agree_on_all_fixtures() {
    for (name, is_chain) in FIXTURES {
        agree(name, &fixture(name), is_chain);
    }
}

#[test]
fn a_row_of_a_chain_has_the_same_bits_in_every_batch() {
    for (name, _) in FIXTURES.iter().filter(|(_, is_chain)| *is_chain) {
        let network = Network::open(&fixture(name), None).unwrap();
        let rows = rows_for(&network, 150);
        let together = all_outputs(&network, rows.view());
        for row in [0, 31, 64, 149] {
            let alone = all_outputs(&network, rows.slice_axis(Axis(0), (row..row + 1).into()));
            for (alone, together) in alone.iter().zip(&together) {
                assert!(alone.row(0) == together.row(row), "row {row} of {name}");
            }
        }
        // Only wanted outputs are returned, and outputs without rows for no rows.
        let last = network.output_shapes().len() - 1;
        assert_eq!(
            network.run(rows.view(), &[last]).unwrap(),
            [together[last].clone()],
            "{name}"
        );
        let no_rows = rows_for(&network, 0);
        let outputs = all_outputs(&network, no_rows.view());
        assert!(outputs.iter().all(|output| output.nrows() == 0));
    }
}

/// A graph whose first value `h` has 8 numbers.
fn eight() -> TestGraph {
    TestGraph::default()
        .weights("w", &[5, 8])
        .weights("b", &[8])
        .node("MatMul", "x w", "p", &[])
        .node("Add", "b p", "h", &[])
}

/// One whose first value `h` is an image `[6, 4, 3]`.
fn image() -> TestGraph {
    let pads = windows(2, &[ints("pads", &[1, 0, 1, 1]), ints("strides", &[1, 2])]);
    TestGraph::default()
        .weights("k", &[6, 2, 3, 2])
        .weights("c", &[6])
        .node("Conv", "x k c", "h", &pads)
}

#[test]
fn activations_of_several_operators_are_chains() {
    let numbers = || {
        let numbers = eight()
            .number("one", 1.0)
            .number("half", 0.5)
            .number("root", std::f32::consts::SQRT_2);
        numbers
            .number("three", 3.0)
            .number("cubic", 0.044715)
            .number("rate", 0.797_884_6)
            .number("far", 20.0)
    };
    numbers()
        .node("Sigmoid", "h", "s", &[])
        .node("Mul", "h s", "y", &[])
        .agree(&[5], "y", true);
    let erf = || {
        numbers()
            .node("Div", "h root", "d", &[])
            .node("Erf", "d", "e", &[])
            .node("Add", "e one", "f", &[])
    };
    erf()
        .node("Mul", "h f", "m", &[])
        .node("Mul", "m half", "y", &[])
        .agree(&[5], "y", true);
    erf()
        .node("Mul", "half f", "m", &[])
        .node("Mul", "h m", "y", &[])
        .agree(&[5], "y", true);
    // Not GELU: a factor differs.
    erf()
        .node("Mul", "three f", "m", &[])
        .node("Mul", "h m", "y", &[])
        .agree(&[5], "y", false);
    // A value between the nodes is an output too.
    erf()
        .node("Mul", "half f", "m", &[])
        .node("Mul", "h m", "y", &[])
        .agree(&[5], "y m", false);
    let tanh = |graph: TestGraph| {
        let inner = graph
            .node("Mul", "cubic q", "r", &[])
            .node("Add", "h r", "s", &[])
            .node("Mul", "rate s", "t", &[]);
        let clipped = inner
            .node("Tanh", "t", "u", &[])
            .node("Add", "one u", "v", &[]);
        clipped
            .node("Mul", "h v", "m", &[])
            .node("Mul", "half m", "y", &[])
            .agree(&[5], "y", true);
    };
    tanh(numbers().node("Pow", "h three", "q", &[]));
    tanh(
        numbers()
            .node("Mul", "h h", "o", &[])
            .node("Mul", "h o", "q", &[]),
    );
    let soft = || numbers().node("Softplus", "h", "s", &[]);
    soft()
        .node("Tanh", "s", "t", &[])
        .node("Mul", "h t", "y", &[])
        .agree(&[5], "y", true);
    soft()
        .node("Greater", "h far", "g", &[])
        .node("Where", "g h s", "y", &[])
        .agree(&[5], "y", true);
    for operator in [
        "Mish", "Gelu", "Elu", "Relu", "Softplus", "Identity", "Dropout",
    ] {
        eight().node(operator, "h", "y", &[]).agree(&[5], "y", true);
    }
    eight()
        .node("Gelu", "h", "y", &[text("approximate", "tanh")])
        .agree(&[5], "y", true);
    eight()
        .node("Softmax", "h", "y", &[])
        .agree(&[5], "y", false);
}

#[test]
fn heads_and_parts_are_outputs_side_by_side() {
    let heads = || {
        eight()
            .weights("u", &[8, 3])
            .weights("v", &[2, 8])
            .weights("e", &[2])
    };
    let heads = || {
        heads()
            .node("MatMul", "h u", "a", &[])
            .node("Gemm", "h v e", "d", &[int("transB", 1)])
    };
    heads().agree(&[5], "d a", true);
    let clipped =
        heads()
            .number("least", -0.5)
            .number("most", 0.5)
            .node("Clip", "d least most", "y", &[]);
    clipped.agree(&[5], "a y", true);
    heads()
        .node("Concat", "a d", "y", &[int("axis", 1)])
        .agree(&[5], "y", true);
    // A value that a node changes is an output too.
    heads()
        .node("Tanh", "d", "y", &[])
        .agree(&[5], "d y", false);
    let split = || {
        eight()
            .sizes("parts", &[3, 5])
            .node("Split", "h parts", "a d", &[int("axis", -1)])
    };
    split()
        .node("Softplus", "d", "y", &[])
        .agree(&[5], "y a", true);
    split()
        .node("Sigmoid", "a", "s", &[])
        .node("Mul", "a s", "y", &[])
        .agree(&[5], "y d", true);
    let slice = || {
        eight()
            .sizes("from", &[-3])
            .sizes("to", &[i64::MAX])
            .sizes("axis", &[1])
    };
    let slice = || slice().node("Slice", "h from to axis", "a", &[]);
    slice().node("Tanh", "a", "y", &[]).agree(&[5], "y", true);
    slice()
        .node("Tanh", "a", "y", &[])
        .agree(&[5], "y h", false);
    // A part may be the input of a layer, unless another part is still needed.
    slice()
        .weights("u", &[3, 4])
        .node("MatMul", "a u", "y", &[])
        .agree(&[5], "y", true);
    split()
        .weights("u", &[3, 4])
        .node("MatMul", "a u", "y", &[])
        .agree(&[5], "y d", false);
    // A value that is used again later.
    eight()
        .node("Tanh", "h", "t", &[])
        .node("Add", "h t", "y", &[])
        .agree(&[5], "y", false);
    eight().node("Add", "h h", "y", &[]).agree(&[5], "y", false);
}

#[test]
fn normalised_and_transposed_images_are_chains() {
    let row = [2, 4, 5];
    let grouped = || {
        image()
            .sizes("g", &[0, 3, -1])
            .floats("i", &[3], &[1.0; 3])
            .floats("o", &[3], &[0.0; 3])
    };
    let grouped = || {
        grouped()
            .node("Reshape", "h g", "r", &[])
            .node("InstanceNormalization", "r i o", "n", &[])
    };
    let grouped = || {
        grouped()
            .node("Shape", "h", "s", &[])
            .node("Reshape", "n s", "m", &[])
    };
    let scaled = grouped()
        .weights("f", &[6, 1, 1])
        .weights("e", &[6, 1, 1])
        .node("Mul", "m f", "p", &[]);
    scaled.node("Add", "p e", "y", &[]).agree(&row, "y", true);
    let normed = image().weights("f", &[6]).weights("e", &[6]).node(
        "InstanceNormalization",
        "h f e",
        "n",
        &[],
    );
    normed
        .weights("slope", &[6, 1, 1])
        .node("PRelu", "n slope", "y", &[])
        .agree(&row, "y", true);
    let moments = || {
        image()
            .weights("f", &[6])
            .weights("e", &[6])
            .weights("m", &[6])
            .floats("v", &[6], &[0.7; 6])
    };
    moments()
        .node("BatchNormalization", "h f e m v", "y", &[])
        .agree(&row, "y", true);
    let shared = moments().node("Identity", "v", "w", &[]);
    shared
        .node("BatchNormalization", "h w e m v", "y", &[])
        .agree(&row, "y", true);
    // Channels last at both ends, with a scale for each channel.
    let last = TestGraph::default()
        .number("all", 255.0)
        .weights("mean", &[3])
        .node("Div", "x all", "d", &[]);
    let first = last.node("Sub", "d mean", "e", &[]).node(
        "Transpose",
        "e",
        "t",
        &[ints("perm", &[0, 3, 1, 2])],
    );
    let conv = first.weights("k", &[4, 3, 3, 3]).node(
        "Conv",
        "t k",
        "c",
        &windows(2, &[ints("pads", &[1, 1, 1, 1])]),
    );
    conv.node("Transpose", "c", "y", &[ints("perm", &[0, 2, 3, 1])])
        .agree(&[4, 5, 3], "y", true);
    // A layer that reads an image, or writes one.
    let flat = image()
        .node("Flatten", "h", "f", &[])
        .weights("u", &[72, 3])
        .node("MatMul", "f u", "y", &[]);
    flat.agree(&row, "y", true);
}

#[test]
fn convolutions_of_several_kinds_are_chains() {
    let conv = |kernel: &[usize],
                operator: &str,
                attributes: &[AttributeProto],
                row: &[usize],
                is_chain| {
        let graph = TestGraph::default().weights("k", kernel).node(
            operator,
            "x k",
            "y",
            &windows(row.len() - 1, attributes),
        );
        graph.agree(row, "y", is_chain);
    };
    let group = |groups| int("group", groups);
    conv(
        &[8, 3, 3, 2],
        "Conv",
        &[group(2), ints("pads", &[0, 1, 2, 0])],
        &[6, 5, 4],
        true,
    );
    conv(
        &[4, 4, 3, 3],
        "ConvTranspose",
        &[group(2), ints("strides", &[2, 1])],
        &[4, 3, 4],
        true,
    );
    conv(
        &[6, 4, 5],
        "Conv",
        &[ints("strides", &[3]), ints("pads", &[2, 1])],
        &[4, 17],
        true,
    );
    let beyond = [
        ints("strides", &[3]),
        ints("pads", &[1, 2]),
        ints("output_padding", &[1]),
    ];
    conv(&[4, 2, 4], "ConvTranspose", &beyond, &[4, 6], true);
    // Groups of one channel, windows with holes, and padding that sizes decide.
    conv(&[4, 1, 3, 3], "Conv", &[group(4)], &[4, 5, 5], false);
    conv(
        &[4, 2, 2, 2],
        "Conv",
        &[ints("dilations", &[2, 2])],
        &[2, 5, 5],
        false,
    );
    conv(
        &[2, 2, 2, 2],
        "Conv",
        &[text("auto_pad", "SAME_UPPER")],
        &[2, 5, 5],
        false,
    );
}

#[test]
fn images_in_other_sizes_are_chains() {
    let row = [2, 4, 5];
    let by = |mode: &'static str, how: &'static str| {
        [
            text("mode", mode),
            text("coordinate_transformation_mode", how),
        ]
    };
    let twice = |attributes: &[AttributeProto]| {
        image()
            .floats("s", &[4], &[1.0, 1.0, 2.0, 3.0])
            .node("Resize", "h - s", "r", attributes)
    };
    let nearest = [
        by("nearest", "asymmetric").to_vec(),
        vec![text("nearest_mode", "floor")],
    ]
    .concat();
    twice(&nearest)
        .node("Tanh", "r", "y", &[])
        .agree(&row, "y", true);
    // Repeated numbers get scales of their own.
    twice(&nearest)
        .weights("f", &[8, 1])
        .node("Mul", "r f", "y", &[])
        .agree(&row, "y", true);
    for how in [
        "half_pixel",
        "pytorch_half_pixel",
        "align_corners",
        "asymmetric",
    ] {
        twice(&by("linear", how))
            .weights("q", &[2, 6, 3, 3])
            .node("Conv", "r q", "y", &windows(2, &[]))
            .agree(&row, "y", true);
    }
    let batch = image()
        .sizes("zero", &[0])
        .sizes("one", &[1])
        .sizes("own", &[6, 7, 2]);
    let batch = batch
        .node("Shape", "h", "a", &[])
        .node("Slice", "a zero one", "n", &[]);
    let sized = batch.node("Concat", "n own", "z", &[int("axis", 0)]);
    sized
        .node("Resize", "h - - z", "y", &by("linear", "half_pixel"))
        .agree(&row, "y", true);
    twice(&by("cubic", "half_pixel"))
        .node("Tanh", "r", "y", &[])
        .agree(&row, "y", false);
    for mode in ["DCR", "CRD"] {
        let shuffle = [int("blocksize", 2), text("mode", mode)];
        let graph = TestGraph::default().weights("k", &[12, 2, 1, 1]).node(
            "Conv",
            "x k",
            "h",
            &windows(2, &[]),
        );
        let graph = graph
            .node("DepthToSpace", "h", "s", &shuffle)
            .weights("q", &[2, 3, 2, 2]);
        graph
            .node("Conv", "s q", "y", &windows(2, &[]))
            .agree(&row, "y", true);
    }
}

#[test]
fn shapes_keep_the_batch_first_or_are_no_chain() {
    let reshape = |target: &[i64]| eight().sizes("s", target).node("Reshape", "h s", "y", &[]);
    for target in [&[-1, 2, 4][..], &[0, 2, -1], &[0, 8, 1], &[-1, 8]] {
        reshape(target).agree(&[5], "y", true);
    }
    reshape(&[1, 8]).agree(&[5], "y", false);
    let computed = eight()
        .number("unused", 0.0)
        .node("Shape", "x", "s", &[])
        .sizes("zero", &[0])
        .sizes("rest", &[4, -1]);
    let computed = computed.node("Gather", "s zero", "n", &[int("axis", 0)]);
    let computed = computed
        .node("Concat", "n rest", "t", &[int("axis", 0)])
        .node("Reshape", "h t", "r", &[]);
    computed
        .weights("k", &[3, 4, 2])
        .node("Conv", "r k", "y", &windows(1, &[]))
        .agree(&[5], "y", true);
    let wide = eight()
        .sizes("axes", &[1, 3])
        .node("Unsqueeze", "h axes", "u", &[]);
    wide.sizes("gone", &[-1])
        .node("Squeeze", "u gone", "y", &[])
        .agree(&[5], "y", true);
    // A layer along the last of several dimensions.
    let graph = eight()
        .sizes("s", &[-1, 2, 4])
        .node("Reshape", "h s", "r", &[]);
    graph
        .weights("u", &[4, 3])
        .node("MatMul", "r u", "y", &[])
        .agree(&[5], "y", false);
}
