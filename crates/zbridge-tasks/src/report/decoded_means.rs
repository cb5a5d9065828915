//! How near decoded means come to held-out observations.

use crate::evaluation::{CrossedError, CrossedErrors};
use zbridge_core::Estimate;
use zbridge_report::{Cell, Column, Section, Table};

/// Returns the section, with a row for each direction whose targets could be decoded.
pub(super) fn errors(found: &CrossedErrors) -> Section {
    let directions = [("x → y", &found.x_to_y), ("y → x", &found.y_to_x)];
    let rows = directions
        .into_iter()
        .filter_map(|(name, error)| Some(row(name, error.as_ref()?)));
    let columns = [
        "mean of the bridge",
        "mean of the target's own posterior",
        "mean of all observations",
    ];
    Section::new("Decoded means").table(Table {
        caption: "Mean squared error of an element (a pixel) against the held-out observation: of the \
                  mean of 32 draws, decoded once; of what the given model itself keeps; and without \
                  the source."
            .into(),
        columns: [
            vec![Column::words("direction")],
            columns.map(Column::numbers).to_vec(),
        ]
        .concat(),
        rows: rows.collect(),
    })
}

fn row(name: &str, error: &CrossedError) -> Vec<Cell> {
    let cell = |found: &Estimate| Cell::estimate(found.mean, found.standard_error, 5);
    vec![
        Cell::text(name),
        cell(&error.bridge),
        cell(&error.given_model),
        cell(&error.mean_observation),
    ]
}
