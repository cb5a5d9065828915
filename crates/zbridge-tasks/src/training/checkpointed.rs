//! The kinds of model that a training can make, behind one trait.

use super::held_out::{self, HeldOut, LikelihoodPlan, TestRows};
use crate::Error;
use std::path::Path;
use zbridge_core::Observer;
use zbridge_models::{
    Ali, AliTrainer, Classifier, ClassifierTrainer, TextVae, TextVaeTrainer, Vae, VaeTrainer,
};
use zbridge_nn::{NnError, Trainee, WeightsFile};

/// A model in training that can be written to a checkpoint, and whose held-out figures can be
/// measured.
pub(super) trait Checkpointed: Trainee {
    /// Returns the weights and the state of the optimiser.
    fn checkpoint(&self) -> Result<WeightsFile, NnError>;

    /// Continues from what [`checkpoint`](Self::checkpoint) returned.
    fn restore(&mut self, file: &WeightsFile, path: &Path) -> Result<(), NnError>;

    /// Returns the model as it is now, as a weights file.
    fn weights(&self) -> Result<WeightsFile, NnError>;

    /// Returns its figures on rows that it was not trained on.
    fn examine(&self, test: &TestRows, seed: u64) -> Result<HeldOut, Error>;

    /// Returns the figures of the model in `file`, log p(x) among them if it has one.
    fn final_examination(
        file: &WeightsFile,
        path: &Path,
        test: &TestRows,
        plan: LikelihoodPlan,
        observer: &dyn Observer,
    ) -> Result<HeldOut, Error>;
}

/// Delegates to the methods that every trainer has under the same names.
macro_rules! delegate_to_inherent_methods {
    () => {
        fn checkpoint(&self) -> Result<WeightsFile, NnError> {
            Ok(self.checkpoint())
        }

        fn restore(&mut self, file: &WeightsFile, path: &Path) -> Result<(), NnError> {
            self.restore(file, path)
        }

        fn weights(&self) -> Result<WeightsFile, NnError> {
            Ok(self.model().to_weights())
        }
    };
}

impl Checkpointed for VaeTrainer<'_> {
    delegate_to_inherent_methods!();

    fn examine(&self, test: &TestRows, seed: u64) -> Result<HeldOut, Error> {
        held_out::of_vae(&self.model(), test, seed)
    }

    fn final_examination(
        file: &WeightsFile,
        path: &Path,
        test: &TestRows,
        plan: LikelihoodPlan,
        observer: &dyn Observer,
    ) -> Result<HeldOut, Error> {
        final_examination_of_vae(file, path, test, plan, observer)
    }
}

fn final_examination_of_vae(
    file: &WeightsFile,
    path: &Path,
    test: &TestRows,
    plan: LikelihoodPlan,
    observer: &dyn Observer,
) -> Result<HeldOut, Error> {
    // The weights as they are stored, at half precision: what a user of the file gets.
    let vae = Vae::from_weights(file, path)?;
    let mut figures = held_out::of_vae(&vae, test, plan.seed)?;
    if let HeldOut::Vae { log_p_x, .. } = &mut figures {
        *log_p_x = held_out::log_marginal(&vae, test, plan, observer)?;
    }
    Ok(figures)
}

impl Checkpointed for ClassifierTrainer<'_> {
    delegate_to_inherent_methods!();

    fn examine(&self, test: &TestRows, _seed: u64) -> Result<HeldOut, Error> {
        held_out::of_judge(&self.model(), test)
    }

    fn final_examination(
        file: &WeightsFile,
        path: &Path,
        test: &TestRows,
        _: LikelihoodPlan,
        _: &dyn Observer,
    ) -> Result<HeldOut, Error> {
        held_out::of_judge(&Classifier::from_weights(file, path)?, test)
    }
}

impl Checkpointed for AliTrainer<'_> {
    delegate_to_inherent_methods!();

    fn examine(&self, test: &TestRows, seed: u64) -> Result<HeldOut, Error> {
        held_out::of_ali(&self.model(), test, seed)
    }

    fn final_examination(
        file: &WeightsFile,
        path: &Path,
        test: &TestRows,
        plan: LikelihoodPlan,
        _: &dyn Observer,
    ) -> Result<HeldOut, Error> {
        held_out::of_ali(&Ali::from_weights(file, path)?, test, plan.seed)
    }
}

impl Checkpointed for TextVaeTrainer {
    delegate_to_inherent_methods!();

    fn examine(&self, test: &TestRows, seed: u64) -> Result<HeldOut, Error> {
        held_out::of_texts(&self.model(), test, seed)
    }

    fn final_examination(
        file: &WeightsFile,
        path: &Path,
        test: &TestRows,
        plan: LikelihoodPlan,
        _: &dyn Observer,
    ) -> Result<HeldOut, Error> {
        held_out::of_texts(&TextVae::from_weights(file, path)?, test, plan.seed)
    }
}
