//! Likelihoods, coherence and calibration of zbridge.
