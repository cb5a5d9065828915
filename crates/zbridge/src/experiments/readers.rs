//! Readers of what bridges make.

use super::modality::Reader;
use crate::Error;
use crate::measures::Judge;
use crate::words::percent;
use zbridge_core::Observations;

/// The judge of digits' images.
pub(super) struct DigitReader(pub(super) Judge);

impl Reader for DigitReader {
    fn keys(&self, observations: &Observations) -> Result<Vec<Option<u16>>, Error> {
        Ok(as_keys(&self.0.classifier.probabilities(observations)?))
    }

    fn name(&self) -> String {
        format!("a classifier, right on {} of real images", percent(self.0.accuracy.share))
    }
}

/// The most probable class, as the label model says it.
pub(super) struct ClassReader;

impl Reader for ClassReader {
    fn keys(&self, observations: &Observations) -> Result<Vec<Option<u16>>, Error> {
        Ok(as_keys(observations))
    }

    fn name(&self) -> String {
        "the most probable label".into()
    }
}

/// The most probable class of each row of probabilities.
pub(super) fn as_keys(probabilities: &Observations) -> Vec<Option<u16>> {
    probabilities.argmax().into_iter().map(|class| u16::try_from(class).ok()).collect()
}
