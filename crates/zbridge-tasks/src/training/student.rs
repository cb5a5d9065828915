//! The kinds of model that a training can end in, under one contract.

use super::held_out::{self, HeldOut, LikelihoodPlan, TestRows};
use crate::Error;
use std::path::Path;
use zbridge_models::{
    Ali, AliTrainer, Classifier, ClassifierTrainer, TextVae, TextVaeTrainer, Vae, VaeTrainer,
};
use zbridge_nn::{NnError, Trainee, WeightsFile};

/// A model in training that can be put aside and examined.
pub(super) trait Student: Trainee {
    /// Weights and optimiser.
    fn checkpoint(&self) -> Result<WeightsFile, NnError>;

    /// Takes over what [`checkpoint`](Self::checkpoint) gave.
    fn restore(&mut self, file: &WeightsFile, path: &Path) -> Result<(), NnError>;

    /// The model as it is now, as a file that ships.
    fn weights(&self) -> Result<WeightsFile, NnError>;

    /// Its figures on rows that it was not trained on.
    fn examine(&self, test: &TestRows, seed: u64) -> Result<HeldOut, Error>;

    /// The figures of the model in `file`, log p(x) among them where there is one.
    fn final_examination(
        file: &WeightsFile,
        path: &Path,
        test: &TestRows,
        plan: LikelihoodPlan,
        observe: &mut dyn FnMut(usize, usize),
    ) -> Result<HeldOut, Error>;
}

/// What every trainer has under the same names.
macro_rules! put_aside_by_its_own_methods {
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

impl Student for VaeTrainer<'_> {
    put_aside_by_its_own_methods!();

    fn examine(&self, test: &TestRows, seed: u64) -> Result<HeldOut, Error> {
        held_out::of_vae(&self.model(), test, seed)
    }

    fn final_examination(
        file: &WeightsFile,
        path: &Path,
        test: &TestRows,
        plan: LikelihoodPlan,
        observe: &mut dyn FnMut(usize, usize),
    ) -> Result<HeldOut, Error> {
        examination_of_vae(file, path, test, plan, observe)
    }
}

fn examination_of_vae(
    file: &WeightsFile,
    path: &Path,
    test: &TestRows,
    plan: LikelihoodPlan,
    observe: &mut dyn FnMut(usize, usize),
) -> Result<HeldOut, Error> {
    let vae = Vae::from_weights(file, path)?;
    let mut figures = held_out::of_vae(&vae, test, plan.seed)?;
    if let HeldOut::Vae { log_p_x, .. } = &mut figures {
        *log_p_x = held_out::log_marginal(&vae, test, plan, observe)?;
    }
    Ok(figures)
}

impl Student for ClassifierTrainer<'_> {
    put_aside_by_its_own_methods!();

    fn examine(&self, test: &TestRows, _seed: u64) -> Result<HeldOut, Error> {
        held_out::of_judge(&self.model(), test)
    }

    fn final_examination(
        file: &WeightsFile,
        path: &Path,
        test: &TestRows,
        _plan: LikelihoodPlan,
        _observe: &mut dyn FnMut(usize, usize),
    ) -> Result<HeldOut, Error> {
        held_out::of_judge(&Classifier::from_weights(file, path)?, test)
    }
}

impl Student for AliTrainer<'_> {
    put_aside_by_its_own_methods!();

    fn examine(&self, test: &TestRows, seed: u64) -> Result<HeldOut, Error> {
        held_out::of_ali(&self.model(), test, seed)
    }

    fn final_examination(
        file: &WeightsFile,
        path: &Path,
        test: &TestRows,
        plan: LikelihoodPlan,
        _observe: &mut dyn FnMut(usize, usize),
    ) -> Result<HeldOut, Error> {
        held_out::of_ali(&Ali::from_weights(file, path)?, test, plan.seed)
    }
}

impl Student for TextVaeTrainer {
    put_aside_by_its_own_methods!();

    fn examine(&self, test: &TestRows, seed: u64) -> Result<HeldOut, Error> {
        held_out::of_texts(&self.model(), test, seed)
    }

    fn final_examination(
        file: &WeightsFile,
        path: &Path,
        test: &TestRows,
        plan: LikelihoodPlan,
        _observe: &mut dyn FnMut(usize, usize),
    ) -> Result<HeldOut, Error> {
        held_out::of_texts(&TextVae::from_weights(file, path)?, test, plan.seed)
    }
}
