//! Tables, figures and pages of zbridge.
