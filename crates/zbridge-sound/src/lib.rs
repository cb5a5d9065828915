//! Sound: WAV files, log-mel spectrograms as [`Observations`](zbridge_core::Observations), and the
//! way back to a sound.
//!
//! A spectrogram forgets phases and fine frequencies. [`to_waveform`] finds a sound that has it:
//! powers of frequencies that give the bands' energies, then phases that agree with each other
//! (Griffin and Lim 1984).
//!
//! ```
//! use zbridge_core::{RandomStream, Spectrogram};
//! use zbridge_sound::{Waveform, spectrogram, to_waveform};
//!
//! let kind = Spectrogram { sample_rate: 8000, window: 256, hop: 128, bands: 40, frames: 32, decibels: 60 };
//! let tone = (0..4096).map(|t| (0.4 * t as f32).sin()).collect();
//! let picture = spectrogram(&Waveform { sample_rate: 8000, samples: tone }, &kind)?;
//! assert_eq!(picture.len(), 40 * 32);
//! let again = to_waveform(&picture, &kind, &mut RandomStream::named(1, "example"));
//! assert_eq!(again.samples.len(), kind.samples());
//! # Ok::<(), zbridge_sound::SoundError>(())
//! ```
#![forbid(unsafe_code)]

mod augment;
mod error;
mod inversion;
mod mel;
mod recordings;
mod spectrogram;
mod transform;
mod waveform;

pub use augment::augmented;
pub use error::SoundError;
pub use inversion::{to_waveform, to_waveforms};
pub use recordings::{Recordings, SpokenDigits};
pub use spectrogram::spectrogram;
pub use waveform::Waveform;
