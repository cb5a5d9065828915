//! Sets that hold the target of each input with a stated probability.

use super::source::Source;
use super::{GenerateRequest, latent_shape};
use crate::Error;
use crate::csv::csv_field;
use crate::models::expect_dim;
use crate::paired_files::PairedFiles;
use crate::side::Side;
use ndarray::{Array2, ArrayView2, Axis};
use rayon::prelude::*;
use serde::Serialize;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Instant;
use zbridge::GivenModel;
use zbridge_bridge::{Bridge, Conditional, Direction};
use zbridge_core::{ConditionalDensity, Latents, Observer, Posterior, RandomStream, Stage};
use zbridge_data::write_atomically;
use zbridge_eval::{LatentPairs, PitSettings, conformal_mass, conformal_quantile};
use zbridge_nn::{Precision, StoredTensor, WeightsFile};

/// Which sets are asked for.
#[derive(Debug, Clone)]
pub struct SetRequest {
    /// Where sets are from and to. What is made for each input does not count; without `latents`
    /// and with a target of classes the sets are of classes, else regions of latents.
    pub of: GenerateRequest,
    /// The share of targets that sets are to hold, such as 0.9.
    pub share: f64,
    /// Draws by which a set is found.
    pub draws: usize,
    /// Pairs that the bridge has not seen, by which sets are made to hold their share; without them
    /// they are as large as the bridge believes.
    pub calibration: Option<CalibrationPairs>,
}

/// Latents files of pairs.
#[derive(Debug, Clone)]
pub struct CalibrationPairs {
    /// Latents of x.
    pub x: PathBuf,
    /// Latents of y.
    pub y: PathBuf,
    /// CSV file of the pairs; without it, equal ids are pairs.
    pub pairs: Option<PathBuf>,
}

/// What sets were made.
#[derive(Debug, Clone, Serialize)]
pub struct SetReport {
    /// Inputs read.
    pub inputs: usize,
    /// The share of targets that sets are to hold.
    pub share: f64,
    /// The part of the bridge's own mass that they hold for it.
    pub mass: f64,
    /// Pairs by which this was found; 0 if sets are as the bridge believes.
    pub calibration_pairs: usize,
    /// The set of each input, where the target is classes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub classes: Option<Vec<ClassSet>>,
    /// Mean number of classes in a set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mean_classes: Option<f64>,
    /// Wall-clock seconds.
    pub seconds: f64,
    /// What was written.
    pub files: Vec<PathBuf>,
}

/// The classes of one input.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ClassSet {
    /// The id of the input.
    pub id: String,
    /// The most probable class first.
    pub classes: Vec<usize>,
    /// Probability of each.
    pub probabilities: Vec<f64>,
}

/// Inputs that are worked on at once.
const ROWS_AT_ONCE: usize = 64;

/// Writes, for each input, a set that holds its target with the stated probability: of classes as a
/// CSV file, or a region of latents as a `.safetensors` file.
///
/// A region is {t: log q(t|s) ≥ `threshold`}; `lower` and `upper` are the smallest box around the
/// draws in it.
///
/// # Errors
/// [`Error`] if an argument is wrong, there are too few pairs to calibrate by, a file cannot be
/// read or written, dimensions do not belong together, or the observer stops the work.
pub fn generate_sets(request: &SetRequest, observer: &dyn Observer) -> Result<SetReport, Error> {
    let start = Instant::now();
    request.check()?;
    let bridge = Bridge::read(&request.of.bridge)?;
    let direction = request.of.to.direction_to();
    let model = match request.of.latents {
        true => None,
        false => Some(request.of.expected_model(&bridge, request.of.to)?),
    };
    let source = Source::open(&request.of, &bridge)?;
    let sets = Sets {
        request,
        density: bridge.density(direction),
        classes: model.as_ref().and_then(ClassModel::of),
        streams: RandomStream::named(request.of.seed, "generate/sets"),
    };
    let out = &request.out(sets.classes.is_some())?;
    let (mass, calibration_pairs) = match &request.calibration {
        Some(pairs) => {
            sets.calibrated(&PairsOfBridge::read(pairs, &bridge, direction)?, observer)?
        }
        None => (request.share, 0),
    };
    let rows = request.of.shard.of_rows(source.rows(), ROWS_AT_ONCE);
    let stage = Stage::new(observer, "finding sets", rows.len() as u64);
    let inputs = rows.len();
    let classes = match &sets.classes {
        Some(model) => {
            let found = sets.of_classes(model, &source, rows, mass, &stage)?;
            let csv = class_csv(&found);
            write_atomically(out, |file| file.write_all(csv.as_bytes()))?;
            Some(found)
        }
        None => {
            let regions = sets.regions(&source, rows, mass, &stage)?;
            regions.write(out, &latent_shape(&bridge, request.of.to), request)?;
            None
        }
    };
    Ok(SetReport {
        inputs,
        share: request.share,
        mass,
        calibration_pairs,
        mean_classes: classes.as_deref().map(mean_size),
        classes,
        seconds: start.elapsed().as_secs_f64(),
        files: vec![out.clone()],
    })
}

/// Returns the mean number of classes in a set.
fn mean_size(sets: &[ClassSet]) -> f64 {
    let classes: usize = sets.iter().map(|set| set.classes.len()).sum();
    classes as f64 / sets.len().max(1) as f64
}

impl SetRequest {
    /// Returns where sets go, which are of classes or regions: a name without an extension gets
    /// one.
    fn out(&self, of_classes: bool) -> Result<PathBuf, Error> {
        let out = &self.of.out;
        let expected = if of_classes { "csv" } else { "safetensors" };
        match out.extension() {
            None => Ok(out.with_extension(expected)),
            Some(extension) if extension == expected => Ok(out.clone()),
            Some(_) => {
                let what = match of_classes {
                    true => "sets of classes",
                    false => "regions of latents",
                };
                let reason = format!("{what} go to a .{expected} file; name one");
                Err(Error::bad_file(out, reason))
            }
        }
    }

    fn check(&self) -> Result<(), Error> {
        if !(self.share > 0.0 && self.share < 1.0) {
            return Err(Error::usage(format!(
                "sets that hold {} of the targets: give a share between 0 and 1, 0.9 say",
                self.share
            )));
        }
        if self.draws < 20 {
            return Err(Error::usage(format!(
                "{} draws do not tell where a set ends: take 20 at least",
                self.draws
            )));
        }
        Ok(())
    }
}

/// A target whose latents are of classes.
struct ClassModel<'m> {
    model: &'m GivenModel,
    count: usize,
}

impl<'m> ClassModel<'m> {
    fn of(model: &'m GivenModel) -> Option<Self> {
        let count = model.classes()?;
        Some(Self { model, count })
    }

    /// Returns the most probable class of each latent.
    fn classes_of(&self, latents: &Latents) -> Result<Vec<usize>, Error> {
        Ok(self.model.model.decode(latents)?.argmax())
    }
}

/// Posteriors of pairs, the source of a direction first.
struct PairsOfBridge {
    source: Posterior,
    target: Posterior,
}

impl PairsOfBridge {
    fn read(
        files: &CalibrationPairs,
        bridge: &Bridge,
        direction: Direction,
    ) -> Result<Self, Error> {
        let read = PairedFiles::read(&files.x, &files.y, files.pairs.as_deref())?;
        expect_dim(&files.x, Side::X, read.x.posterior.dim(), bridge)?;
        expect_dim(&files.y, Side::Y, read.y.posterior.dim(), bridge)?;
        let x = read.x.posterior.select(&read.x_rows);
        let y = read.y.posterior.select(&read.y_rows);
        let (source, target) = match direction {
            Direction::XToY => (x, y),
            Direction::YToX => (y, x),
        };
        Ok(Self { source, target })
    }
}

/// How sets are found.
struct Sets<'s> {
    request: &'s SetRequest,
    density: &'s Conditional,
    /// The model of the target if it is of classes.
    classes: Option<ClassModel<'s>>,
    streams: RandomStream,
}

/// For each input the region of highest density.
struct Regions {
    ids: Vec<String>,
    /// `[inputs, dim]`.
    lower: Array2<f32>,
    /// `[inputs, dim]`.
    upper: Array2<f32>,
    /// In nats, `[inputs]`.
    thresholds: Vec<f32>,
}

impl Sets<'_> {
    /// Returns the mass of sets that hold their share of these pairs' targets, and the number of
    /// pairs.
    fn calibrated(
        &self,
        pairs: &PairsOfBridge,
        observer: &dyn Observer,
    ) -> Result<(f64, usize), Error> {
        let (count, share) = (pairs.source.rows(), self.request.share);
        let mass = match &self.classes {
            Some(model) => conformal_quantile(self.class_scores(model, pairs)?, share),
            None => {
                let seed = self.request.of.seed;
                let of_pairs =
                    LatentPairs::for_density(self.density, &pairs.source, &pairs.target, seed)?;
                let settings = PitSettings {
                    draws: self.request.draws,
                    seed,
                };
                conformal_mass(self.density, &of_pairs, share, &settings, observer)?
            }
        };
        let mass = mass.ok_or_else(|| {
            Error::usage(format!(
                "{count} pairs to calibrate by are too few for sets that hold {share} of the targets: {} are needed",
                (share / (1.0 - share)).ceil()
            ))
        })?;
        Ok((mass, count))
    }

    /// Returns how much mass the set of classes must have that holds the class of each pair's
    /// target.
    fn class_scores(
        &self,
        model: &ClassModel<'_>,
        pairs: &PairsOfBridge,
    ) -> Result<Vec<f64>, Error> {
        let truth = model.classes_of(pairs.target.moments().mean())?;
        let of_pairs = self.class_probabilities(model, &pairs.source, 0)?;
        let mut stream = RandomStream::named(self.request.of.seed, "generate/sets/calibration");
        let score = |(probabilities, truth): (&Vec<f64>, usize)| {
            let ranked = Ranked::of(probabilities, f64::from(stream.uniform()));
            ranked.scores[truth]
        };
        Ok(of_pairs.iter().zip(truth).map(score).collect())
    }

    /// Returns the probability of each class for each source, by draws; `first` is the number of
    /// the first one.
    fn class_probabilities(
        &self,
        model: &ClassModel<'_>,
        sources: &Posterior,
        first: usize,
    ) -> Result<Vec<Vec<f64>>, Error> {
        let draws = self.request.draws;
        let of_row = |row: usize| {
            let mut stream = self.streams.child((first + row) as u64);
            let posterior = sources.select(&[row]);
            let sources = self.density.sources(&posterior, draws, &mut stream);
            let drawn = self.density.given(&sources)?.sample_each(1, &mut stream)?;
            let mut probabilities = vec![0.0; model.count];
            for class in model.classes_of(&drawn)? {
                probabilities[class] += 1.0 / draws as f64;
            }
            Ok(probabilities)
        };
        (0..sources.rows()).into_par_iter().map(of_row).collect()
    }

    fn of_classes(
        &self,
        model: &ClassModel<'_>,
        source: &Source,
        rows: Range<usize>,
        mass: f64,
        stage: &Stage<'_>,
    ) -> Result<Vec<ClassSet>, Error> {
        let uniforms = RandomStream::named(self.request.of.seed, "generate/sets/ends");
        let mut sets = Vec::with_capacity(rows.len());
        for block in blocks(rows) {
            let posterior = source.posterior(block.clone())?;
            let found = self.class_probabilities(model, &posterior, block.start)?;
            let numbered = block.clone().zip(source.ids(block.clone())?).zip(found);
            for ((number, id), probabilities) in numbered {
                let uniform = f64::from(uniforms.child(number as u64).uniform());
                sets.push(ClassSet::of_mass(id, &probabilities, mass, uniform));
            }
            stage.advance(block.len() as u64)?;
        }
        Ok(sets)
    }

    fn regions(
        &self,
        source: &Source,
        rows: Range<usize>,
        mass: f64,
        stage: &Stage<'_>,
    ) -> Result<Regions, Error> {
        let dim = self.density.dims().1;
        let mut regions = Regions {
            ids: vec![],
            lower: Array2::zeros((0, dim)),
            upper: Array2::zeros((0, dim)),
            thresholds: vec![],
        };
        for block in blocks(rows) {
            let posterior = source.posterior(block.clone())?;
            let of_row =
                |row: usize| self.region(&posterior.select(&[row]), block.start + row, mass);
            let found: Vec<Region> = (0..block.len())
                .into_par_iter()
                .map(of_row)
                .collect::<Result<_, Error>>()?;
            for region in &found {
                let wrong = "both have the dimensions of the target";
                regions.lower.push_row(region.lower.view()).expect(wrong);
                regions.upper.push_row(region.upper.view()).expect(wrong);
                regions.thresholds.push(region.threshold as f32);
            }
            regions.ids.extend(source.ids(block.clone())?);
            stage.advance(block.len() as u64)?;
        }
        Ok(regions)
    }

    fn region(&self, posterior: &Posterior, number: usize, mass: f64) -> Result<Region, Error> {
        let draws = self.request.draws;
        let mut stream = self.streams.child(number as u64);
        let source = self.density.sources(posterior, 1, &mut stream);
        let drawn = self
            .density
            .given(&source)?
            .sample_each(draws, &mut stream)?;
        let repeated = source.repeat_each(draws);
        let nats = self.density.given(&repeated)?.log_prob(&drawn)?;
        Ok(Region::of(drawn.view(), &nats, mass))
    }
}

/// The region of highest density of one input.
struct Region {
    lower: ndarray::Array1<f32>,
    upper: ndarray::Array1<f32>,
    /// In nats.
    threshold: f64,
}

impl Region {
    /// Returns the region that holds this share of the draws `[draws, dim]`, whose log densities
    /// are given.
    fn of(draws: ArrayView2<'_, f32>, nats: &[f64], mass: f64) -> Self {
        let mut order: Vec<usize> = (0..nats.len()).collect();
        order.sort_by(|&a, &b| nats[b].total_cmp(&nats[a]));
        let count = ((mass * nats.len() as f64).ceil() as usize).clamp(1, nats.len());
        let inside = draws.select(Axis(0), &order[..count]);
        Self {
            lower: inside.fold_axis(Axis(0), f32::INFINITY, |a, &b| a.min(b)),
            upper: inside.fold_axis(Axis(0), f32::NEG_INFINITY, |a, &b| a.max(b)),
            threshold: nats[order[count - 1]],
        }
    }
}

impl Regions {
    fn write(&self, out: &Path, latent_shape: &[usize], request: &SetRequest) -> Result<(), Error> {
        let shape = [&[self.ids.len()], latent_shape].concat();
        let mut file = WeightsFile::default();
        for (name, values) in [("lower", &self.lower), ("upper", &self.upper)] {
            let values = values.iter().copied().collect();
            file.tensors.insert(
                name.into(),
                StoredTensor {
                    shape: shape.clone(),
                    values,
                },
            );
        }
        let (shape, values) = (vec![self.ids.len()], self.thresholds.clone());
        file.tensors
            .insert("threshold".into(), StoredTensor { shape, values });
        file.metadata.insert("ids".into(), self.ids.join("\n"));
        file.metadata
            .insert("share".into(), request.share.to_string());
        file.metadata
            .insert("bridge".into(), request.of.bridge.display().to_string());
        Ok(file.write(out, Precision::Single)?)
    }
}

impl ClassSet {
    /// Returns the classes whose scores are within `mass`: the most probable one at least.
    fn of_mass(id: String, probabilities: &[f64], mass: f64, uniform: f64) -> Self {
        let Ranked { order, scores } = Ranked::of(probabilities, uniform);
        let rest = order[1..].iter().filter(|&&class| scores[class] <= mass);
        let classes: Vec<usize> = [order[0]].iter().chain(rest).copied().collect();
        let probabilities = classes.iter().map(|&class| probabilities[class]).collect();
        Self {
            id,
            classes,
            probabilities,
        }
    }
}

/// Classes from the most probable one on.
struct Ranked {
    order: Vec<usize>,
    /// For each class, the mass of those before it and a random part of its own: uniform between 0
    /// and 1 for the true class if probabilities are right, so that sets hold neither less nor more
    /// than they say.
    ///
    /// # Source
    /// Romano, Sesia & Candès 2020.
    scores: Vec<f64>,
}

impl Ranked {
    fn of(probabilities: &[f64], uniform: f64) -> Self {
        let mut order: Vec<usize> = (0..probabilities.len()).collect();
        order.sort_by(|&a, &b| probabilities[b].total_cmp(&probabilities[a]));
        let (mut scores, mut before) = (vec![0.0; order.len()], 0.0);
        for &class in &order {
            scores[class] = before + uniform * probabilities[class];
            before += probabilities[class];
        }
        Self { order, scores }
    }
}

fn blocks(rows: Range<usize>) -> impl Iterator<Item = Range<usize>> {
    let end = rows.end;
    rows.step_by(ROWS_AT_ONCE)
        .map(move |start| start..(start + ROWS_AT_ONCE).min(end))
}

/// Returns sets as CSV: id, classes and their probabilities, which are separated by spaces.
fn class_csv(sets: &[ClassSet]) -> String {
    let mut csv = String::from("id,classes,probabilities\n");
    for set in sets {
        let classes: Vec<String> = set.classes.iter().map(usize::to_string).collect();
        let probabilities: Vec<String> = set
            .probabilities
            .iter()
            .map(|p| format!("{p:.3}"))
            .collect();
        let (id, classes, probabilities) = (
            csv_field(&set.id),
            classes.join(" "),
            probabilities.join(" "),
        );
        csv.push_str(&format!("{id},{classes},{probabilities}\n"));
    }
    csv
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_has_the_most_probable_classes_and_never_none() {
        let set = |mass, uniform| {
            ClassSet::of_mass("7".into(), &[0.1, 0.6, 0.0, 0.3], mass, uniform).classes
        };
        assert_eq!(set(0.0, 0.5), [1]);
        assert_eq!(set(0.7, 0.5), [1]);
        assert_eq!(set(0.8, 0.5), [1, 3]);
        assert_eq!(set(1.0, 0.5), [1, 3, 0, 2]);
        // By chance an end is on this or on that side of a class.
        assert_eq!(set(0.7, 0.2), [1, 3]);
    }

    #[test]
    fn a_region_holds_the_draws_of_highest_density() {
        let draws = ndarray::array![[0.0, 1.0], [5.0, 5.0], [1.0, 0.0], [-1.0, 0.5]];
        let region = Region::of(draws.view(), &[-1.0, -9.0, -2.0, -3.0], 0.75);
        assert_eq!(region.threshold, -3.0);
        assert_eq!(region.lower.to_vec(), [-1.0, 0.0]);
        assert_eq!(region.upper.to_vec(), [1.0, 1.0]);
    }

    #[test]
    fn sets_are_csv() {
        let set = ClassSet::of_mass("a,b".into(), &[0.25, 0.75], 1.0, 0.5);
        let csv = class_csv(&[set]);
        assert_eq!(csv, "id,classes,probabilities\n\"a,b\",1 0,0.750 0.250\n");
    }
}
