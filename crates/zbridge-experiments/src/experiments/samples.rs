//! What was made, to look at, listen to and read.

use super::crossing::Plan;
use super::modality::Modality;
use super::{ExperimentRequest, Ground};
use zbridge::generate;
use zbridge_bridge::{Bridge, Direction};
use zbridge_core::{EventKind, Observations, Posterior, RandomStream};
use zbridge_plot::{ImageGrid, Tile};
use zbridge_report::{Block, Cell, Column, Recording, Section, Table};
use zbridge_sound::to_waveforms;
use zbridge_tasks::Error;
use zbridge_tasks::pictures::tiles;

/// Different things that are shown at most.
const ROWS: usize = 10;
/// Images of each.
const COLUMNS: usize = 10;
/// Sounds of each.
const SOUNDS: usize = 2;

/// Sections that show what the first seed's bridges on the most pairs make.
///
/// # Errors
/// [`Error`] when a fit or a decoder fails.
pub(super) fn samples(
    request: &ExperimentRequest,
    grounds: &[Ground],
    observe: &(dyn Fn(&str, f64) -> bool + Sync),
) -> Result<Vec<Section>, Error> {
    let pairs = request.pairs.iter().copied().max().unwrap_or_default();
    let mut sections = Vec::new();
    for (place, ground) in grounds.iter().enumerate() {
        let config = request.config.with_seed(request.seed);
        let plan = Plan {
            x: &ground.x,
            y: &ground.y,
            pairs,
            shuffled: false,
            config,
        };
        let (bridge, _) =
            plan.fit(&|share| observe("samples", (place as f64 + share) / grounds.len() as f64))?;
        for direction in [Direction::XToY, Direction::YToX] {
            sections.push(made(
                ground,
                &bridge,
                direction,
                (request.seed, sections.len()),
            )?);
        }
    }
    Ok(sections)
}

/// A section with what one direction makes of held-out sources.
fn made(
    ground: &Ground,
    bridge: &Bridge,
    direction: Direction,
    (seed, number): (u64, usize),
) -> Result<Section, Error> {
    let (source, target) = match direction {
        Direction::XToY => (&ground.x, &ground.y),
        Direction::YToX => (&ground.y, &ground.x),
    };
    let rows = one_of_each(&source.held_out.keys);
    let sources = source.held_out.posterior.select(&rows);
    let names: Vec<String> = rows
        .iter()
        .map(|&row| shown(source, source.held_out.keys[row]))
        .collect();
    let mut stream = RandomStream::named(seed, "experiment/samples");
    let mut draw = |sources: &Posterior, count| {
        generate(
            bridge.density(direction),
            sources,
            &*target.model,
            count,
            &mut stream,
        )
    };
    let heading = format!(
        "{} {} made from {}",
        ground.name,
        target.plural(),
        source.plural()
    );
    let section = Section::new(heading.trim());
    Ok(match target.model.event() {
        EventKind::Image { .. } => {
            images(section, &draw(&sources, COLUMNS)?, names, (source, number))?
        }
        EventKind::Sound(_) => section
            .paragraph("Held-out sources, two draws each, as the judge hears them.")
            .with(Block::Sounds(recordings(
                &draw(&sources, SOUNDS)?,
                &names,
                seed,
            ))),
        _ => section.table(words(&draw(&sources, 5)?, &names, source)),
    })
}

fn images(
    section: Section,
    made: &Observations,
    names: Vec<String>,
    (source, number): (&Modality, usize),
) -> Result<Section, Error> {
    let rows: Vec<Vec<Tile>> = tiles(made)?.chunks(COLUMNS).map(<[Tile]>::to_vec).collect();
    let caption = format!(
        "Ten draws for each of {} held-out {}, a row each.",
        rows.len(),
        source.plural()
    );
    let grid = ImageGrid {
        row_captions: names,
        ..ImageGrid::new(rows)
    };
    Ok(section.illustration(
        format!("made-{number}"),
        caption,
        "Rows of generated images.",
        grid,
    ))
}

fn recordings(made: &Observations, names: &[String], seed: u64) -> Vec<Recording> {
    let EventKind::Sound(kind) = made.kind() else {
        return vec![];
    };
    let sounds = to_waveforms(
        made.values(),
        kind,
        &RandomStream::named(seed, "experiment/samples/phases"),
    );
    let named = names
        .iter()
        .flat_map(|name| std::iter::repeat_n(name, SOUNDS));
    named
        .zip(&sounds)
        .map(|(name, sound)| Recording {
            caption: name.clone(),
            wav: sound.to_wav(),
        })
        .collect()
}

/// Classes or texts, the draws of a source in one cell.
fn words(made: &Observations, names: &[String], source: &Modality) -> Table {
    let each = made
        .texts()
        .unwrap_or_else(|| made.argmax().iter().map(ToString::to_string).collect());
    let draws = each.chunks(each.len() / names.len().max(1));
    let rows = names
        .iter()
        .zip(draws)
        .map(|(name, draws)| vec![Cell::text(name.clone()), Cell::text(draws.join("; "))]);
    Table {
        caption: format!(
            "Five draws for each of {} held-out {}.",
            names.len(),
            source.plural()
        ),
        columns: vec![
            Column::words(format!("{} of", source.name)),
            Column::words("draws"),
        ],
        rows: rows.collect(),
    }
}

/// The first row of each key, of as many as are shown, spread over all of them.
fn one_of_each(keys: &[u16]) -> Vec<usize> {
    let mut all: Vec<u16> = keys.to_vec();
    all.sort_unstable();
    all.dedup();
    let step = all.len().div_ceil(ROWS).max(1);
    let chosen = all.into_iter().step_by(step);
    chosen
        .filter_map(|key| keys.iter().position(|&other| other == key))
        .collect()
}

/// What a key is called: a digit, or a caption.
fn shown(side: &Modality, key: u16) -> String {
    side.reader.in_words(key)
}
