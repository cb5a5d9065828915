//! An experiment as a page.

use super::crossing::{Crossing, DirectionFigures};
use super::results::{ExperimentReport, Point, Setting, SideReport};
use crate::pages::key_figure;
use zbridge_core::Estimate;
use zbridge_report::{Block, Cell, Column, KeyFigure, Page, Section, Table, Verdict};
use zbridge_tasks::words::{estimate, percent};

/// The page; `samples` show what was made.
pub(super) fn page(report: &ExperimentReport, samples: Vec<Section>) -> Page {
    let mut sections = vec![
        Section::new("Verdict").verdict(verdict(report)),
        Section::new("Figures").table(table(report)),
    ];
    if let Some(attributes) = attributes(report) {
        sections.push(Section::new("Attribute by attribute").table(attributes));
    }
    sections.extend(samples);
    sections.push(Section::new("The two sides").table(sides(report)));
    sections.push(Section::new("What was chosen").table(choices(report)));
    sections.push(provenance(report));
    Page {
        title: report.about.clone(),
        sections,
    }
}

fn names(setting: &Setting) -> [String; 2] {
    let [x, y] = setting.sides.each_ref().map(|side| side.name.as_str());
    [format!("{x} → {y}"), format!("{y} → {x}")]
}

/// A setting with its point of the most pairs.
struct Best<'r> {
    setting: &'r Setting,
    point: &'r Point,
}

/// Figures of one direction of a bridge.
type Figures = fn(&Crossing) -> &DirectionFigures;

/// Both directions, in the order of [`names`].
const DIRECTIONS: [Figures; 2] = [x_to_y, y_to_x];

fn x_to_y(crossing: &Crossing) -> &DirectionFigures {
    &crossing.x_to_y
}

fn y_to_x(crossing: &Crossing) -> &DirectionFigures {
    &crossing.y_to_x
}

fn verdict(report: &ExperimentReport) -> Verdict {
    let best: Vec<Best> = report.settings.iter().filter_map(most_pairs).collect();
    let verdict = Verdict::new(headline(&best)).with_text(
        "Read by classifiers that no bridge has seen, on held-out observations that neither \
         bridges nor given models were fitted on.",
    );
    // More numbers than these nobody remembers.
    let shown = best.iter().take(5).flat_map(key_figures);
    shown.fold(verdict, Verdict::figure)
}

fn most_pairs(setting: &Setting) -> Option<Best<'_>> {
    let real = setting.points.iter().filter(|point| !point.shuffled);
    let point = real.max_by_key(|point| point.pairs)?;
    Some(Best { setting, point })
}

fn headline(best: &[Best]) -> String {
    let Some(first) = best.first() else {
        return "Nothing was measured.".to_owned();
    };
    let [there, back] = names(first.setting);
    format!(
        "With {} pairs, {} of what is made {there} shows the right thing, and {} of what is made \
         {back}.",
        first.point.pairs,
        shares(best, x_to_y),
        shares(best, y_to_x),
    )
}

/// The share of each setting: `91.2 % / 88.0 %`.
fn shares(best: &[Best], figures: Figures) -> String {
    let share = |best: &Best| {
        let share = best.point.over_seeds(|crossing| figures(crossing).best());
        percent(share.mean)
    };
    let shares: Vec<String> = best.iter().map(share).collect();
    shares.join(" / ")
}

fn key_figures(best: &Best) -> Vec<KeyFigure> {
    let mut keys = Vec::new();
    for (name, figures) in names(best.setting).into_iter().zip(DIRECTIONS) {
        let name = format!("{} {name}", best.setting.name);
        let share = best
            .point
            .over_seeds(|crossing| 100.0 * figures(crossing).best());
        keys.push(key_figure(name.trim(), &share, 1).with_unit("%"));
    }
    keys
}

/// A row for each setting and number of pairs, shuffled ones below, the given models' own draws in
/// the last.
pub(super) fn table(report: &ExperimentReport) -> Table {
    let mut rows = Vec::new();
    for setting in &report.settings {
        rows.extend(setting.points.iter().map(|point| row(setting, point)));
        rows.push(own(setting));
    }
    Table {
        caption: caption(report),
        columns: table_columns(report),
        rows,
    }
}

fn table_columns(report: &ExperimentReport) -> Vec<Column> {
    let directions = report.settings.first().map(names).unwrap_or_default();
    let mut columns = vec![Column::words("bridge")];
    for name in &directions {
        columns.push(Column::numbers(format!("{name}: draws right, %")));
        columns.push(Column::numbers(format!("{name}: vote of 16, %")));
    }
    columns.push(Column::numbers("fit, core-s"));
    columns
}

fn caption(report: &ExperimentReport) -> String {
    let points = report.settings.iter().flat_map(|setting| &setting.points);
    let seeds = points.map(|point| point.by_seed.len()).max().unwrap_or(0);
    format!(
        "{}; recipe “{}”, budget {:.0} s; mean ± standard error over {seeds} seeds of pairs, \
         fit and draws. Own draws: z from the target model's posterior of a held-out observation, \
         decoded and read, which bounds what a bridge can reach.",
        report.about, report.recipe, report.budget_seconds
    )
}

fn row(setting: &Setting, point: &Point) -> Vec<Cell> {
    let shuffled = if point.shuffled { " shuffled" } else { "" };
    let name = format!("{} N = {}{shuffled}", setting.name, point.pairs);
    let mut cells = vec![Cell::text(name.trim())];
    for figures in DIRECTIONS {
        let share = point.over_seeds(|crossing| 100.0 * figures(crossing).draws_right.share);
        cells.push(estimate(&share, 1));
        cells.push(vote(point, figures));
    }
    let core_seconds = point.over_seeds(|crossing| crossing.fit_core_seconds);
    cells.push(estimate(&core_seconds, 0));
    cells
}

/// What most draws show; a dash where the target is neither classes nor texts, which cannot vote.
fn vote(point: &Point, figures: Figures) -> Cell {
    let votes = point
        .by_seed
        .iter()
        .map(|crossing| &figures(crossing).vote_right);
    let shares: Vec<f64> = votes.flatten().map(|vote| 100.0 * vote.share).collect();
    match shares.len() {
        0 => Cell::missing(),
        _ => estimate(&Estimate::of(shares), 1),
    }
}

fn own(setting: &Setting) -> Vec<Cell> {
    // The first direction makes y, so that it has y's own draws beside it.
    let [x, y] = setting
        .sides
        .each_ref()
        .map(|side| Cell::number(100.0 * side.own_draws_right.share, 1));
    let name = format!("{} own draws", setting.name);
    vec![
        Cell::text(name.trim()),
        y,
        Cell::missing(),
        x,
        Cell::missing(),
        Cell::missing(),
    ]
}

/// Shares of draws right in each attribute, where there are attributes.
fn attributes(report: &ExperimentReport) -> Option<Table> {
    let mut rows = Vec::new();
    for setting in &report.settings {
        for point in setting.points.iter().filter(|point| !point.shuffled) {
            for (name, figures) in names(setting).into_iter().zip(DIRECTIONS) {
                let bridge = format!("{} N = {}, {name}", setting.name, point.pairs);
                rows.extend(attribute_rows(&bridge, point, figures));
            }
        }
    }
    let columns = vec![
        Column::words("bridge"),
        Column::words("attribute"),
        Column::numbers("draws right, %"),
    ];
    (!rows.is_empty()).then(|| Table {
        caption: "Each attribute for itself.".into(),
        columns,
        rows,
    })
}

/// A row for each attribute of what one direction makes.
fn attribute_rows(bridge: &str, point: &Point, figures: Figures) -> Vec<Vec<Cell>> {
    let Some(first) = point.by_seed.first() else {
        return vec![];
    };
    let mut rows = Vec::new();
    // The attributes are those of the reader, so every seed has the same ones in the same order.
    for (place, (attribute, _)) in figures(first).by_attribute.iter().enumerate() {
        let shares = point.by_seed.iter().filter_map(|crossing| {
            let (_, share) = figures(crossing).by_attribute.get(place)?;
            Some(100.0 * share)
        });
        rows.push(vec![
            Cell::text(bridge),
            Cell::text(attribute.clone()),
            estimate(&Estimate::of(shares), 1),
        ]);
    }
    rows
}

fn sides(report: &ExperimentReport) -> Table {
    let columns = [
        "side",
        "observations",
        "latents",
        "pool of pairs",
        "held out",
        "different things",
        "read by",
    ];
    let mut rows = Vec::new();
    for setting in &report.settings {
        for side in &setting.sides {
            rows.push(side_row(setting, side));
        }
    }
    Table {
        caption: "Given models, trained separately, and who reads what is generated.".into(),
        columns: columns.map(Column::words).to_vec(),
        rows,
    }
}

fn side_row(setting: &Setting, side: &SideReport) -> Vec<Cell> {
    let name = format!("{} {}", setting.name, side.name);
    vec![
        Cell::text(name.trim()),
        Cell::text(side.observations.clone()),
        Cell::count(side.dim),
        Cell::count(side.pool),
        Cell::count(side.held_out),
        Cell::count(side.keys),
        Cell::text(side.reader.clone()),
    ]
}

fn choices(report: &ExperimentReport) -> Table {
    let directions = report.settings.first().map(names).unwrap_or_default();
    let mut columns = vec![Column::words("bridge")];
    columns.extend(directions.map(Column::words));
    let mut rows = Vec::new();
    for setting in &report.settings {
        for point in setting.points.iter().filter(|point| !point.shuffled) {
            if let Some(first) = point.by_seed.first() {
                rows.push(choices_row(setting, point, first));
            }
        }
    }
    Table {
        caption: "What the first seed's fits chose and why, by pairs that the compared fits did \
                  not see."
            .into(),
        columns,
        rows,
    }
}

fn choices_row(setting: &Setting, point: &Point, first: &Crossing) -> Vec<Cell> {
    let name = format!("{} N = {}", setting.name, point.pairs);
    vec![
        Cell::text(name.trim()),
        Cell::text(first.x_to_y.choice.to_string()),
        Cell::text(first.y_to_x.choice.to_string()),
    ]
}

fn provenance(report: &ExperimentReport) -> Section {
    Section::new("How to make this again")
        .code(report.command.clone())
        .with(Block::Facts(vec![
            ("version".into(), format!("zbridge {}", report.version)),
            ("seconds".into(), format!("{:.0}", report.seconds)),
        ]))
}
