use super::pair_objective::{SideCodes, SideSlopes};
use super::*;
use crate::families::softmax_rows;
use crate::frame::Frame;
use ndarray::{Array2, Axis};
use zbridge_core::{DiagonalGaussian, Latents, Posterior, Unobserved};
use zbridge_nn::Tape;

/// Points around `classes` corners of a hypercube, row i of class i modulo `classes`; `turn`
/// moves the corners.
fn clustered(rows: usize, classes: usize, turn: u32) -> Posterior {
    let mut mean = vec![0.0; rows * 3];
    RandomStream::named(u64::from(turn), "codes").fill_standard_normal(&mut mean);
    for (row, point) in mean.chunks_exact_mut(3).enumerate() {
        let class = ((row % classes) as u32 * (2 * turn + 1)) % 8;
        for (bit, value) in point.iter_mut().enumerate() {
            *value = 0.3 * *value + if class >> bit & 1 == 1 { 2.0 } else { -2.0 };
        }
    }
    DiagonalGaussian::new(
        Latents::from_vec(mean, 3).unwrap(),
        Latents::filled(rows, 3, -4.0),
    )
    .unwrap()
    .into()
}

/// How codes are learned in a short time.
fn short_learning(steps: usize, codes: usize) -> CodeLearning {
    CodeLearning {
        optimiser: OptimiserPlan {
            steps,
            batch: 64,
            learning_rate: 4e-3,
            weight_decay: 0.05,
        },
        codes,
        unpaired: 64,
        strength: 1.0,
        hidden: [32, 32],
        dropout: 0.1,
    }
}

fn learned(partners: impl Fn(usize) -> usize) -> (SharedCodes, Posterior, Posterior) {
    let (x, y) = (clustered(240, 4, 0), clustered(240, 4, 1));
    let order: Vec<usize> = (0..240).map(partners).collect();
    let y = y.select(&order);
    let (x_frame, y_frame) = (Frame::of(&[&x]), Frame::of(&[&y]));
    let (x_inside, y_inside, rows) = (
        x_frame.inside(&x),
        y_frame.inside(&y),
        (0..240).collect::<Vec<_>>(),
    );
    let side = |pairs| Side {
        pairs,
        unpaired: None,
        rows: &rows,
    };
    let learning = short_learning(150, 8);
    let streams = RandomStream::named(1, "codes");
    let codes = SharedCodes::learn(
        [side(&x_inside), side(&y_inside)],
        None,
        [3, 3],
        &learning,
        &streams,
        &Stage::new(&Unobserved, "learning codes", 0),
    )
    .unwrap();
    (codes, x, y)
}

/// The most probable code of each posterior's mean.
fn read(reader: &Conditioner, posterior: &Posterior) -> Vec<usize> {
    let points = Frame::of(&[posterior]).standardised(posterior.moments().mean().view());
    let mut tape = Tape::default();
    let logits = reader.infer(points.view(), &mut tape);
    let best = |row: ndarray::ArrayView1<'_, f32>| {
        (0..row.len())
            .max_by(|&a, &b| row[a].total_cmp(&row[b]))
            .unwrap()
    };
    logits.rows().into_iter().map(best).collect()
}

#[test]
fn likely_codes_are_learned_whatever_the_order_of_places() {
    let (x, y) = (clustered(240, 4, 0), clustered(240, 4, 1));
    let frames = [Frame::of(&[&x]), Frame::of(&[&y])];
    // A third of the posteriors are pairs.
    let (paired, others): (Vec<usize>, Vec<usize>) = (0..240).partition(|row| *row < 80);
    let inside = |side: usize, rows: &[usize]| frames[side].inside(&[&x, &y][side].select(rows));
    let pairs = [inside(0, &paired), inside(1, &paired)];
    let unpaired = [inside(0, &others), inside(1, &others)];
    let side = |side: usize| Side {
        pairs: &pairs[side],
        unpaired: Some(&unpaired[side]),
        rows: &paired,
    };
    let likely = ["x", "y"].map(|name| {
        let places = RandomStream::named(2, name).permutation(240);
        let class = |(at, class): (usize, usize)| f32::from(u8::from(places[at] % 4 == class));
        LikelyPlaces {
            weights: Array2::from_shape_fn((240, 4), class),
            places,
        }
    });
    let codes = SharedCodes::learn(
        [side(0), side(1)],
        Some(&likely),
        [3, 3],
        &short_learning(60, 4),
        &RandomStream::named(1, "codes"),
        &Stage::new(&Unobserved, "learning codes", 0),
    )
    .unwrap();
    for (reader, posterior) in codes.readers.iter().zip([&x, &y]) {
        let codes = read(reader, posterior);
        let right = (0..240).filter(|&row| codes[row] == row % 4).count();
        assert!(right > 220, "{right} of 240");
    }
}

#[test]
fn codes_tell_what_pairs_share() {
    // Within a class, partners have nothing to do with each other.
    let (codes, x, y) = learned(|row| (row + 4 * (row % 17)) % 240);
    assert!(
        *codes.curve.objective_nats.last().unwrap() < -1.1,
        "log 4 = 1.39 nats are there: {:?}",
        codes.curve.objective_nats
    );
    let same = read(&codes.readers[0], &x)
        .iter()
        .zip(read(&codes.readers[1], &y))
        .filter(|(a, b)| **a == *b)
        .count();
    assert!(same > 220, "{same} of 240 pairs have one code");
}

/// Random codes of pairs and of others, `[pairs + others, codes]`.
fn random_codes(name: &str) -> Array2<f32> {
    let mut logits = Array2::zeros((8 + 6, 5));
    let mut stream = RandomStream::named(3, name);
    logits.mapv_inplace(|_: f32| 4.0 * stream.uniform() - 2.0);
    softmax_rows(&mut logits);
    logits
}

/// The objective of codes of which the first eight are of pairs, and its slopes.
fn objective_and_slopes(codes: &[Array2<f32>; 2]) -> (f64, [Array2<f32>; 2]) {
    let mut slopes = codes.each_ref().map(|codes| Array2::zeros(codes.dim()));
    let parts = codes.each_ref().map(|codes| {
        let (pairs, others) = codes.view().split_at(Axis(0), 8);
        SideCodes { pairs, others }
    });
    let slope_parts = slopes.each_mut().map(|slopes| {
        let (pairs, others) = slopes.view_mut().split_at(Axis(0), 8);
        SideSlopes { pairs, others }
    });
    let nats = pair_objective(parts, slope_parts);
    (nats, slopes)
}

#[test]
fn slopes_equal_central_differences() {
    let codes = [random_codes("x"), random_codes("y")];
    let (_, slopes) = objective_and_slopes(&codes);
    for side in 0..2 {
        for (place, &slope) in slopes[side].indexed_iter() {
            let difference = |step: f32| {
                let at = |shift: f32| {
                    let mut moved = codes.clone();
                    moved[side][place] += shift;
                    objective_and_slopes(&moved).0
                };
                (at(step) - at(-step)) / f64::from(2.0 * step)
            };
            // Richardson: the errors of two steps, long enough for single precision, cancel.
            let numeric = (4.0 * difference(0.005) - difference(0.01)) / 3.0;
            assert!(
                (numeric - f64::from(slope)).abs() < 1e-3 * numeric.abs() + 2e-4,
                "{side} {place:?}: {slope}, by differences {numeric}"
            );
        }
    }
}

#[test]
fn pairs_that_share_nothing_have_no_code() {
    let order = RandomStream::named(9, "codes").permutation(240);
    let (codes, ..) = learned(|row| order[row]);
    // What is learned by heart is little, and no held-out pair confirms it.
    assert!(
        *codes.curve.objective_nats.last().unwrap() > -0.9,
        "{:?}",
        codes.curve.objective_nats
    );
}
