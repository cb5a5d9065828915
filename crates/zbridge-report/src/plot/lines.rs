//! Lines, their bands and the values they are compared with.

use super::{Frame, Plot, draw_markers};
use crate::chart::{LineChart, Series};
use crate::legend::Legend;
use crate::marker::rounded;
use crate::svg::{Svg, number};

/// Lines of at most so many points mark each of them.
const ALL_MARKED: usize = 24;
/// How many points longer lines mark, so that they also differ in grey.
const SOME_MARKED: usize = 8;

impl Plot<'_> {
    pub(super) fn draw_lines(
        &self,
        svg: &mut Svg,
        frame: Frame,
        chart: &LineChart,
        legend: &Legend,
    ) {
        chart
            .series
            .iter()
            .for_each(|series| self.draw_band(svg, frame, series, legend));
        self.draw_references(svg, frame, chart);
        chart
            .series
            .iter()
            .for_each(|series| self.draw_series(svg, frame, series, legend));
        chart
            .series
            .iter()
            .for_each(|series| self.mark_series(svg, frame, series, legend));
    }

    fn draw_references(&self, svg: &mut Svg, frame: Frame, chart: &LineChart) {
        for (place, line) in chart
            .references
            .iter()
            .enumerate()
            .filter(|(_, line)| self.y.can_draw(line.value))
        {
            let path = format!(
                "M{} {}h{}",
                number(frame.left),
                number(self.y_at(frame, line.value)),
                number(frame.width)
            );
            svg.dashed(&path, place);
        }
    }

    fn draw_band(&self, svg: &mut Svg, frame: Frame, series: &Series, legend: &Legend) {
        let edge = |x, y| {
            self.panel
                .can_draw((x, y))
                .then(|| self.place(frame, (x, y)))
        };
        let edges: Vec<_> = series
            .band
            .iter()
            .flatten()
            .filter_map(|&(x, low, high)| Some((edge(x, low)?, edge(x, high)?)))
            .collect();
        let around: Vec<_> = edges
            .iter()
            .map(|pair| pair.1)
            .chain(edges.iter().rev().map(|pair| pair.0))
            .map(Some)
            .collect();
        let colour = svg.ink().series(legend.place(&series.name));
        if !around.is_empty() {
            let path = line_path(&around) + "Z";
            svg.leaf(
                "path",
                &[("d", &path), ("fill", &colour), ("fill-opacity", "0.18")],
            );
        }
    }

    fn draw_series(&self, svg: &mut Svg, frame: Frame, series: &Series, legend: &Legend) {
        let places = self.places(frame, series);
        let (colour, path) = (
            svg.ink().series(legend.place(&series.name)),
            line_path(&thinned(&places)),
        );
        let width = if places.len() <= ALL_MARKED {
            "2"
        } else {
            "1.4"
        };
        let style = [
            ("stroke", colour.as_str()),
            ("stroke-width", width),
            ("stroke-linejoin", "round"),
        ];
        if !path.is_empty() {
            svg.leaf(
                "path",
                &[&[("d", path.as_str()), ("fill", "none")], &style[..]].concat(),
            );
        }
    }

    fn mark_series(&self, svg: &mut Svg, frame: Frame, series: &Series, legend: &Legend) {
        let (place, edge) = (legend.place(&series.name), svg.ink().paper());
        let marks = marked(&self.places(frame, series), place);
        draw_markers(
            svg,
            &marks,
            place,
            4.2,
            &[("stroke", edge), ("stroke-width", "10")],
        );
    }

    /// Where the points of a line are; nothing for one without a place.
    fn places(&self, frame: Frame, series: &Series) -> Vec<Option<(f64, f64)>> {
        let place = |&point| self.panel.can_draw(point).then(|| self.place(frame, point));
        series.points.iter().map(place).collect()
    }
}

/// The places of a line that get a marker: all of a few, some of many, at another beat for each
/// series.
fn marked(places: &[Option<(f64, f64)>], series: usize) -> Vec<(f64, f64)> {
    if places.len() <= ALL_MARKED {
        return places.iter().copied().flatten().collect();
    }
    let beat = places.len() as f64 / SOME_MARKED as f64;
    let at = |mark: usize| ((mark as f64 + 0.35 + 0.1 * (series % 5) as f64) * beat) as usize;
    (0..SOME_MARKED)
        .filter_map(|mark| places.get(at(mark)).copied().flatten())
        .collect()
}

/// The path through the places; a missing one starts a new line.
fn line_path(places: &[Option<(f64, f64)>]) -> String {
    let (mut path, mut joined) = (String::new(), false);
    for place in places {
        if let Some((x, y)) = place {
            path.push_str(&format!(
                "{}{} {}",
                if joined { 'L' } else { 'M' },
                number(*x),
                number(*y)
            ));
        }
        joined = place.is_some();
    }
    path
}

/// The same line with at most four places in each half pixel across: the first, lowest, highest and
/// last.
fn thinned(places: &[Option<(f64, f64)>]) -> Vec<Option<(f64, f64)>> {
    let column = |place: &Option<(f64, f64)>| place.map(|(x, _)| rounded(x * 2.0));
    places
        .chunk_by(|a, b| a.is_some() && column(a) == column(b))
        .flat_map(extremes)
        .collect()
}

/// First, lowest, highest and last of a run, in the order of the run.
fn extremes(run: &[Option<(f64, f64)>]) -> Vec<Option<(f64, f64)>> {
    if run.len() <= 4 {
        return run.to_vec();
    }
    let height = |at: &usize| run[*at].map_or(0.0, |place| place.1);
    let lowest = (0..run.len())
        .min_by(|a, b| height(a).total_cmp(&height(b)))
        .unwrap_or(0);
    let highest = (0..run.len())
        .max_by(|a, b| height(a).total_cmp(&height(b)))
        .unwrap_or(0);
    let kept = std::collections::BTreeSet::from([0, lowest, highest, run.len() - 1]);
    kept.into_iter().map(|at| run[at]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thinning_keeps_gaps_and_extremes() {
        let mut places: Vec<_> = (0..1000)
            .map(|step| Some((f64::from(step) / 1000.0, 5.0)))
            .collect();
        places[100] = Some((0.1, -9.0));
        places[120] = None;
        places[200] = Some((0.2, 99.0));
        let thin = thinned(&places);
        assert!(thin.len() < 20, "{thin:?}");
        assert!(
            thin.contains(&Some((0.1, -9.0)))
                && thin.contains(&Some((0.2, 99.0)))
                && thin.contains(&None)
        );
    }

    #[test]
    fn a_gap_starts_a_new_line() {
        assert_eq!(
            line_path(&[Some((1.0, 2.0)), None, Some((3.0, 4.0)), Some((5.0, 6.0))]),
            "M1 2M3 4L5 6"
        );
    }
}
