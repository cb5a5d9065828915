//! The paper's five figures.

use super::experiment::{Experiment, Fitted, Given, PAIRS};
use std::slice;
use zbridge::translate;
use zbridge_bridge::{Bridge, Direction};
use zbridge_core::{LatentModel, Latents, Observations, RandomStream};
use zbridge_plot::{
    ColumnCaption, Figure, Group, ImageGrid, LineChart, Panel, Scale, Scatter, Series, Tile,
};
use zbridge_tasks::Error;
use zbridge_tasks::measures::images_of_labels;
use zbridge_tasks::pictures::tiles;

/// Images of a label in each block of figures 2 and 4.
const TILES: usize = 5;
/// Points of each plane in figures 3 and 5, at most.
const POINTS: usize = 2000;

/// Figure 1: the objective over the fit, for each N and direction.
pub(super) fn objective(experiment: &Experiment) -> Figure {
    Figure {
        title: "Objective during the fit".into(),
        panels: vec![
            objective_panel("image → label", &experiment.bridges, Direction::XToY),
            objective_panel("label → image", &experiment.bridges, Direction::YToX),
        ],
        columns: 2,
        shared_axes: false,
    }
}

fn objective_panel(title: &str, bridges: &[Fitted], direction: Direction) -> Panel {
    let mut series = Vec::new();
    for fitted in bridges {
        let curve = fitted.bridge.curve(direction);
        let steps = curve.steps.iter().map(|&step| step as f64);
        let points = steps.zip(curve.objective_nats.iter().copied());
        series.push(Series::new(name(fitted), points.collect()));
    }
    Panel::from(LineChart {
        title: title.into(),
        x_label: "optimiser step".into(),
        y_label: "KL(q ‖ p) in nats per pair".into(),
        series,
        // On a linear scale, the end of a fit would be a flat line.
        y_scale: Scale::Log,
        ..LineChart::default()
    })
}

fn name(fitted: &Fitted) -> String {
    format!("N = {}", fitted.pairs)
}

/// Figure 2: images from each label for each N, beside the image VAE's own.
pub(super) fn images_from_labels(experiment: &Experiment) -> Result<ImageGrid, Error> {
    grid(experiment, &experiment.image_vae, &experiment.bridges)
}

/// Figure 4: the same across the image VAE of 3 epochs.
pub(super) fn images_from_labels_3_epochs(experiment: &Experiment) -> Result<ImageGrid, Error> {
    let bridges = slice::from_ref(&experiment.bridge_3_epochs);
    grid(experiment, &experiment.image_vae_3_epochs, bridges)
}

/// A row for each label; a block of columns for each bridge, then the given model's own images and
/// real ones.
fn grid(experiment: &Experiment, given: &Given, bridges: &[Fitted]) -> Result<ImageGrid, Error> {
    let mut rows: Vec<Vec<Tile>> = vec![Vec::new(); 10];
    for fitted in bridges {
        append(&mut rows, tiles(&made(experiment, given, fitted)?)?);
    }
    let chosen = some_of_each_label(experiment);
    append(&mut rows, tiles(&redrawn(experiment, given, &chosen)?)?);
    append(&mut rows, tiles(&experiment.images.select(&chosen))?);
    let mut blocks: Vec<String> = bridges.iter().map(name).collect();
    blocks.extend(["image VAE".into(), "real".into()]);
    Ok(ImageGrid {
        row_captions: (0..10).map(|label| label.to_string()).collect(),
        column_captions: blocks.into_iter().map(block_caption).collect(),
        ..ImageGrid::new(rows)
    })
}

fn block_caption(text: String) -> ColumnCaption {
    ColumnCaption {
        text,
        columns: TILES,
    }
}

/// [`TILES`] images of each label, label by label.
fn made(experiment: &Experiment, given: &Given, fitted: &Fitted) -> Result<Observations, Error> {
    let (images, _) = images_of_labels(
        fitted.bridge.y_to_x(),
        &experiment.label_vae,
        &given.model,
        TILES,
        experiment.seed,
    )?;
    Ok(images)
}

/// The given model's own images of the latents of `rows`.
fn redrawn(experiment: &Experiment, given: &Given, rows: &[usize]) -> Result<Observations, Error> {
    let mut stream = RandomStream::named(experiment.seed, "reproduce/figure");
    let latents = given.posterior.select(rows).sample(&mut stream);
    Ok(given.model.decode(&latents)?)
}

fn append(rows: &mut [Vec<Tile>], tiles: Vec<Tile>) {
    for (row, block) in rows.iter_mut().zip(tiles.chunks(TILES)) {
        row.extend_from_slice(block);
    }
}

/// Held-out rows, [`TILES`] of each label, label by label.
fn some_of_each_label(experiment: &Experiment) -> Vec<usize> {
    // What the largest number of pairs holds out, every bridge holds out.
    let held_out = experiment.held_out(PAIRS[2]);
    let of_label = |label: u8| {
        held_out
            .iter()
            .copied()
            .filter(move |&row| experiment.labels[row] == label)
            .take(TILES)
    };
    (0..10).flat_map(of_label).collect()
}

/// Figure 3: label latents told from held-out images for each N, beside the label VAE's own.
pub(super) fn label_planes(experiment: &Experiment) -> Result<Figure, Error> {
    let mut panels = Vec::new();
    for fitted in &experiment.bridges {
        let given = &experiment.image_vae;
        panels.push(inferred(experiment, given, &fitted.bridge, &name(fitted))?);
    }
    panels.push(own(experiment));
    let title = "Label latents, told from held-out images and by the label VAE itself".into();
    Ok(Figure {
        title,
        panels,
        columns: 2,
        shared_axes: true,
    })
}

/// Figure 5: the same for the image VAE of 3 epochs, beside the fully trained one.
pub(super) fn label_planes_3_epochs(experiment: &Experiment) -> Result<Figure, Error> {
    let early = &experiment.bridge_3_epochs.bridge;
    let title = "Label latents told from held-out images, N = 1024".into();
    let panels = vec![
        inferred(
            experiment,
            &experiment.image_vae_3_epochs,
            early,
            "image VAE of 3 epochs",
        )?,
        inferred(
            experiment,
            &experiment.image_vae,
            &experiment.bridges[1].bridge,
            "image VAE fully trained",
        )?,
    ];
    Ok(Figure {
        title,
        panels,
        columns: 2,
        shared_axes: true,
    })
}

fn inferred(
    experiment: &Experiment,
    given: &Given,
    bridge: &Bridge,
    title: &str,
) -> Result<Panel, Error> {
    let rows = points_shown(experiment);
    // The same random numbers in every panel, so that panels differ by their bridges only.
    let mut stream = RandomStream::named(experiment.seed, "reproduce/plane");
    let latents = translate(
        bridge.x_to_y(),
        &given.posterior.select(&rows),
        1,
        &mut stream,
    )?;
    Ok(plane(title, &latents, &experiment.labels_of(&rows)))
}

fn own(experiment: &Experiment) -> Panel {
    let rows = points_shown(experiment);
    let mut stream = RandomStream::named(experiment.seed, "reproduce/plane");
    let latents = experiment.label_posterior.select(&rows).sample(&mut stream);
    plane("label VAE", &latents, &experiment.labels_of(&rows))
}

fn points_shown(experiment: &Experiment) -> Vec<usize> {
    // As above: held out from every bridge.
    let mut rows = experiment.held_out(PAIRS[2]);
    rows.truncate(POINTS);
    rows
}

fn plane(title: &str, latents: &Latents, labels: &[u8]) -> Panel {
    let mut groups = Vec::new();
    for label in 0..10u8 {
        let rows = (0..latents.rows()).filter(|&row| labels[row] == label);
        let points = rows.map(|row| point(latents, row));
        groups.push(Group::new(label.to_string(), points.collect()));
    }
    Panel::from(Scatter {
        title: title.into(),
        x_label: "first label latent".into(),
        y_label: "second label latent".into(),
        groups,
        equal_aspect: true,
    })
}

/// The label VAE's latents have two dimensions.
fn point(latents: &Latents, row: usize) -> (f64, f64) {
    let latent = latents.row(row);
    (latent[0].into(), latent[1].into())
}
