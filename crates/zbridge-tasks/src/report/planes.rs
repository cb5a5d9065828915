//! Latent planes: where targets told from their sources lie, over the given model's own latents.

use crate::Error;
use crate::evaluation::HeldOutPairs;
use ndarray::Array1;
use std::collections::BTreeMap;
use zbridge::translate;
use zbridge_bridge::Direction;
use zbridge_core::{Latents, RandomStream, ShapeError};
use zbridge_eval::PrincipalPlane;
use zbridge_plot::{Figure, Group, Panel, Scatter};

/// Points of each kind at most.
const POINTS: usize = 1500;
/// Classes that can be told apart by colour and shape.
const MOST_CLASSES: usize = 12;

/// A panel for each direction whose target has two dimensions or more.
pub(super) fn figure(pairs: &HeldOutPairs, seed: u64) -> Result<Option<Figure>, Error> {
    let mut panels = Vec::new();
    for direction in [Direction::XToY, Direction::YToX] {
        panels.extend(panel(pairs, direction, seed)?.map(Panel::from));
    }
    let title = "Latents of the target: told from the source, over its own".into();
    Ok((!panels.is_empty()).then(|| Figure {
        title,
        columns: panels.len().min(2),
        panels,
        shared_axes: false,
    }))
}

fn panel(pairs: &HeldOutPairs, direction: Direction, seed: u64) -> Result<Option<Scatter>, Error> {
    let (source, target) = pairs.sides(direction);
    if target.posterior.dim() < 2 {
        return Ok(None);
    }
    let rows: Vec<usize> = (0..pairs.count().min(POINTS)).collect();
    let labels = few_classes(pairs.labels.as_deref(), &rows);
    let posterior = target.posterior.select(&rows);
    let (places, [x_label, y_label]) = Places::of(posterior.moments().mean(), labels.as_deref())?;
    let mut stream = RandomStream::named(seed, "report/planes");
    // Own latents are drawn first, and those told second: another order gives other points.
    let own = posterior.sample(&mut stream);
    let density = pairs.bridge.density(direction);
    let told = translate(density, &source.posterior.select(&rows), 1, &mut stream)?;
    let (own, told) = (places.of_points(&own)?, places.of_points(&told)?);
    Ok(Some(Scatter {
        title: title_of(direction).into(),
        x_label,
        y_label,
        groups: groups(own, told, labels.as_deref()),
        equal_aspect: true,
    }))
}

fn title_of(direction: Direction) -> &'static str {
    match direction {
        Direction::XToY => "y told from x",
        Direction::YToX => "x told from y",
    }
}

fn groups(own: Vec<(f64, f64)>, told: Vec<(f64, f64)>, labels: Option<&[u8]>) -> Vec<Group> {
    match labels {
        Some(labels) => by_class(&own, &told, labels),
        None => vec![
            Group::backdrop("", OWN, own),
            Group::new("told from the source", told),
        ],
    }
}

/// Returns the classes of these rows; `None` if there are none, or too many to be told apart.
fn few_classes(labels: Option<&[u8]>, rows: &[usize]) -> Option<Vec<u8>> {
    let labels = labels?;
    let labels: Vec<u8> = rows.iter().map(|&row| labels[row]).collect();
    // Classes are numbered from 0, so that the largest tells how many there are.
    let most = labels.iter().max()?;
    (usize::from(*most) < MOST_CLASSES).then_some(labels)
}

/// The name of the points in the background.
const OWN: &str = "the target's own latents";

fn by_class(own: &[(f64, f64)], told: &[(f64, f64)], labels: &[u8]) -> Vec<Group> {
    let classes = labels.iter().max().map_or(0, |&most| most + 1);
    let mut groups = vec![];
    for class in 0..classes {
        let points = points_of_class(own, labels, class);
        groups.push(Group::backdrop(class.to_string(), OWN, points));
    }
    for class in 0..classes {
        let points = points_of_class(told, labels, class);
        groups.push(Group::new(class.to_string(), points));
    }
    groups
}

fn points_of_class(points: &[(f64, f64)], labels: &[u8], class: u8) -> Vec<(f64, f64)> {
    let labelled = points.iter().zip(labels);
    let of_class = labelled.filter(|(_, label)| **label == class);
    of_class.map(|(point, _)| *point).collect()
}

/// How points of a latent space get a place on paper.
enum Places {
    /// Two dimensions as they are.
    Themselves,
    Principal(PrincipalPlane),
}

impl Places {
    /// The places, and what the axes are called: two dimensions as they are; where there are
    /// classes, the plane in which their means differ most; else that in which the means of the
    /// posteriors do.
    fn of(means: &Latents, labels: Option<&[u8]>) -> Result<(Self, [String; 2]), Error> {
        if means.dim() == 2 {
            return Ok((Self::Themselves, ["latent 1".into(), "latent 2".into()]));
        }
        let of_classes = labels
            .map(|labels| class_means(means, labels))
            .transpose()?
            // Two means lie on a line, which is no plane.
            .filter(|classes| classes.rows() > 2);
        let (plane, of_what) = match of_classes {
            Some(classes) => (PrincipalPlane::of(&classes)?, "the classes' means"),
            None => (PrincipalPlane::of(means)?, "the posteriors' means"),
        };
        let name = |axis: usize| {
            let share = 100.0 * plane.explained[axis];
            format!("component {} of {of_what} ({share:.0} %)", axis + 1)
        };
        let names = [name(0), name(1)];
        Ok((Self::Principal(plane), names))
    }

    fn of_points(&self, points: &Latents) -> Result<Vec<(f64, f64)>, Error> {
        match self {
            Self::Themselves => Ok(points
                .values()
                .chunks_exact(2)
                .map(|point| (f64::from(point[0]), f64::from(point[1])))
                .collect()),
            Self::Principal(plane) => Ok(plane.coordinates(points)?),
        }
    }
}

/// Returns the mean of each class that occurs, `[classes, dim]`, in the order of their numbers.
fn class_means(points: &Latents, labels: &[u8]) -> Result<Latents, ShapeError> {
    let mut sums: BTreeMap<u8, (Array1<f32>, f32)> = BTreeMap::new();
    for (row, &label) in labels.iter().enumerate() {
        let (sum, count) = sums
            .entry(label)
            .or_insert_with(|| (Array1::zeros(points.dim()), 0.0));
        *sum += &points.row(row);
        *count += 1.0;
    }
    let means = sums.into_values().flat_map(|(sum, count)| sum / count);
    Latents::from_vec(means.collect(), points.dim())
}
