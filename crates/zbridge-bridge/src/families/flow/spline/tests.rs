use super::*;
use crate::rows::{rows_of, rows_of_mut};
use zbridge_core::RandomStream;

const BINS: [usize; 3] = [2, 5, 8];

/// Positions in and around the box, some at its very edges, and raw parameters of mixed
/// strength.
fn draw(splines: Splines, n: usize) -> (Vec<f32>, Vec<f32>) {
    let mut stream = RandomStream::named(21, "splines");
    let (mut x, mut raw) = (vec![0.0; n], vec![0.0; n * splines.raw_count()]);
    stream.fill_standard_normal(&mut raw);
    for (i, (x, raw)) in x
        .iter_mut()
        .zip(raw.chunks_exact_mut(splines.raw_count()))
        .enumerate()
    {
        *x = match i % 8 {
            0 => 4.999 + 0.002 * stream.uniform(),
            1 => -4.999 - 0.002 * stream.uniform(),
            2 => 1e6 * (stream.uniform() - 0.5),
            _ => 12.0 * (stream.uniform() - 0.5),
        };
        let strength = [0.3, 1.0, 2.0][i % 3];
        raw.iter_mut().for_each(|raw| *raw *= strength);
    }
    (x, raw)
}

fn forward(splines: Splines, x: &[f32], raw: &[f32]) -> (Vec<f32>, Vec<f32>) {
    let (mut y, mut log_slopes) = (vec![0.0; x.len()], vec![0.0; x.len()]);
    splines.forward(
        x,
        rows_of(raw, splines.raw_count()),
        &mut y,
        &mut log_slopes,
        &mut SplineTape::default(),
    );
    (y, log_slopes)
}

/// The definition, in f64 and without lanes: the oracle for values, slopes and gradients.
fn reference(splines: Splines, x: f64, raw: &[f64]) -> (f64, f64) {
    let (bins, edge) = (splines.bins, f64::from(BOX));
    if x.abs() >= edge {
        return (x, 0.0);
    }
    let knots = |logits: &[f64]| -> Vec<f64> {
        let total: f64 = logits.iter().map(|logit| logit.exp()).sum();
        let least = f64::from(MIN_SHARE);
        let share =
            |logit: &f64| 2.0 * edge * (least + (1.0 - least * bins as f64) * logit.exp() / total);
        let steps = logits.iter().scan(-edge, |at, logit| {
            *at += share(logit);
            Some(*at)
        });
        std::iter::once(-edge).chain(steps).collect()
    };
    let (xs, ys) = (knots(&raw[..bins]), knots(&raw[bins..2 * bins]));
    let slope = |knot: usize| match knot {
        _ if knot == 0 || knot == bins => 1.0,
        _ => {
            let offset = (1.0 - f64::from(MIN_SLOPE)).exp_m1().ln();
            f64::from(MIN_SLOPE) + (raw[2 * bins + knot - 1] + offset).exp().ln_1p()
        }
    };
    let k = (0..bins).rev().find(|&k| x >= xs[k]).unwrap();
    let (width, height) = (xs[k + 1] - xs[k], ys[k + 1] - ys[k]);
    let (theta, s, left, right) = ((x - xs[k]) / width, height / width, slope(k), slope(k + 1));
    let below = s + (left + right - 2.0 * s) * theta * (1.0 - theta);
    let value = ys[k] + height * (s * theta * theta + left * theta * (1.0 - theta)) / below;
    let bend = right * theta * theta
        + 2.0 * s * theta * (1.0 - theta)
        + left * (1.0 - theta) * (1.0 - theta);
    (value, (s * s * bend / (below * below)).ln())
}

fn widened(values: &[f32]) -> Vec<f64> {
    values.iter().map(|&value| f64::from(value)).collect()
}

#[test]
fn values_and_slopes_are_those_of_the_definition() {
    for splines in BINS.map(Splines::new) {
        let (x, raw) = draw(splines, 1003);
        let (y, log_slopes) = forward(splines, &x, &raw);
        for (i, raw) in raw.chunks_exact(splines.raw_count()).enumerate() {
            let (value, log_slope) = reference(splines, f64::from(x[i]), &widened(raw));
            // Rounding a knot moves the value by the slope times as much, and the slope by the
            // bend.
            let allowed = 2e-6 * value.abs().max(5.0) * log_slope.exp().max(1.0);
            assert!(
                (f64::from(y[i]) - value).abs() < allowed,
                "{} for {value}",
                y[i]
            );
            assert!(
                (f64::from(log_slopes[i]) - log_slope).abs() < 5e-3,
                "{} for {log_slope}",
                log_slopes[i]
            );
        }
    }
}

#[test]
fn raw_zeros_are_the_identity() {
    for splines in BINS.map(Splines::new) {
        let (x, _) = draw(splines, 100);
        let (y, log_slopes) = forward(splines, &x, &vec![0.0; 100 * splines.raw_count()]);
        assert!(
            x.iter()
                .zip(&y)
                .all(|(x, y)| (x - y).abs() < 1e-5 * x.abs().max(1.0))
        );
        assert!(log_slopes.iter().all(|log_slope| log_slope.abs() < 1e-5));
    }
}

#[test]
fn the_inverse_leads_back() {
    for splines in BINS.map(Splines::new) {
        let (x, raw) = draw(splines, 1003);
        let (y, log_slopes) = forward(splines, &x, &raw);
        let mut back = vec![0.0; x.len()];
        splines.inverse(
            &y,
            rows_of(&raw, splines.raw_count()),
            &mut back,
            &mut SplineTape::default(),
        );
        let (again, _) = forward(splines, &back, &raw);
        for i in 0..x.len() {
            let slope = log_slopes[i].exp();
            assert!(
                (again[i] - y[i]).abs() < 1e-5 * y[i].abs().max(1.0) * slope.max(1.0),
                "{} for {}",
                again[i],
                y[i]
            );
            // Where the spline is flat, many x have the same value.
            let close = (x[i] - back[i]).abs() < 1e-4 * x[i].abs().max(1.0);
            assert!(
                close || slope < 0.1,
                "{} became {}, slope {slope}",
                x[i],
                back[i]
            );
        }
    }
}

#[test]
fn a_spline_rises_from_end_to_end_of_the_box() {
    let splines = Splines::new(8);
    let (_, raw) = draw(splines, 30);
    let x: Vec<f32> = (0..=2200).map(|i| -5.5 + 0.005 * i as f32).collect();
    for raw in raw.chunks_exact(splines.raw_count()) {
        let (y, log_slopes) = forward(splines, &x, &raw.repeat(x.len()));
        assert!(
            y.windows(2).all(|pair| pair[1] >= pair[0]),
            "falls somewhere"
        );
        assert!((y[0] + 5.5).abs() < 1e-6 && (y[2200] - 5.5).abs() < 1e-5);
        assert!(log_slopes.iter().all(|log_slope| log_slope.is_finite()));
    }
}

#[test]
fn extreme_parameters_and_positions_stay_finite() {
    let splines = Splines::new(8);
    let extremes = [f32::MAX, f32::MIN, 0.0, 90.0, -90.0, 1e30, 3.0];
    let raw: Vec<f32> = (0..7 * 16 * splines.raw_count())
        .map(|i| extremes[i * i % 7])
        .collect();
    let positions = [f32::MAX, f32::MIN, 5.0, -5.0, 4.9999995, -4.9999995, 0.0];
    let x: Vec<f32> = (0..7 * 16).map(|i| positions[i % 7]).collect();
    let (mut y, mut log_slopes, mut tape) = (
        vec![0.0; x.len()],
        vec![0.0; x.len()],
        SplineTape::default(),
    );
    splines.forward(
        &x,
        rows_of(&raw, splines.raw_count()),
        &mut y,
        &mut log_slopes,
        &mut tape,
    );
    let (mut gradient, mut raw_gradient) = (vec![1.0; x.len()], vec![0.0; raw.len()]);
    splines.backward(
        -1.0,
        &mut gradient,
        rows_of_mut(&mut raw_gradient, splines.raw_count()),
        &mut tape,
    );
    let mut back = vec![0.0; x.len()];
    splines.inverse(&y, rows_of(&raw, splines.raw_count()), &mut back, &mut tape);
    let all = [&y, &log_slopes, &gradient, &raw_gradient, &back];
    assert!(
        all.iter()
            .all(|values| values.iter().all(|value| value.is_finite()))
    );
}

#[test]
fn gradients_equal_central_differences_of_the_definition() {
    const BY_VALUE: f64 = 0.7;
    const BY_LOG_SLOPE: f64 = -1.3;
    for splines in BINS.map(Splines::new) {
        let (x, raw) = draw(splines, 301);
        let (mut y, mut log_slopes, mut tape) = (
            vec![0.0; x.len()],
            vec![0.0; x.len()],
            SplineTape::default(),
        );
        splines.forward(
            &x,
            rows_of(&raw, splines.raw_count()),
            &mut y,
            &mut log_slopes,
            &mut tape,
        );
        let (mut gradient, mut raw_gradient) =
            (vec![BY_VALUE as f32; x.len()], vec![f32::NAN; raw.len()]);
        splines.backward(
            BY_LOG_SLOPE as f32,
            &mut gradient,
            rows_of_mut(&mut raw_gradient, splines.raw_count()),
            &mut tape,
        );
        for (i, (raw, found)) in raw
            .chunks_exact(splines.raw_count())
            .zip(raw_gradient.chunks_exact(splines.raw_count()))
            .enumerate()
        {
            let objective = |x: f64, raw: &[f64]| {
                let (value, log_slope) = reference(splines, x, raw);
                BY_VALUE * value + BY_LOG_SLOPE * log_slope
            };
            let (x, mut raw, step) = (f64::from(x[i]), widened(raw), 1e-6);
            let numeric = (objective(x + step, &raw) - objective(x - step, &raw)) / (2.0 * step);
            check(f64::from(gradient[i]), numeric, x);
            for j in 0..raw.len() {
                let centre = raw[j];
                raw[j] = centre + step;
                let up = objective(x, &raw);
                raw[j] = centre - step;
                let numeric = (up - objective(x, &raw)) / (2.0 * step);
                raw[j] = centre;
                check(f64::from(found[j]), numeric, x);
            }
        }
    }
}

fn check(found: f64, numeric: f64, x: f64) {
    assert!(
        (found - numeric).abs() < 3e-3 * numeric.abs().max(1.0),
        "{found} against {numeric} at {x}"
    );
}

/// `cargo test … spline -- --ignored --nocapture`
#[test]
#[ignore = "a measurement"]
#[allow(clippy::print_stdout)]
fn time_of_one_spline() {
    const N: usize = 256 * 9;
    const TIMES: usize = 2000;
    let splines = Splines::new(8);
    let (x, raw) = draw(splines, N);
    let x: Vec<f32> = x.iter().map(|x| x.clamp(-3.0, 3.0)).collect();
    let (mut y, mut log_slopes, mut tape) = (vec![0.0; N], vec![0.0; N], SplineTape::default());
    let (mut gradient, mut raw_gradient) = (vec![1.0; N], vec![0.0; raw.len()]);
    let timed = |what: &str, run: &mut dyn FnMut()| {
        let start = std::time::Instant::now();
        (0..TIMES).for_each(|_| run());
        println!(
            "{what}: {:.1} ns",
            start.elapsed().as_nanos() as f64 / (N * TIMES) as f64
        );
    };
    timed("forward", &mut || {
        splines.forward(
            &x,
            rows_of(&raw, splines.raw_count()),
            &mut y,
            &mut log_slopes,
            &mut tape,
        )
    });
    timed("backward", &mut || {
        splines.backward(
            -1.0,
            &mut gradient,
            rows_of_mut(&mut raw_gradient, splines.raw_count()),
            &mut tape,
        )
    });
    timed("inverse", &mut || {
        splines.inverse(&x, rows_of(&raw, splines.raw_count()), &mut y, &mut tape)
    });
}
