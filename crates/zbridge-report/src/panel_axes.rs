//! The axes of a panel: how far they reach and how many ticks fit on them.

use crate::axis::{Axis, Span};
use crate::panel::Panel;
use crate::plot::{LABEL_SIZE, TICK_SIZE};
use crate::typeface;

/// The axes of a panel whose frame has the given size.
pub(crate) fn axes(
    panel: &Panel,
    spans: (Option<Span>, Option<Span>),
    (width, height): (f64, f64),
) -> (Axis, Axis) {
    let (x_scale, y_scale) = panel.scales();
    let up = ((height / 52.0) as usize).max(2);
    let across = || {
        fitting(width, 60.0, |wanted| {
            Axis::covering(spans.0, x_scale, wanted)
        })
    };
    match panel {
        Panel::Intervals(chart) => return (across(), Axis::of_rows(chart.rows.len())),
        Panel::Reliability(_) => return (Axis::within(0.0, 1.0, 5), Axis::within(0.0, 1.0, 5)),
        _ => {}
    }
    if panel.has_equal_aspect()
        && let (Some(x), Some(y)) = spans
    {
        return equal_axes(x, y, (width, height), up);
    }
    (across(), Axis::covering(spans.1, y_scale, up))
}

/// The axis with the most steps of at least `step` pixels whose labels do not touch along `width`
/// pixels.
fn fitting(width: f64, step: f64, axis: impl Fn(usize) -> Axis) -> Axis {
    let most = ((width / step) as usize).max(2);
    (2..=most)
        .rev()
        .map(&axis)
        .find(|axis| labels_fit(axis, width))
        .unwrap_or_else(|| axis(2))
}

fn labels_fit(axis: &Axis, width: f64) -> bool {
    axis.ticks.windows(2).all(|pair| {
        let apart = (axis.fraction(pair[1].value) - axis.fraction(pair[0].value)) * width;
        let written = pair
            .iter()
            .map(|tick| typeface::width(&tick.label, TICK_SIZE, false))
            .sum::<f64>()
            / 2.0;
        written + LABEL_SIZE <= apart
    })
}

/// Axes on which a unit is as long across as up, a little wider than the data.
fn equal_axes(x: Span, y: Span, (width, height): (f64, f64), up: usize) -> (Axis, Axis) {
    let across = (x.high - x.low).max((y.high - y.low) * width / height);
    let across = 1.08
        * if across > 1e-9 * reach(x).max(reach(y)) {
            across
        } else {
            reach(x).max(reach(y)).max(1.0)
        };
    let around = |span: Span, length: f64| {
        let middle = span.low / 2.0 + span.high / 2.0;
        (middle - length / 2.0, middle + length / 2.0)
    };
    let (x, y) = (around(x, across), around(y, across * height / width));
    (
        fitting(width, 40.0, |wanted| Axis::within(x.0, x.1, wanted)),
        Axis::within(y.0, y.1, up),
    )
}

fn reach(span: Span) -> f64 {
    span.low.abs().max(span.high.abs())
}
