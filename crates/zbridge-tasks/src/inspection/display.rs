//! Inspections as lines of text, the first of which says what the file is.

use super::{BridgeFacts, Inspected, LatentsFacts};
use std::fmt;

impl fmt::Display for Inspected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Own {
                path,
                name,
                event,
                latent_dim,
                parameters,
                made_by,
            } => {
                let (path, event) = (path.display(), event.in_words());
                writeln!(f, "{path}: `{name}`, a model that zbridge trained")?;
                write!(
                    f,
                    "  of {event}; {latent_dim} latents, {parameters} parameters"
                )?;
                match made_by {
                    Some(command) => write!(f, "\n  made by: {command}"),
                    None => Ok(()),
                }
            }
            Self::Bridge(facts) => facts.fmt(f),
            Self::Latents(facts) => facts.fmt(f),
            Self::Other {
                path,
                what,
                parameters,
            } => write!(f, "{}: {what}; {parameters} parameters", path.display()),
            Self::Foreign(found) => found.fmt(f),
        }
    }
}

impl fmt::Display for BridgeFacts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [x_dim, y_dim] = self.dims;
        let [x_model, y_model] = self.models.each_ref().map(|model| known(model.as_deref()));
        writeln!(
            f,
            "{}: a bridge: cross it with generate, try it with evaluate; {} parameters",
            self.path.display(),
            self.parameters
        )?;
        writeln!(f, "  x: {x_dim} dimensions, model {x_model}")?;
        writeln!(f, "  y: {y_dim} dimensions, model {y_model}")?;
        writeln!(f, "  x → y: {}; y → x: {}", self.x_to_y, self.y_to_x)?;
        write!(
            f,
            "  fitted on {} pairs by the recipe {}, seed {}",
            self.pairs, self.recipe, self.seed
        )
    }
}

impl fmt::Display for LatentsFacts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display();
        writeln!(f, "{path}: latents, {} ({})", self.form, self.container)?;
        write!(f, "  {} rows of {} dimensions", self.rows, self.dim)?;
        if self.latent_shape.len() > 1 {
            write!(f, ", shape {:?}", self.latent_shape)?;
        }
        if self.draws > 1 {
            write!(f, ", {} draws each", self.draws)?;
        }
        if self.views > 0 {
            write!(f, ", {} augmented views each", self.views)?;
        }
        let labels = self.labels.as_deref().unwrap_or("none");
        writeln!(f, "\n  ids: {}; labels: {labels}", self.ids)?;
        write!(f, "  model: {}", known(self.model.as_deref()))
    }
}

fn known(name: Option<&str>) -> &str {
    name.unwrap_or("not recorded")
}
