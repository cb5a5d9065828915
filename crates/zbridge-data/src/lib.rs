//! Datasets, latents files, pairs and downloads for zbridge.
