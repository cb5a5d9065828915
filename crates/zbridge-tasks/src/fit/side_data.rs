use super::{FitRequest, FittedFile, Unpaired};
use crate::Error;
use crate::models::{open_recorded_model, prior_sample_posteriors};
use crate::paired_files::read_some;
use std::collections::BTreeMap;
use zbridge::GivenModel;
use zbridge_bridge::{Recipe, Views};
use zbridge_core::{Observer, Posterior};
use zbridge_data::LatentsFile;

/// The metadata key of latents of observations that a model drew itself: the model's name.
const PRIOR: &str = "prior_of";

/// The latents of one side that a fit uses.
pub(super) struct SideData {
    /// Posteriors of the pairs, in their order.
    pub(super) pairs: Posterior,
    pub(super) pair_views: Option<Posterior>,
    pub(super) unpaired: Option<LatentsFile>,
    /// Why nothing was drawn from the prior of the model, if it could not be opened.
    pub(super) note: Option<String>,
}

impl SideData {
    pub(super) fn read(
        request: &FitRequest,
        fitted: &FittedFile<'_>,
        observer: &dyn Observer,
    ) -> Result<Self, Error> {
        let mut data = Self {
            pairs: fitted.file.posterior.select(fitted.rows),
            pair_views: fitted.file.views_of(fitted.rows),
            unpaired: None,
            note: None,
        };
        if let Some(path) = fitted.unpaired {
            data.unpaired = Some(read_some(path)?);
        // The paper's recipe fits pairs alone.
        } else if request.prior_draws > 0 && !matches!(request.config.recipe, Recipe::Paper(_)) {
            data.draw_from_prior(request, fitted, observer)?;
        }
        Ok(data)
    }

    /// Draws latents without partners from the prior of the model that encoded the pairs, if it is
    /// a model of images: classes are few, and all known.
    fn draw_from_prior(
        &mut self,
        request: &FitRequest,
        fitted: &FittedFile<'_>,
        observer: &dyn Observer,
    ) -> Result<(), Error> {
        let given = match encoder_of(fitted) {
            Ok(Some(given)) if given.is_image() => given,
            Ok(_) => return Ok(()),
            Err(reason) => {
                // Draws of the prior help, but a fit can do without.
                self.note = Some(format!(
                    "no latents without partners were drawn for {}: {reason}",
                    fitted.side
                ));
                return Ok(());
            }
        };
        let (count, seed) = (request.prior_draws, request.config.seed);
        let posterior = prior_sample_posteriors(&given, count, seed, observer)?;
        self.unpaired = Some(LatentsFile {
            metadata: BTreeMap::from([(PRIOR.to_owned(), given.name)]),
            ..LatentsFile::numbered(posterior)
        });
        Ok(())
    }

    pub(super) fn unpaired_posterior(&self) -> Option<&Posterior> {
        self.unpaired.as_ref().map(|file| &file.posterior)
    }

    pub(super) fn views(&self) -> Views<'_> {
        let unpaired = self.unpaired.as_ref();
        Views {
            pairs: self.pair_views.as_ref(),
            unpaired: unpaired.and_then(|file| file.views.as_ref()),
        }
    }

    pub(super) fn has_views(&self) -> bool {
        let views = self.views();
        views.pairs.is_some() || views.unpaired.is_some()
    }

    /// Returns the number of latents without partners, and whether a model drew them.
    pub(super) fn unpaired_rows(&self) -> Unpaired {
        let Some(file) = &self.unpaired else {
            return Unpaired {
                rows: 0,
                prior_samples: false,
            };
        };
        Unpaired {
            rows: file.posterior.rows(),
            prior_samples: file.metadata.contains_key(PRIOR),
        }
    }
}

/// Returns the model that encoded the pairs; `None` if the latents file names no model, or the
/// model of that name is another one by now: its draws would only mislead.
fn encoder_of(fitted: &FittedFile<'_>) -> Result<Option<GivenModel>, Error> {
    let Some(name) = fitted.file.metadata.get("model") else {
        return Ok(None);
    };
    let given = open_recorded_model(name, fitted.side, fitted.path)?;
    let recorded = fitted.file.metadata.get("model_digest");
    // Only the prior of the very model that encoded the pairs will do.
    let is_same = recorded.is_none_or(|digest| *digest == given.digest);
    Ok(is_same.then_some(given))
}
