//! Likelihoods of held-out observations, with their intervals and the draws behind them.

use crate::evaluation::Likelihoods;
use crate::words::nats;
use zbridge_core::Estimate;
use zbridge_eval::LikelihoodSummary;
use zbridge_plot::{Figure, IntervalPlot, IntervalRow, Panel};
use zbridge_report::{Cell, Column, Section, Table};

const CAPTION: &str = "Likelihoods of held-out observations; ± standard error between pairs. Half \
                       of the K draws come from p(z|observation), half from the bridge (multiple \
                       importance sampling, balance heuristic); ESS = effective sample size.";
const READING: &str = "Intervals without and with the other side overlap because images differ far \
                       more than their gains do; the rows of differences are taken pair by pair.";

/// Returns the section.
pub(super) fn likelihoods(found: &Likelihoods) -> Section {
    Section::new("Likelihoods")
        .illustration(
            "likelihoods",
            "Log-likelihoods with their 95 % intervals, without and with the other side.",
            "Estimates with intervals, two for each side.",
            figure(found),
        )
        .table(table(found))
        .paragraph(READING)
}

fn table(found: &Likelihoods) -> Table {
    let mut rows: Vec<Vec<Cell>> = found.summaries().into_iter().map(summary_row).collect();
    let joint = &found.joint;
    for (name, estimate) in [
        ("log p(x|y) − log p(x)", &found.x_gain_nats),
        ("log p(y|x) − log p(y)", &found.y_gain_nats),
        (
            "log p(x, y) = log p(x) + log p(y|x)",
            &joint.by_x_first_nats,
        ),
        (
            "log p(x, y) = log p(y) + log p(x|y)",
            &joint.by_y_first_nats,
        ),
        ("gap between the two, x first less y first", &joint.gap_nats),
        ("its absolute value", &joint.absolute_gap_nats),
    ] {
        rows.push(derived_row(name, estimate));
    }
    Table {
        caption: CAPTION.into(),
        columns: columns(),
        rows,
    }
}

fn columns() -> Vec<Column> {
    let numbers = [
        "nats",
        "95 % interval",
        "of it by draws",
        "K",
        "median ESS",
        "ESS < 10, %",
        "pairs",
    ];
    let mut columns = vec![Column::words("quantity")];
    columns.extend(numbers.map(Column::numbers));
    columns
}

fn interval_cell((low, high): (f64, f64)) -> Cell {
    Cell::text(format!("{} to {}", nats(low, 2), nats(high, 2)))
}

fn summary_row(summary: &LikelihoodSummary) -> Vec<Cell> {
    let estimate = &summary.log_likelihood_nats;
    let size = &summary.effective_sample_size;
    vec![
        Cell::text(&summary.name),
        Cell::estimate(estimate.mean, estimate.standard_error, 2),
        interval_cell(summary.interval_95_nats),
        Cell::number(summary.monte_carlo_error_nats, 3),
        Cell::count(summary.draws),
        Cell::number(size.median, 0),
        Cell::number(100.0 * size.low_share, 1),
        Cell::count(estimate.count),
    ]
}

/// Returns the row of a quantity that is derived from others: it has no draws of its own.
fn derived_row(name: &str, estimate: &Estimate) -> Vec<Cell> {
    vec![
        Cell::text(name),
        Cell::estimate(estimate.mean, estimate.standard_error, 2),
        interval_cell(estimate.interval()),
        Cell::missing(),
        Cell::missing(),
        Cell::missing(),
        Cell::missing(),
        Cell::count(estimate.count),
    ]
}

fn figure(found: &Likelihoods) -> Figure {
    Figure {
        title: "Likelihoods without and with the other side".into(),
        panels: vec![
            panel("x", [&found.x, &found.x_given_y]),
            panel("y", [&found.y, &found.y_given_x]),
        ],
        columns: 2,
        shared_axes: false,
    }
}

fn panel(title: &str, summaries: [&LikelihoodSummary; 2]) -> Panel {
    let rows = summaries.map(|summary| {
        let (low, high) = summary.interval_95_nats;
        IntervalRow::new(&summary.name, summary.log_likelihood_nats.mean).with_interval(low, high)
    });
    Panel::from(IntervalPlot {
        title: title.into(),
        x_label: "nats".into(),
        rows: rows.into(),
        digits: 2,
        ..IntervalPlot::default()
    })
}
