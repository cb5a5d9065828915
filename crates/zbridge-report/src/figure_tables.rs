//! The numbers that charts show, as tables.

use zbridge_plot::{
    BandPoint, Bin, ConfidenceBin, Figure, Histogram, IntervalPlot, IntervalRow, LineChart, Panel,
    Reference, ReliabilityDiagram, Scatter, Series,
};

use crate::cell::Cell;
use crate::table::{Align, Column, Table};

impl Table {
    /// Every number that the figure shows: a table for each kind of chart in it, with a row for
    /// each point, bar or estimate.
    ///
    /// [`Table::to_csv`] writes them in full precision.
    ///
    /// ```
    /// use zbridge_plot::{Figure, Histogram};
    /// use zbridge_report::Table;
    ///
    /// let histogram = Histogram::of_equal_bins(0.0, 1.0, &[22, 27, 31, 20]);
    /// assert_eq!(Table::of_figure(&Figure::from(histogram))[0].rows.len(), 4);
    /// ```
    pub fn of_figure(figure: &Figure) -> Vec<Self> {
        let mut tables: Vec<Self> = Vec::new();
        for panel in &figure.panels {
            let names = column_names(&figure.panels, panel);
            let known = tables.iter().position(|table| table.has_columns(&names));
            // Panels of one kind share a table if their columns have the same names.
            let index = known.unwrap_or_else(|| {
                tables.push(Self::with_columns(names));
                tables.len() - 1
            });
            tables[index].add_rows_of(panel);
        }
        for table in &mut tables {
            // The title of the only panel is not worth a column.
            if figure.panels.len() < 2 {
                table.remove_first_column();
            }
            table.align_words();
        }
        tables
    }

    /// The estimates of the plot with their intervals, and the references in the last rows.
    ///
    /// ```
    /// use zbridge_plot::{IntervalPlot, IntervalRow};
    /// use zbridge_report::Table;
    ///
    /// let plot = IntervalPlot {
    ///     rows: vec![IntervalRow::new("bridge", -84.6).with_interval(-85.1, -84.1)],
    ///     digits: 1,
    ///     ..IntervalPlot::default()
    /// };
    /// assert!(Table::of_intervals(&plot).to_text().contains("−84.6 [−85.1, −84.1]"));
    /// ```
    pub fn of_intervals(plot: &IntervalPlot) -> Self {
        let mut rows = Vec::new();
        for row in &plot.rows {
            rows.push(vec![Cell::text(&row.name), estimate(row, plot.digits)]);
        }
        for reference in &plot.references {
            let value = Cell::number(reference.value, plot.digits);
            rows.push(vec![Cell::text(&reference.name), value]);
        }
        let value = match plot.x_label.as_str() {
            "" => "estimate",
            label => label,
        };
        Self {
            caption: plot.title.clone(),
            columns: vec![Column::words(""), Column::numbers(value)],
            rows,
        }
    }

    fn with_columns(names: Vec<String>) -> Self {
        Self {
            columns: names.into_iter().map(Column::numbers).collect(),
            ..Self::default()
        }
    }

    fn add_rows_of(&mut self, panel: &Panel) {
        for mut row in rows(panel) {
            // Rows of several panels are in one table, and the title tells them apart.
            row.insert(0, Cell::text(panel.title()));
            self.rows.push(row);
        }
    }

    fn has_columns(&self, names: &[String]) -> bool {
        self.columns.iter().map(|column| &column.name).eq(names)
    }

    fn remove_first_column(&mut self) {
        self.columns.remove(0);
        for row in &mut self.rows {
            row.remove(0);
        }
    }

    /// Aligns columns of words left.
    fn align_words(&mut self) {
        let Some(first) = self.rows.first() else {
            return;
        };
        for (column, cell) in self.columns.iter_mut().zip(first) {
            // The first row decides: a column has words in all rows or in none.
            if matches!(cell, Cell::Text(_)) {
                column.align = Align::Left;
            }
        }
    }
}

fn estimate(row: &IntervalRow, digits: usize) -> Cell {
    match row.known_interval() {
        Some((low, high)) => Cell::interval(row.value, low, high, digits),
        None => Cell::number(row.value, digits),
    }
}

/// Names of the columns for a panel's numbers. The labels of the axes are among them if all panels
/// of the kind have the same ones.
fn column_names(panels: &[Panel], panel: &Panel) -> Vec<String> {
    let (x, y) = axis_names(panels, panel);
    let names: &[&str] = match panel {
        Panel::Line(_) => &["panel", "series", x, y, "low", "high"],
        Panel::Scatter(_) => &["panel", "group", "backdrop", x, y],
        Panel::Histogram(_) => &[
            "panel",
            "from",
            "to",
            "count",
            "expected",
            "band low",
            "band high",
        ],
        Panel::Reliability(_) => &[
            "panel",
            "from",
            "to",
            "confidence",
            "accuracy",
            "low",
            "high",
            "count",
        ],
        Panel::Intervals(_) => &["panel", "row", "group", x, "low", "high"],
    };
    names.iter().map(|&name| name.to_owned()).collect()
}

/// The labels of the panel's axes, or `x` and `y` if another panel of its kind has other ones.
fn axis_names<'a>(panels: &[Panel], panel: &'a Panel) -> (&'a str, &'a str) {
    let kind = std::mem::discriminant(panel);
    let agree = panels
        .iter()
        .filter(|other| std::mem::discriminant(*other) == kind)
        .all(|other| other.x_label() == panel.x_label() && other.y_label() == panel.y_label());
    let name = |label: &'a str, letter: &'static str| {
        if agree && !label.is_empty() {
            label
        } else {
            letter
        }
    };
    (name(panel.x_label(), "x"), name(panel.y_label(), "y"))
}

fn rows(panel: &Panel) -> Vec<Vec<Cell>> {
    match panel {
        Panel::Line(chart) => line_rows(chart),
        Panel::Scatter(chart) => scatter_rows(chart),
        Panel::Histogram(chart) => histogram_rows(chart),
        Panel::Reliability(chart) => reliability_rows(chart),
        Panel::Intervals(chart) => interval_rows(chart),
    }
}

fn line_rows(chart: &LineChart) -> Vec<Vec<Cell>> {
    let mut rows = Vec::new();
    for series in &chart.series {
        rows.extend(series_rows(series));
    }
    for Reference { name, value } in &chart.references {
        let value = Cell::Value(*value);
        rows.push(vec![
            Cell::text(name),
            Cell::Missing,
            value,
            Cell::Missing,
            Cell::Missing,
        ]);
    }
    rows
}

/// A row for each point. The edges of the band are in the same rows if the band has a place for
/// each point, and in rows of their own after them if not.
fn series_rows(series: &Series) -> Vec<Vec<Cell>> {
    let shares_rows = has_band_at_points(series);
    let mut rows = Vec::new();
    for (index, &(x, y)) in series.points.iter().enumerate() {
        let edge = series.band.get(index).filter(|_| shares_rows);
        rows.push(series_row(series, x, Some(y), edge));
    }
    if !shares_rows {
        for edge in &series.band {
            rows.push(series_row(series, edge.x, None, Some(edge)));
        }
    }
    rows
}

fn has_band_at_points(series: &Series) -> bool {
    let xs_of_points = series.points.iter().map(|point| point.0);
    xs_of_points.eq(series.band.iter().map(|edge| edge.x))
}

fn series_row(series: &Series, x: f64, y: Option<f64>, edge: Option<&BandPoint>) -> Vec<Cell> {
    let y = y.map_or(Cell::Missing, Cell::Value);
    let [low, high] = ends(edge.map(|edge| (edge.low, edge.high)));
    vec![Cell::text(&series.name), Cell::Value(x), y, low, high]
}

fn scatter_rows(chart: &Scatter) -> Vec<Vec<Cell>> {
    let mut rows = Vec::new();
    for group in &chart.groups {
        let backdrop = group.backdrop.as_deref().unwrap_or_default();
        for &(x, y) in &group.points {
            rows.push(vec![
                Cell::text(&group.name),
                Cell::text(backdrop),
                Cell::Value(x),
                Cell::Value(y),
            ]);
        }
    }
    rows
}

fn histogram_rows(chart: &Histogram) -> Vec<Vec<Cell>> {
    let band = match &chart.band {
        Some(band) => [band.expected, band.low, band.high].map(Cell::Value),
        None => [Cell::Missing, Cell::Missing, Cell::Missing],
    };
    let row = |bin: &Bin| {
        let bar = [bin.low, bin.high, bin.count].map(Cell::Value);
        bar.into_iter().chain(band.clone()).collect()
    };
    chart.bins.iter().map(row).collect()
}

fn reliability_rows(chart: &ReliabilityDiagram) -> Vec<Vec<Cell>> {
    let row = |bin: &ConfidenceBin| {
        let mut row = vec![
            Cell::Value(bin.low),
            Cell::Value(bin.high),
            Cell::Value(bin.confidence),
            Cell::Value(bin.accuracy),
        ];
        row.extend(ends(bin.interval));
        row.push(Cell::Value(bin.count as f64));
        row
    };
    chart.bins.iter().map(row).collect()
}

fn interval_rows(chart: &IntervalPlot) -> Vec<Vec<Cell>> {
    let mut rows = Vec::new();
    for IntervalRow {
        name,
        value,
        interval,
        group,
    } in &chart.rows
    {
        let mut row = vec![Cell::text(name), Cell::text(group), Cell::Value(*value)];
        row.extend(ends(*interval));
        rows.push(row);
    }
    for Reference { name, value } in &chart.references {
        let mut row = vec![
            Cell::text(name),
            Cell::text("reference"),
            Cell::Value(*value),
        ];
        row.extend(ends(None));
        rows.push(row);
    }
    rows
}

fn ends(interval: Option<(f64, f64)>) -> [Cell; 2] {
    match interval {
        Some((low, high)) => [Cell::Value(low), Cell::Value(high)],
        None => [Cell::Missing, Cell::Missing],
    }
}
