use super::cholesky::Cholesky;
use super::components::{chosen, log_sum_exp, normalise};
use super::conditioner::{Conditioner, stored};
use super::flow::CouplingFlow;
use super::given::check_source;
use crate::BridgeError;
use rayon::prelude::*;
use std::collections::HashMap;
use std::path::Path;
use zbridge_core::{
    ConditionalDensity, DensityError, LatentDistribution, Latents, RandomStream, ShapeError,
};
use zbridge_nn::{NnError, StoredTensor, Tape, WeightsFile};

/// q(t|s) = Σ_k π(k|s) p(t|k): the source is read as a code that both latent spaces share, and the
/// target is drawn given the code.
///
/// p(t|k) ∝ f(t|k) a(k, t), a flow f given the code whose draws the target's own reader must
/// recognise: accepted with probability a(k, t) = δ + (1 − δ) ρ(k|t), as in
/// [`Agreement`](crate::agreement::Agreement). As there are but K codes, the normalisers are K
/// numbers.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct SharedCode {
    /// Logits of π(k|s) for the leading dimensions of a source; what follows them (probabilities of
    /// atoms) is not read.
    reader: Conditioner,
    /// Width of a source.
    inputs: usize,
    /// f(·|k) of whitened targets, L⁻¹ t.
    flow: CouplingFlow,
    /// L: a flow that need not learn how target dimensions go together learns the rest from fewer
    /// targets.
    covariance: Cholesky,
    /// Logits of ρ(k|t).
    recogniser: Conditioner,
    /// log ∫ f(t|k) a(k, t) dt, `[K]`.
    log_normalisers: Vec<f32>,
    /// Inverse temperature of π.
    sharpness: f32,
}

/// δ: a draw that is surely another code's is kept one time in ten.
const SURELY_WRONG: f32 = 0.1;
/// Draws of each code from which its normaliser is estimated: with half of them accepted, to 1.5 %.
const NORMALISER_DRAWS: usize = 4096;
/// Tries after which a draw is taken as it is.
const MOST_TRIES: usize = 200;
/// Rows whose densities are worked out at once, each with all codes.
const ROWS_AT_ONCE: usize = 256;
/// Codes less probable than this do not count: what a mixture loses by that is a thousandth of its
/// mass at most.
const LEAST_WEIGHT: f32 = 1e-5;

impl SharedCode {
    /// The density of sources of width `inputs`, of which `reader` reads the leading ones; `flow`
    /// speaks of targets whitened by `covariance`.
    ///
    /// # Errors
    /// [`ShapeError`] when reader, flow and recogniser do not speak of the same codes and targets.
    pub(crate) fn new(
        inputs: usize,
        reader: Conditioner,
        (flow, covariance): (CouplingFlow, Cholesky),
        recogniser: Conditioner,
    ) -> Result<Self, DensityError> {
        let codes = reader.outputs();
        let (expected, found) = ((codes, recogniser.inputs()), flow.dims());
        if expected != found
            || covariance.dim() != found.1
            || recogniser.outputs() != codes
            || inputs < reader.inputs()
        {
            return Err(ShapeError::Mismatch {
                what: "parts of a shared code",
                expected,
                found,
            }
            .into());
        }
        let mut density = Self {
            reader,
            inputs,
            flow,
            covariance,
            recogniser,
            log_normalisers: vec![0.0; codes],
            sharpness: 1.0,
        };
        let log_normaliser = |code: usize| -> Result<f32, DensityError> {
            let mut stream = RandomStream::named(code as u64, "bridge/code-normaliser");
            let drawn = density.proposals(&vec![code; NORMALISER_DRAWS], &mut stream)?;
            let accepted = density.acceptance(&vec![code; NORMALISER_DRAWS], drawn.values());
            Ok((accepted.iter().sum::<f32>() / NORMALISER_DRAWS as f32).ln())
        };
        let log_normalisers = (0..codes)
            .into_par_iter()
            .map(log_normaliser)
            .collect::<Result<_, _>>()?;
        density.log_normalisers = log_normalisers;
        Ok(density)
    }

    /// The same with logits of π multiplied by `sharpness`.
    pub(crate) fn with_sharpness(self, sharpness: f32) -> Self {
        Self { sharpness, ..self }
    }

    /// The same for a source that says nothing: log π(k) whatever it is.
    ///
    /// # Errors
    /// [`BridgeError::Shape`] never in practice: there are as many codes as there were.
    pub(crate) fn silenced(self, log_prior: &[f32]) -> Result<Self, BridgeError> {
        Ok(Self {
            reader: Conditioner::constant(self.reader.inputs(), log_prior)?,
            sharpness: 1.0,
            ..self
        })
    }

    fn codes(&self) -> usize {
        self.reader.outputs()
    }

    /// One draw of f(t|k) for each code.
    fn proposals(
        &self,
        codes: &[usize],
        stream: &mut RandomStream,
    ) -> Result<Latents, DensityError> {
        let mut one_hot = vec![0.0; codes.len() * self.codes()];
        one_hot
            .chunks_exact_mut(self.codes())
            .zip(codes)
            .for_each(|(row, &code)| row[code] = 1.0);
        let given = self.flow.given(&Latents::clamped(one_hot, self.codes())?)?;
        let mut points = given.sample_each(1, stream)?.into_vec();
        in_rows(&mut points, self.covariance.dim(), |row| {
            self.covariance.colour(row)
        });
        Ok(Latents::clamped(points, self.covariance.dim())?)
    }

    /// a(k, t) for each row of targets and its code.
    fn acceptance(&self, codes: &[usize], targets: &[f32]) -> Vec<f32> {
        let read = self.recognised(targets);
        let rows = read.chunks_exact(self.codes()).zip(codes);
        rows.map(|(read, &code)| SURELY_WRONG + (1.0 - SURELY_WRONG) * read[code])
            .collect()
    }

    /// ρ(k|t) of each row, `[rows, K]`.
    fn recognised(&self, targets: &[f32]) -> Vec<f32> {
        let mut tape = Tape::default();
        let mut read = self.recogniser.infer(targets, &mut tape).to_vec();
        read.chunks_exact_mut(self.codes()).for_each(|row| {
            normalise(row);
        });
        read
    }

    /// π(k|s) of each row of sources, `[rows, K]`.
    fn weights(&self, sources: &Latents) -> Vec<f32> {
        let width = self.reader.inputs();
        let points: Vec<f32> = sources
            .values()
            .chunks_exact(self.inputs)
            .flat_map(|row| &row[..width])
            .copied()
            .collect();
        let mut tape = Tape::default();
        let mut weights = self.reader.infer(&points, &mut tape).to_vec();
        weights
            .iter_mut()
            .for_each(|logit| *logit *= self.sharpness);
        weights.chunks_exact_mut(self.codes()).for_each(|row| {
            normalise(row);
        });
        weights
    }

    /// log q of each row, given its weights. Equal points are looked at once: what a target is
    /// under a code does not depend on the source, and who compares every target with every source
    /// asks for the same ones again and again.
    fn log_densities(&self, weights: &[f32], points: &[f32]) -> Result<Vec<f64>, DensityError> {
        let (count, dim) = (self.codes(), self.recogniser.inputs());
        let (places, distinct) = distinct_rows(points, dim);
        let mut needed = vec![false; distinct.len() / dim * count];
        for (&place, weights) in places.iter().zip(weights.chunks_exact(count)) {
            let needed = needed[place * count..].iter_mut().zip(weights);
            needed.for_each(|(needed, &weight)| *needed |= weight >= LEAST_WEIGHT);
        }
        let needed: Vec<usize> = (0..needed.len()).filter(|&at| needed[at]).collect();
        let read: Vec<f32> = distinct
            .par_chunks(ROWS_AT_ONCE * dim)
            .flat_map_iter(|rows| self.recognised(rows))
            .collect();
        let mut whitened = distinct;
        in_rows(&mut whitened, dim, |row| self.covariance.whiten(row));
        let given_codes: Vec<Vec<f64>> = needed
            .par_chunks(ROWS_AT_ONCE)
            .map(|asked| {
                let mut one_hot = vec![0.0; asked.len() * count];
                one_hot
                    .chunks_exact_mut(count)
                    .zip(asked)
                    .for_each(|(row, at)| row[at % count] = 1.0);
                let asked = asked
                    .iter()
                    .flat_map(|at| &whitened[at / count * dim..][..dim])
                    .copied()
                    .collect();
                self.flow
                    .given(&Latents::clamped(one_hot, count)?)?
                    .log_prob(&Latents::clamped(asked, dim)?)
            })
            .collect::<Result<_, _>>()?;
        // log p(t|k) of every distinct target and code that is asked for.
        let mut log_given = vec![f64::NEG_INFINITY; read.len()];
        let scale = self.covariance.half_log_determinant();
        for (&at, nats) in needed.iter().zip(given_codes.iter().flatten()) {
            let accepted = (SURELY_WRONG + (1.0 - SURELY_WRONG) * read[at]).ln()
                - self.log_normalisers[at % count];
            log_given[at] = nats - scale + f64::from(accepted);
        }
        let row = |(&place, weights): (&usize, &[f32])| {
            let joint = log_given[place * count..][..count].iter().zip(weights);
            let joint = joint.filter(|(_, weight)| **weight >= LEAST_WEIGHT);
            log_sum_exp(joint.map(|(nats, weight)| nats + f64::from(weight.ln()))).max(f64::MIN)
        };
        Ok(places
            .iter()
            .zip(weights.chunks_exact(count))
            .map(row)
            .collect())
    }

    pub(crate) fn put_into(&self, file: &mut WeightsFile, prefix: &str) {
        self.reader.put_into(file, &format!("{prefix}.reader"));
        self.flow.put_into(file, &format!("{prefix}.flow"));
        self.recogniser
            .put_into(file, &format!("{prefix}.recogniser"));
        let shape = serde_json::to_string(&(self.inputs, self.sharpness)).unwrap_or_default();
        file.metadata.insert(format!("{prefix}.shared-code"), shape);
        let tensor = StoredTensor {
            shape: vec![self.codes()],
            values: self.log_normalisers.clone(),
        };
        file.tensors
            .insert(format!("{prefix}.log_normalisers"), tensor);
        let (dim, factor) = (self.covariance.dim(), self.covariance.factor());
        let values = factor.iter().map(|&value| value as f32).collect();
        file.tensors.insert(
            format!("{prefix}.covariance"),
            StoredTensor {
                shape: vec![dim, dim],
                values,
            },
        );
    }

    /// The density stored under `prefix`; `path` names the file in errors.
    ///
    /// # Errors
    /// [`NnError::Weights`] when a part is missing, or parts contradict each other.
    pub(crate) fn from_file(
        file: &WeightsFile,
        prefix: &str,
        path: &Path,
    ) -> Result<Self, BridgeError> {
        let (inputs, sharpness): (usize, f32) =
            file.parsed_metadata(&format!("{prefix}.shared-code"), path)?;
        let reader = Conditioner::from_file(file, &format!("{prefix}.reader"), path)?;
        let flow = CouplingFlow::from_file(file, &format!("{prefix}.flow"), path)?;
        let recogniser = Conditioner::from_file(file, &format!("{prefix}.recogniser"), path)?;
        let log_normalisers = stored(
            file,
            &format!("{prefix}.log_normalisers"),
            &[reader.outputs()],
            path,
        )?
        .to_vec();
        let dim = recogniser.inputs();
        let factor = stored(file, &format!("{prefix}.covariance"), &[dim, dim], path)?;
        let covariance =
            Cholesky::from_factor(factor.iter().map(|&value| f64::from(value)).collect(), dim);
        let agree = flow.dims() == (reader.outputs(), recogniser.inputs())
            && recogniser.outputs() == reader.outputs()
            && reader.inputs() <= inputs
            && sharpness.is_finite()
            && sharpness > 0.0
            && log_normalisers
                .iter()
                .all(|nats| (-10.0..=0.001).contains(nats));
        let Some(covariance) = covariance.filter(|_| agree) else {
            let reason = format!(
                "the parts of the shared code `{prefix}` do not fit each other; get the file anew"
            );
            return Err(NnError::Weights {
                path: path.to_owned(),
                reason,
            }
            .into());
        };
        Ok(Self {
            reader,
            inputs,
            flow,
            covariance,
            recogniser,
            log_normalisers,
            sharpness,
        })
    }
}

impl ConditionalDensity for SharedCode {
    fn dims(&self) -> (usize, usize) {
        (self.inputs, self.recogniser.inputs())
    }

    fn given(&self, source: &Latents) -> Result<Box<dyn LatentDistribution + '_>, DensityError> {
        check_source(source, self.inputs)?;
        Ok(Box::new(Given {
            density: self,
            weights: self.weights(source),
        }))
    }
}

/// The distributions of a batch of sources.
struct Given<'d> {
    density: &'d SharedCode,
    /// π(k|s), `[rows, K]`.
    weights: Vec<f32>,
}

impl LatentDistribution for Given<'_> {
    fn shape(&self) -> (usize, usize) {
        (
            self.weights.len() / self.density.codes(),
            self.density.recogniser.inputs(),
        )
    }

    fn sample_each(
        &self,
        draws: usize,
        stream: &mut RandomStream,
    ) -> Result<Latents, DensityError> {
        let (rows, dim) = self.shape();
        let rows_of_weights = self.weights.chunks_exact(self.density.codes());
        let codes: Vec<usize> = rows_of_weights
            .flat_map(|weights| (0..draws).map(move |_| weights))
            .map(|weights| chosen(weights, stream.uniform()))
            .collect();
        let mut points = vec![0.0; rows * draws * dim];
        let mut waiting: Vec<usize> = (0..codes.len()).collect();
        for _ in 0..MOST_TRIES {
            let asked: Vec<usize> = waiting.iter().map(|&row| codes[row]).collect();
            let drawn = self.density.proposals(&asked, stream)?;
            let accepted = self.density.acceptance(&asked, drawn.values());
            for (&row, point) in waiting.iter().zip(drawn.values().chunks_exact(dim)) {
                points[row * dim..(row + 1) * dim].copy_from_slice(point);
            }
            let left = waiting
                .iter()
                .zip(&accepted)
                .filter(|(_, accepted)| stream.uniform() >= **accepted);
            waiting = left.map(|(row, _)| *row).collect();
            if waiting.is_empty() {
                break;
            }
        }
        Ok(Latents::clamped(points, dim)?)
    }

    fn log_prob(&self, points: &Latents) -> Result<Vec<f64>, DensityError> {
        let found = (points.rows(), points.dim());
        if found != self.shape() {
            return Err(ShapeError::Mismatch {
                what: "points under the density",
                expected: self.shape(),
                found,
            }
            .into());
        }
        self.density.log_densities(&self.weights, points.values())
    }
}

/// The place of each row among the distinct ones, and these.
fn distinct_rows(values: &[f32], width: usize) -> (Vec<usize>, Vec<f32>) {
    let (mut known, mut distinct): (HashMap<Vec<u32>, usize>, Vec<f32>) =
        (HashMap::new(), Vec::new());
    let place = |row: &[f32]| {
        let next = known.len();
        *known
            .entry(row.iter().map(|value| value.to_bits()).collect())
            .or_insert_with(|| {
                distinct.extend_from_slice(row);
                next
            })
    };
    let places = values.chunks_exact(width).map(place).collect();
    (places, distinct)
}

/// Does `change` to every row of `values` in f64.
pub(crate) fn in_rows(values: &mut [f32], width: usize, change: impl Fn(&mut [f64])) {
    let mut wide = vec![0.0f64; width];
    for row in values.chunks_exact_mut(width) {
        wide.iter_mut()
            .zip(&*row)
            .for_each(|(wide, &value)| *wide = f64::from(value));
        change(&mut wide);
        row.iter_mut()
            .zip(&wide)
            .for_each(|(value, &wide)| *value = wide as f32);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::families::{FlowShape, laws};
    use crate::learner::Learner;

    fn noisy(mut network: Conditioner, stream: &mut RandomStream) -> Conditioner {
        let mut noise = vec![0.0; network.parameters().len()];
        stream.fill_standard_normal(&mut noise);
        network
            .parameters_mut()
            .iter_mut()
            .zip(noise)
            .for_each(|(parameter, noise)| *parameter += 0.4 * noise);
        network
    }

    /// Three codes between a source of three dimensions, of which two are read, and the plane.
    fn density() -> SharedCode {
        let stream = &mut RandomStream::named(5, "shared-code");
        let [reader, recogniser] = [(); 2].map(|()| {
            noisy(
                Conditioner::initial(2, &[8], 3, 0.0, stream).unwrap(),
                stream,
            )
        });
        let shape = FlowShape {
            couplings: 2,
            hidden: vec![8],
            bins: 4,
        };
        let mut flow = CouplingFlow::initial(3, 2, &shape, stream).unwrap();
        let mut noise = vec![0.0; flow.parameters().len()];
        stream.fill_standard_normal(&mut noise);
        flow.parameters_mut()
            .iter_mut()
            .zip(noise)
            .for_each(|(parameter, noise)| *parameter += 0.3 * noise);
        let covariance = Cholesky::of(&[1.2, 0.5, 0.5, 0.8], 2).unwrap().rounded();
        SharedCode::new(3, reader, (flow, covariance), recogniser).unwrap()
    }

    #[test]
    fn a_shared_code_obeys_the_laws() {
        laws::hold_for(&density(), 0.03);
        laws::hold_for(&density().with_sharpness(0.5), 0.03);
        laws::hold_for(&density().silenced(&[-1.0, -0.5, -2.0]).unwrap(), 0.03);
    }

    #[test]
    fn a_file_gives_back_what_was_put_into_it_and_no_lie() {
        let mut file = WeightsFile::default();
        density().put_into(&mut file, "q");
        let read = |file: &WeightsFile| SharedCode::from_file(file, "q", Path::new("bridge"));
        assert_eq!(read(&file).unwrap(), density());
        let lies: [(&str, &str); 3] = [
            ("q.shared-code", "[1,1.0]"),
            ("q.shared-code", "[3,0.0]"),
            ("q.shared-code", "[3,null]"),
        ];
        for (key, value) in lies {
            let mut lying = file.clone();
            lying.metadata.insert(key.into(), value.into());
            assert!(read(&lying).is_err(), "{value}");
        }
        let mut lying = file.clone();
        lying.tensors.insert(
            "q.log_normalisers".into(),
            StoredTensor {
                shape: vec![2],
                values: vec![0.0; 2],
            },
        );
        assert!(read(&lying).is_err());
    }

    #[test]
    fn a_code_is_chosen_as_often_as_its_weight_says() {
        assert_eq!(
            [0.0, 0.19, 0.21, 0.99].map(|uniform| chosen(&[0.2, 0.0, 0.8], uniform)),
            [0, 0, 2, 2]
        );
        assert_eq!(chosen(&[0.5, 0.499, 0.0], 0.9999), 1, "rounding");
    }
}
