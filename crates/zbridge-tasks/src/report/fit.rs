//! How the bridge was fitted, as its file records.

use zbridge_bridge::{Bridge, Comparison, Direction};
use zbridge_plot::{Figure, LineChart, Panel, Series};
use zbridge_report::{Cell, Column, Section, Table};

/// Returns the section.
pub(super) fn fit(bridge: &Bridge) -> Section {
    let mut section = Section::new("The fit").paragraph(format!(
        "Recipe {}, {} pairs, seed {}.",
        bridge.config().recipe.name(),
        bridge.pairs(),
        bridge.config().seed
    ));
    if let Some(figure) = objectives(bridge) {
        section = section.illustration(
            "objective",
            "Objective on what was fitted, lower is better. It is no held-out figure.",
            "Falling lines.",
            figure,
        );
    }
    for direction in Direction::BOTH {
        let comparison = bridge.comparison(direction);
        if !comparison.trials.is_empty() {
            section = section.table(trials(direction, comparison));
        }
    }
    section
}

/// Returns the objective of each direction against steps; `None` if none was recorded.
fn objectives(bridge: &Bridge) -> Option<Figure> {
    let panels: Vec<Panel> = Direction::BOTH
        .into_iter()
        .filter_map(|direction| objective(bridge, direction))
        .collect();
    (!panels.is_empty()).then(|| Figure {
        title: "Objective during the last fit".into(),
        columns: panels.len().min(2),
        panels,
        shared_axes: false,
    })
}

fn objective(bridge: &Bridge, direction: Direction) -> Option<Panel> {
    let curve = bridge.curve(direction);
    let mut points = vec![];
    for (&step, &nats) in curve.steps.iter().zip(&curve.objective_nats) {
        points.push((step as f64, nats));
    }
    (!points.is_empty()).then(|| {
        Panel::from(LineChart {
            title: direction.to_string(),
            x_label: "optimiser step".into(),
            y_label: "objective of the fit".into(),
            series: vec![Series::new("last fit, first member", points)],
            ..LineChart::default()
        })
    })
}

fn trials(direction: Direction, comparison: &Comparison) -> Table {
    let mut rows = vec![];
    for (index, trial) in comparison.trials.iter().enumerate() {
        let taken = match index == comparison.chosen {
            true => "✓",
            false => "",
        };
        rows.push(vec![
            Cell::text(trial.to_string()),
            Cell::estimate(trial.gain_nats.mean, trial.gain_nats.standard_error, 2),
            Cell::text(taken),
        ]);
    }
    Table {
        caption: format!(
            "{direction}: what was tried, and what pairs held out from the fit said of it."
        ),
        columns: vec![
            Column::words("candidate"),
            Column::numbers("gain over no bridge, nats"),
            Column::words("taken"),
        ],
        rows,
    }
}
