use crate::SourceReading;
use crate::frame::FramedPosterior;
use crate::rows::stacked;
use ndarray::Array2;
use zbridge_core::RandomStream;

/// The posteriors of one latent space: those with partners, and others.
#[derive(Clone, Copy)]
pub(crate) struct Side<'s> {
    pub(crate) pairs: &'s FramedPosterior,
    pub(crate) unpaired: Option<&'s FramedPosterior>,
    /// The pairs that may be used: the others are held out.
    pub(crate) rows: &'s [usize],
}

impl Side<'_> {
    /// Returns the number of posteriors that may be used, with partners or without.
    pub(crate) fn count(&self) -> usize {
        self.rows.len() + self.unpaired.map_or(0, FramedPosterior::rows)
    }

    /// Returns the places of at most `most` posteriors among all: all of them in order, or random
    /// ones if there are more.
    pub(super) fn places(&self, most: usize, stream: &mut RandomStream) -> Vec<usize> {
        let count = self.count();
        if count <= most {
            return (0..count).collect();
        }
        let mut places = stream.permutation(count);
        places.truncate(most);
        places
    }

    /// Returns a draw of each of the posteriors at these places among all, `[places, active]`.
    /// Posteriors with partners have the first places, and the first rows of the result, whatever
    /// the order of `places` is.
    pub(super) fn draw(&self, places: &[usize], stream: &mut RandomStream) -> Array2<f32> {
        self.draw_by(places, |posterior, rows| posterior.draw(rows, stream))
    }

    /// Returns the same as sources in training: also from posteriors of augmented observations.
    pub(super) fn draw_source(&self, places: &[usize], stream: &mut RandomStream) -> Array2<f32> {
        self.draw_by(places, |posterior, rows| {
            posterior.read_source(rows, SourceReading::Draw, stream)
        })
    }

    fn draw_by(
        &self,
        places: &[usize],
        mut draw: impl FnMut(&FramedPosterior, &[usize]) -> Array2<f32>,
    ) -> Array2<f32> {
        let (mut paired, mut others) = (Vec::new(), Vec::new());
        for &place in places {
            match self.rows.get(place) {
                Some(&row) => paired.push(row),
                None => others.push(place - self.rows.len()),
            }
        }
        let draws = draw(self.pairs, &paired);
        match self.unpaired {
            Some(unpaired) if !others.is_empty() => stacked([&draws, &draw(unpaired, &others)]),
            _ => draws,
        }
    }
}
