use super::BurnDevice;
use crate::{Adam, NnError};
use burn::tensor::Tensor;

/// [`Adam`] in tensor operations: its moments stay on the device.
#[derive(Debug)]
pub struct BurnAdam {
    first: Tensor<1>,
    second: Tensor<1>,
    steps: u32,
}

impl BurnAdam {
    /// The optimiser where `adam` stands.
    pub fn new(adam: &Adam, device: &BurnDevice) -> Self {
        let (first, second, steps) = adam.state();
        let moments = |values: &[f32]| device.tensor(values.to_vec(), [values.len()]);
        Self {
            first: moments(first),
            second: moments(second),
            steps,
        }
    }

    /// The optimiser as the native engine has it.
    ///
    /// # Errors
    /// [`NnError::Device`] when the device fails.
    pub fn native(&self, device: &BurnDevice) -> Result<Adam, NnError> {
        Ok(Adam::with_state(
            device.read(self.first.clone())?,
            device.read(self.second.clone())?,
            self.steps,
        ))
    }

    /// What to subtract from the parameters for these gradients: one step of Kingma & Ba 2015,
    /// algorithm 1.
    pub fn movement(&mut self, gradients: Tensor<1>, learning_rate: f32) -> Tensor<1> {
        self.steps += 1;
        let correction = |beta: f64| 1.0 - beta.powi(self.steps.min(1 << 30) as i32);
        let (rate, second_correction) = (
            f64::from(learning_rate) / correction(0.9),
            1.0 / correction(0.999),
        );
        self.first = self.first.extract() * 0.9 + gradients.clone() * 0.1;
        self.second = self.second.extract() * 0.999 + gradients.square() * 0.001;
        self.first.clone() * rate / ((self.second.clone() * second_correction).sqrt() + 1e-8)
    }
}
