use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::sync::Arc;
use zbridge_core::{EventKind, Latents, Observations, RandomStream, ShapeError};
use zbridge_nn::{
    Adam, BufferPool, Gradients, InputGradient, Likelihood, Mode, Network, NnError, StepContext,
    Tape, Trainee, WeightsFile,
};

/// A classifier of observations: the judge of generated images. Bridges never see it.
#[derive(Debug, Clone)]
pub struct Classifier {
    event: EventKind,
    network: Network,
    parameters: Arc<[f32]>,
    tapes: Arc<BufferPool>,
}

/// What a classifier is made of, as its weights file tells.
#[derive(Serialize, Deserialize)]
struct Description {
    event: EventKind,
    network: Network,
}

const ROWS_AT_ONCE: usize = 64;

impl Classifier {
    /// The classifier in a weights file.
    ///
    /// # Errors
    /// [`NnError::Weights`] when the file is not one or its tensors do not fit.
    pub fn from_weights(file: &WeightsFile, path: &Path) -> Result<Self, NnError> {
        let Description { event, network } = file.parsed_metadata("classifier", path)?;
        let parameters = file.network_parameters("network", &network, path)?.into();
        Ok(Self {
            event,
            network,
            parameters,
            tapes: Arc::default(),
        })
    }

    /// The classifier as a weights file.
    pub fn to_weights(&self) -> WeightsFile {
        let mut file = WeightsFile::default();
        let description = Description {
            event: self.event.clone(),
            network: self.network.clone(),
        };
        file.metadata.insert(
            "classifier".into(),
            serde_json::to_string(&description).unwrap_or_default(),
        );
        file.put_network("network", &self.network, &self.parameters);
        file
    }

    /// Whether it was trained on observations of this kind.
    pub fn reads(&self, event: &EventKind) -> bool {
        &self.event == event
    }

    /// p(class|x_i), `[batch, classes]`.
    ///
    /// # Errors
    /// [`ShapeError::Mismatch`] when the observations are of another kind than the classifier was
    /// trained on.
    pub fn probabilities(&self, observations: &Observations) -> Result<Observations, ShapeError> {
        self.expect_event(observations)?;
        let (rows, size, classes) = (
            observations.rows(),
            self.event.size(),
            self.network.outputs(),
        );
        let mut values = vec![0.0; rows * classes];
        let blocks = observations.values().par_chunks(ROWS_AT_ONCE * size);
        blocks
            .zip(values.par_chunks_mut(ROWS_AT_ONCE * classes))
            .for_each(|(block, values)| {
                self.tapes.with(|tape| {
                    let outputs =
                        self.network
                            .forward(&self.parameters, block, Mode::Inference, tape);
                    outputs
                        .chunks_exact_mut(classes)
                        .for_each(|row| Likelihood::Categorical.means(row));
                    values.copy_from_slice(outputs);
                });
            });
        Observations::new(values, EventKind::Class { classes })
    }

    /// What the last layer sees of each observation, `[batch, features]`: the space of Fréchet
    /// distances.
    ///
    /// # Errors
    /// Those of [`probabilities`](Self::probabilities).
    pub fn features(&self, observations: &Observations) -> Result<Latents, ShapeError> {
        self.expect_event(observations)?;
        let (size, last) = (self.event.size(), self.network.layers().len() - 1);
        let width = self.network.width_before(last);
        let mut values = vec![0.0; observations.rows() * width];
        let blocks = observations.values().par_chunks(ROWS_AT_ONCE * size);
        blocks
            .zip(values.par_chunks_mut(ROWS_AT_ONCE * width))
            .for_each(|(block, values)| {
                self.tapes.with(|tape| {
                    self.network
                        .forward(&self.parameters, block, Mode::Inference, tape);
                    // What goes into the last linear layer, behind the last activation.
                    values.copy_from_slice(tape.input_of(last));
                });
            });
        Latents::from_vec(values, width)
    }

    fn expect_event(&self, observations: &Observations) -> Result<(), ShapeError> {
        if observations.kind() == &self.event {
            return Ok(());
        }
        let (rows, size) = (observations.rows(), self.event.size());
        let found = (rows, observations.kind().size());
        Err(ShapeError::Mismatch {
            what: "observations for the judge",
            expected: (rows, size),
            found,
        })
    }
}

/// A classifier in training: cross-entropy, images shifted by up to two pixels so that it judges
/// shape, not place.
#[derive(Debug)]
pub struct ClassifierTrainer<'d> {
    network: Network,
    observations: &'d Observations,
    labels: &'d [u8],
    parameters: Vec<f32>,
    adam: Adam,
    tape: Tape,
}

impl<'d> ClassifierTrainer<'d> {
    /// A fresh classifier of grey images under `seed`.
    pub fn new(
        network: Network,
        observations: &'d Observations,
        labels: &'d [u8],
        seed: u64,
    ) -> Self {
        let parameters =
            network.initial_parameters(&mut RandomStream::named(seed, "initial/judge"));
        let adam = Adam::new(parameters.len());
        Self {
            network,
            observations,
            labels,
            parameters,
            adam,
            tape: Tape::default(),
        }
    }

    /// The classifier as it is now.
    pub fn model(&self) -> Classifier {
        let event = self.observations.kind().clone();
        let parameters = self.parameters.clone().into();
        Classifier {
            event,
            network: self.network.clone(),
            parameters,
            tapes: Arc::default(),
        }
    }

    /// Weights and optimiser, for a checkpoint.
    pub fn checkpoint(&self) -> WeightsFile {
        let mut file = self.model().to_weights();
        file.put_adam(&self.adam);
        file
    }

    /// Takes over what [`checkpoint`](Self::checkpoint) gave; `path` names the file in errors.
    ///
    /// # Errors
    /// [`NnError::Weights`] when the checkpoint belongs to another network or lacks a part.
    pub fn restore(&mut self, file: &WeightsFile, path: &Path) -> Result<(), NnError> {
        let parameters = file.network_parameters("network", &self.network, path)?;
        self.adam = file.adam(parameters.len(), path)?;
        self.parameters = parameters;
        Ok(())
    }
}

impl Trainee for ClassifierTrainer<'_> {
    fn step(&mut self, rows: &[usize], mut context: StepContext) -> Result<f64, NnError> {
        let x = self.shifted_rows(rows, &mut context.stream);
        self.network
            .forward(&self.parameters, &x, Mode::Training, &mut self.tape);
        let log_likelihood = self.turn_outputs_into_gradients(rows);
        let gradient = self.tape.output_mut().clone();
        let mut gradients = vec![0.0; self.parameters.len()];
        self.network.backward(
            &self.parameters,
            &gradient,
            Gradients::Add(&mut gradients),
            InputGradient::Unused,
            &mut self.tape,
        );
        self.network
            .update_running_statistics(&mut self.parameters, &self.tape);
        self.adam
            .step(&mut self.parameters, &gradients, context.learning_rate);
        Ok(log_likelihood / rows.len() as f64)
    }
}

impl ClassifierTrainer<'_> {
    fn shifted_rows(&self, rows: &[usize], stream: &mut RandomStream) -> Vec<f32> {
        let event = self.observations.kind();
        let mut x = Vec::with_capacity(rows.len() * self.network.inputs());
        for &row in rows {
            shifted(self.observations.row(row), event, stream, &mut x);
        }
        x
    }

    /// Σ log p(label|x) over the rows; the network's outputs become the gradients of minus its
    /// mean.
    fn turn_outputs_into_gradients(&mut self, rows: &[usize]) -> f64 {
        let (classes, scale) = (self.network.outputs(), 1.0 / rows.len() as f32);
        let outputs = self.tape.output_mut().chunks_exact_mut(classes);
        let mut total = 0.0;
        for (outputs, &row) in outputs.zip(rows) {
            let mut target = vec![0.0; classes];
            target[usize::from(self.labels[row])] = 1.0;
            total += f64::from(Likelihood::Categorical.backward(outputs, &target, scale));
        }
        total
    }
}

/// Appends the image moved by up to two pixels each way, with black coming in.
fn shifted(image: &[f32], event: &EventKind, stream: &mut RandomStream, out: &mut Vec<f32>) {
    let &EventKind::Image {
        channels: 1,
        height,
        width,
    } = event
    else {
        out.extend_from_slice(image);
        return;
    };
    let (height, width) = (height as isize, width as isize);
    // From −2 to 2 pixels.
    let (down, right) = (stream.below(5) as isize - 2, stream.below(5) as isize - 2);
    for y in 0..height {
        for x in 0..width {
            let (from_y, from_x) = (y - down, x - right);
            let inside = (0..height).contains(&from_y) && (0..width).contains(&from_x);
            out.push(if inside {
                image[(from_y * width + from_x) as usize]
            } else {
                0.0
            });
        }
    }
}
