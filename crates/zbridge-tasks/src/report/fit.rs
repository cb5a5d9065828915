//! How the bridge was fitted, as its file remembers.

use super::page::DIRECTIONS;
use zbridge_bridge::Bridge;
use zbridge_plot::{Figure, LineChart, Panel, Series};
use zbridge_report::{Cell, Column, Section, Table};

/// The section.
pub(super) fn fit(bridge: &Bridge) -> Section {
    let mut section = Section::new("The fit").paragraph(format!(
        "Recipe {}, {} pairs, seed {}.",
        bridge.config().recipe.name(),
        bridge.pairs(),
        bridge.config().seed
    ));
    let panels: Vec<Panel> = DIRECTIONS
        .into_iter()
        .filter_map(|(direction, name)| {
            let curve = bridge.curve(direction);
            let points: Vec<(f64, f64)> = curve
                .steps
                .iter()
                .zip(&curve.objective_nats)
                .map(|(&step, &nats)| (step as f64, nats))
                .collect();
            (!points.is_empty()).then(|| {
                Panel::from(LineChart {
                    title: name.into(),
                    x_label: "optimiser step".into(),
                    y_label: "objective of the fit".into(),
                    series: vec![Series::new("last fit, first member", points)],
                    ..LineChart::default()
                })
            })
        })
        .collect();
    if !panels.is_empty() {
        let figure = Figure {
            title: "Objective during the last fit".into(),
            columns: panels.len().min(2),
            panels,
            shared_axes: false,
        };
        section = section.illustration(
            "objective",
            "Objective on what was fitted, lower is better. It is no held-out figure.",
            "Falling lines.",
            figure,
        );
    }
    for (direction, name) in DIRECTIONS {
        let comparison = bridge.comparison(direction);
        if comparison.trials.is_empty() {
            continue;
        }
        let columns = vec![
            Column::words("candidate"),
            Column::numbers("gain over no bridge, nats"),
            Column::words("taken"),
        ];
        let rows = comparison.trials.iter().enumerate().map(|(place, trial)| {
            let taken = if place == comparison.chosen {
                "✓"
            } else {
                ""
            };
            vec![
                Cell::text(trial.to_string()),
                Cell::estimate(trial.gain_nats.mean, trial.gain_nats.standard_error, 2),
                Cell::text(taken),
            ]
        });
        let caption =
            format!("{name}: what was tried, and what pairs held out from the fit said of it.");
        section = section.table(Table {
            caption,
            columns,
            rows: rows.collect(),
        });
    }
    section
}
