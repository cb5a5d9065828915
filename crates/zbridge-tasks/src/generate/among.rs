//! The partner of each input among given candidates.

use super::GenerateRequest;
use super::source::Source;
use crate::Error;
use crate::csv::csv_field;
use crate::models::expect_dim;
use crate::paired_files::read_some;
use rayon::prelude::*;
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::time::Instant;
use zbridge_bridge::{Bridge, Conditional};
use zbridge_core::{
    ConditionalDensity, Latents, Observer, Posterior, RandomStream, Stage, log_sum_exp,
};
use zbridge_data::{LatentsFile, write_atomically};

/// What is to be found.
#[derive(Debug, Clone)]
pub struct AmongRequest {
    /// Where from and to; `count` is the number of candidates for each input.
    pub of: GenerateRequest,
    /// Latents of the target's side among which is looked.
    pub candidates: PathBuf,
    /// Latents of the source's side, as they occur: what is likely for any of them counts less.
    pub reference: Option<PathBuf>,
}

/// What was found.
#[derive(Debug, Clone, Serialize)]
pub struct AmongReport {
    /// Inputs read.
    pub inputs: usize,
    /// Candidates among which was looked.
    pub candidates: usize,
    /// Sources whose mean density was taken off; 0 if none was.
    pub reference: usize,
    /// For each input, the candidates that are most likely its partner.
    pub found: Vec<Found>,
    /// Wall-clock seconds.
    pub seconds: f64,
    /// What was written.
    pub files: Vec<PathBuf>,
}

/// The first candidates of one input.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Found {
    /// The id of the input.
    pub id: String,
    /// Ids of the candidates, the most likely one first.
    pub candidates: Vec<String>,
    /// log q(candidate|input), less the log of its mean over the reference, in nats.
    pub nats: Vec<f64>,
}

/// Sources of a reference that are looked at: of more, so many at random.
const MOST_REFERENCE: usize = 500;

/// Writes, as CSV, which of some candidates are most likely the partner of each input: by Bayes'
/// rule, those of the highest log q(candidate|input) − log q(candidate), where q(candidate) is the
/// mean over the reference. Posteriors of candidates stand for their means.
///
/// # Errors
/// [`Error`] if an argument is wrong, a file cannot be read or written, dimensions do not belong
/// together, or the observer stops the work.
pub fn find_among(request: &AmongRequest, observer: &dyn Observer) -> Result<AmongReport, Error> {
    let start = Instant::now();
    let out = request.out()?;
    let bridge = Bridge::read(&request.of.bridge)?;
    let candidates = LatentsFile::read(&request.candidates)?;
    let dim = candidates.posterior.dim();
    expect_dim(&request.candidates, request.of.to, dim, &bridge)?;
    let source = Source::open(&request.of, &bridge)?;
    let reference = request.reference_sources(&bridge)?;
    let rows = request.of.shard.of_rows(source.rows(), 1);
    let count = reference.as_ref().map_or(0, Posterior::rows);
    let among = Among {
        density: bridge.density(request.of.to.direction_to()),
        candidates: candidates.posterior.moments().mean().clone(),
        stage: Stage::new(observer, "looking", (rows.len() + count) as u64),
        seed: request.of.seed,
    };
    let general = among.general(reference.as_ref())?;
    let inputs = among.nats(&source.posterior(rows.clone())?, "generate/among")?;
    let mut found = Vec::new();
    for (id, nats) in source.ids(rows.clone())?.into_iter().zip(inputs) {
        found.push(Found::first(
            id,
            &nats,
            &general,
            request.of.count,
            &candidates.ids,
        ));
    }
    let csv = csv(&found);
    write_atomically(&out, |file| file.write_all(csv.as_bytes()))?;
    Ok(AmongReport {
        inputs: rows.len(),
        candidates: candidates.ids.len(),
        reference: count,
        found,
        seconds: start.elapsed().as_secs_f64(),
        files: vec![out],
    })
}

impl AmongRequest {
    /// Returns where the table goes.
    fn out(&self) -> Result<PathBuf, Error> {
        let out: &Path = &self.of.out;
        if self.of.count == 0 {
            return Err(Error::usage("at least one candidate for each input, not 0"));
        }
        match out.extension().is_some_and(|extension| extension == "csv") {
            true => Ok(out.to_owned()),
            false => Err(Error::bad_file(
                out,
                "what is found goes to a .csv file; name one".to_owned(),
            )),
        }
    }

    fn reference_sources(&self, bridge: &Bridge) -> Result<Option<Posterior>, Error> {
        let Some(path) = &self.reference else {
            return Ok(None);
        };
        let posterior = read_some(path)?.posterior;
        expect_dim(path, self.of.to.other(), posterior.dim(), bridge)?;
        let mut rows =
            RandomStream::named(self.of.seed, "generate/reference").permutation(posterior.rows());
        rows.truncate(MOST_REFERENCE);
        Ok(Some(posterior.select(&rows)))
    }
}

/// Candidates under a density.
struct Among<'a> {
    density: &'a Conditional,
    /// `[candidates, dim]`.
    candidates: Latents,
    stage: Stage<'a>,
    seed: u64,
}

impl Among<'_> {
    /// Returns log q(candidate|source) of each source, in nats, `[sources][candidates]`.
    fn nats(&self, sources: &Posterior, stream: &str) -> Result<Vec<Vec<f64>>, Error> {
        let streams = RandomStream::named(self.seed, stream);
        let of_row = |row: usize| {
            let mut stream = streams.child(row as u64);
            let posterior = sources.select(&[row]);
            let source = self.density.sources(&posterior, 1, &mut stream);
            let repeated = source.repeat_each(self.candidates.rows());
            let nats = self.density.given(&repeated)?.log_prob(&self.candidates)?;
            self.stage.advance(1)?;
            Ok(nats)
        };
        (0..sources.rows()).into_par_iter().map(of_row).collect()
    }

    /// Returns the log of each candidate's mean density over a reference, in nats; 0 without one.
    fn general(&self, reference: Option<&Posterior>) -> Result<Vec<f64>, Error> {
        let Some(reference) = reference else {
            return Ok(vec![0.0; self.candidates.rows()]);
        };
        let nats = self.nats(reference, "generate/among/reference")?;
        let log_count = (nats.len() as f64).ln();
        let log_mean = |candidate: usize| {
            let of_candidate: Vec<f64> = nats.iter().map(|nats| nats[candidate]).collect();
            // A candidate of no density under any source is no one's partner.
            (log_sum_exp(&of_candidate) - log_count).max(f64::MIN)
        };
        Ok((0..self.candidates.rows()).map(log_mean).collect())
    }
}

impl Found {
    fn first(id: String, nats: &[f64], general: &[f64], count: usize, ids: &[String]) -> Self {
        let scores: Vec<f64> = nats.iter().zip(general).map(|(a, b)| a - b).collect();
        let mut order: Vec<usize> = (0..scores.len()).collect();
        order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
        order.truncate(count);
        Self {
            id,
            candidates: order.iter().map(|&row| ids[row].clone()).collect(),
            nats: order.iter().map(|&row| scores[row]).collect(),
        }
    }
}

fn csv(found: &[Found]) -> String {
    let mut csv = String::from("id,place,candidate,nats\n");
    for input in found {
        for (place, (candidate, nats)) in input.candidates.iter().zip(&input.nats).enumerate() {
            let (id, candidate) = (csv_field(&input.id), csv_field(candidate));
            csv.push_str(&format!("{id},{},{candidate},{nats:.3}\n", place + 1));
        }
    }
    csv
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_likely_for_all_counts_less() {
        let ids = ["a", "b", "c"].map(str::to_owned);
        let (nats, general) = ([-1.0, -2.0, -3.0], [0.0, -3.0, -3.5]);
        let found = Found::first("7".into(), &nats, &general, 2, &ids);
        assert_eq!(found.candidates, ["b", "c"]);
        assert_eq!(
            csv(&[found]),
            "id,place,candidate,nats\n7,1,b,1.000\n7,2,c,0.500\n"
        );
    }
}
