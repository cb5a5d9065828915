//! The list of recipes.

use crate::context::Context;
use serde::Serialize;
use zbridge_tasks::Error;
use zbridge_tasks::training::Recipe;

/// The recipes there are.
#[derive(Serialize)]
struct RecipeList {
    recipes: Vec<Entry>,
}

/// A recipe without its networks.
#[derive(Serialize)]
struct Entry {
    name: String,
    about: String,
    epochs: usize,
    stop_after: usize,
    batch: usize,
}

/// Prints the recipes.
///
/// # Errors
/// [`Error::Output`] when standard output cannot be written.
pub fn run(context: &Context) -> Result<(), Error> {
    let recipes = Recipe::all()?.into_iter().map(Entry::from).collect();
    context.output.print(&RecipeList { recipes }, |list| {
        let width = list
            .recipes
            .iter()
            .map(|entry| entry.name.len())
            .max()
            .unwrap_or(0);
        let line = |entry: &Entry| {
            format!(
                "{:width$}  {}; {} epochs\n",
                entry.name, entry.about, entry.stop_after
            )
        };
        list.recipes.iter().map(line).collect()
    })
}

impl From<Recipe> for Entry {
    fn from(
        Recipe {
            name,
            about,
            epochs,
            stop_after,
            batch,
            ..
        }: Recipe,
    ) -> Self {
        Self {
            name,
            about,
            epochs,
            stop_after,
            batch,
        }
    }
}
