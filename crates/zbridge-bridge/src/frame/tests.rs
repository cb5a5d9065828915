use super::*;
use crate::SourceReading;
use ndarray::array;
use zbridge_core::{LatentDistribution, Posterior};

/// `rows` posteriors in three dimensions: the first varies, the second is collapsed, the third
/// varies a little.
fn posterior(rows: usize) -> Posterior {
    let mut mean = standard_normal((rows, 3), &mut RandomStream::named(1, "frame"));
    for mut row in mean.rows_mut() {
        row *= &array![2.0, 0.01, 0.5];
        row += &array![5.0, 0.0, -1.0];
    }
    let log_var = Array2::from_shape_fn((rows, 3), |(_, column)| [-2.0, 0.0, -3.0][column]);
    DiagonalGaussian::new(Latents::new(mean).unwrap(), Latents::new(log_var).unwrap())
        .unwrap()
        .into()
}

#[test]
fn collapsed_dimensions_are_left_out_and_drawn_again() {
    let posterior = posterior(2000);
    let frame = Frame::of(&[&posterior]);
    assert_eq!(frame.active, [0, 2]);
    let mut stream = RandomStream::named(2, "frame");
    let points = posterior.sample(&mut stream);
    let inside = frame.standardised(points.view());
    let mean = inside.mean().unwrap();
    let square = inside.map(|value| value * value).mean().unwrap();
    assert!(mean.abs() < 0.05 && (square - 1.0).abs() < 0.05);
    let back = frame.restored(inside.view(), &mut stream).unwrap();
    let spread = back
        .view()
        .column(1)
        .map(|value| value * value)
        .mean()
        .unwrap();
    assert!(
        (spread - 1.0).abs() < 0.15,
        "the collapsed dimension is drawn: {spread}"
    );
    for (before, after) in points.view().rows().into_iter().zip(back.view().rows()) {
        assert!((before[0] - after[0]).abs() < 1e-4 && (before[2] - after[2]).abs() < 1e-4);
    }
}

#[test]
fn densities_count_the_scale_and_what_is_left_out() {
    let frame = Frame::of(&[&posterior(2000)]);
    let point = array![5.0, 0.3, -1.0];
    let collapsed = DiagonalGaussian::new(
        Latents::filled(1, 1, frame.mean[1]),
        Latents::filled(1, 1, 2.0 * frame.deviation[1].ln()),
    )
    .unwrap();
    let expected = -f64::from(frame.deviation[0]).ln() - f64::from(frame.deviation[2]).ln()
        + collapsed
            .log_prob(&Latents::filled(1, 1, point[1]))
            .unwrap()[0];
    assert!((frame.log_density_outside(point.view()) - expected).abs() < 1e-5);
}

#[test]
fn posteriors_that_occur_repeatedly_are_atoms_and_continuous_ones_are_not() {
    let few = posterior(5);
    let rows: Vec<usize> = (0..40).map(|row| row % 5).collect();
    let frame = Frame::of(&[&few.select(&rows)]);
    assert_eq!(frame.atoms().unwrap().rows(), 5);
    assert_eq!(frame.feature_width(), frame.active() + 5);
    assert!(Frame::of(&[&posterior(40)]).atoms().is_none());
    // Unpaired posteriors count too.
    let both = Frame::of(&[&few.select(&[0, 1]), &few.select(&rows)]);
    assert_eq!(both.atoms().unwrap().rows(), 5);
}

#[test]
fn views_are_drawn_as_often_as_the_observation_itself() {
    let at = |values: &[f32]| -> Posterior {
        let mean = Latents::from_vec(values.to_vec(), 1).unwrap();
        let log_var = Latents::filled(values.len(), 1, -20.0);
        DiagonalGaussian::new(mean, log_var).unwrap().into()
    };
    let frame = Frame::identity(1);
    let own = frame
        .inside(&at(&[0.0, 10.0]))
        .with_views(Some(frame.inside(&at(&[1.0, 2.0, 11.0, 12.0]))));
    let (mut stream, rows) = (RandomStream::named(1, "views"), [0, 1].repeat(3000));
    let drawn = own.read_source(&rows, SourceReading::Draw, &mut stream);
    for expected in [0.0, 1.0, 2.0, 10.0, 11.0, 12.0] {
        let close = |value: &&f32| (*value - expected).abs() < 0.1;
        let count = drawn.iter().filter(close).count();
        assert!(
            (850..1150).contains(&count),
            "{expected} was drawn {count} times"
        );
    }
    let drawn = own.draw(&rows, &mut stream);
    assert!(
        drawn
            .iter()
            .zip(&rows)
            .all(|(value, &row)| (value - 10.0 * row as f32).abs() < 0.1)
    );
}

#[test]
fn log_variances_are_features_where_they_vary() {
    let mut stream = RandomStream::named(4, "log variances");
    let means = Latents::new(standard_normal((60, 2), &mut stream)).unwrap();
    let log_var = Latents::new(standard_normal((60, 2), &mut stream) - 3.0).unwrap();
    let varying = Posterior::from(DiagonalGaussian::new(means.clone(), log_var.clone()).unwrap());
    let frame = Frame::of(&[&varying]);
    assert_eq!(frame.feature_width(), 2 * frame.active());
    let framed = frame.inside(&varying);
    let rows: Vec<usize> = (0..60).collect();
    let read = framed.read(&rows, SourceReading::Parameters, &mut stream);
    let given = SourceReading::Parameters.of(&varying, 1, &mut stream);
    assert_eq!(given.dim(), 4);
    let features = frame.features_of(&given).unwrap();
    assert_eq!(features.view(), read.view());
    // A point alone stands for one whose log-variances are average.
    let of_means = frame.features_of(&means).unwrap();
    assert!(of_means.view().column(3).iter().all(|&value| value == 0.0));
    assert_eq!(of_means.view().column(0), features.view().column(0));

    let constant = DiagonalGaussian::new(means, Latents::filled(60, 2, -3.0)).unwrap();
    assert!(!Frame::of(&[&constant.into()]).has_log_variances());
    assert!(!frame.without_log_variances().has_log_variances());
}

#[test]
fn frames_that_contradict_themselves_are_not_sound() {
    let frame = Frame::of(&[&posterior(50)]);
    assert!(frame.is_sound(3) && !frame.is_sound(4));
    let broken = [
        Frame {
            deviation: vec![1.0, 0.0, 1.0],
            ..frame.clone()
        },
        Frame {
            active: vec![],
            ..frame.clone()
        },
        Frame {
            active: vec![0, 3],
            ..frame.clone()
        },
        Frame {
            active: vec![2, 0],
            ..frame.clone()
        },
        Frame {
            mean: vec![f32::NAN; 3],
            ..frame.clone()
        },
        Frame {
            atoms: Some(Atoms(vec![0.0; 4], vec![0.0; 2])),
            ..frame.clone()
        },
        Frame {
            log_variances: Some(LogVariances {
                mean: vec![0.0],
                deviation: vec![1.0],
            }),
            ..frame
        },
    ];
    for broken in broken {
        assert!(!broken.is_sound(3), "{broken:?}");
    }
}

#[test]
fn atoms_are_two_lists_in_a_file() {
    let few = posterior(2);
    let frame = Frame::of(&[&few.select(&[0, 1, 0, 1, 0, 1, 0, 1])]);
    let json = serde_json::to_value(&frame).unwrap();
    assert_eq!(json["atoms"].as_array().unwrap().len(), 2);
    assert_eq!(json["atoms"][0].as_array().unwrap().len(), 4);
    assert_eq!(serde_json::from_value::<Frame>(json).unwrap(), frame);
}
