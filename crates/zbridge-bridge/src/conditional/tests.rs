use super::*;
use crate::families::{CouplingFlow, FlowShape, Mixture, laws};
use crate::learner::Learner;
use crate::rows::standard_normal;
use ndarray::array;
use zbridge_core::{DiagonalGaussian, Posterior, Stage, Unobserved};

/// Posteriors in the plane, around the origin.
fn plane(name: &str) -> Posterior {
    let mean = standard_normal((200, 2), &mut RandomStream::named(3, name));
    DiagonalGaussian::new(Latents::new(mean).unwrap(), Latents::filled(200, 2, -2.0))
        .unwrap()
        .into()
}

fn flow(seed: u64) -> Density {
    let mut stream = RandomStream::named(seed, "flow");
    let shape = FlowShape {
        couplings: 2,
        hidden: vec![8],
        bins: 4,
    };
    Density::Flow(CouplingFlow::initial(2, 2, &shape, &mut stream).unwrap())
}

/// A tied mixture of two components with these means, of a source in the plane.
fn mixture(means: Array2<f32>, stream: &mut RandomStream) -> Mixture {
    let log_vars = Latents::filled(means.nrows(), means.ncols(), -1.0);
    let components = DiagonalGaussian::new(Latents::new(means).unwrap(), log_vars).unwrap();
    Mixture::initial(2, components, &[-0.7, -0.7], &[8], 0.0, false, stream).unwrap()
}

/// A tied mixture whose weights depend on the source: the other direction.
fn informative() -> Conditional {
    let mut stream = RandomStream::named(1, "reader");
    let mut mixture = mixture(array![[-1.0, 0.0], [1.0, 0.0]], &mut stream);
    let mut noise = vec![0.0; mixture.parameters().len()];
    stream.fill_standard_normal(&mut noise);
    for (parameter, noise) in mixture.parameters_mut().iter_mut().zip(noise) {
        *parameter += 0.5 * noise;
    }
    let (source, target) = (
        Frame::of(&[&plane("target")]),
        Frame::of(&[&plane("source")]),
    );
    Conditional::new(source, target, vec![Density::Mixture(mixture)])
}

fn generative(members: Vec<Density>) -> Conditional {
    let (source, target) = (
        Frame::of(&[&plane("source")]),
        Frame::of(&[&plane("target")]),
    );
    Conditional::new(source, target, members)
}

#[test]
fn a_target_of_which_one_direction_is_kept_obeys_the_laws() {
    let stage = Stage::new(&Unobserved, "frame", 0);
    let target = Frame::fit(&[&plane("target")], Some(1), &stage).unwrap();
    assert_eq!((target.dim(), target.active()), (2, 1));
    let mut one_dimension = mixture(array![[-1.0], [1.0]], &mut RandomStream::named(2, "turned"));
    // Weights that depend on the source.
    let Some(Density::Mixture(known)) = informative().ensemble.members.pop() else {
        unreachable!("the informative direction is a mixture")
    };
    one_dimension.parameters_mut()[..9].copy_from_slice(&known.parameters()[..9]);
    let source = Frame::of(&[&plane("source")]);
    let conditional = Conditional::new(source, target, vec![Density::Mixture(one_dimension)]);
    laws::hold_for(&conditional, 1e-2);
    let mut file = WeightsFile::default();
    conditional.put_into(&mut file, "x_to_y").unwrap();
    let read = Conditional::from_file(&file, "x_to_y", Path::new("a")).unwrap();
    assert_eq!(read, conditional);
}

#[test]
fn ensembles_in_frames_obey_the_laws() {
    laws::hold_for(&generative(vec![flow(1), flow(2)]), 1e-2);
    laws::hold_for(&informative(), 1e-3);
}

#[test]
fn agreement_obeys_the_laws_up_to_the_error_of_its_normaliser() {
    let agreed = Conditional {
        agreement: Agreement::of(&informative().ensemble).map(Arc::new),
        ..generative(vec![flow(1)])
    };
    assert!(agreed.agreement.is_some());
    laws::hold_for(&agreed, 0.08);
}

#[test]
fn only_tied_mixtures_can_be_asked_to_agree() {
    assert!(Agreement::of(&generative(vec![flow(1)]).ensemble).is_none());
}
