use crate::Error;
use crate::input::{extension, holds};
use crate::pixel_range::PixelRange;
use std::ops::Range;
use std::path::Path;
use zbridge::GivenModel;
use zbridge_core::{EventKind, Observations};
use zbridge_data::NpyRows;

/// Numbers that are read together.
const NUMBERS_AT_ONCE: usize = 1 << 22;

/// The observations of an `.npy`, of which some rows are in memory at a time.
pub(crate) struct InputRows {
    array: NpyRows,
    event: EventKind,
    scale: f32,
}

impl InputRows {
    /// Returns the observations in `data`, if it is an `.npy` in C order whose rows are
    /// observations of `model`, other than classes; `None` if [`Input`](crate::input::Input) has to
    /// read it, or to say what is wrong with it. All pixels of images are read, to find out which
    /// is white.
    ///
    /// # Errors
    /// [`Error`] with the file if it cannot be read, a number is not finite, or images have values
    /// that are not pixels.
    pub(crate) fn open(data: &Path, model: &GivenModel) -> Result<Option<Self>, Error> {
        if extension(data) != "npy" || !data.is_file() || model.classes().is_some() {
            return Ok(None);
        }
        let event = model.model.event();
        let Some(array) = NpyRows::open(data)?.filter(|array| fits(array, event)) else {
            return Ok(None);
        };
        let scale = match event {
            EventKind::Image { .. } => pixel_range(&array, event.size())?.scale(data, event)?,
            _ => 1.0,
        };
        Ok(Some(Self {
            array,
            event: event.clone(),
            scale,
        }))
    }

    /// Returns the number of observations.
    pub(crate) fn count(&self) -> usize {
        self.array.rows()
    }

    /// Returns these rows.
    ///
    /// # Errors
    /// [`Error`] with the file, and the row and column of the first number that is not finite.
    pub(crate) fn read(&self, rows: Range<usize>) -> Result<Observations, Error> {
        let mut values = self.array.read(rows)?;
        values.iter_mut().for_each(|value| *value *= self.scale);
        Ok(Observations::new(
            values.into_iter().collect(),
            self.event.clone(),
        )?)
    }
}

/// Returns whether each row of the array is an observation.
fn fits(array: &NpyRows, event: &EventKind) -> bool {
    let row_size = array.shape()[1..].iter().product::<usize>();
    array.rows() > 0 && row_size == event.size() && holds(array.shape(), event)
}

fn pixel_range(array: &NpyRows, width: usize) -> Result<PixelRange, Error> {
    let (rows, at_once) = (array.rows(), (NUMBERS_AT_ONCE / width).max(1));
    let mut range = PixelRange::of([]);
    for first in (0..rows).step_by(at_once) {
        let pixels = array.read(first..rows.min(first + at_once))?;
        range = range.and(PixelRange::of(&pixels));
    }
    Ok(range)
}
