//! What a bridge is given of a source: held-out pairs decide, and everything follows.
#![allow(clippy::unwrap_used)] // the helpers of a test file are tests too

use zbridge::{
    Bridge, BridgeConfig, ConditionalDensity, DiagonalGaussian, FitData, Latents, Posterior,
    RandomStream, SourceReading, Unobserved, evaluate, translate_mean,
};

/// `rows` pairs in which how certain x's encoder is tells y, and the mean of x tells nothing.
fn told_by_certainty(rows: usize, seed: u64) -> (Posterior, Posterior) {
    let mut stream = RandomStream::named(seed, "readings");
    let mut normal = |count: usize| {
        let mut values = vec![0.0; count];
        stream.fill_standard_normal(&mut values);
        values
    };
    let log_var: Vec<f32> = normal(2 * rows).iter().map(|v| 0.5 * v - 4.0).collect();
    let noise = normal(rows);
    let y_mean = (0..rows).map(|row| 2.0 * (log_var[2 * row] + 4.0) + 0.1 * noise[row]);
    let gaussian = |mean: Vec<f32>, log_var: Vec<f32>, dim| -> Posterior {
        let (mean, log_var) = (
            Latents::from_vec(mean, dim).unwrap(),
            Latents::from_vec(log_var, dim).unwrap(),
        );
        DiagonalGaussian::new(mean, log_var).unwrap().into()
    };
    let y = gaussian(y_mean.collect(), vec![-5.0; rows], 1);
    (gaussian(normal(2 * rows), log_var, 2), y)
}

#[test]
fn log_variances_are_read_where_they_tell_of_the_partner() {
    let (x, y) = told_by_certainty(200, 1);
    let config = BridgeConfig::auto().with_budget(2.0).check().unwrap();
    let bridge = Bridge::fit(&FitData::pairs(&x, &y), &config, &Unobserved).unwrap();
    assert_eq!(bridge.x_to_y().reading(), SourceReading::Parameters);
    assert_eq!(bridge.x_to_y().source_width(), 4);

    let (x, y) = told_by_certainty(300, 2);
    let figures = evaluate(&bridge, &x, &y, 1, &Unobserved).unwrap();
    assert!(
        figures.x_to_y.means.r2.mean > 0.8,
        "{:?}",
        figures.x_to_y.means.r2
    );
    // The other direction can tell nothing of means.
    assert!(figures.y_to_x.means.r2.mean < 0.1);

    let mut stream = RandomStream::named(3, "mean");
    let mean = translate_mean(bridge.x_to_y(), &x, 1, &mut stream).unwrap();
    assert_eq!((mean.rows(), mean.dim()), (300, 1));
    // A point alone stands for average log-variances.
    let points = x.moments().mean().clone();
    assert!(bridge.x_to_y().given(&points).is_ok());

    let path = std::env::temp_dir().join(format!("readings-{}.bridge", std::process::id()));
    bridge.write(&path).unwrap();
    let read = Bridge::read(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    assert_eq!(read.x_to_y(), bridge.x_to_y());
}
