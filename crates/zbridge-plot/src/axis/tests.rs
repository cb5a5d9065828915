use super::*;

fn labels(axis: &Axis) -> Vec<&str> {
    axis.ticks.iter().map(|tick| tick.label.as_str()).collect()
}

fn covers(low: f64, high: f64, scale: Scale) {
    for wanted in [2, 4, 6, 9] {
        let axis = Axis::covering(Some(Span::new(low, high)), scale, wanted);
        let (first, last) = (axis.ticks.first().unwrap(), axis.ticks.last().unwrap());
        let slack = 1e-8 * low.abs().max(high.abs());
        assert!(
            first.value <= low + slack && last.value >= high - slack,
            "{low}..{high} {scale:?}: {axis:?}"
        );
        assert!(
            axis.fraction(low) >= 0.0 && axis.fraction(high) <= 1.0,
            "{low}..{high} {scale:?}: {axis:?}"
        );
        assert!(
            (2..=2 * wanted + 8).contains(&axis.ticks.len()),
            "{low}..{high}: {axis:?}"
        );
        let distinct: std::collections::BTreeSet<_> = labels(&axis).into_iter().collect();
        assert_eq!(
            distinct.len(),
            axis.ticks.len(),
            "{low}..{high} {scale:?}: {:?}",
            labels(&axis)
        );
    }
}

#[test]
fn ticks_cover_the_data_and_differ_on_linear_axes() {
    for (low, high) in [
        (0.0, 1.0),
        (-355.56, -89.99),
        (0.3, 0.7),
        (5.0, 5.0),
        (0.0, 0.0),
        (-1e-7, 3e-7),
        (1e8, 1.0001e8),
    ] {
        covers(low, high, Scale::Linear);
    }
    covers(1e15, 1e15 + 0.1, Scale::Linear);
    covers(-9e299, 9e299, Scale::Linear);
    covers(-1e-290, 1e-290, Scale::Linear);
}

#[test]
fn ticks_cover_the_data_and_differ_on_log_axes() {
    for (low, high) in [
        (1.0, 10.0),
        (85.0, 130.0),
        (3.0, 90.0),
        (1e-9, 1e9),
        (2.0, 2.0),
        (1e-299, 1e299),
    ] {
        covers(low, high, Scale::Log);
    }
}

#[test]
fn labels_are_what_a_person_would_write() {
    let axis = |low, high, scale| Axis::covering(Some(Span::new(low, high)), scale, 5);
    assert_eq!(
        labels(&axis(-355.56, -89.99, Scale::Linear)),
        ["−400", "−300", "−200", "−100", "0"]
    );
    assert_eq!(
        labels(&axis(0.0, 23_450.0, Scale::Linear)),
        ["0", "5000", "10,000", "15,000", "20,000", "25,000"]
    );
    assert_eq!(
        labels(&axis(0.0, 0.5, Scale::Linear)),
        ["0.0", "0.1", "0.2", "0.3", "0.4", "0.5"]
    );
    assert_eq!(
        labels(&axis(0.02, 40.0, Scale::Log)),
        ["0.01", "0.1", "1", "10", "100"]
    );
    assert_eq!(
        labels(&axis(3.0, 90.0, Scale::Log)),
        ["2", "5", "10", "20", "50", "100"]
    );
    assert_eq!(
        labels(&axis(2e-6, 0.5, Scale::Log)),
        ["10⁻⁶", "10⁻⁴", "10⁻²", "10⁰"]
    );
    assert_eq!(
        labels(&axis(0.0, 4e6, Scale::Linear)),
        ["0", "1×10⁶", "2×10⁶", "3×10⁶", "4×10⁶"]
    );
}

#[test]
fn a_position_runs_from_zero_to_one() {
    let axis = Axis::covering(Some(Span::new(1.0, 1000.0)), Scale::Log, 5);
    assert!((axis.fraction(10.0) - 1.0 / 3.0).abs() < 1e-12);
    let axis = Axis::within(Span::new(-1.5, 2.5), 4);
    assert_eq!(axis.fraction(0.5), 0.5);
    assert_eq!(labels(&axis), ["−1", "0", "1", "2"]);
}
