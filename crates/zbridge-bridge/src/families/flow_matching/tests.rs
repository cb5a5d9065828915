use super::*;
use crate::families::FamilyDensity;
use crate::families::{laws, trial};
use crate::rows::standard_normal;
use std::iter;
use std::path::Path;
use zbridge_nn::{NnError, WeightsFile};

fn flow(source: usize, target: usize) -> FlowMatching {
    let mut stream = RandomStream::named(1, "flow matching");
    FlowMatching::initial(source, target, [24, 20], &mut stream).unwrap()
}

/// The flow's velocities and traces at `points`, all at time 0.3.
fn velocities_and_traces(
    flow: &FlowMatching,
    sources: &Array2<f32>,
    points: &Array2<f32>,
) -> (Array2<f32>, Vec<f64>) {
    let FlowMatchingTape {
        mut network,
        mut inputs,
        mut trace,
        ..
    } = FlowMatchingTape::default();
    let mut traces = vec![0.0; points.nrows()];
    let (sources, points) = (sources.view(), points.view());
    let velocity = flow.velocity(
        iter::repeat(0.3),
        sources,
        points,
        &mut inputs,
        &mut network,
    );
    let velocity = velocity.to_owned();
    Trace::of(flow).add_to(&mut traces, 1.0, &flow.between, &network, &mut trace);
    (velocity, traces)
}

#[test]
fn the_laws_hold() {
    laws::hold_for(&flow(3, 2), 1e-3);
    laws::hold_for(&trial::perturbed(flow(3, 2), 0.15), 1e-2);
}

#[test]
fn gradients_equal_central_differences() {
    for target in [1, 4] {
        laws::gradients_are_exact(&trial::perturbed(flow(3, target), 0.1));
    }
}

#[test]
fn the_trace_is_that_of_finite_differences() {
    const ROWS: usize = 6;
    const STEP: f32 = 1e-2;
    for target in [1, 2, 7] {
        let flow = trial::perturbed(flow(3, target), 0.2);
        let sources = standard_normal((ROWS, 3), &mut RandomStream::named(2, "sources"));
        let points = standard_normal((ROWS, target), &mut RandomStream::named(2, "points"));
        let (_, traces) = velocities_and_traces(&flow, &sources, &points);
        let mut numeric = [0.0; ROWS];
        for column in 0..target {
            let at = |shift: f32| {
                let mut points = points.clone();
                points
                    .column_mut(column)
                    .mapv_inplace(|value| value + shift);
                velocities_and_traces(&flow, &sources, &points).0
            };
            let slopes = (at(STEP) - at(-STEP)) / (2.0 * STEP);
            for row in 0..ROWS {
                numeric[row] += f64::from(slopes[[row, column]]);
            }
        }
        for (trace, numeric) in traces.iter().zip(numeric) {
            let allowed = 2e-3 * numeric.abs().max(1.0);
            assert!(
                (trace - numeric).abs() < allowed,
                "{trace} against {numeric}"
            );
        }
    }
}

#[test]
fn noise_goes_to_the_target_and_back() {
    let flow = trial::perturbed(flow(3, 5), 0.15);
    let paths = Paths::of(&flow);
    let sources = standard_normal((100, 3), &mut RandomStream::named(2, "sources"));
    let noise = standard_normal((100, 5), &mut RandomStream::named(2, "noise"));
    let (mut points, mut tape) = (noise.clone(), FlowMatchingTape::default());
    paths.to_target(sources.view(), points.view_mut(), &mut tape);
    let moved = points
        .iter()
        .zip(&noise)
        .any(|(point, noise)| (point - noise).abs() > 0.5);
    assert!(moved, "nothing moved");
    paths.to_noise(
        sources.view(),
        points.view_mut(),
        &mut [0.0; 100],
        &mut tape,
    );
    for (back, noise) in points.iter().zip(&noise) {
        assert!((back - noise).abs() < 2e-3, "{noise} became {back}");
    }
}

#[test]
fn time_features_are_sines_and_cosines() {
    for i in 0..=100 {
        let time = i as f32 * 0.01;
        for (k, pair) in (1..).zip(time_features(time)[1..].chunks_exact(2)) {
            let angle = std::f64::consts::TAU * f64::from(k * i) * 0.01;
            assert!((f64::from(pair[0]) - angle.sin()).abs() < 3e-6);
            assert!((f64::from(pair[1]) - angle.cos()).abs() < 3e-6);
        }
    }
}

#[test]
fn points_far_off_have_a_finite_density() {
    let flow = trial::perturbed(flow(2, 2), 0.2);
    let extremes = [f32::MAX, f32::MIN, 1e20, 0.0, -1e7, 3.0, 5.0, -5.0];
    let extremes = Latents::from_vec(extremes.to_vec(), 2).unwrap();
    let nats = flow.given(&extremes).unwrap().log_prob(&extremes).unwrap();
    assert!(nats.iter().all(|nats| nats.is_finite()), "{nats:?}");
}

#[test]
fn it_learns_what_no_gaussian_can() {
    let flow = FlowMatching::initial(1, 2, [64, 64], &mut RandomStream::named(3, "moons"));
    trial::beats_every_gaussian(flow.unwrap(), 2000, 1.5e-2, 0.3);
}

#[test]
fn flows_without_dimensions_are_refused() {
    for (source, target, hidden) in [
        (0, 2, [4, 4]),
        (2, 0, [4, 4]),
        (2, 2, [0, 4]),
        (2, 2, [4, 0]),
    ] {
        let mut stream = RandomStream::named(1, "refused");
        let flow = FlowMatching::initial(source, target, hidden, &mut stream);
        assert!(matches!(
            flow,
            Err(BridgeError::Shape(ShapeError::Empty { .. }))
        ));
    }
}

fn read(tamper: impl Fn(&mut WeightsFile)) -> Result<FlowMatching, BridgeError> {
    let mut file = WeightsFile::default();
    flow(3, 4).put_into(&mut file, "q").unwrap();
    tamper(&mut file);
    FlowMatching::from_file(&file, "q", Path::new("bridge"))
}

#[test]
fn a_file_gives_back_what_was_put_into_it() {
    assert_eq!(read(|_| {}).unwrap(), flow(3, 4));
}

#[test]
fn files_that_lie_are_refused() {
    for shape in [
        r#"{"target":5,"steps":16}"#,
        r#"{"target":0,"steps":16}"#,
        r#"{"target":4,"steps":0}"#,
        r#"{"target":4,"steps":1000000000}"#,
        r#"{"target":4}"#,
    ] {
        let read = read(|file| {
            file.metadata.insert("q.flow-matching".into(), shape.into());
        });
        let refused = matches!(read, Err(BridgeError::Network(NnError::Weights { .. })));
        assert!(refused, "{shape}");
    }
    let three_hidden = mlp::network(14, &[4, 4, 4], 4, 0.0).unwrap();
    let deeper = read(|file| {
        let layers = serde_json::to_string(&three_hidden).unwrap();
        file.metadata.insert("q.network".into(), layers);
    });
    assert!(deeper.unwrap_err().to_string().contains("do not fit"));
    assert!(read(|file| drop(file.tensors.remove("q.2.bias"))).is_err());
}

#[test]
#[ignore = "a measurement"]
fn time_of_a_flow() {
    let flow = FlowMatching::initial(12, 18, [256, 256], &mut RandomStream::named(1, "time"));
    trial::measure(flow.unwrap());
}
