//! Sounds: WAV files, log-mel spectrograms as [`Observations`](zbridge_core::Observations), and
//! sounds from spectrograms.
//!
//! A spectrogram has neither phases nor fine frequencies. [`to_waveform`] finds a sound that has
//! the spectrogram: powers of frequencies that give the energies of the bands, then phases that
//! agree with each other (Griffin and Lim 1984).
//!
//! ```
//! use zbridge_core::{RandomStream, Spectrogram};
//! use zbridge_sound::{Waveform, spectrogram, to_waveform};
//!
//! let kind = Spectrogram {
//!     sample_rate: 8000,
//!     window: 256,
//!     hop: 128,
//!     bands: 40,
//!     frames: 32,
//!     decibels: 60,
//! };
//! let samples = (0..4096).map(|t| (0.4 * t as f32).sin()).collect();
//! let tone = Waveform { sample_rate: 8000, samples };
//! let levels = spectrogram(&tone, &kind)?;
//! assert_eq!(levels.dim(), (40, 32));
//! let sound = to_waveform(levels.view(), &kind, &mut RandomStream::named(1, "example"));
//! assert_eq!(sound.samples.len(), kind.samples());
//! # Ok::<(), zbridge_sound::SoundError>(())
//! ```
#![forbid(unsafe_code)]

mod error;
mod griffin_lim;
mod mel_bands;
mod recordings;
mod short_time_fourier;
mod spectrogram;
mod waveform;

pub use error::SoundError;
pub use griffin_lim::{to_waveform, to_waveforms};
pub use recordings::{Recordings, wav_files};
pub use spectrogram::spectrogram;
pub use waveform::Waveform;
