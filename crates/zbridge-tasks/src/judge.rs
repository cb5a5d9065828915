//! The classifier that reads generated observations.

use crate::Error;
use crate::training::HeldOut;
use ndarray::Axis;
use std::path::Path;
use zbridge::GivenModel;
use zbridge_core::{EventKind, Latents, Observations};
use zbridge_eval::Accuracy;
use zbridge_models::Classifier;
use zbridge_nn::WeightsFile;

/// The classifier that reads generated observations, and how well it reads real ones.
#[derive(Clone)]
pub struct Judge {
    reader: Reader,
    /// Real observations that it reads right.
    pub accuracy: Accuracy,
}

#[derive(Clone)]
enum Reader {
    /// One of zbridge's own.
    Classifier(Classifier),
    /// A network of another program, whose output has a value for each class.
    Network(GivenModel),
}

impl Judge {
    /// Returns the embedded judge of MNIST digits, with the test accuracy recorded when it was
    /// trained.
    ///
    /// # Errors
    /// [`Error`] if the asset is damaged, which a test excludes.
    pub fn embedded() -> Result<Self, Error> {
        let weights = zbridge_assets::MNIST_JUDGE.weights()?;
        let path = Path::new("mnist-judge");
        let HeldOut::Judge { accuracy, .. } = weights.parsed_metadata("held_out", path)? else {
            return Err(Error::Asset {
                name: zbridge_assets::MNIST_JUDGE.name,
                lacks: "accuracy",
            });
        };
        let classifier = Classifier::from_weights(&weights, path)?;
        Ok(Self {
            reader: Reader::Classifier(classifier),
            accuracy,
        })
    }

    /// Returns the judge in a file: weights of `zbridge train`, or a network of another program
    /// that gives a value for each class. It is tried on real observations with these classes.
    ///
    /// # Errors
    /// [`Error`] if the file cannot be opened or the network does not take such observations;
    /// [`Error::BadFile`] if it gives fewer values than there are classes.
    pub fn open(path: &Path, real: &Observations, classes: &[u8]) -> Result<Self, Error> {
        let reader = match path
            .extension()
            .is_some_and(|extension| extension == "safetensors")
        {
            true => Reader::Classifier(Classifier::from_weights(&WeightsFile::read(path)?, path)?),
            false => Reader::Network(GivenModel::open(path)?),
        };
        if !reader.reads(real.kind()) {
            let reason = format!(
                "does not read {}; name a judge that does",
                real.kind().in_words()
            );
            return Err(Error::bad_file(path, reason));
        }
        let most = classes.iter().max().map_or(0, |class| usize::from(*class));
        let outputs = reader.features(&real.select(&[0]))?.dim();
        if matches!(reader, Reader::Network(_)) && outputs <= most {
            let reason = format!(
                "gives {outputs} values, and there is a class {most}: a judge gives one for each class"
            );
            return Err(Error::bad_file(path, reason));
        }
        let read = reader.classes_of(real)?;
        let outcomes = read
            .iter()
            .zip(classes)
            .map(|(read, class)| *read == usize::from(*class));
        Ok(Self {
            accuracy: Accuracy::of(outcomes),
            reader,
        })
    }

    /// Returns the class that it reads in each observation.
    ///
    /// # Errors
    /// [`Error`] if it does not take such observations.
    pub fn classes_of(&self, observations: &Observations) -> Result<Vec<usize>, Error> {
        self.reader.classes_of(observations)
    }

    /// Returns in what space observations are compared, `[observations, features]`: the last hidden
    /// layer of one of zbridge's own judges, else the values that it gives.
    ///
    /// # Errors
    /// [`Error`] if it does not take such observations.
    pub fn features(&self, observations: &Observations) -> Result<Latents, Error> {
        self.reader.features(observations)
    }

    /// Returns whether it takes such observations.
    pub fn reads(&self, event: &EventKind) -> bool {
        self.reader.reads(event)
    }
}

impl Reader {
    fn reads(&self, event: &EventKind) -> bool {
        match self {
            Self::Classifier(classifier) => classifier.reads(event),
            Self::Network(network) => network.model.event() == event,
        }
    }

    fn features(&self, observations: &Observations) -> Result<Latents, Error> {
        match self {
            Self::Classifier(classifier) => Ok(classifier.features(observations)?),
            Self::Network(network) => {
                let posterior = network.model.posterior(observations)?;
                Ok(posterior.moments().mean().clone())
            }
        }
    }

    fn classes_of(&self, observations: &Observations) -> Result<Vec<usize>, Error> {
        if let Self::Classifier(classifier) = self {
            return Ok(classifier.probabilities(observations)?.argmax());
        }
        let values = self.features(observations)?;
        let largest = |row: ndarray::ArrayView1<'_, f32>| {
            let classes = 0..row.len();
            classes
                .max_by(|&a, &b| row[a].total_cmp(&row[b]))
                .unwrap_or(0)
        };
        Ok(values.view().axis_iter(Axis(0)).map(largest).collect())
    }
}
