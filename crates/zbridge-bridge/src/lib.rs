//! Conditional densities between latents and how zbridge fits them.
