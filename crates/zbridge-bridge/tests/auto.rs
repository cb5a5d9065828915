//! The automatic recipe on small worlds whose truth is known.
#![allow(clippy::unwrap_used)] // the helpers of a test file are tests too

use std::ops::ControlFlow;
use zbridge_bridge::{
    Bridge, BridgeConfig, BridgeError, Conditional, Direction, Family, FitData, PaperConfig,
};
use zbridge_core::{
    ConditionalDensity, DiagonalGaussian, Latents, Posterior, PosteriorSamples, Progress,
    RandomStream, Unobserved,
};

const CLASSES: usize = 4;

/// A world of four classes. y: the class's own posterior in two dimensions, again and again. x: a
/// cluster of six dimensions for each class, of which three say nothing, as a collapsed encoder has
/// it.
struct World {
    x: Posterior,
    y: Posterior,
    classes: Vec<usize>,
}

impl World {
    fn new(rows: usize, seed: u64) -> Self {
        let mut stream = RandomStream::named(seed, "world");
        let classes: Vec<usize> = (0..rows).map(|_| stream.below(CLASSES)).collect();
        let mut x = vec![0.0; rows * 6];
        stream.fill_standard_normal(&mut x);
        for (mean, &class) in x.chunks_exact_mut(6).zip(&classes) {
            let corner = [[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]][class];
            mean[0] = 1.5 * corner[0] + 0.5 * mean[0];
            mean[1] = 1.5 * corner[1] + 0.5 * mean[1];
            mean[3..].fill(0.0);
        }
        let x_log_var: Vec<f32> = (0..rows)
            .flat_map(|_| [-4.0, -4.0, -4.0, 0.0, 0.0, 0.0])
            .collect();
        let places = [[0.0, 2.0], [2.0, 0.0], [0.0, -2.0], [-2.0, 0.0]];
        let y = classes.iter().flat_map(|&class| places[class]).collect();
        let gaussian = |mean, log_var, dim| -> Posterior {
            DiagonalGaussian::new(
                Latents::from_vec(mean, dim).unwrap(),
                Latents::from_vec(log_var, dim).unwrap(),
            )
            .unwrap()
            .into()
        };
        Self {
            x: gaussian(x, x_log_var, 6),
            y: gaussian(y, vec![-3.0; rows * 2], 2),
            classes,
        }
    }

    /// Share of x's whose draw of z_y lies nearest to the place of their class.
    fn read_right(&self, bridge: &Bridge) -> f64 {
        let mut stream = RandomStream::named(9, "read");
        let drawn = bridge
            .x_to_y()
            .given(&self.x.sample(&mut stream))
            .unwrap()
            .sample_each(1, &mut stream)
            .unwrap();
        let y = self.y.moments();
        let distance = |a: &[f32], b: &[f32]| (a[0] - b[0]).powi(2) + (a[1] - b[1]).powi(2);
        let right = (0..drawn.rows())
            .filter(|&row| distance(drawn.row_values(row), y.mean().row_values(row)) < 1.5)
            .count();
        right as f64 / drawn.rows() as f64
    }
}

fn fit(data: &FitData<'_>, config: BridgeConfig, seed: u64) -> Result<Bridge, BridgeError> {
    let config = config.with_seed(seed).with_budget(3.0).check().unwrap();
    Bridge::fit(data, &config, &Unobserved)
}

#[test]
fn it_finds_what_pairs_tell_and_unpaired_latents_add() {
    let (pairs, more, held_out) = (World::new(160, 1), World::new(800, 2), World::new(500, 3));
    let data = FitData::pairs(&pairs.x, &pairs.y).with_unpaired_x(Some(&more.x));
    let bridge = fit(&data, BridgeConfig::auto(), 1).unwrap();
    let taken = bridge.comparison(Direction::XToY).taken().unwrap();
    assert!(
        taken.gain_nats.mean > 0.8,
        "{}",
        bridge.comparison(Direction::XToY)
    );
    assert!(
        held_out.read_right(&bridge) > 0.9,
        "{}",
        held_out.read_right(&bridge)
    );
    // Back: draws for a class lie in its corner.
    let mut stream = RandomStream::named(4, "back");
    let drawn = bridge
        .y_to_x()
        .given(&held_out.y.sample(&mut stream))
        .unwrap()
        .sample_each(1, &mut stream)
        .unwrap();
    let right = (0..drawn.rows()).filter(|&row| {
        let corner = [[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]][held_out.classes[row]];
        drawn.row(row)[0] * corner[0] > 0.0 && drawn.row(row)[1] * corner[1] > 0.0
    });
    assert!(right.count() as f64 / drawn.rows() as f64 > 0.85);
    let gap = bridge.gap().unwrap();
    let truth = (CLASSES as f64).ln();
    assert!(
        (gap.x_to_y_information_nats.mean - truth).abs() < 0.35,
        "{gap:?}"
    );
    assert!(
        (gap.y_to_x_information_nats.mean - truth).abs() < 0.5,
        "{gap:?}"
    );
}

#[test]
fn shuffled_pairs_get_no_bridge() {
    let world = World::new(200, 5);
    let order = RandomStream::named(5, "shuffle").permutation(200);
    let y = world.y.select(&order);
    let more = World::new(400, 6);
    let bridge = fit(
        &FitData::pairs(&world.x, &y).with_unpaired_x(Some(&more.x)),
        BridgeConfig::auto(),
        1,
    )
    .unwrap();
    for direction in [Direction::XToY, Direction::YToX] {
        assert_eq!(
            bridge.comparison(direction).taken().unwrap().family,
            Family::Independent,
            "{direction:?}"
        );
    }
    assert!(bridge.gap().unwrap().gap_nats.mean < 1e-3);
}

#[test]
fn the_same_seed_gives_the_same_bridge_and_files_give_it_back() {
    let (pairs, more) = (World::new(80, 1), World::new(200, 2));
    let data = FitData::pairs(&pairs.x, &pairs.y).with_unpaired_x(Some(&more.x));
    let (a, b, c) = (
        fit(&data, BridgeConfig::auto(), 1).unwrap(),
        fit(&data, BridgeConfig::auto(), 1).unwrap(),
        fit(&data, BridgeConfig::auto(), 2).unwrap(),
    );
    assert_eq!(a, b);
    assert_ne!(a, c);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("auto.bridge");
    a.write(&path).unwrap();
    assert_eq!(Bridge::read(&path).unwrap(), a);
}

#[test]
fn every_family_can_be_asked_for_in_both_directions() {
    let (pairs, more) = (World::new(60, 1), World::new(60, 2));
    let data = FitData::pairs(&pairs.x, &pairs.y).with_unpaired_x(Some(&more.x));
    let folder = tempfile::tempdir().unwrap();
    for &family in Family::FITTED {
        let bridge = fit(&data, BridgeConfig::family(family), 1).unwrap();
        for direction in [Direction::XToY, Direction::YToX] {
            assert_eq!(bridge.comparison(direction).taken().unwrap().family, family);
            let density = bridge.density(direction);
            let (source, target) = density.dims();
            let given = density.given(&Latents::filled(3, source, 0.1)).unwrap();
            let draws = given
                .sample_each(2, &mut RandomStream::named(1, "draws"))
                .unwrap();
            assert_eq!((draws.rows(), draws.dim()), (6, target));
            let nats = given.log_prob(&draws.select(&[0, 2, 4])).unwrap();
            assert!(
                nats.iter().all(|nats| nats.is_finite()),
                "{family}: {nats:?}"
            );
        }
        let path = folder.path().join(format!("{family}.bridge"));
        bridge.write(&path).unwrap();
        assert_eq!(Bridge::read(&path).unwrap(), bridge, "{family}");
    }
}

/// Posteriors around four places, row i of class i modulo 4; no two are equal, so that neither side
/// is discrete.
fn places(rows: usize, seed: u64) -> Posterior {
    let mut means = vec![0.0; rows * 3];
    RandomStream::named(seed, "places").fill_standard_normal(&mut means);
    for (row, point) in means.chunks_exact_mut(3).enumerate() {
        for (column, value) in point.iter_mut().enumerate() {
            let far = if column == (row + seed as usize) % 4 % 3 {
                3.0
            } else {
                0.0
            };
            *value = 0.4 * *value + far * if row % 4 == 3 { -1.0 } else { 1.0 };
        }
    }
    DiagonalGaussian::new(
        Latents::from_vec(means, 3).unwrap(),
        Latents::filled(rows, 3, -4.0),
    )
    .unwrap()
    .into()
}

#[test]
fn continuous_sides_are_credited_with_what_is_read_and_nothing_else() {
    // Partners share their class, and nothing within it.
    let (x, y) = (
        places(320, 1),
        places(320, 2).select(
            &(0..320)
                .map(|i| (i + 4 * (i % 37)) % 320)
                .collect::<Vec<_>>(),
        ),
    );
    let config = BridgeConfig::auto().with_budget(6.0).check().unwrap();
    let bridge = Bridge::fit(&FitData::pairs(&x, &y), &config, &Unobserved).unwrap();
    let apart = y.select(&RandomStream::named(3, "apart").permutation(320));
    let control = Bridge::fit(&FitData::pairs(&x, &apart), &config, &Unobserved).unwrap();
    for direction in [Direction::XToY, Direction::YToX] {
        let gain = bridge.comparison(direction).taken().unwrap().gain_nats.mean;
        assert!(
            (0.9..1.6).contains(&gain),
            "log 4 = 1.39 nats are there: {}",
            bridge.comparison(direction)
        );
        let gain = control
            .comparison(direction)
            .taken()
            .unwrap()
            .gain_nats
            .mean;
        assert!(
            gain < 0.1,
            "nothing is there: {}",
            control.comparison(direction)
        );
    }
}

#[test]
fn posteriors_known_by_samples_only_are_enough() {
    let world = World::new(160, 1);
    let mut stream = RandomStream::named(1, "samples");
    let x: Posterior = PosteriorSamples::new(world.x.sample_each(5, &mut stream), 5)
        .unwrap()
        .into();
    let data = FitData::pairs(&x, &world.y);
    let config = BridgeConfig::auto().with_budget(10.0).check().unwrap();
    let bridge = Bridge::fit(&data, &config, &Unobserved).unwrap();
    let right = World::new(300, 3).read_right(&bridge);
    assert!(
        right > 0.8,
        "{right}: {}",
        bridge.comparison(Direction::XToY)
    );
    assert!(matches!(
        fit(&data, BridgeConfig::paper(PaperConfig::default()), 1),
        Err(BridgeError::SamplesOnly)
    ));
}

#[test]
fn unpaired_latents_of_another_space_are_refused() {
    let world = World::new(20, 1);
    let data = FitData::pairs(&world.x, &world.y).with_unpaired_y(Some(&world.x));
    let error = fit(&data, BridgeConfig::auto(), 1).unwrap_err().to_string();
    assert!(
        error.contains("unpaired latents of y have 6 dimensions, those of the pairs 2"),
        "{error}"
    );
}

#[test]
fn a_few_pairs_are_fitted_without_complaint() {
    for pairs in [2, 3, 5, 9] {
        let world = World::new(pairs, 1);
        let bridge = fit(&FitData::pairs(&world.x, &world.y), BridgeConfig::auto(), 1).unwrap();
        assert_eq!(bridge.pairs(), pairs);
    }
}

#[test]
fn a_fit_stops_when_it_is_told_to() {
    let world = World::new(40, 1);
    let config = BridgeConfig::auto().check().unwrap();
    let stop_after_50 = |progress: &Progress<'_>| match progress.done {
        0..50 => ControlFlow::Continue(()),
        _ => ControlFlow::Break(()),
    };
    let data = FitData::pairs(&world.x, &world.y);
    let stopped = Bridge::fit(&data, &config, &stop_after_50);
    assert!(matches!(stopped, Err(BridgeError::Interrupted(_))));
}

/// Points of a grid that a rotation by 90° maps onto each other: their sums and sums of squares are
/// exact in any order, so that two sides with these points have equal frames.
fn orbits(count: usize, seed: u64) -> Vec<[f32; 2]> {
    let mut stream = RandomStream::named(seed, "orbits");
    let mut coordinate = || (stream.below(64) as f32 - 31.5) / 16.0;
    let mut points = Vec::new();
    for _ in 0..count {
        let (a, b) = (coordinate(), coordinate());
        points.extend([[a, b], [-b, a], [-a, -b], [b, -a]]);
    }
    points
}

fn rotated(points: &[[f32; 2]]) -> Vec<[f32; 2]> {
    points.iter().map(|&[a, b]| [-b, a]).collect()
}

fn certain(points: &[[f32; 2]]) -> Posterior {
    let mean = Latents::from_vec(points.concat(), 2).unwrap();
    let log_var = Latents::filled(points.len(), 2, -6.0);
    DiagonalGaussian::new(mean, log_var).unwrap().into()
}

/// Mean squared distance of draws from the targets that belong to their sources.
fn error_of(density: &Conditional, source: &[[f32; 2]], target: &[[f32; 2]]) -> f32 {
    let source = Latents::from_vec(source.concat(), 2).unwrap();
    let given = density.given(&source).unwrap();
    let drawn = given
        .sample_each(1, &mut RandomStream::named(1, "draws"))
        .unwrap();
    let target = target.concat();
    let squares = drawn
        .values()
        .iter()
        .zip(&target)
        .map(|(a, b)| (a - b) * (a - b));
    squares.sum::<f32>() / target.len() as f32
}

/// The order of directions was once told by comparing frames: here they are equal, and a direction
/// that was fitted on labelled latents came back in the place of the other one.
#[test]
fn directions_between_spaces_of_equal_frames_are_not_exchanged() {
    let (pairs, more) = (orbits(6, 1), orbits(50, 2));
    let (x, y) = (certain(&pairs), certain(&rotated(&pairs)));
    let (more_x, more_y) = (certain(&more), certain(&rotated(&more)));
    let data = FitData::pairs(&x, &y)
        .with_unpaired_x(Some(&more_x))
        .with_unpaired_y(Some(&more_y));
    let mut labelled = Vec::new();
    for seed in 1..=4 {
        let config = BridgeConfig::family(Family::TiedMixture)
            .with_budget(1.0)
            .with_seed(seed);
        let bridge = Bridge::fit(&data, &config.check().unwrap(), &Unobserved).unwrap();
        let errors = [
            error_of(bridge.x_to_y(), &more, &rotated(&more)),
            error_of(bridge.y_to_x(), &rotated(&more), &more),
        ];
        // Exchanged directions turn the other way: 3.5.
        assert!(
            errors.iter().all(|error| *error < 2.0),
            "seed {seed}: {errors:?}"
        );
        let is_labelled =
            |direction: &Direction| bridge.comparison(*direction).taken().unwrap().agreed;
        labelled.extend(Direction::BOTH.into_iter().filter(is_labelled));
    }
    for direction in Direction::BOTH {
        assert!(
            labelled.contains(&direction),
            "{direction} is labelled under some seed"
        );
    }
}
