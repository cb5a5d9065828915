//! demo, encode, fit, generate, evaluate: from files to files, and what is said when a file is at
//! fault.
#![allow(clippy::unwrap_used)] // the helpers of a test file are tests too

mod program;

use program::{fails, folder_with_data, json, run, write_npy};
use std::fs;
use std::path::Path;
use tempfile::TempDir;
use zbridge::{DiagonalGaussian, Latents, RandomStream};
use zbridge_data::{LatentsFile, Precision, read_npy};

/// `folder_with_data` with `x.safetensors`, `y.safetensors` and `a.bridge` made from it.
fn folder_with_bridge() -> TempDir {
    let folder = folder_with_data();
    json(
        &folder,
        &[
            "encode",
            "--model",
            "mnist-image",
            "--data",
            "data",
            "--split",
            "train",
            "--out",
            "x.safetensors",
        ],
    );
    json(
        &folder,
        &[
            "encode",
            "--model",
            "mnist-label",
            "--data",
            "data",
            "--split",
            "train",
            "--out",
            "y.safetensors",
        ],
    );
    let fit = [
        "fit",
        "--x",
        "x.safetensors",
        "--y",
        "y.safetensors",
        "--recipe",
        "paper",
        "--steps",
        "200",
        "--out",
    ];
    let fit = [&fit[..], &["a.bridge"]].concat();
    let report = json(&folder, &fit);
    assert_eq!(
        (report["pairs"].as_u64(), report["dims"][0].as_u64()),
        (Some(300), Some(64))
    );
    folder
}

fn files(folder: &TempDir) -> Vec<String> {
    let names = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.collect();
    names.sort();
    names
}

#[test]
fn the_demo_makes_both_directions_and_is_repeatable() {
    let folder = tempfile::tempdir().unwrap();
    let report = json(
        &folder,
        &["demo", "--budget", "2", "--out", "a", "--label", "7"],
    );
    let figure =
        |report: &serde_json::Value, path: &str| report.pointer(path).unwrap().as_f64().unwrap();
    // Chance is 0.1; a bridge that works is far above it, whatever the weights that ship and even
    // in two seconds.
    assert!(figure(&report, "/image_to_label/accuracy") > 0.5);
    assert!(figure(&report, "/label_to_image/coherence") > 0.35);
    assert!(figure(&report, "/image_to_label/log_p_nats") < 0.0);
    for file in report["files"].as_array().unwrap() {
        assert_eq!(
            &fs::read(folder.path().join(file.as_str().unwrap())).unwrap()[1..4],
            b"PNG"
        );
    }
    let again = json(
        &folder,
        &["demo", "--budget", "2", "--out", "b", "--label", "7"],
    );
    assert_eq!(report["image_to_label"], again["image_to_label"]);
    let picture =
        |name: &str| fs::read(folder.path().join(name).join("labels-to-images.png")).unwrap();
    assert!(picture("a") == picture("b"));
    let other = json(&folder, &["demo", "--recipe", "paper", "--out", "c"]);
    assert_ne!(report["image_to_label"], other["image_to_label"]);
}

#[test]
fn the_demo_reads_an_image_that_it_wrote() {
    let folder = folder_with_bridge();
    json(
        &folder,
        &[
            "generate",
            "--bridge",
            "a.bridge",
            "--from",
            "3",
            "--to",
            "x",
            "--out",
            "three.png",
        ],
    );
    let report = json(
        &folder,
        &[
            "demo",
            "--recipe",
            "paper",
            "--image",
            "three.png",
            "--out",
            "d",
        ],
    );
    assert_eq!(
        report["image"]["probabilities"].as_array().unwrap().len(),
        10
    );
}

#[test]
fn the_demo_refuses_what_it_cannot_do() {
    let folder = tempfile::tempdir().unwrap();
    fails(&folder, &["demo", "--pairs", "1025"], 2, &["1024"]);
    fails(&folder, &["demo", "--label", "10"], 2, &["0 to 9"]);
    fails(
        &folder,
        &["demo", "--image", "absent.png"],
        3,
        &["absent.png"],
    );
    fs::write(folder.path().join("bad.png"), b"not a picture").unwrap();
    fails(&folder, &["demo", "--image", "bad.png"], 3, &["bad.png"]);
    assert_eq!(files(&folder), ["bad.png"]);
    fs::write(folder.path().join("file"), b"").unwrap();
    fails(
        &folder,
        &["demo", "--out", "file/inside"],
        1,
        &["file/inside", "output folder"],
    );
}

#[test]
fn generated_arrays_have_the_promised_shapes() {
    let folder = folder_with_bridge();
    let generate = |from: &str, to: &str, count: &str, out: &str| {
        json(
            &folder,
            &[
                "generate", "--bridge", "a.bridge", "--from", from, "--to", to, "--count", count,
                "--out", out,
            ],
        )
    };
    assert_eq!(
        generate("7", "x", "3", "x.npy")["shape"],
        serde_json::json!([3, 1, 28, 28])
    );
    write_npy(
        &folder.path().join("images.npy"),
        &[4, 28, 28],
        &vec![0.5; 4 * 784],
    );
    let report = generate("images.npy", "y", "2", "y.npy");
    assert_eq!(report["shape"], serde_json::json!([8, 10]));
    assert_eq!(report["classes"].as_array().unwrap().len(), 8);
    write_npy(&folder.path().join("ids.npy"), &[3], &[0.0, 5.0, 9.0]);
    assert_eq!(generate("ids.npy", "x", "1", "grid.png")["outputs"], 3);
    assert_eq!(
        generate("ids.npy", "x", "2", "x.safetensors2.safetensors")["shape"][0],
        6
    );
}

#[test]
fn shards_together_are_what_one_run_writes() {
    let folder = folder_with_bridge();
    let latents = |name: &str| LatentsFile::read(&folder.path().join(name)).unwrap();
    let array = |name: &str| read_npy(&folder.path().join(name)).unwrap();
    let encode = |shard: &str, augment: &str, out: &str| {
        let encode = [
            "encode",
            "--model",
            "mnist-image",
            "--data",
            "data",
            "--split",
            "train",
            "--augment",
            augment,
        ];
        json(
            &folder,
            &[&encode[..], &["--shard", shard, "--out", out]].concat(),
        );
    };
    for augment in ["0", "2"] {
        ["1/1", "1/2", "2/2"]
            .into_iter()
            .zip(["e.safetensors", "e1.safetensors", "e2.safetensors"])
            .for_each(|(shard, out)| encode(shard, augment, out));
        let (whole, parts) = (
            latents("e.safetensors"),
            [latents("e1.safetensors"), latents("e2.safetensors")],
        );
        assert_eq!(whole.ids, [&parts[0].ids[..], &parts[1].ids].concat());
        let means = |file: &LatentsFile| file.posterior.moments().mean().values().to_vec();
        assert_eq!(means(&whole), [means(&parts[0]), means(&parts[1])].concat());
        let views = |file: &LatentsFile| {
            file.views
                .as_ref()
                .map_or(vec![], |views| views.moments().mean().values().to_vec())
        };
        assert_eq!(views(&whole), [views(&parts[0]), views(&parts[1])].concat());
    }
    for (latents_only, count) in [(false, "1"), (true, "2")] {
        let generate = |shard: &str, out: &str| {
            let generate = [
                "generate",
                "--bridge",
                "a.bridge",
                "--from-latents",
                "y.safetensors",
                "--to",
                "x",
            ];
            let more = ["--count", count, "--shard", shard, "--out", out];
            let latents = if latents_only {
                &["--latents"][..]
            } else {
                &[]
            };
            json(&folder, &[&generate[..], &more, latents].concat())
        };
        generate("1/1", "g.npy");
        let outputs: u64 = ["1/3", "2/3", "3/3"]
            .map(|shard| {
                generate(shard, &format!("g{}.npy", &shard[..1]))["outputs"]
                    .as_u64()
                    .unwrap()
            })
            .iter()
            .sum();
        assert_eq!(outputs, 300 * count.parse::<u64>().unwrap());
        let shards = ["g1.npy", "g2.npy", "g3.npy"].map(array);
        let joined: Vec<f32> = shards.iter().flatten().copied().collect();
        assert!(array("g.npy").iter().eq(&joined));
    }
    let wrong = [
        "generate", "--bridge", "a.bridge", "--from", "7", "--to", "x", "--shard",
    ];
    fails(
        &folder,
        &[&wrong[..], &["3/2", "--out", "a.npy"]].concat(),
        2,
        &["3/2", "which one of how many"],
    );
    fails(
        &folder,
        &[&wrong[..], &["1/2", "--out", "a.png"]].concat(),
        2,
        &["pictures", ".npy"],
    );
}

#[test]
fn arrays_are_encoded_alike_by_rows_and_whole() {
    // More than a block of rows, and grey values of which the brightest, which says what white is,
    // come last.
    const ROWS: usize = 4200;
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let pixel = |row: usize, column: usize| ((row * 7 + column * 13) % (3 + row / 30)) as f32;
    let by_rows: Vec<f32> = (0..ROWS * 784).map(|i| pixel(i / 784, i % 784)).collect();
    let by_columns: Vec<f32> = (0..ROWS * 784).map(|i| pixel(i % ROWS, i / ROWS)).collect();
    let encoded = |more: &[&str]| {
        let encode = [
            "encode",
            "--quiet",
            "--model",
            "mnist-image",
            "--data",
            "a.npy",
            "--out",
            "out",
        ];
        json(&folder, &[&encode[..], more].concat());
        fs::read(at("out")).unwrap()
    };
    let ways: [&[&str]; 3] = [
        &[],
        &["--half", "--binarise"],
        &["--augment", "1", "--binarise", "--shard", "2/2"],
    ];
    write_npy(&at("a.npy"), &[ROWS, 784], &by_rows);
    let found = ways.map(encoded);
    // Columns one behind the other: such a file is read whole.
    write_npy(&at("a.npy"), &[ROWS, 784], &by_columns);
    let bytes = fs::read(at("a.npy")).unwrap();
    let place = bytes
        .windows(5)
        .position(|bytes| bytes == b"False")
        .unwrap();
    fs::write(
        at("a.npy"),
        [&bytes[..place], b"True ", &bytes[place + 5..]].concat(),
    )
    .unwrap();
    for (way, found) in ways.into_iter().zip(found) {
        assert!(found == encoded(way), "{way:?}");
    }
    let mut broken = by_rows;
    broken[4100 * 784 + 5] = f32::NAN;
    write_npy(&at("a.npy"), &[ROWS, 1, 28, 28], &broken);
    let encode = [
        "encode",
        "--model",
        "mnist-image",
        "--data",
        "a.npy",
        "--out",
        "new",
    ];
    fails(&folder, &encode, 3, &["a.npy", "row 4100", "column 5"]);
    assert!(!at("new").exists());
}

/// Latents of `rows` images, label after label: a cluster of its own for each label, in 64
/// dimensions.
fn write_clusters(path: &Path, rows: usize, seed: u64) {
    let labels: Vec<u8> = (0..rows).map(|row| (row % 10) as u8).collect();
    let mut means = vec![0.0; rows * 64];
    RandomStream::named(seed, "clusters").fill_standard_normal(&mut means);
    for (mean, &label) in means.chunks_exact_mut(64).zip(&labels) {
        mean.iter_mut().for_each(|value| *value *= 0.5);
        mean[usize::from(label)] += 3.0;
    }
    let log_vars = Latents::filled(rows, 64, -3.0);
    let posterior = DiagonalGaussian::new(Latents::from_vec(means, 64).unwrap(), log_vars)
        .unwrap()
        .into();
    let metadata = [("model".to_owned(), "mnist-image".to_owned())].into();
    let file = LatentsFile {
        labels: Some(labels),
        metadata,
        ..LatentsFile::numbered(posterior)
    };
    file.write(path, Precision::F32).unwrap();
}

#[test]
fn evaluation_finds_more_in_true_pairs_than_in_shuffled_ones() {
    let folder = folder_with_data();
    for (split, x, y, rows) in [
        ("train", "x.safetensors", "y.safetensors", 300),
        ("test", "hx.safetensors", "hy.safetensors", 100),
    ] {
        write_clusters(&folder.path().join(x), rows, rows as u64);
        json(
            &folder,
            &[
                "encode",
                "--model",
                "mnist-label",
                "--data",
                "data",
                "--split",
                split,
                "--out",
                y,
            ],
        );
    }
    json(
        &folder,
        &[
            "fit",
            "--x",
            "x.safetensors",
            "--y",
            "y.safetensors",
            "--budget",
            "2",
            "--out",
            "a.bridge",
        ],
    );
    let evaluate = |extra: &[&str]| {
        let base = [
            "evaluate",
            "--bridge",
            "a.bridge",
            "--x",
            "hx.safetensors",
            "--y",
            "hy.safetensors",
        ];
        json(&folder, &[&base, extra].concat())
    };
    let report = evaluate(&[]);
    assert_eq!(report["pairs"], 100);
    assert!(
        report["image_to_label"]["accuracy"].as_f64().unwrap() > 0.9,
        "clusters are easy to tell apart: {report}"
    );
    assert!(report["label_to_image"]["coherence"].is_number());
    // Row i with row i + 1: every pair is of two different labels.
    let shifted: String = (0..100)
        .map(|row| format!("{row},{}\n", (row + 1) % 100))
        .collect();
    fs::write(folder.path().join("shifted.csv"), format!("x,y\n{shifted}")).unwrap();
    let wrong = evaluate(&["--pairs", "shifted.csv"]);
    let density = |report: &serde_json::Value| {
        report["x_to_y"]["log_density_nats"]["mean"]
            .as_f64()
            .unwrap()
    };
    assert!(density(&report) > density(&wrong) + 1.0, "{report} {wrong}");
    let gain = |report: &serde_json::Value| {
        report["x_to_y"]["gain_over_marginal_nats"]["mean"]
            .as_f64()
            .unwrap()
    };
    assert!(
        gain(&report) > 1.0 && gain(&wrong) < 0.0,
        "{report} {wrong}"
    );
    let r2 = |report: &serde_json::Value| report["x_to_y"]["means"]["r2"]["mean"].as_f64().unwrap();
    assert!(r2(&report) > 0.8 && r2(&wrong) < 0.0, "{report} {wrong}");
    let foscttm = |report: &serde_json::Value| {
        let found = &report["x_to_y"]["means"]["foscttm"]["mean"];
        found.as_f64().unwrap()
    };
    assert!(
        foscttm(&report) < 0.2 && foscttm(&wrong) > 0.3,
        "{report} {wrong}"
    );
    let covered = &report["x_to_y"]["calibration"]["coverage_90"]["region"];
    assert!(covered["mean"].as_f64().unwrap() > 0.5, "{report}");
    let rank = |report: &serde_json::Value| {
        report["x_to_y"]["retrieval"]["median_rank"]
            .as_f64()
            .unwrap()
    };
    assert!(
        rank(&report) < 15.0 && rank(&wrong) > 40.0,
        "{report} {wrong}"
    );
    assert!(
        wrong["warnings"].to_string().contains("less probable"),
        "{wrong}"
    );

    let judged = |bound: &'static str| {
        let base = [
            "--quiet",
            "evaluate",
            "--bridge",
            "a.bridge",
            "--x",
            "hx.safetensors",
            "--y",
            "hy.safetensors",
        ];
        run(&folder, &[&base[..], &["--require", bound]].concat())
    };
    let (code, out, err) = judged("accuracy>=0.9");
    assert!(
        code == 0 && out.contains("met: accuracy>=0.9") && err.is_empty(),
        "{code} {out} {err}"
    );
    let (code, out, err) = judged("accuracy>1");
    assert!(
        code == 4 && out.contains("MISSED") && err.contains("required accuracy>1"),
        "{code} {out} {err}"
    );
    let (code, out, err) = judged("acuracy>=0.9");
    assert!(
        code == 2 && out.contains("accuracy") && err.contains("image_to_label.accuracy"),
        "{code} {out} {err}"
    );
    let (code, out, err) = judged("accuracy");
    assert!(
        code == 2 && out.is_empty() && err.contains("accuracy>=0.95"),
        "{code} {out} {err}"
    );
}

/// Some rows of a latents file as one of their own.
fn write_rows(folder: &TempDir, from: &str, rows: std::ops::Range<usize>, to: &str) {
    let file = LatentsFile::read(&folder.path().join(from)).unwrap();
    let every: Vec<usize> = rows.clone().collect();
    let part = LatentsFile {
        ids: file.ids[rows.clone()].to_vec(),
        posterior: file.posterior.select(&every),
        labels: file.labels.as_ref().map(|labels| labels[rows].to_vec()),
        ..file
    };
    part.write(&folder.path().join(to), Precision::F32).unwrap();
}

#[test]
fn a_report_is_one_page_with_its_figures_beside_it() {
    let folder = folder_with_bridge();
    write_rows(&folder, "x.safetensors", 0..200, "fx.safetensors");
    write_rows(&folder, "x.safetensors", 200..300, "hx.safetensors");
    let fit = [
        "fit",
        "--x",
        "fx.safetensors",
        "--y",
        "y.safetensors",
        "--recipe",
        "paper",
        "--steps",
        "200",
        "--out",
    ];
    json(&folder, &[&fit[..], &["a.bridge"]].concat());
    let held_out = [
        "--x",
        "hx.safetensors",
        "--y",
        "y.safetensors",
        "--likelihood-pairs",
        "4",
        "--draws",
        "50",
    ];
    let report = |extra: &[&'static str]| {
        [&["report", "--bridge", "a.bridge"], &held_out[..], extra].concat()
    };
    let data = ["--x-data", "data", "--split", "train", "--out", "page.html"];
    let reported = json(&folder, &report(&data));
    assert_eq!(
        reported["files"],
        serde_json::json!(["page.html", "page.json"])
    );
    assert!(
        reported["likelihoods"]["joint"]["gap_nats"]["mean"].is_number(),
        "{reported}"
    );
    assert!(
        reported["label_to_image"]["nearest_training"]["exact_copies"].is_number(),
        "{reported}"
    );
    // x is images whose data are given; of the classes of y no means are taken.
    let decoded = &reported["decoded_means"];
    let error = |of: &str| decoded["y_to_x"][of]["mean"].as_f64().unwrap();
    assert!(error("given_model") < error("bridge"), "{decoded}");
    // The model was trained on digits and knows no bars: it need not beat their mean.
    assert!(error("mean_observation") > 0.0 && decoded["x_to_y"].is_null());
    let page = fs::read_to_string(folder.path().join("page.html")).unwrap();
    for part in [
        "Images from labels",
        "Decoded means",
        "Labels from images",
        "Likelihoods",
        "The fit",
        "zbridge --json --quiet report",
    ] {
        assert!(page.contains(part), "{part}");
    }
    assert!(
        !page.contains("src=\"http") && !page.contains("@import"),
        "nothing is fetched"
    );
    let beside: serde_json::Value =
        serde_json::from_slice(&fs::read(folder.path().join("page.json")).unwrap()).unwrap();
    assert_eq!(beside["x_to_y"], reported["x_to_y"]);
    // Latents alone make a report too.
    let file = LatentsFile::read(&folder.path().join("x.safetensors")).unwrap();
    let nameless = LatentsFile {
        metadata: Default::default(),
        labels: None,
        ..file
    };
    nameless
        .write(&folder.path().join("nx.safetensors"), Precision::F32)
        .unwrap();
    let file = LatentsFile::read(&folder.path().join("y.safetensors")).unwrap();
    let nameless = LatentsFile {
        metadata: Default::default(),
        labels: None,
        ..file
    };
    nameless
        .write(&folder.path().join("ny.safetensors"), Precision::F32)
        .unwrap();
    let pair = ["--x", "nx.safetensors", "--y", "ny.safetensors"];
    json(
        &folder,
        &[
            &[
                "fit",
                "--recipe",
                "linear-gaussian",
                "--budget",
                "1",
                "--out",
                "n.bridge",
            ],
            &pair[..],
        ]
        .concat(),
    );
    let latent = [
        &["report", "--bridge", "n.bridge", "--out", "n.html"],
        &pair[..],
    ]
    .concat();
    let reported = json(&folder, &latent);
    assert!(
        reported["image_to_label"].is_null()
            && reported["y_to_x"]["calibration"]["count"].is_number()
    );
    let page = fs::read_to_string(folder.path().join("n.html")).unwrap();
    assert!(
        page.contains("Do targets fall where the densities say?")
            && !page.contains("Images from labels")
    );

    let before = files(&folder);
    fails(
        &folder,
        &report(&["--quiet", "--out", "page.pdf"]),
        2,
        &[".html"],
    );
    fails(
        &folder,
        &report(&["--quiet", "--x-data", "absent", "--out", "b.html"]),
        3,
        &["absent"],
    );
    let mixed = [
        "evaluate",
        "--quiet",
        "--bridge",
        "a.bridge",
        "--x",
        "y.safetensors",
        "--y",
        "hx.safetensors",
    ];
    fails(
        &folder,
        &mixed,
        3,
        &["y.safetensors", "2 dimensions", "64", "mixed up"],
    );
    // The test half has other images under the same ids.
    fails(
        &folder,
        &report(&["--quiet", "--x-data", "data", "--out", "b.html"]),
        3,
        &["data", "train or test"],
    );
    assert_eq!(files(&folder), before);
}

#[test]
fn views_and_draws_from_the_prior_take_part_in_a_fit() {
    let folder = folder_with_data();
    let encode = |extra: &[&str]| {
        json(
            &folder,
            &[&["encode", "--model", "mnist-image"], extra].concat(),
        )
    };
    let data = ["--data", "data", "--split", "test", "--sample", "40"];
    encode(&[&data[..], &["--augment", "3", "--out", "views.safetensors"]].concat());
    encode(&[&data[..], &["--out", "x.safetensors"]].concat());
    assert_eq!(
        encode(&["--prior", "50", "--out", "dreams.safetensors"])["rows"],
        50
    );
    let read = |name: &str| LatentsFile::read(&folder.path().join(name)).unwrap();
    let (views, plain) = (read("views.safetensors"), read("x.safetensors"));
    assert_eq!(
        (views.views.as_ref().unwrap().rows(), &views.posterior),
        (120, &plain.posterior)
    );
    json(
        &folder,
        &[
            "encode",
            "--model",
            "mnist-label",
            "--data",
            "data",
            "--split",
            "test",
            "--out",
            "y.safetensors",
        ],
    );
    let fit = |x: &str, extra: &[&str]| {
        json(
            &folder,
            &[
                &[
                    "fit",
                    "--x",
                    x,
                    "--y",
                    "y.safetensors",
                    "--budget",
                    "1",
                    "--out",
                    "a.bridge",
                ],
                extra,
            ]
            .concat(),
        )
    };
    let own = fit("x.safetensors", &["--prior-draws", "60"]);
    assert_eq!(
        own["unpaired"][0],
        serde_json::json!({"rows": 60, "prior_samples": true})
    );
    assert_eq!(
        own["unpaired"][1],
        serde_json::json!({"rows": 0, "prior_samples": false})
    );
    let none = fit("x.safetensors", &["--prior-draws", "0"]);
    assert_eq!(none["unpaired"][0]["rows"], 0);
    let seen = fit("views.safetensors", &["--prior-draws", "0"]);
    assert_ne!(none["x_to_y"]["comparison"], seen["x_to_y"]["comparison"]);
    let of_paper = [
        "--recipe",
        "paper",
        "--steps",
        "10",
        "--x-unpaired",
        "dreams.safetensors",
    ];
    let paper = fit("views.safetensors", &of_paper);
    assert!(
        paper["notes"].to_string().contains("without partners")
            && paper["notes"].to_string().contains("views")
    );
    fails(
        &folder,
        &[
            "encode",
            "--model",
            "mnist-label",
            "--data",
            "data",
            "--augment",
            "2",
        ],
        2,
        &["only images can be turned"],
    );
    fails(
        &folder,
        &[
            "encode",
            "--model",
            "mnist-label",
            "--data",
            "data",
            "--binarise",
        ],
        2,
        &["only pixels can be made black or white"],
    );
    fails(
        &folder,
        &["encode", "--model", "mnist-image"],
        2,
        &["--data"],
    );
}

#[test]
fn files_at_fault_exit_with_3_and_leave_nothing() {
    let folder = folder_with_bridge();
    let before = files(&folder);
    let at = |name: &str| folder.path().join(name);
    let fit = |x: &'static str| {
        [
            "fit",
            "--x",
            x,
            "--y",
            "y.safetensors",
            "--out",
            "new.bridge",
        ]
    };
    fails(
        &folder,
        &fit("absent.safetensors"),
        3,
        &["absent.safetensors"],
    );
    let whole = fs::read(at("x.safetensors")).unwrap();
    fs::write(at("cut.safetensors"), &whole[..whole.len() / 2]).unwrap();
    fails(&folder, &fit("cut.safetensors"), 3, &["cut.safetensors"]);
    fs::write(
        at("text.safetensors"),
        "not tensors at all, but long enough",
    )
    .unwrap();
    fails(&folder, &fit("text.safetensors"), 3, &["text.safetensors"]);
    fs::write(at("pairs.csv"), "x,y\n0,0\n1,999999\n").unwrap();
    let pairs = [&fit("x.safetensors")[..], &["--pairs", "pairs.csv"]].concat();
    fails(&folder, &pairs, 3, &["999999"]);
    write_npy(&at("nan.npy"), &[1, 28, 28], &vec![f32::NAN; 784]);
    write_npy(&at("shape.npy"), &[1, 27, 27], &vec![0.0; 729]);
    let generate = |from: &'static str| {
        [
            "generate", "--bridge", "a.bridge", "--from", from, "--to", "y", "--out", "new.npy",
        ]
    };
    fails(&folder, &generate("nan.npy"), 3, &["nan.npy", "row"]);
    fails(&folder, &generate("shape.npy"), 3, &["shape.npy", "28"]);
    fails(&folder, &generate("absent.npy"), 3, &["absent.npy"]);
    fs::write(at("cut.bridge"), &fs::read(at("a.bridge")).unwrap()[..100]).unwrap();
    let cut = [
        "generate",
        "--bridge",
        "cut.bridge",
        "--from",
        "3",
        "--to",
        "x",
        "--out",
        "new.npy",
    ];
    fails(&folder, &cut, 3, &["cut.bridge"]);
    let made = [
        "cut.bridge",
        "cut.safetensors",
        "nan.npy",
        "pairs.csv",
        "shape.npy",
        "text.safetensors",
    ];
    let mut expected = [before, made.map(String::from).to_vec()].concat();
    expected.sort();
    assert_eq!(files(&folder), expected);
}

#[test]
fn wrong_settings_exit_with_2() {
    let folder = folder_with_bridge();
    let fit = |extra: &'static [&'static str]| {
        [
            &["fit", "--x", "x.safetensors", "--y", "y.safetensors"],
            extra,
        ]
        .concat()
    };
    fails(&folder, &fit(&["--recipe", "papr"]), 2, &["paper"]);
    fails(&folder, &fit(&["--divergence", "kl"]), 2, &["reverse-kl"]);
    fails(
        &folder,
        &fit(&["--recipe", "paper", "--batch", "1"]),
        2,
        &["batch", "at least 2"],
    );
    fails(
        &folder,
        &fit(&["--steps", "10"]),
        2,
        &["--steps", "--recipe paper", "--budget"],
    );
    fails(
        &folder,
        &fit(&["--budget", "soon"]),
        2,
        &["--budget", "60s"],
    );
    fails(
        &folder,
        &fit(&["--budget", "0"]),
        2,
        &["budget", "1 second"],
    );
    fails(
        &folder,
        &fit(&["--x-unpaired", "y.safetensors"]),
        3,
        &["unpaired latents of x have 2 dimensions", "64"],
    );
    fails(
        &folder,
        &["learning-curve", "--data", "data", "--pairs", "3"],
        2,
        &["3 pairs"],
    );
    let generate =
        |extra: &'static [&'static str]| [&["generate", "--bridge", "a.bridge"], extra].concat();
    fails(
        &folder,
        &generate(&["--from", "7", "--to", "z"]),
        2,
        &["x and y"],
    );
    fails(
        &folder,
        &generate(&["--from", "7", "--to", "x", "--out", "a.jpg"]),
        2,
        &[".png, .wav, .txt, .npy or .safetensors"],
    );
    fails(
        &folder,
        &generate(&["--from", "10", "--to", "x"]),
        2,
        &["0 to 9"],
    );
    fails(
        &folder,
        &generate(&["--from", "7", "--to", "x", "--y-model", "nobody"]),
        2,
        &["nobody", "mnist-label"],
    );
    fails(
        &folder,
        &[
            "encode",
            "--model",
            "mnist-image",
            "--data",
            "data",
            "--sample",
            "101",
        ],
        2,
        &["only 100"],
    );
}

#[test]
fn help_names_every_command() {
    let folder = tempfile::tempdir().unwrap();
    let (code, out, _) = run(&folder, &["--help"]);
    for command in [
        "demo",
        "encode",
        "fit",
        "generate",
        "evaluate",
        "report",
        "learning-curve",
        "compare",
        "reproduce",
        "train",
    ] {
        assert!(code == 0 && out.contains(command), "{command}");
    }
}

/// What is known of unpaired latents must not reach the fit: not even their labels, were they in
/// the file.
#[test]
fn shuffling_the_labels_of_unpaired_latents_changes_nothing() {
    let folder = folder_with_data();
    write_clusters(&folder.path().join("x.safetensors"), 100, 1);
    json(
        &folder,
        &[
            "encode",
            "--model",
            "mnist-label",
            "--data",
            "data",
            "--split",
            "test",
            "--out",
            "y.safetensors",
        ],
    );
    write_clusters(&folder.path().join("more.safetensors"), 200, 2);
    let file = LatentsFile::read(&folder.path().join("more.safetensors")).unwrap();
    let mut labels = file.labels.clone().unwrap();
    labels.rotate_left(3);
    let shuffled = LatentsFile {
        labels: Some(labels),
        ..file
    };
    shuffled
        .write(&folder.path().join("shuffled.safetensors"), Precision::F32)
        .unwrap();
    let bridge = |unpaired: &str, out: &str| {
        let fit = [
            "fit",
            "--x",
            "x.safetensors",
            "--y",
            "y.safetensors",
            "--budget",
            "1",
        ];
        let report = json(
            &folder,
            &[&fit[..], &["--x-unpaired", unpaired, "--out", out]].concat(),
        );
        assert_eq!(report["unpaired"][0]["rows"], 200);
        zbridge::Bridge::read(&folder.path().join(out)).unwrap()
    };
    let (a, b) = (
        bridge("more.safetensors", "a.bridge"),
        bridge("shuffled.safetensors", "b.bridge"),
    );
    assert_eq!((a.x_to_y(), a.y_to_x()), (b.x_to_y(), b.y_to_x()));
}

#[test]
fn a_mean_is_one_output_for_each_input() {
    let folder = folder_with_bridge();
    let base = ["generate", "--bridge", "a.bridge"];
    let generate = |extra: &[&str]| json(&folder, &[&base, extra].concat());
    let seven = ["--from", "7", "--to", "x"];
    let made = generate(&[&seven[..], &["--mean", "--out", "seven.npy"]].concat());
    assert_eq!(made["shape"], serde_json::json!([1, 1, 28, 28]));
    assert_eq!(made["mean_draws"], 32);
    let latents = |extra: &[&str], out: &str| {
        let from = ["--from-latents", "y.safetensors", "--to", "x", "--latents"];
        generate(&[&from[..], extra, &["--out", out]].concat());
        let file = LatentsFile::read(&folder.path().join(out)).unwrap();
        file.posterior.moments().mean().clone()
    };
    let mean = |extra: &[&str], out: &str| latents(&[&["--mean"][..], extra].concat(), out);
    let apart = |a: &Latents, b: &Latents| (&a.view() - &b.view()).mapv(|gap| gap * gap).sum();
    let other = ["--seed", "2"];
    let of_draws = apart(
        &latents(&[], "a.safetensors"),
        &latents(&other, "b.safetensors"),
    );
    let whole = mean(&[], "c.safetensors");
    let of_means = apart(&whole, &mean(&other, "d.safetensors"));
    assert!(
        of_means < 0.1 * of_draws,
        "means differ by 1/32 of what draws do: {of_means} {of_draws}"
    );
    let parts =
        ["1/2", "2/2"].map(|shard| mean(&["--shard", shard], "e.safetensors").values().to_vec());
    assert_eq!(whole.values(), parts.concat());

    let wrong = |extra: &[&str], told: &[&str]| {
        let arguments = [&base, &seven[..], extra].concat();
        fails(&folder, &arguments, 2, told);
    };
    wrong(&["--mean", "--count", "3"], &["--mean", "--count"]);
    wrong(&["--mean-draws", "3"], &["--mean"]);
    wrong(&["--mean", "--mean-draws", "1"], &["at least 2"]);
    let to_classes = [
        "generate",
        "--bridge",
        "a.bridge",
        "--from-latents",
        "x.safetensors",
        "--to",
        "y",
        "--mean",
    ];
    fails(&folder, &to_classes, 2, &["10 classes", "several draws"]);
}

#[test]
fn a_set_of_each_input_is_classes_or_a_region() {
    let folder = folder_with_bridge();
    let base = ["generate", "--bridge", "a.bridge", "--set", "0.8"];
    let sets = |extra: &[&str]| json(&folder, &[&base, extra].concat());
    let to_y = ["--from-latents", "x.safetensors", "--to", "y"];
    let calibrated = [
        &to_y[..],
        &[
            "--calibrate-x",
            "x.safetensors",
            "--calibrate-y",
            "y.safetensors",
        ],
    ]
    .concat();
    let found = sets(&calibrated);
    let (inputs, pairs) = (
        found["inputs"].as_u64(),
        found["calibration_pairs"].as_u64(),
    );
    assert_eq!(inputs, pairs, "each pair is an input too");
    let csv = fs::read_to_string(folder.path().join("sets.csv")).unwrap();
    assert!(csv.starts_with("id,classes,probabilities\n"), "{csv}");
    assert_eq!(csv.lines().count() as u64, 1 + inputs.unwrap());
    let sizes = found["classes"].as_array().unwrap().iter();
    assert!(
        sizes
            .clone()
            .all(|set| !set["classes"].as_array().unwrap().is_empty())
    );

    let part = sets(&[&to_y[..], &["--shard", "2/2", "--out", "part.csv"]].concat());
    let whole = sets(&to_y);
    let (whole, part) = (
        whole["classes"].as_array().unwrap(),
        part["classes"].as_array().unwrap(),
    );
    assert!(whole.ends_with(part), "a shard writes what one run would");

    let to_x = ["--from", "7", "--to", "x", "--out", "seven.safetensors"];
    assert_eq!(sets(&to_x)["files"][0], "seven.safetensors");
    let file = zbridge_nn::WeightsFile::read(&folder.path().join("seven.safetensors")).unwrap();
    let bounds = ["lower", "upper"].map(|name| &file.tensors[name].values);
    assert!(
        bounds[0]
            .iter()
            .zip(bounds[1])
            .all(|(lower, upper)| lower < upper)
    );

    let wrong = |extra: &[&str], code: i32, told: &[&str]| {
        fails(&folder, &[&base, extra].concat(), code, told);
    };
    wrong(
        &["--from", "7", "--to", "x", "--out", "seven.png"],
        3,
        &[".safetensors"],
    );
    wrong(
        &[&to_y[..], &["--calibrate-x", "x.safetensors"]].concat(),
        2,
        &["--calibrate-y"],
    );
    wrong(
        &[&to_y[..], &["--count", "3"]].concat(),
        2,
        &["--set", "--count"],
    );
    wrong(
        &[&to_y[..], &["--set-draws", "3"]].concat(),
        2,
        &["20 at least"],
    );
}

#[test]
fn partners_are_found_among_candidates() {
    let folder = folder_with_bridge();
    let base = [
        "generate",
        "--bridge",
        "a.bridge",
        "--from-latents",
        "x.safetensors",
        "--to",
        "y",
    ];
    let among = ["--among", "y.safetensors", "--count", "2"];
    let reference = ["--reference", "x.safetensors"];
    let found = json(&folder, &[&base[..], &among, &reference].concat());
    let inputs = found["inputs"].as_u64().unwrap();
    assert_eq!(
        (found["candidates"].as_u64(), found["reference"].as_u64()),
        (Some(inputs), Some(inputs))
    );
    let csv = fs::read_to_string(folder.path().join("found.csv")).unwrap();
    assert_eq!(csv.lines().count() as u64, 1 + 2 * inputs);
    assert!(csv.starts_with("id,place,candidate,nats\n"), "{csv}");
    for one in found["found"].as_array().unwrap() {
        assert!(one["nats"][0].as_f64() >= one["nats"][1].as_f64());
    }
    let wrong = |extra: &[&str], code: i32, told: &[&str]| {
        fails(&folder, &[&base[..], extra].concat(), code, told);
    };
    wrong(&reference, 2, &["--among"]);
    wrong(&["--among", "x.safetensors"], 3, &["x.safetensors"]);
    wrong(
        &[&among[..], &["--out", "found.png"]].concat(),
        3,
        &[".csv"],
    );
    wrong(
        &["--among", "y.safetensors", "--count", "0"],
        2,
        &["at least one"],
    );
}

#[test]
fn suggested_items_cover_every_cluster() {
    let folder = folder_with_data();
    write_clusters(&folder.path().join("x.safetensors"), 400, 1);
    let labels = |report: &serde_json::Value| {
        let chosen = report["chosen"].as_array().unwrap();
        let rows = chosen.iter().map(|item| item["row"].as_u64().unwrap());
        let mut labels: Vec<u64> = rows.map(|row| row % 10).collect();
        labels.sort_unstable();
        labels.dedup();
        labels
    };
    let base = ["suggest", "--x", "x.safetensors"];
    let suggest = |extra: &[&str]| json(&folder, &[&base, extra].concat());
    let found = suggest(&[]);
    assert_eq!(found["chosen"].as_array().unwrap().len(), 16);
    assert_eq!(labels(&found).len(), 10, "{found}");
    let distance = |name: &str| found[name].as_f64().unwrap();
    assert!(distance("mean_distance") < distance("mean_distance_at_random"));

    // Text on standard output is the file itself.
    let (code, csv, err) = run(&folder, &[&["--quiet"][..], &base].concat());
    assert_eq!((code, err.as_str()), (0, ""));
    let written = suggest(&["--out", "ids.csv"]);
    assert_eq!(written["files"], serde_json::json!(["ids.csv"]));
    assert_eq!(
        fs::read_to_string(folder.path().join("ids.csv")).unwrap(),
        csv
    );
    let ids: Vec<&str> = csv.lines().collect();
    assert_eq!((ids[0], ids.len()), ("x", 17));
    assert_eq!(found["chosen"][0]["id"].as_str(), Some(ids[1]));

    // Items of seven clusters have partners: the other three are left.
    let file = LatentsFile::read(&folder.path().join("x.safetensors")).unwrap();
    let known: Vec<usize> = (0..400).filter(|row| row % 10 < 7).collect();
    let known = LatentsFile::numbered(file.posterior.select(&known));
    let path = folder.path().join("known.safetensors");
    known.write(&path, Precision::F32).unwrap();
    let rest = suggest(&["--pairs-x", "known.safetensors", "--count", "6"]);
    assert_eq!(labels(&rest), [7, 8, 9], "{rest}");

    json(
        &folder,
        &[
            "encode",
            "--model",
            "mnist-label",
            "--data",
            "data",
            "--split",
            "test",
            "--out",
            "y.safetensors",
        ],
    );
    let fit = ["fit", "--x", "x.safetensors", "--y", "y.safetensors"];
    json(
        &folder,
        &[&fit[..], &["--budget", "1", "--out", "a.bridge"]].concat(),
    );
    let unsure = suggest(&["--bridge", "a.bridge"]);
    assert!(unsure["chosen"][0]["uncertainty"].as_f64().unwrap() >= 0.0);
    assert_eq!(labels(&unsure).len(), 10, "{unsure}");

    let wrong = |extra: &[&str], code: i32, told: &[&str]| {
        fails(
            &folder,
            &[&["--quiet"][..], &base, extra].concat(),
            code,
            told,
        );
    };
    wrong(&["--count", "0"], 2, &["at least one"]);
    wrong(&["--count", "401"], 3, &["different items", "401", "400"]);
    wrong(
        &["--pairs-x", "y.safetensors"],
        3,
        &["y.safetensors", "2 dimensions", "64"],
    );
    wrong(&["--bridge", "absent.bridge"], 3, &["absent.bridge"]);
}
