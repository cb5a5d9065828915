//! The paper's five figures.

use super::experiment::{Experiment, Given, PAIRS, PAIRS_3_EPOCHS};
use zbridge::translate;
use zbridge_bridge::{Bridge, Direction};
use zbridge_core::{LatentModel, Latents, RandomStream};
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
    let panel = |title: &str, direction| {
        let series = PAIRS
            .iter()
            .zip(&experiment.bridges)
            .map(|(pairs, bridge)| {
                let curve = bridge.curve(direction);
                let points = curve
                    .steps
                    .iter()
                    .zip(&curve.objective_nats)
                    .map(|(&step, &nats)| (step as f64, nats));
                Series::new(format!("N = {pairs}"), points.collect())
            });
        Panel::from(LineChart {
            title: title.into(),
            x_label: "optimiser step".into(),
            y_label: "KL(q ‖ p) in nats per pair".into(),
            series: series.collect(),
            y_scale: Scale::Log,
            ..LineChart::default()
        })
    };
    Figure {
        title: "Objective during the fit".into(),
        panels: vec![
            panel("image → label", Direction::XToY),
            panel("label → image", Direction::YToX),
        ],
        columns: 2,
        shared_axes: false,
    }
}

/// Figure 2: images from each label for each N, beside the image VAE's own.
pub(super) fn images_from_labels(experiment: &Experiment) -> Result<ImageGrid, Error> {
    let bridges = PAIRS
        .iter()
        .map(|pairs| format!("N = {pairs}"))
        .zip(&experiment.bridges);
    grid(
        experiment,
        &experiment.image_vae,
        &bridges.collect::<Vec<_>>(),
    )
}

/// Figure 4: the same across the image VAE of 3 epochs.
pub(super) fn images_from_labels_3_epochs(experiment: &Experiment) -> Result<ImageGrid, Error> {
    let bridges = [(format!("N = {PAIRS_3_EPOCHS}"), &experiment.bridge_3_epochs)];
    grid(experiment, &experiment.image_vae_3_epochs, &bridges)
}

fn grid(
    experiment: &Experiment,
    given: &Given,
    bridges: &[(String, &Bridge)],
) -> Result<ImageGrid, Error> {
    let mut rows: Vec<Vec<Tile>> = vec![Vec::new(); 10];
    for (_, bridge) in bridges {
        let (images, _) = images_of_labels(
            bridge.y_to_x(),
            &experiment.label_vae,
            &given.model,
            TILES,
            experiment.seed,
        )?;
        append(&mut rows, tiles(&images)?);
    }
    let chosen = some_of_each_label(experiment);
    let mut stream = RandomStream::named(experiment.seed, "reproduce/figure");
    let redrawn = given
        .model
        .decode(&given.posterior.select(&chosen).sample(&mut stream))?;
    append(&mut rows, tiles(&redrawn)?);
    append(&mut rows, tiles(&experiment.images.select(&chosen))?);
    let captions = bridges
        .iter()
        .map(|(name, _)| name.clone())
        .chain(["image VAE".into(), "real".into()]);
    Ok(ImageGrid {
        row_captions: (0..10).map(|label| label.to_string()).collect(),
        column_captions: captions
            .map(|text| ColumnCaption {
                text,
                columns: TILES,
            })
            .collect(),
        ..ImageGrid::new(rows)
    })
}

fn append(rows: &mut [Vec<Tile>], tiles: Vec<Tile>) {
    for (row, block) in rows.iter_mut().zip(tiles.chunks(TILES)) {
        row.extend_from_slice(block);
    }
}

/// Held-out rows, [`TILES`] of each label, label by label.
fn some_of_each_label(experiment: &Experiment) -> Vec<usize> {
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
    for (pairs, bridge) in PAIRS.iter().zip(&experiment.bridges) {
        panels.push(inferred(
            experiment,
            &experiment.image_vae,
            bridge,
            &format!("N = {pairs}"),
        )?);
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
    let early = &experiment.bridge_3_epochs;
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
            &experiment.bridges[1],
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
    let mut rows = experiment.held_out(PAIRS[2]);
    rows.truncate(POINTS);
    rows
}

fn plane(title: &str, latents: &Latents, labels: &[u8]) -> Panel {
    let group = |label: u8| {
        let points = (0..latents.rows())
            .filter(|&row| labels[row] == label)
            .map(|row| {
                let point = latents.row(row);
                (f64::from(point[0]), f64::from(point[1]))
            });
        Group::new(label.to_string(), points.collect())
    };
    Panel::from(Scatter {
        title: title.into(),
        x_label: "first label latent".into(),
        y_label: "second label latent".into(),
        groups: (0..10).map(group).collect(),
        equal_aspect: true,
    })
}
