use super::*;
use crate::families::FamilyDensity;
use crate::families::transport::standard_normal_nats;
use crate::families::{laws, trial};
use crate::rows::standard_normal;
use ndarray::array;
use std::collections::BTreeSet;
use std::path::Path;
use zbridge_nn::{NnError, WeightsFile};

fn flow(source: usize, target: usize, couplings: usize) -> CouplingFlow {
    let shape = FlowShape {
        couplings,
        hidden: vec![16, 16],
        bins: 6,
    };
    CouplingFlow::initial(source, target, &shape, &mut RandomStream::named(1, "flow")).unwrap()
}

#[test]
fn the_laws_hold() {
    laws::hold_for(&flow(3, 2, 4), 1e-3);
    // Stronger, and the density's peaks fall between the points of the laws' grid.
    laws::hold_for(&trial::perturbed(flow(3, 2, 4), 0.1), 3e-3);
}

#[test]
fn gradients_equal_central_differences() {
    for target in [1, 2, 5] {
        laws::gradients_are_exact(&trial::perturbed(flow(3, target, 3), 0.1));
    }
}

#[test]
fn objective_is_minus_the_log_density() {
    laws::objective_is_minus_the_log_density(&trial::perturbed(flow(3, 4, 3), 0.1), 1e-4);
}

#[test]
fn an_untrained_flow_is_close_to_a_standard_normal() {
    let points = Latents::new(array![[0.3, -0.2, 1.0], [2.0, -0.7, 0.1]]).unwrap();
    let flow = flow(3, 3, 6);
    let given = flow.given(&Latents::filled(2, 3, 0.5)).unwrap();
    for (nats, point) in given
        .log_prob(&points)
        .unwrap()
        .iter()
        .zip(points.view().rows())
    {
        assert!((nats - standard_normal_nats(point)).abs() < 0.1, "{nats}");
    }
}

#[test]
fn noise_goes_to_the_target_and_back() {
    let flow = trial::perturbed(flow(3, 5, 6), 0.1);
    let sources = standard_normal((100, 3), &mut RandomStream::named(2, "sources"));
    let noise = standard_normal((100, 5), &mut RandomStream::named(2, "noise"));
    let (mut points, mut tape) = (noise.clone(), FlowTape::default());
    (&flow).to_target(sources.view(), points.view_mut(), &mut tape);
    let moved = points
        .iter()
        .zip(&noise)
        .any(|(point, noise)| (point - noise).abs() > 0.5);
    assert!(moved, "nothing moved");
    (&flow).to_noise(
        sources.view(),
        points.view_mut(),
        &mut [0.0; 100],
        &mut tape,
    );
    for (back, noise) in points.iter().zip(&noise) {
        assert!((back - noise).abs() < 1e-3, "{noise} became {back}");
    }
}

#[test]
fn each_pair_of_couplings_moves_every_dimension() {
    for target in 1..8 {
        let couplings = flow(2, target, 6).couplings;
        for pair in 0..3 {
            let both = [2 * pair, 2 * pair + 1];
            let moved: BTreeSet<_> = both
                .iter()
                .flat_map(|&index| couplings.moved_by(index))
                .collect();
            assert_eq!(moved.len(), target);
        }
    }
}

#[test]
fn points_far_off_have_a_finite_density() {
    let flow = trial::perturbed(flow(2, 2, 4), 0.3);
    let extremes = [f32::MAX, f32::MIN, 1e20, 0.0, -1e7, 3.0, 5.0, -5.0];
    let extremes = Latents::from_vec(extremes.to_vec(), 2).unwrap();
    let nats = flow.given(&extremes).unwrap().log_prob(&extremes).unwrap();
    assert!(nats.iter().all(|nats| nats.is_finite()), "{nats:?}");
}

#[test]
fn it_learns_what_no_gaussian_can() {
    let shape = FlowShape {
        couplings: 4,
        hidden: vec![32, 32],
        bins: 8,
    };
    let flow = CouplingFlow::initial(1, 2, &shape, &mut RandomStream::named(3, "moons"));
    trial::beats_every_gaussian(flow.unwrap(), 500, 5e-3, 0.7);
}

#[test]
fn settings_out_of_range_are_refused() {
    let refused = |source, target, shape| {
        let mut stream = RandomStream::named(1, "refused");
        CouplingFlow::initial(source, target, &shape, &mut stream).unwrap_err()
    };
    let shape = FlowShape::default;
    let without_couplings = refused(
        2,
        2,
        FlowShape {
            couplings: 0,
            ..shape()
        },
    );
    assert!(without_couplings.to_string().contains("`couplings` is 0"));
    let single_bin = refused(2, 2, FlowShape { bins: 1, ..shape() });
    assert!(single_bin.to_string().contains("`bins` is 1"));
    let without_units = refused(
        2,
        2,
        FlowShape {
            hidden: vec![0],
            ..shape()
        },
    );
    assert!(matches!(without_units, BridgeError::Shape(_)));
    assert!(matches!(
        refused(2, 0, shape()),
        BridgeError::Setting { .. }
    ));
    assert!(matches!(
        refused(0, 2, shape()),
        BridgeError::Setting { .. }
    ));
}

fn read(tamper: impl Fn(&mut WeightsFile)) -> Result<CouplingFlow, BridgeError> {
    let mut file = WeightsFile::default();
    flow(3, 4, 2).put_into(&mut file, "q").unwrap();
    tamper(&mut file);
    CouplingFlow::from_file(&file, "q", Path::new("bridge"))
}

#[test]
fn a_file_gives_back_what_was_put_into_it() {
    assert_eq!(read(|_| {}).unwrap(), flow(3, 4, 2));
}

#[test]
fn files_whose_couplings_lie_are_refused() {
    for couplings in [
        r#"{"bins":6,"orders":[]}"#,
        r#"{"bins":6,"orders":[[],[]]}"#,
        r#"{"bins":0,"orders":[[0,1,2,3],[2,3,0,1]]}"#,
        r#"{"bins":7,"orders":[[0,1,2,3],[2,3,0,1]]}"#,
        r#"{"bins":6,"orders":[[0,1,2,3],[2,3,0,0]]}"#,
        r#"{"bins":6,"orders":[[0,1,2,3],[2,3,0]]}"#,
        r#"{"bins":6,"orders":[[0,1,2,4],[2,4,0,1]]}"#,
        r#"{"bins":6,"orders":[[0,1,2,3],[2,3,0,1],[0,1,2,3]]}"#,
        r#"{"bins":6,"orders":[[0,1,2,3,4,5,6,7,8,9],[0,1,2,3,4,5,6,7,8,9]]}"#,
    ] {
        let read = read(|file| {
            file.metadata
                .insert("q.coupling-flow".into(), couplings.into());
        });
        let refused = matches!(read, Err(BridgeError::Network(NnError::Weights { .. })));
        assert!(refused, "{couplings}");
    }
    let without = |name: &'static str| read(move |file| drop(file.tensors.remove(name)));
    let message = without("q.coupling.1.0.weight").unwrap_err().to_string();
    assert!(message.contains("no tensor"), "{message}");
    assert!(read(|file| drop(file.metadata.remove("q.network"))).is_err());
}

#[test]
#[ignore = "a measurement"]
fn time_of_a_flow() {
    let (shape, mut stream) = (FlowShape::default(), RandomStream::named(1, "time"));
    trial::measure(CouplingFlow::initial(12, 18, &shape, &mut stream).unwrap());
}
