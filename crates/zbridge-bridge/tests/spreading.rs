//! Label spreading in the automatic recipe: two moons whose labels are known of a few points.
#![allow(clippy::unwrap_used)] // the helpers of a test file are tests too

use zbridge_bridge::{Bridge, BridgeConfig, Direction, Family, FitData};
use zbridge_core::{
    ConditionalDensity, DiagonalGaussian, Latents, Posterior, RandomStream, Unobserved,
};

const PAIRS: usize = 24;

/// x: points on two half circles that hold each other, in the plane. y: the place of the half
/// circle's label, one of two.
struct Moons {
    x: Posterior,
    y: Posterior,
}

impl Moons {
    fn new(rows: usize, seed: u64) -> Self {
        let mut stream = RandomStream::named(seed, "moons");
        let (mut x, mut y) = (Vec::new(), Vec::new());
        let mut noise = vec![0.0; 2 * rows];
        stream.fill_standard_normal(&mut noise);
        for noise in noise.chunks_exact(2) {
            let angle = std::f32::consts::PI * stream.uniform();
            let moon = stream.below(2);
            let (along, across) = (angle.cos(), angle.sin());
            let point = match moon {
                0 => [along, across - 0.25],
                _ => [1.0 - along, 0.25 - across],
            };
            x.extend([point[0] + 0.06 * noise[0], point[1] + 0.06 * noise[1]]);
            y.push([-2.0, 2.0][moon]);
        }
        Self {
            x: narrow(x, 2),
            y: narrow(y, 1),
        }
    }

    /// Share of points whose draw of y is on the side of their own label.
    fn read_right(&self, bridge: &Bridge) -> f64 {
        let mut stream = RandomStream::named(9, "read");
        let sources = self.x.sample(&mut stream);
        let given = bridge.x_to_y().given(&sources).unwrap();
        let drawn = given.sample_each(1, &mut stream).unwrap();
        let truth = self.y.moments();
        let is_right = |&row: &usize| drawn.values()[row] * truth.mean().values()[row] > 0.0;
        let right = (0..drawn.rows()).filter(is_right).count();
        right as f64 / drawn.rows() as f64
    }
}

fn narrow(means: Vec<f32>, dim: usize) -> Posterior {
    let log_vars = vec![-6.0; means.len()];
    let [means, log_vars] = [means, log_vars].map(|values| Latents::from_vec(values, dim).unwrap());
    DiagonalGaussian::new(means, log_vars).unwrap().into()
}

fn fit(data: &FitData<'_>) -> Bridge {
    let config = BridgeConfig::auto().with_seed(1).with_budget(10.0);
    Bridge::fit(data, &config.check().unwrap(), &Unobserved).unwrap()
}

#[test]
fn labels_are_spread_along_the_moons() {
    let (pairs, more, held_out) = (Moons::new(PAIRS, 1), Moons::new(800, 2), Moons::new(500, 3));
    let of_pairs = FitData::pairs(&pairs.x, &pairs.y);
    let bridge = fit(&of_pairs.with_unpaired_x(Some(&more.x)));
    let taken = bridge.comparison(Direction::XToY).taken().unwrap();
    assert!(taken.spread, "{}", bridge.comparison(Direction::XToY));
    assert!(taken.to_string().contains("label spreading"), "{taken}");
    let (with, without) = (
        held_out.read_right(&bridge),
        held_out.read_right(&fit(&of_pairs)),
    );
    assert!(with > 0.95 && with > without + 0.05, "{with} and {without}");
}

#[test]
fn labels_of_shuffled_pairs_are_not_spread() {
    let (pairs, more) = (Moons::new(PAIRS, 4), Moons::new(800, 2));
    let order = RandomStream::named(5, "shuffle").permutation(PAIRS);
    let y = pairs.y.select(&order);
    let bridge = fit(&FitData::pairs(&pairs.x, &y).with_unpaired_x(Some(&more.x)));
    for direction in Direction::BOTH {
        let comparison = bridge.comparison(direction);
        let family = comparison.taken().unwrap().family;
        assert_eq!(family, Family::Independent, "{comparison}");
    }
}

#[test]
fn the_number_of_threads_does_not_matter() {
    let (pairs, more) = (Moons::new(PAIRS, 1), Moons::new(300, 2));
    let data = FitData::pairs(&pairs.x, &pairs.y).with_unpaired_x(Some(&more.x));
    let on = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
        pool.build().unwrap().install(|| fit(&data))
    };
    let (one, three) = (on(1), on(3));
    assert_eq!(one.x_to_y(), three.x_to_y());
    assert_eq!(one.y_to_x(), three.y_to_x());
}
