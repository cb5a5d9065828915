//! Clouds of points, and those behind them.

use super::{Frame, Plot, draw_markers, tenths};
use crate::chart::Group;
use crate::legend::Legend;
use crate::svg::Svg;

/// Clouds larger than this are drawn in rounds, so that the last group does not hide the others.
const ROUND: usize = 64;
/// With more points than this a marker is too small to have a shape: points are dots, which take
/// little room in a file.
const MOST_SHAPES: usize = 4000;
/// Radius of a point behind the others.
pub(crate) const BACKDROP_RADIUS: f64 = 1.6;

/// The points of a group on their way to the page.
struct Cloud {
    /// Place of the group in the legend; nothing where it has no name.
    place: Option<usize>,
    points: Vec<(f64, f64)>,
}

impl Plot<'_> {
    pub(super) fn draw_clouds(
        &self,
        svg: &mut Svg,
        frame: Frame,
        groups: &[Group],
        legend: &Legend,
    ) {
        let (behind, before): (Vec<&Group>, Vec<&Group>) =
            groups.iter().partition(|group| group.backdrop.is_some());
        for cloud in self.clouds(frame, &behind, legend, 0.5) {
            let colour = cloud.place.map_or_else(
                || svg.ink().muted().to_owned(),
                |place| svg.ink().series(place),
            );
            draw_dots(svg, &cloud.points, BACKDROP_RADIUS, &colour, "0.38");
        }
        let total = before.iter().map(|group| group.points.len()).sum::<usize>();
        let finest = if total > MOST_SHAPES { 0.4 } else { 0.1 };
        draw_rounds(
            svg,
            &self.clouds(frame, &before, legend, finest),
            !behind.is_empty(),
        );
    }

    /// Places of the groups' points, of those that fall together to `finest` pixels only the first.
    fn clouds(&self, frame: Frame, groups: &[&Group], legend: &Legend, finest: f64) -> Vec<Cloud> {
        let cloud = |group: &&Group| {
            let place = (group.backdrop.is_none() || !group.name.is_empty())
                .then(|| legend.place(&group.name));
            Cloud {
                place,
                points: self.cloud(frame, group, finest),
            }
        };
        groups.iter().map(cloud).collect()
    }

    fn cloud(&self, frame: Frame, group: &Group, finest: f64) -> Vec<(f64, f64)> {
        let mut seen = std::collections::HashSet::new();
        let coarse = |(x, y): (f64, f64)| tenths((0.1 * x / finest, 0.1 * y / finest));
        let drawn = group
            .points
            .iter()
            .filter(|&&point| self.panel.can_draw(point));
        drawn
            .map(|&point| self.place(frame, point))
            .filter(|&place| seen.insert(coarse(place)))
            .collect()
    }
}

/// Clouds in rounds: a part of each group, then the next part of each.
fn draw_rounds(svg: &mut Svg, clouds: &[Cloud], stand_out: bool) {
    let largest = clouds
        .iter()
        .map(|cloud| cloud.points.len())
        .max()
        .unwrap_or(0);
    let total = clouds.iter().map(|cloud| cloud.points.len()).sum();
    let (length, radius) = (largest.div_ceil(4).max(ROUND), marker_radius(total));
    let edge = svg.ink().paper();
    let outlined: &[(&str, &str)] = &[("stroke", edge), ("stroke-width", "7")];
    let style = if stand_out {
        outlined
    } else {
        &[("fill-opacity", "0.8")]
    };
    for round in 0..largest.div_ceil(length) {
        for cloud in clouds {
            let (part, place) = (
                cloud.points.chunks(length).nth(round).unwrap_or_default(),
                cloud.place.unwrap_or(0),
            );
            if total > MOST_SHAPES {
                let colour = svg.ink().series(place);
                draw_dots(svg, part, radius, &colour, "0.8");
            } else {
                draw_markers(svg, part, place, radius, style);
            }
        }
    }
}

/// Round dots, each a stroke without length: a dozen bytes a point.
pub(crate) fn draw_dots(
    svg: &mut Svg,
    points: &[(f64, f64)],
    radius: f64,
    colour: &str,
    opacity: &str,
) {
    let (mut path, mut last) = (String::new(), (0, 0));
    for &point in points {
        let (x, y) = tenths(point);
        path.push_str(&format!("m{} {}h0", x - last.0, y - last.1));
        last = (x, y);
    }
    let width = (radius * 20.0).round().to_string();
    if !path.is_empty() {
        svg.leaf(
            "path",
            &[
                ("transform", "scale(.1)"),
                ("d", &path),
                ("fill", "none"),
                ("stroke", colour),
                ("stroke-width", &width),
                ("stroke-linecap", "round"),
                ("stroke-opacity", opacity),
            ],
        );
    }
}

/// Radius at which so many points neither vanish nor hide one another.
fn marker_radius(points: usize) -> f64 {
    match points {
        0..=300 => 3.6,
        301..=1500 => 2.8,
        1501..=4000 => 2.2,
        _ => 1.7,
    }
}
