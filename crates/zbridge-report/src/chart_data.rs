//! What charts show, as tables.

use crate::chart::{LineChart, Scatter};
use crate::panel::Panel;
use crate::{Cell, Column, Histogram, IntervalPlot, ReliabilityDiagram, Table};

/// One table for each kind of chart in order of its first appearance, the panels of a kind below
/// one another.
pub(crate) fn of(panels: &[Panel]) -> Vec<Table> {
    let mut tables: Vec<Table> = Vec::new();
    for panel in panels {
        let names = names(panels, panel);
        let known = tables.iter().position(|table| {
            table
                .columns
                .iter()
                .skip(1)
                .map(|column| &column.name)
                .eq(&names)
        });
        let at = known.unwrap_or_else(|| {
            let columns = std::iter::once("panel".to_owned())
                .chain(names)
                .map(Column::numbers);
            tables.push(Table {
                columns: columns.collect(),
                ..Table::default()
            });
            tables.len() - 1
        });
        let title = panel.title();
        tables[at].rows.extend(
            rows(panel)
                .into_iter()
                .map(|row| [vec![Cell::text(title)], row].concat()),
        );
    }
    if panels.len() < 2 {
        tables.iter_mut().for_each(without_panel);
    }
    tables.iter_mut().for_each(align_words);
    tables
}

fn without_panel(table: &mut Table) {
    table.columns.remove(0);
    table.rows.iter_mut().for_each(|row| drop(row.remove(0)));
}

/// Columns of words stand left.
fn align_words(table: &mut Table) {
    for (at, column) in table.columns.iter_mut().enumerate() {
        if table
            .rows
            .first()
            .is_some_and(|row| matches!(row[at], Cell::Text(_)))
        {
            column.align = crate::Align::Left;
        }
    }
}

/// Names of the columns that a panel's data has; axes give theirs where all panels of the kind
/// agree on them.
fn names(panels: &[Panel], panel: &Panel) -> Vec<String> {
    let own = panel.labels();
    let kind = std::mem::discriminant(panel);
    let mut alike = panels
        .iter()
        .filter(|other| std::mem::discriminant(*other) == kind)
        .map(Panel::labels);
    let agree = alike.all(|labels| labels == own);
    let axis = |label: &str, letter: &str| {
        if agree && !label.is_empty() {
            label
        } else {
            letter
        }
        .to_owned()
    };
    let (x, y) = (axis(own.0, "x"), axis(own.1, "y"));
    let fixed = |names: &[&str]| {
        names
            .iter()
            .map(|&name| name.to_owned())
            .collect::<Vec<_>>()
    };
    match panel {
        Panel::Line(_) => [fixed(&["series"]), vec![x, y], fixed(&["low", "high"])].concat(),
        Panel::Scatter(_) => [fixed(&["group", "backdrop"]), vec![x, y]].concat(),
        Panel::Histogram(_) => fixed(&["from", "to", "count", "expected", "band low", "band high"]),
        Panel::Reliability(_) => fixed(&[
            "from",
            "to",
            "confidence",
            "accuracy",
            "low",
            "high",
            "count",
        ]),
        Panel::Intervals(_) => {
            [fixed(&["row", "group"]), vec![x], fixed(&["low", "high"])].concat()
        }
    }
}

fn rows(panel: &Panel) -> Vec<Vec<Cell>> {
    match panel {
        Panel::Line(chart) => lines(chart),
        Panel::Scatter(chart) => clouds(chart),
        Panel::Histogram(chart) => bars(chart),
        Panel::Reliability(chart) => reliability(chart),
        Panel::Intervals(chart) => intervals(chart),
    }
}

/// A row for each point, with the band's edges where the band has the same places; else the band's
/// rows follow.
fn lines(chart: &LineChart) -> Vec<Vec<Cell>> {
    let mut rows = Vec::new();
    for series in &chart.series {
        let row = |x, y, low, high| vec![Cell::text(&series.name), Cell::Value(x), y, low, high];
        let band = series.band.as_deref().unwrap_or_default();
        let joins = series
            .points
            .iter()
            .map(|point| point.0)
            .eq(band.iter().map(|edge| edge.0));
        for (at, &(x, y)) in series.points.iter().enumerate() {
            let edge = |of: fn(&(f64, f64, f64)) -> f64| match band.get(at) {
                Some(edges) if joins => Cell::Value(of(edges)),
                _ => Cell::Missing,
            };
            rows.push(row(
                x,
                Cell::Value(y),
                edge(|edges| edges.1),
                edge(|edges| edges.2),
            ));
        }
        let apart = band.iter().filter(|_| !joins);
        rows.extend(
            apart.map(|&(x, low, high)| row(x, Cell::Missing, Cell::Value(low), Cell::Value(high))),
        );
    }
    let reference = |name: &str, value| {
        vec![
            Cell::text(name),
            Cell::Missing,
            Cell::Value(value),
            Cell::Missing,
            Cell::Missing,
        ]
    };
    rows.extend(
        chart
            .references
            .iter()
            .map(|line| reference(&line.name, line.value)),
    );
    rows
}

fn clouds(chart: &Scatter) -> Vec<Vec<Cell>> {
    let mut rows = Vec::new();
    for group in &chart.groups {
        let backdrop = group.backdrop.as_deref().unwrap_or_default();
        let row = |&(x, y): &(f64, f64)| {
            vec![
                Cell::text(&group.name),
                Cell::text(backdrop),
                Cell::Value(x),
                Cell::Value(y),
            ]
        };
        rows.extend(group.points.iter().map(row));
    }
    rows
}

fn bars(chart: &Histogram) -> Vec<Vec<Cell>> {
    let band = |of: fn(&crate::ExpectedBand) -> f64| {
        chart
            .band
            .as_ref()
            .map_or(Cell::Missing, |band| Cell::Value(of(band)))
    };
    let row = |bin: &crate::Bin| {
        let bin = [bin.low, bin.high, bin.count].map(Cell::Value);
        [
            bin,
            [
                band(|band| band.expected),
                band(|band| band.low),
                band(|band| band.high),
            ],
        ]
        .concat()
    };
    chart.bins.iter().map(row).collect()
}

fn reliability(chart: &ReliabilityDiagram) -> Vec<Vec<Cell>> {
    let row = |bin: &crate::ConfidenceBin| {
        let mut row = [bin.low, bin.high, bin.confidence, bin.accuracy]
            .map(Cell::Value)
            .to_vec();
        row.extend(ends(bin.interval));
        row.push(Cell::Value(bin.count as f64));
        row
    };
    chart.bins.iter().map(row).collect()
}

fn intervals(chart: &IntervalPlot) -> Vec<Vec<Cell>> {
    let row = |row: &crate::IntervalRow| {
        let mut cells = vec![
            Cell::text(&row.name),
            Cell::text(&row.group),
            Cell::Value(row.value),
        ];
        cells.extend(ends(row.interval));
        cells
    };
    let reference = |line: &crate::Reference| {
        vec![
            Cell::text(&line.name),
            Cell::text("reference"),
            Cell::Value(line.value),
            Cell::Missing,
            Cell::Missing,
        ]
    };
    chart
        .rows
        .iter()
        .map(row)
        .chain(chart.references.iter().map(reference))
        .collect()
}

fn ends(interval: Option<(f64, f64)>) -> [Cell; 2] {
    interval.map_or([Cell::Missing, Cell::Missing], |(low, high)| {
        [Cell::Value(low), Cell::Value(high)]
    })
}
