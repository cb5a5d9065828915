//! Join two pretrained generative models through their latents.
