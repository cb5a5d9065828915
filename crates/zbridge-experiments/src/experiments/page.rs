//! An experiment as a page.

use super::crossing::{Crossing, DirectionFigures};
use super::results::{ExperimentReport, Point, Setting, SideReport};
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

fn verdict(report: &ExperimentReport) -> Verdict {
    let best = |setting: &Setting| {
        setting
            .points
            .iter()
            .filter(|point| !point.shuffled)
            .max_by_key(|p| p.pairs)
            .cloned()
    };
    let found: Vec<(&Setting, Point)> = report
        .settings
        .iter()
        .filter_map(|s| Some((s, best(s)?)))
        .collect();
    let headline = match found.first() {
        None => "Nothing was measured.".to_owned(),
        Some((setting, point)) => {
            let [there, back] = names(setting);
            let shares = |figure: &dyn Fn(&Crossing) -> &DirectionFigures| {
                let of = |(_, point): &(&Setting, Point)| {
                    percent(point.over_seeds(|c| figure(c).best()).mean)
                };
                found.iter().map(of).collect::<Vec<_>>().join(" / ")
            };
            format!(
                "With {} pairs, {} of what is made {there} shows the right thing, and {} of what is made {back}.",
                point.pairs,
                shares(&|crossing| &crossing.x_to_y),
                shares(&|crossing| &crossing.y_to_x),
            )
        }
    };
    let mut verdict = Verdict::new(headline).with_text("Read by classifiers that no bridge has seen, on held-out observations that neither bridges nor given models were fitted on.");
    for (setting, point) in found.iter().take(5) {
        let [there, back] = names(setting);
        for (name, figure) in [
            (there, x_to_y as fn(&Crossing) -> &DirectionFigures),
            (back, y_to_x),
        ] {
            let share = point.over_seeds(|crossing| 100.0 * figure(crossing).best());
            let key = KeyFigure::new(format!("{} {name}", setting.name).trim(), share.mean, 1)
                .with_unit("%");
            let (low, high) = share.interval();
            verdict = verdict.figure(if share.count > 1 {
                key.with_interval(low, high)
            } else {
                key
            });
        }
    }
    verdict
}

fn x_to_y(crossing: &Crossing) -> &DirectionFigures {
    &crossing.x_to_y
}

fn y_to_x(crossing: &Crossing) -> &DirectionFigures {
    &crossing.y_to_x
}

/// A row for each setting and number of pairs, shuffled ones below, the given models' own draws in
/// the last.
pub(super) fn table(report: &ExperimentReport) -> Table {
    let directions = report.settings.first().map(names).unwrap_or_default();
    let mut columns = vec![Column::words("bridge")];
    for name in &directions {
        columns.push(Column::numbers(format!("{name}: draws right, %")));
        columns.push(Column::numbers(format!("{name}: vote of 16, %")));
    }
    columns.push(Column::numbers("fit, core-s"));
    let rows = report.settings.iter().flat_map(|setting| {
        let points = setting.points.iter().map(|point| row(setting, point));
        points.chain([own(setting)]).collect::<Vec<_>>()
    });
    let seeds = report
        .settings
        .iter()
        .flat_map(|s| &s.points)
        .map(|point| point.by_seed.len())
        .max()
        .unwrap_or(0);
    let caption = format!(
        "{}; recipe “{}”, budget {:.0} s; mean ± standard error over {seeds} seeds of pairs, fit and draws. Own draws: z from the target model's posterior of a held-out observation, decoded and read, which bounds what a bridge can reach.",
        report.about, report.recipe, report.budget_seconds
    );
    Table {
        caption,
        columns,
        rows: rows.collect(),
    }
}

fn row(setting: &Setting, point: &Point) -> Vec<Cell> {
    let name = format!(
        "{} N = {}{}",
        setting.name,
        point.pairs,
        if point.shuffled { " shuffled" } else { "" }
    );
    let mut cells = vec![Cell::text(name.trim())];
    for figure in [x_to_y, y_to_x] {
        cells.push(estimate(
            &point.over_seeds(|crossing| 100.0 * figure(crossing).draws_right.share),
            1,
        ));
        let vote =
            |crossing: &Crossing| figure(crossing).vote_right.as_ref().map(|vote| vote.share);
        let voted = point
            .by_seed
            .iter()
            .any(|crossing| vote(crossing).is_some());
        let share = point.over_seeds(|crossing| 100.0 * vote(crossing).unwrap_or(f64::NAN));
        cells.push(if voted {
            estimate(&share, 1)
        } else {
            Cell::missing()
        });
    }
    cells.push(estimate(
        &point.over_seeds(|crossing| crossing.fit_core_seconds),
        0,
    ));
    cells
}

fn own(setting: &Setting) -> Vec<Cell> {
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
            for (name, figure) in names(setting)
                .into_iter()
                .zip([x_to_y as fn(&Crossing) -> &DirectionFigures, y_to_x])
            {
                let Some(first) = point.by_seed.first() else {
                    continue;
                };
                for (place, (attribute, _)) in figure(first).by_attribute.iter().enumerate() {
                    let share = point.over_seeds(|crossing| {
                        figure(crossing)
                            .by_attribute
                            .get(place)
                            .map_or(f64::NAN, |(_, share)| 100.0 * share)
                    });
                    let what = format!("{} N = {}, {name}", setting.name, point.pairs);
                    rows.push(vec![
                        Cell::text(what),
                        Cell::text(attribute.clone()),
                        estimate(&share, 1),
                    ]);
                }
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
    let columns = columns.map(Column::words).to_vec();
    let row = |name: &str, side: &SideReport| {
        [
            format!("{name} {}", side.name).trim().to_owned(),
            side.observations.clone(),
            side.dim.to_string(),
            side.pool.to_string(),
            side.held_out.to_string(),
            side.keys.to_string(),
            side.reader.clone(),
        ]
        .map(Cell::text)
        .to_vec()
    };
    let rows = report.settings.iter().flat_map(|s| {
        s.sides
            .iter()
            .map(|side| row(&s.name, side))
            .collect::<Vec<_>>()
    });
    let caption = "Given models, trained separately, and who reads what is generated.".into();
    Table {
        caption,
        columns,
        rows: rows.collect(),
    }
}

fn choices(report: &ExperimentReport) -> Table {
    let directions = report.settings.first().map(names).unwrap_or_default();
    let mut columns = vec![Column::words("bridge")];
    columns.extend(directions.into_iter().map(Column::words));
    let mut rows = Vec::new();
    for setting in &report.settings {
        for point in setting.points.iter().filter(|point| !point.shuffled) {
            let Some(first) = point.by_seed.first() else {
                continue;
            };
            let name = format!("{} N = {}", setting.name, point.pairs);
            let choices = [x_to_y(first), y_to_x(first)].map(|figures| figures.choice.to_string());
            rows.push(
                std::iter::once(name.trim().to_owned())
                    .chain(choices)
                    .map(Cell::text)
                    .collect(),
            );
        }
    }
    let caption =
        "What the first seed's fits chose and why, by pairs that the compared fits did not see."
            .into();
    Table {
        caption,
        columns,
        rows,
    }
}

fn provenance(report: &ExperimentReport) -> Section {
    Section::new("How to make this again")
        .code(report.command.clone())
        .with(Block::Facts(vec![
            ("version".into(), format!("zbridge {}", report.version)),
            ("seconds".into(), format!("{:.0}", report.seconds)),
        ]))
}
