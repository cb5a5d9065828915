//! Networks, optimisers, the training loop and checkpoints of zbridge.
