use super::*;
use crate::families::FamilyDensity;
use crate::families::flow::{CouplingFlow, FlowShape};
use crate::families::{laws, trial};
use crate::linear_algebra::Cholesky;
use ndarray::array;
use std::path::Path;
use zbridge_core::{Stage, Unobserved};
use zbridge_nn::{StoredTensor, WeightsFile};

fn classifier(stream: &mut RandomStream) -> Conditioner {
    let mut network = Conditioner::initial(2, &[8], 3, 0.0, stream).unwrap();
    trial::perturb(network.parameters_mut(), 0.4, stream);
    network
}

/// Three codes between a source of three dimensions, of which two are used, and the plane.
fn density() -> SharedCode {
    let stream = &mut RandomStream::named(5, "shared-code");
    let [source_classifier, target_classifier] = [(); 2].map(|()| classifier(stream));
    let shape = FlowShape {
        couplings: 2,
        hidden: vec![8],
        bins: 4,
    };
    let flow = CouplingFlow::initial(3, 2, &shape, stream).unwrap();
    let stage = Stage::new(&Unobserved, "covariance", 0);
    let covariance = Cholesky::of(array![[1.2, 0.5], [0.5, 0.8]], &stage).unwrap();
    let flow = WhitenedFlow {
        flow: trial::perturbed(flow, 0.3),
        covariance: covariance.rounded(),
    };
    SharedCode::new(3, source_classifier, flow, target_classifier).unwrap()
}

#[test]
fn a_shared_code_obeys_the_laws() {
    laws::hold_for(&density(), 0.03);
    laws::hold_for(&density().with_inverse_temperature(0.5), 0.03);
    laws::hold_for(
        &density().marginal_baseline(&[-1.0, -0.5, -2.0]).unwrap(),
        0.03,
    );
}

#[test]
fn the_marginal_baseline_is_the_same_for_every_source() {
    let baseline = density().marginal_baseline(&[-1.0, -0.5, -2.0]).unwrap();
    let sources = Latents::new(array![[0.0, 1.0, -2.0], [3.0, -1.0, 0.5]]).unwrap();
    let nats = baseline
        .given(&sources)
        .unwrap()
        .log_prob(&Latents::filled(2, 2, 0.3))
        .unwrap();
    assert_eq!(nats[0], nats[1]);
}

#[test]
fn a_file_gives_back_what_was_put_into_it_and_no_lie() {
    let mut file = WeightsFile::default();
    density().put_into(&mut file, "q").unwrap();
    let read = |file: &WeightsFile| SharedCode::from_file(file, "q", Path::new("bridge"));
    assert_eq!(read(&file).unwrap(), density());
    for shape in ["[1,1.0]", "[3,0.0]", "[3,null]"] {
        let mut lying = file.clone();
        lying.metadata.insert("q.shared-code".into(), shape.into());
        assert!(read(&lying).is_err(), "{shape}");
    }
    let mut lying = file.clone();
    let two = StoredTensor {
        shape: vec![2],
        values: vec![0.0; 2],
    };
    lying.tensors.insert("q.log_normalisers".into(), two);
    assert!(read(&lying).is_err());
}
