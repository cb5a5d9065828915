//! Images in other sizes.

use super::MOST_NUMBERS;
use super::follower::Follower;
use super::operator::Operator;
use super::view::{View, size_of};
use zbridge_infer::Tap;

/// The new size of a dimension, and how many outputs there are to an input.
type Scaled = (usize, f64);

impl<'a> Follower<'a> {
    /// Each place several times.
    pub(super) fn repeated(&self, node: Operator<'a>, view: &View) -> Option<View> {
        let by = (
            node.text("coordinate_transformation_mode", "half_pixel"),
            node.text("nearest_mode", "round_prefer_floor"),
        );
        // For whole factors these are the same.
        if !matches!(
            by,
            ("asymmetric", "floor") | ("half_pixel", "round_prefer_floor" | "round_prefer_ceil")
        ) {
            return None;
        }
        let scaled = self.scaled(node, &view.shape)?;
        scaled
            .into_iter()
            .enumerate()
            .try_fold(view.clone(), |view, (axis, (size, scale))| {
                let times = size.checked_div(view.shape[axis])?;
                let whole = times * view.shape[axis] == size && scale == times as f64;
                whole.then(|| {
                    view.picked(
                        axis,
                        &(0..size).map(|place| place / times).collect::<Vec<_>>(),
                    )
                })?
            })
    }

    /// Each place between the nearest two along each side.
    pub(super) fn blended(&mut self, node: Operator<'a>) -> Option<()> {
        let view = self.take_last(node.input(0)?, 1)?;
        let scaled = self.scaled(node, &view.shape)?;
        let ((channels, 1.0), sides) = (*scaled.first()?, &scaled[1..]) else {
            return None;
        };
        if node.text("mode", "nearest") != "linear" || !(1..=2).contains(&sides.len()) {
            return None;
        }
        let by = node.text("coordinate_transformation_mode", "half_pixel");
        let pairs = sides
            .iter()
            .zip(&view.shape[1..])
            .map(|(scaled, &inputs)| pairs(inputs, *scaled, by));
        let mut pairs = pairs.collect::<Option<Vec<_>>>()?;
        if pairs.len() == 1 {
            pairs.insert(0, vec![[(0, 1.0), (0, 0.0)]]);
        }
        let wide = *view.shape.last()?;
        let places = view.size() / channels;
        let taps = |down: &[(usize, f64); 2], across: &[(usize, f64); 2], channel: usize| {
            [(0, 0), (0, 1), (1, 0), (1, 1)].map(|(i, j)| {
                let column = view.columns[channel * places + down[i].0 * wide + across[j].0];
                let weight = (down[i].1 * across[j].1) as f32;
                Tap {
                    column: column as u32,
                    weight,
                }
            })
        };
        let at = pairs[0]
            .iter()
            .flat_map(|down| pairs[1].iter().map(move |across| (down, across)));
        let taps = at.flat_map(|(down, across)| {
            (0..channels).map(move |channel| taps(down, across, channel))
        });
        let taps = taps.collect();
        self.network.interpolate(taps);
        let shape: Vec<usize> = scaled.iter().map(|(size, _)| *size).collect();
        self.put(node.output()?, View::of_grid(&shape));
        Some(())
    }

    /// The new size of each dimension of a row.
    fn scaled(&self, node: Operator<'a>, row: &[usize]) -> Option<Vec<Scaled>> {
        let is_plain = node.text("keep_aspect_ratio_policy", "stretch") == "stretch"
            && node.int("antialias", 0) == 0
            && node.int("exclude_outside", 0) == 0
            && node.attribute("axes").is_none();
        let scaled: Vec<Scaled> = match (node.input(2), node.input(3)) {
            (Some(scales), None) => {
                let (_, scales) = self.constants.floats(scales)?;
                let own = scales.strip_prefix(&[1.0])?.iter().zip(row);
                own.map(|(&scale, &size)| {
                    (
                        (size as f64 * f64::from(scale)).floor() as usize,
                        f64::from(scale),
                    )
                })
                .collect()
            }
            (None, Some(sizes)) => {
                let own = self.constants.sizes(sizes)?;
                let own = own.strip_prefix(&[None])?.iter().zip(row);
                let scaled = |(size, &old): (&Option<i64>, &usize)| {
                    let size = usize::try_from((*size)?).ok()?;
                    Some((size, size as f64 / old as f64))
                };
                own.map(scaled).collect::<Option<_>>()?
            }
            _ => return None,
        };
        let numbers = size_of(&scaled.iter().map(|(size, _)| *size).collect::<Vec<_>>())?;
        (is_plain && scaled.len() == row.len() && (1..=MOST_NUMBERS).contains(&numbers))
            .then_some(scaled)
    }
}

/// The two inputs that each output lies between, with their weights.
fn pairs(inputs: usize, (outputs, scale): Scaled, by: &str) -> Option<Vec<[(usize, f64); 2]>> {
    let pair = |place: usize| {
        let place = place as f64;
        let at = match by {
            "half_pixel" => (place + 0.5) / scale - 0.5,
            "pytorch_half_pixel" if outputs > 1 => (place + 0.5) / scale - 0.5,
            "asymmetric" => place / scale,
            "align_corners" if outputs > 1 => place * (inputs - 1) as f64 / (outputs - 1) as f64,
            "pytorch_half_pixel" | "align_corners" => 0.0,
            _ => return None,
        };
        let low = at.floor();
        let inside = |place: f64| place.clamp(0.0, (inputs - 1) as f64) as usize;
        Some([
            (inside(low), 1.0 - (at - low)),
            (inside(low + 1.0), at - low),
        ])
    };
    (0..outputs).map(pair).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_lie_between_their_neighbours() {
        let at = |outputs, scale, by| -> Vec<f64> {
            let pairs = pairs(3, (outputs, scale), by).unwrap();
            pairs
                .iter()
                .map(|pair| {
                    pair.iter()
                        .map(|(place, weight)| *place as f64 * weight)
                        .sum()
                })
                .collect()
        };
        assert_eq!(at(6, 2.0, "half_pixel"), [0.0, 0.25, 0.75, 1.25, 1.75, 2.0]);
        assert_eq!(at(5, 5.0 / 3.0, "align_corners"), [0.0, 0.5, 1.0, 1.5, 2.0]);
        assert_eq!(at(6, 2.0, "asymmetric"), [0.0, 0.5, 1.0, 1.5, 2.0, 2.0]);
        assert_eq!(at(1, 1.0 / 3.0, "align_corners"), [0.0]);
        assert!(pairs(3, (6, 2.0), "tf_crop_and_resize").is_none());
    }
}
