//! Likelihoods of held-out observations, with their intervals and what they rest on.

use crate::evaluation::Likelihoods;
use crate::words::nats;
use zbridge_core::Estimate;
use zbridge_eval::LikelihoodSummary;
use zbridge_plot::{Figure, IntervalPlot, IntervalRow, Panel};
use zbridge_report::{Cell, Column, Section, Table};

/// The section.
pub(super) fn likelihoods(found: &Likelihoods) -> Section {
    let columns = vec![
        Column::words("quantity"),
        Column::numbers("nats"),
        Column::numbers("95 % interval"),
        Column::numbers("of it by draws"),
        Column::numbers("K"),
        Column::numbers("median ESS"),
        Column::numbers("ESS < 10, %"),
        Column::numbers("pairs"),
    ];
    let row = |summary: &LikelihoodSummary| {
        let (low, high) = summary.interval_95_nats;
        let found = &summary.log_likelihood_nats;
        vec![
            Cell::text(&summary.name),
            Cell::estimate(found.mean, found.standard_error, 2),
            Cell::text(format!("{} to {}", nats(low, 2), nats(high, 2))),
            Cell::number(summary.monte_carlo_error_nats, 3),
            Cell::count(summary.draws),
            Cell::number(summary.effective_sample_size.median, 0),
            Cell::number(100.0 * summary.effective_sample_size.low_share, 1),
            Cell::count(found.count),
        ]
    };
    let all = [&found.x, &found.x_given_y, &found.y, &found.y_given_x];
    let derived = |name: &str, found: &Estimate| {
        let (low, high) = found.interval();
        let mut row = vec![
            Cell::text(name),
            Cell::estimate(found.mean, found.standard_error, 2),
        ];
        row.push(Cell::text(format!("{} to {}", nats(low, 2), nats(high, 2))));
        row.extend((0..4).map(|_| Cell::missing()));
        row.push(Cell::count(found.count));
        row
    };
    let mut rows: Vec<Vec<Cell>> = all.into_iter().map(row).collect();
    rows.extend([
        derived("log p(x|y) − log p(x)", &found.x_gain_nats),
        derived("log p(y|x) − log p(y)", &found.y_gain_nats),
        derived(
            "log p(x, y) = log p(x) + log p(y|x)",
            &found.joint.by_x_first_nats,
        ),
        derived(
            "log p(x, y) = log p(y) + log p(x|y)",
            &found.joint.by_y_first_nats,
        ),
        derived(
            "gap between the two, x first less y first",
            &found.joint.gap_nats,
        ),
        derived("its absolute value", &found.joint.absolute_gap_nats),
    ]);
    let plot = |title: &str, summaries: [&LikelihoodSummary; 2]| {
        let row = |summary: &LikelihoodSummary| {
            let (low, high) = summary.interval_95_nats;
            IntervalRow::new(&summary.name, summary.log_likelihood_nats.mean)
                .with_interval(low, high)
        };
        Panel::from(IntervalPlot {
            title: title.into(),
            x_label: "nats".into(),
            rows: summaries.map(row).into(),
            digits: 2,
            ..IntervalPlot::default()
        })
    };
    let figure = Figure {
        title: "Likelihoods without and with the other side".into(),
        panels: vec![
            plot("x", [&found.x, &found.x_given_y]),
            plot("y", [&found.y, &found.y_given_x]),
        ],
        columns: 2,
        shared_axes: false,
    };
    let caption = "Likelihoods of held-out observations; ± standard error between pairs. Half of the K draws come from p(z|observation), half from the bridge (multiple importance sampling, balance heuristic); ESS = effective sample size.".into();
    Section::new("Likelihoods")
        .illustration("likelihoods", "Log-likelihoods with their 95 % intervals, without and with the other side.", "Estimates with intervals, two for each side.", figure)
        .table(Table { caption, columns, rows })
        .paragraph("Intervals without and with the other side overlap because images differ far more than their gains do; the rows of differences are taken pair by pair.")
}
