//! Images and sounds in other sizes.

use super::graph_lowering::{GraphLowering, MOST_NUMBERS};
use super::known_sizes::Size;
use super::view::View;
use crate::onnx::operator::Operator;
use crate::shape::checked_size;
use ndarray::ArrayView3;
use zbridge_infer::Tap;

/// The new size of a dimension.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Scaled {
    size: usize,
    /// Outputs for each input; `size` is rounded down.
    factor: f64,
}

/// An input that an output is a weighted sum of.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Neighbour {
    place: usize,
    weight: f64,
}

/// The neighbours of an output on both sides, along one dimension.
type Neighbours = [Neighbour; 2];

impl<'a> GraphLowering<'a> {
    /// Returns the view of each place several times: a resize to the nearest place.
    pub(super) fn repeat(&self, node: Operator<'_>, mut view: View) -> Option<View> {
        if !repeats_whole_factors(node) {
            return None;
        }
        for (axis, scaled) in self.scaled(node, view.shape())?.into_iter().enumerate() {
            let times = whole_factor(scaled, view.shape()[axis])?;
            let places: Vec<usize> = (0..scaled.size).map(|place| place / times).collect();
            view = view.selected(axis, &places)?;
        }
        Some(view)
    }

    /// Lowers a resize whose outputs lie between the two nearest inputs along each side.
    pub(super) fn interpolate(&mut self, node: Operator<'a>) -> Option<View> {
        let view = self.take_only_input(node)?;
        if node.text("mode", "nearest") != "linear" {
            return None;
        }
        let scaled = self.scaled(node, view.shape())?;
        let sides = self.side_neighbours(node, view.shape(), &scaled)?;
        self.network.interpolate(interpolation_taps(&view, &sides)?);
        Some(View::of_grid(&new_shape(&scaled)))
    }

    /// Returns the neighbours of each output down and across; `None` unless the value is an image
    /// or a sound whose channels stay as they are.
    fn side_neighbours(
        &self,
        node: Operator<'_>,
        row: &[usize],
        scaled: &[Scaled],
    ) -> Option<[Vec<Neighbours>; 2]> {
        let mode = node.text("coordinate_transformation_mode", "half_pixel");
        let side = |axis: usize| neighbours(row[axis], scaled[axis], mode);
        let [channels, sides @ ..] = scaled else {
            return None;
        };
        match sides.len() {
            // Nothing lies between two channels.
            _ if channels.factor != 1.0 => None,
            1 => Some([vec![ONLY_PLACE], side(1)?]),
            2 => Some([side(1)?, side(2)?]),
            _ => None,
        }
    }

    /// Returns the new size of each dimension of a row.
    fn scaled(&self, node: Operator<'_>, row: &[usize]) -> Option<Vec<Scaled>> {
        let scaled = match (node.input(2), node.input(3)) {
            _ if !is_plain(node) => return None,
            (Some(factors), None) => self.scaled_by_factors(factors, row)?,
            (None, Some(sizes)) => self.scaled_to_sizes(sizes, row)?,
            _ => return None,
        };
        let size = checked_size(&new_shape(&scaled))?;
        let is_usable = scaled.len() == row.len() && (1..=MOST_NUMBERS).contains(&size);
        is_usable.then_some(scaled)
    }

    fn scaled_by_factors(&self, factors: &str, row: &[usize]) -> Option<Vec<Scaled>> {
        let factors = self.constants.floats(factors)?;
        // The first is that of the batch.
        let factors = factors.as_slice()?.strip_prefix(&[1.0])?;
        let scaled = |(&factor, &old): (&f32, &usize)| {
            // In double precision: a rounded product could change the size.
            let factor = f64::from(factor);
            Scaled {
                size: (old as f64 * factor).floor() as usize,
                factor,
            }
        };
        Some(factors.iter().zip(row).map(scaled).collect())
    }

    fn scaled_to_sizes(&self, sizes: &str, row: &[usize]) -> Option<Vec<Scaled>> {
        let sizes = self.constants.sizes(sizes)?;
        let sizes = sizes.strip_prefix(&[Size::Batch])?;
        let mut scaled = Vec::new();
        for (size, &old) in sizes.iter().zip(row) {
            let size = usize::try_from(size.number()?).ok()?;
            scaled.push(Scaled {
                size,
                factor: size as f64 / old as f64,
            });
        }
        Some(scaled)
    }
}

fn new_shape(scaled: &[Scaled]) -> Vec<usize> {
    scaled.iter().map(|scaled| scaled.size).collect()
}

/// Returns whether a resize to the nearest place repeats each place equally often if the factor is
/// whole: some of the ways to round do not.
fn repeats_whole_factors(node: Operator<'_>) -> bool {
    let mode = node.text("coordinate_transformation_mode", "half_pixel");
    let rounding = node.text("nearest_mode", "round_prefer_floor");
    matches!(
        (mode, rounding),
        ("asymmetric", "floor") | ("half_pixel", "round_prefer_floor" | "round_prefer_ceil")
    )
}

/// Returns whether a resize has none of the options that change how outputs are computed.
fn is_plain(node: Operator<'_>) -> bool {
    node.text("keep_aspect_ratio_policy", "stretch") == "stretch"
        && node.int("antialias", 0) == 0
        && node.int("exclude_outside", 0) == 0
        && node.attribute("axes").is_none()
}

/// Returns how often each of `old` places is repeated; `None` if that is no whole number.
fn whole_factor(scaled: Scaled, old: usize) -> Option<usize> {
    let times = scaled.size.checked_div(old)?;
    let is_whole = times * old == scaled.size && scaled.factor == times as f64;
    is_whole.then_some(times)
}

/// Returns `[channels, height, width]`; a sound has the height 1.
fn image_shape(row: &[usize]) -> Option<[usize; 3]> {
    match *row {
        [channels, length] => Some([channels, 1, length]),
        [channels, height, width] => Some([channels, height, width]),
        _ => None,
    }
}

/// Returns the columns that each output is a weighted sum of, in the order of a grid
/// `[height, width, channels]`; `sides` are the neighbours down and across.
fn interpolation_taps(view: &View, sides: &[Vec<Neighbours>; 2]) -> Option<Vec<[Tap; 4]>> {
    let image = ArrayView3::from_shape(image_shape(view.shape())?, view.columns()).ok()?;
    let [down, across] = sides;
    let mut taps = Vec::new();
    for down in down {
        for across in across {
            for channel in image.outer_iter() {
                taps.push(corner_taps(*down, *across, |y, x| channel[[y, x]]));
            }
        }
    }
    Some(taps)
}

/// The neighbours along a side of one place.
const ONLY_PLACE: Neighbours = [
    Neighbour {
        place: 0,
        weight: 1.0,
    },
    Neighbour {
        place: 0,
        weight: 0.0,
    },
];

/// Returns the weighted columns at the four corners around an output.
fn corner_taps(
    down: Neighbours,
    across: Neighbours,
    column: impl Fn(usize, usize) -> usize,
) -> [Tap; 4] {
    let [above, below] = down;
    let [left, right] = across;
    let corners = [(above, left), (above, right), (below, left), (below, right)];
    corners.map(|(y, x)| {
        let weight = (y.weight * x.weight) as f32;
        Tap {
            column: column(y.place, x.place) as u32,
            weight,
        }
    })
}

/// Returns the two inputs that each output lies between, with their weights; `None` for modes that
/// are not supported.
fn neighbours(inputs: usize, scaled: Scaled, mode: &str) -> Option<Vec<Neighbours>> {
    let last = (inputs - 1) as f64;
    let neighbour = |place: f64, weight: f64| Neighbour {
        place: place.clamp(0.0, last) as usize,
        weight,
    };
    let mut all = Vec::with_capacity(scaled.size);
    for output in 0..scaled.size {
        let at = input_coordinate(output as f64, inputs, scaled, mode)?;
        let low = at.floor();
        // Both neighbours of an output beyond an edge are the place at the edge.
        all.push([
            neighbour(low, 1.0 - (at - low)),
            neighbour(low + 1.0, at - low),
        ]);
    }
    Some(all)
}

/// Returns the place among the inputs that an output lies at.
///
/// # Source
/// The attribute `coordinate_transformation_mode` of ONNX's `Resize`.
fn input_coordinate(output: f64, inputs: usize, scaled: Scaled, mode: &str) -> Option<f64> {
    let Scaled { size, factor } = scaled;
    match mode {
        "half_pixel" => Some((output + 0.5) / factor - 0.5),
        "asymmetric" => Some(output / factor),
        "pytorch_half_pixel" | "align_corners" if size <= 1 => Some(0.0),
        "pytorch_half_pixel" => Some((output + 0.5) / factor - 0.5),
        "align_corners" => Some(output * (inputs - 1) as f64 / (size - 1) as f64),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(size: usize, factor: f64, mode: &str) -> Vec<f64> {
        let neighbours = neighbours(3, Scaled { size, factor }, mode).unwrap();
        let place = |pair: &Neighbours| pair.iter().map(|n| n.place as f64 * n.weight).sum();
        neighbours.iter().map(place).collect()
    }

    #[test]
    fn outputs_lie_between_their_neighbours() {
        assert_eq!(
            places(6, 2.0, "half_pixel"),
            [0.0, 0.25, 0.75, 1.25, 1.75, 2.0]
        );
        assert_eq!(
            places(5, 5.0 / 3.0, "align_corners"),
            [0.0, 0.5, 1.0, 1.5, 2.0]
        );
        assert_eq!(places(6, 2.0, "asymmetric"), [0.0, 0.5, 1.0, 1.5, 2.0, 2.0]);
        assert_eq!(places(1, 1.0 / 3.0, "align_corners"), [0.0]);
        let scaled = Scaled {
            size: 6,
            factor: 2.0,
        };
        assert!(neighbours(3, scaled, "tf_crop_and_resize").is_none());
    }
}
