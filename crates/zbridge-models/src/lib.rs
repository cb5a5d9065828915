//! Given generative models of zbridge: image and label VAEs, the judge.
