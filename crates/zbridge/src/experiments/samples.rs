//! What was made, to look at, listen to and read.

use super::crossing::Plan;
use super::{Experiment, ExperimentRequest, Ground};
use crate::Error;
use crate::pictures::tiles;
use crate::translation::generate;
use zbridge_bridge::{Bridge, BridgeConfig, Direction};
use zbridge_core::{Observations, RandomStream};
use zbridge_report::{Grid, Section};

/// Pictures for each thing shown.
const COLUMNS: usize = 10;

/// Sections that show what the first seed's bridge on the most pairs makes.
///
/// # Errors
/// [`Error`] when the fit or a decoder fails.
pub(super) fn samples(
    request: &ExperimentRequest,
    grounds: &[Ground],
    observe: &(dyn Fn(&str, f64) -> bool + Sync),
) -> Result<Vec<Section>, Error> {
    let pairs = request.pairs.iter().copied().max().unwrap_or_default();
    let mut sections = Vec::new();
    for ground in grounds {
        let config = BridgeConfig { seed: request.seed, ..request.config.clone() };
        let plan = Plan { x: &ground.x, y: &ground.y, pairs, shuffled: false, config };
        let (bridge, _) = plan.fit(&|share| observe("samples", share))?;
        sections.extend(match request.experiment {
            Experiment::AliLabel => vec![images_of_digits(ground, &bridge, request.seed)?],
            _ => todo!(),
        });
    }
    Ok(sections)
}

/// Images made from y, a row for each digit.
fn images_of_digits(ground: &Ground, bridge: &Bridge, seed: u64) -> Result<Section, Error> {
    let rows: Vec<usize> =
        (0..10).filter_map(|digit| ground.y.held_out.keys.iter().position(|&key| key == digit)).collect();
    let sources = ground.y.held_out.posterior.select(&rows);
    let mut stream = RandomStream::named(seed, "experiment/samples");
    let density = bridge.density(Direction::YToX);
    let images: Observations = generate(density, &sources, &*ground.x.model, COLUMNS, &mut stream)?;
    let grid = Grid {
        row_captions: rows.iter().map(|&row| ground.y.held_out.keys[row].to_string()).collect(),
        ..Grid::new(tiles(&images)?.chunks(COLUMNS).map(<[_]>::to_vec).collect())
    };
    let name = ground.y.name;
    Ok(Section::new(format!("Images made from {name}s")).illustration(
        "images",
        format!("Draws of the first seed's bridge on the most pairs, a row for each digit of a held-out {name}."),
        "Handwritten digits, ten of each.",
        grid,
    ))
}
