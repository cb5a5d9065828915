use crate::Error;
use crate::input::{PixelRange, holds};
use std::ops::Range;
use std::path::Path;
use zbridge::GivenModel;
use zbridge_core::{EventKind, Observations};
use zbridge_data::NpyRows;

/// Numbers that are looked at together.
const NUMBERS_AT_ONCE: usize = 1 << 22;

/// The observations of an `.npy`, of which some rows are in memory at a time.
pub(crate) struct InputRows {
    array: NpyRows,
    event: EventKind,
    scale: f32,
}

impl InputRows {
    /// The observations in `data`, when it is an `.npy` whose rows lie one behind the other and are
    /// observations of `model`; of images all pixels are looked at, for what is white. None where
    /// [`Input`](crate::Input) reads it, or says what is wrong with it.
    ///
    /// # Errors
    /// [`Error`] with the file when it cannot be read, a number is not finite, or images are none.
    pub(crate) fn open(data: &Path, model: &GivenModel) -> Result<Option<Self>, Error> {
        let extension = data
            .extension()
            .and_then(|e| e.to_str())
            .unwrap_or_default();
        if !extension.eq_ignore_ascii_case("npy") || !data.is_file() || model.classes().is_some() {
            return Ok(None);
        }
        let event = model.model.event().clone();
        let fits = |array: &NpyRows| {
            let (rows, width) = (array.rows(), array.shape()[1..].iter().product::<usize>());
            rows > 0 && width == event.size() && holds(array.shape(), &event)
        };
        let Some(array) = NpyRows::open(data)?.filter(fits) else {
            return Ok(None);
        };
        let scale = match event {
            EventKind::Image { .. } => pixel_range(&array, event.size())?.scale(data, &event)?,
            _ => 1.0,
        };
        Ok(Some(Self {
            array,
            event,
            scale,
        }))
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.array.rows()
    }

    /// Those rows.
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

fn pixel_range(array: &NpyRows, width: usize) -> Result<PixelRange, Error> {
    let (rows, at_once) = (array.rows(), (NUMBERS_AT_ONCE / width).max(1));
    let mut range = PixelRange::of([]);
    for first in (0..rows).step_by(at_once) {
        range = range.and(PixelRange::of(
            array.read(first..rows.min(first + at_once))?.iter(),
        ));
    }
    Ok(range)
}
