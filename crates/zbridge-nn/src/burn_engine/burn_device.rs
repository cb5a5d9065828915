use crate::{Device, NnError};
use burn::tensor::{self, Int, Tensor, TensorData};
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// A device that has answered: what tensors are put on and read from.
#[derive(Debug, Clone)]
pub struct BurnDevice {
    device: Device,
    handle: tensor::Device,
}

impl BurnDevice {
    /// The device, once it has done a small computation.
    ///
    /// # Errors
    /// [`NnError::Device`] when this build or this machine lacks it, or it fails.
    pub fn open(device: Device) -> Result<Self, NnError> {
        // burn opens a device when it is first used, and panics when it cannot.
        let opened = catch_unwind(|| {
            let opened = Self {
                device,
                handle: find(device)?,
            };
            let sum = opened.read(opened.tensor(vec![1.0, 2.0], [2]).sum())?;
            if sum == [3.0] {
                Ok(opened)
            } else {
                Err(device.unavailable(format!("computes 1 + 2 = {sum:?}")))
            }
        });
        opened.unwrap_or_else(|panic| {
            Err(device.unavailable(format!("cannot be opened: {}", message(&*panic))))
        })
    }

    /// Which device it is.
    pub fn device(&self) -> Device {
        self.device
    }

    /// These values, row-major, on the device.
    ///
    /// # Panics
    /// When the shape asks for another number of values.
    pub fn tensor<const D: usize>(&self, values: Vec<f32>, shape: [usize; D]) -> Tensor<D> {
        Tensor::from_data(TensorData::new(values, shape), &self.handle)
    }

    /// The rows of `tensor` at `indices`.
    pub fn select(&self, tensor: Tensor<2>, indices: Vec<i32>) -> Tensor<2> {
        let count = indices.len();
        tensor.select(
            0,
            Tensor::<1, Int>::from_data(TensorData::new(indices, [count]), &self.handle),
        )
    }

    /// The values of a tensor, row-major.
    ///
    /// # Errors
    /// [`NnError::Device`] when the device failed at what the tensor depends on.
    pub fn read<const D: usize>(&self, tensor: Tensor<D>) -> Result<Vec<f32>, NnError> {
        let values = self.attempt(|| tensor.try_into_vec_as::<f32>())?;
        values.map_err(|error| self.failed(&error.to_string()))
    }

    /// What `work` on tensors gives.
    ///
    /// # Errors
    /// [`NnError::Device`] when burn panics, as it does when memory runs out.
    pub fn attempt<R>(&self, work: impl FnOnce() -> R) -> Result<R, NnError> {
        catch_unwind(AssertUnwindSafe(work)).map_err(|panic| self.failed(message(&*panic)))
    }

    fn failed(&self, reason: &str) -> NnError {
        self.device.unavailable(format!(
            "failed ({reason}); smaller batches need less memory, and `cpu` always works"
        ))
    }
}

fn find(device: Device) -> Result<tensor::Device, NnError> {
    match device {
        Device::Cpu => {
            Err(device
                .unavailable("is the native engine's; burn's on the processor is `flex`".into()))
        }
        Device::Flex => flex(),
        Device::Cuda(index) => cuda(index),
        Device::Wgpu(index) => wgpu(index),
    }
}

#[cfg(feature = "flex")]
fn flex() -> Result<tensor::Device, NnError> {
    Ok(tensor::Device::flex())
}

#[cfg(not(feature = "flex"))]
fn flex() -> Result<tensor::Device, NnError> {
    Err(Device::Flex.not_built())
}

#[cfg(feature = "cuda")]
fn cuda(index: usize) -> Result<tensor::Device, NnError> {
    let hint = "install NVIDIA's driver (`nvidia-smi` lists what it sees)";
    listed(Device::Cuda(index), index, tensor::DeviceType::Cuda, hint)
}

#[cfg(not(feature = "cuda"))]
fn cuda(index: usize) -> Result<tensor::Device, NnError> {
    Err(Device::Cuda(index).not_built())
}

#[cfg(feature = "wgpu")]
fn wgpu(index: usize) -> Result<tensor::Device, NnError> {
    let hint = "install a driver for Vulkan (`vulkaninfo --summary` lists what it sees)";
    listed(Device::Wgpu(index), index, tensor::DeviceType::Wgpu, hint)
}

#[cfg(not(feature = "wgpu"))]
fn wgpu(index: usize) -> Result<tensor::Device, NnError> {
    Err(Device::Wgpu(index).not_built())
}

/// Number `index` of the devices of a kind; `hint` says what may bring one about.
#[cfg(any(feature = "cuda", feature = "wgpu"))]
fn listed(
    device: Device,
    index: usize,
    kind: tensor::DeviceType,
    hint: &str,
) -> Result<tensor::Device, NnError> {
    let mut found = tensor::Device::enumerate(kind).into_vec();
    match found.len() {
        0 => Err(device.unavailable(format!("this machine has none; {hint}, or use `cpu`"))),
        count if index >= count => {
            Err(device.unavailable(format!("this machine has {count}, numbered from 0")))
        }
        _ => Ok(found.swap_remove(index)),
    }
}

fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or(panic.downcast_ref::<&str>().copied())
        .unwrap_or("no reason given")
}
