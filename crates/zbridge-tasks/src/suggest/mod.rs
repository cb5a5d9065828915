//! Which items to pair next: a few of many that stand for the others, and of which the bridge at
//! hand is unsure.

mod ids_csv;
mod uncertainty;

use crate::Error;
use crate::models::expect_dim;
use crate::side::Side;
use ids_csv::ids_csv;
use ndarray::Array2;
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::time::Instant;
use uncertainty::uncertainty;
use zbridge_bridge::Bridge;
use zbridge_core::{Observer, Posterior, RandomStream};
use zbridge_data::{LatentsFile, LatentsStream, write_atomically};
use zbridge_eval::{ActiveSpace, RepresentativeSettings, Representatives};

/// Items that are looked at: of more, so many are taken at random.
const MOST_CANDIDATES: usize = 10_000;
/// The part of an item's weight that what the bridge is unsure of decides; the rest is the same for
/// all items.
const UNCERTAIN_PART: f64 = 0.5;
/// Random choices of which the mean distance is taken.
const RANDOM_CHOICES: u64 = 8;

/// What is to be suggested.
#[derive(Debug, Clone)]
pub struct SuggestRequest {
    /// Latents of x among which is chosen.
    pub x: PathBuf,
    /// Latents of x that have a partner already.
    pub paired: Option<PathBuf>,
    /// A bridge between x and y, of whose doubts account is taken.
    pub bridge: Option<PathBuf>,
    /// The number of items.
    pub count: usize,
    /// Seed of the choice.
    pub seed: u64,
    /// A CSV file for their ids; `None` writes nothing.
    pub out: Option<PathBuf>,
}

/// What is suggested.
#[derive(Debug, Clone, Serialize)]
pub struct SuggestReport {
    /// Items in the file.
    pub items: usize,
    /// Items that were looked at: all, or 10,000 of them at random.
    pub candidates: usize,
    /// Items that have a partner already.
    pub paired: usize,
    /// Active dimensions, in which distances are taken.
    pub dimensions: usize,
    /// The items to pair, those that stand for most others first.
    pub chosen: Vec<Suggested>,
    /// Mean distance of an item to the nearest one that is chosen or paired, in standard deviations
    /// of the active dimensions.
    pub mean_distance: f64,
    /// The same if as many are chosen at random.
    pub mean_distance_at_random: f64,
    /// Wall-clock seconds.
    pub seconds: f64,
    /// What was written.
    pub files: Vec<PathBuf>,
}

/// An item that is suggested.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Suggested {
    /// Its id in the latents file.
    pub id: String,
    /// Its row there, from 0.
    pub row: usize,
    /// The share of items to which it is nearer than all others that are chosen or paired.
    pub share: f64,
    /// What the bridge leaves open: the variance of y given this item over that of y as a whole,
    /// mean over dimensions. 0 is sure, 1 as unsure as without the item.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uncertainty: Option<f64>,
}

impl SuggestReport {
    /// Returns the ids of the chosen items as CSV, below the header `x`.
    pub fn ids_csv(&self) -> String {
        ids_csv(self.chosen.iter().map(|item| &*item.id))
    }
}

/// Returns the items to pair next, and writes their ids if the request names a file.
///
/// They cover the items that are neither chosen nor paired: [`Representatives`] in standardised
/// active dimensions of x. With a bridge each item weighs more, the less sure the bridge is of its
/// partner.
///
/// # Errors
/// [`Error`] if nothing is asked for, a file cannot be read or written, latents have other
/// dimensions than those they belong to, there are too few different items, or the observer stops
/// the work.
pub fn suggest(request: &SuggestRequest, observer: &dyn Observer) -> Result<SuggestReport, Error> {
    let start = Instant::now();
    if request.count == 0 {
        return Err(Error::usage("at least one item must be asked for, not 0"));
    }
    let pool = Pool::read(&request.x, request.seed)?;
    let space = ActiveSpace::of(&pool.file.posterior);
    if space.columns().is_empty() {
        let reason = "no dimension varies between its items, so that none stands for others";
        return Err(Error::bad_file(&request.x, reason));
    }
    let points = space.points(pool.file.posterior.moments().mean());
    let paired = request.paired_points(&space, pool.file.posterior.dim())?;
    let uncertain = request.uncertainty(&pool.file.posterior, observer)?;
    let weights = uncertain.as_deref().map(weights);
    let found = Representatives::of(
        points.view(),
        weights.as_deref(),
        paired.view(),
        RepresentativeSettings {
            count: request.count,
            seed: request.seed,
        },
        observer,
    )?;
    let mut report = SuggestReport {
        items: pool.items,
        candidates: pool.rows.len(),
        paired: paired.nrows(),
        dimensions: space.columns().len(),
        chosen: vec![],
        mean_distance: found.mean_distance,
        mean_distance_at_random: request.distance_at_random(&points, &paired)?,
        seconds: 0.0,
        files: vec![],
    };
    for item in &found.chosen {
        report.chosen.push(Suggested {
            id: pool.file.ids[item.row].clone(),
            row: pool.rows[item.row],
            share: item.share,
            uncertainty: uncertain.as_ref().map(|uncertain| uncertain[item.row]),
        });
    }
    if let Some(out) = &request.out {
        let csv = report.ids_csv();
        write_atomically(out, |file| file.write_all(csv.as_bytes()))?;
        report.files.push(out.clone());
    }
    report.seconds = start.elapsed().as_secs_f64();
    Ok(report)
}

/// The items among which is chosen.
struct Pool {
    /// The number of items in the file.
    items: usize,
    /// The rows that are looked at, in rising order.
    rows: Vec<usize>,
    /// These rows.
    file: LatentsFile,
}

impl Pool {
    /// Returns the items of a latents file; of more than [`MOST_CANDIDATES`] some, at random.
    fn read(path: &Path, seed: u64) -> Result<Self, Error> {
        let stream = LatentsStream::open(path)?;
        let items = stream.rows();
        let mut rows: Vec<usize> = (0..items).collect();
        if items > MOST_CANDIDATES {
            rows = RandomStream::named(seed, "suggest/candidates").permutation(items);
            rows.truncate(MOST_CANDIDATES);
            rows.sort_unstable();
        }
        let file = stream.select(&rows)?;
        Ok(Self { items, rows, file })
    }
}

/// Returns weights whose mean is 1: a part that is the same for all, and one that grows with what
/// the bridge is unsure of.
fn weights(uncertain: &[f64]) -> Vec<f64> {
    let mean = uncertain.iter().sum::<f64>() / uncertain.len() as f64;
    let relative = |value: &f64| match mean > 0.0 {
        true => value / mean,
        // A bridge that is sure of everything tells no item from another.
        false => 1.0,
    };
    let weight = |value| (1.0 - UNCERTAIN_PART) + UNCERTAIN_PART * relative(value);
    uncertain.iter().map(weight).collect()
}

impl SuggestRequest {
    /// Returns the items that have a partner, `[items, active dimensions]`.
    fn paired_points(&self, space: &ActiveSpace, dim: usize) -> Result<Array2<f64>, Error> {
        let Some(path) = &self.paired else {
            return Ok(Array2::zeros((0, space.columns().len())));
        };
        let paired = Pool::read(path, self.seed)?.file.posterior;
        if paired.dim() != dim {
            let reason = format!(
                "holds latents of {} dimensions, where {} has {dim}: both must be of the same model",
                paired.dim(),
                self.x.display()
            );
            return Err(Error::bad_file(path, reason));
        }
        Ok(space.points(paired.moments().mean()))
    }

    /// Returns what the bridge leaves open of the partner of each item; `None` without a bridge.
    fn uncertainty(
        &self,
        items: &Posterior,
        observer: &dyn Observer,
    ) -> Result<Option<Vec<f64>>, Error> {
        let Some(path) = &self.bridge else {
            return Ok(None);
        };
        let bridge = Bridge::read(path)?;
        expect_dim(&self.x, Side::X, items.dim(), &bridge)?;
        let found = uncertainty(bridge.x_to_y(), items, self.seed, observer)?;
        Ok(Some(found))
    }

    /// Returns the mean distance of an item to the nearest one that is paired or chosen at random.
    fn distance_at_random(&self, points: &Array2<f64>, paired: &Array2<f64>) -> Result<f64, Error> {
        let streams = RandomStream::named(self.seed, "suggest/random");
        let mut sum = 0.0;
        for choice in 0..RANDOM_CHOICES {
            let mut rows = streams.child(choice).permutation(points.nrows());
            rows.truncate(self.count);
            sum += Representatives::mean_distance_of(points.view(), &rows, paired.view())?;
        }
        Ok(sum / RANDOM_CHOICES as f64)
    }
}
