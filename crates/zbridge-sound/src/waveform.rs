use crate::SoundError;
use hound::{SampleFormat, WavReader, WavSpec, WavWriter};
use rubato::audioadapter_buffers::direct::InterleavedSlice;
use rubato::{Fft, FixedSync, Resampler};
use std::io::{Cursor, Read};
use std::path::Path;

/// Longest recording that is read, in samples: an hour at 48 kHz.
const LONGEST: u32 = 48_000 * 3600;
/// Samples that are converted together to another sample rate.
const RESAMPLED_TOGETHER: usize = 1024;

/// A sound of one channel.
#[derive(Debug, Clone, PartialEq)]
pub struct Waveform {
    /// Samples a second.
    pub sample_rate: usize,
    /// Pressure, mostly in −1..1.
    pub samples: Vec<f32>,
}

impl Waveform {
    /// Returns the sound in a WAV file: the mean of its channels, at another sample rate if
    /// `sample_rate` is not its own.
    ///
    /// # Errors
    /// [`SoundError::Read`], [`SoundError::Wav`], [`SoundError::SampleRate`] and
    /// [`SoundError::Silent`], with the path.
    pub fn read(path: &Path, sample_rate: usize) -> Result<Self, SoundError> {
        let sound = Self::read_as_it_is(path)?;
        // A silent sound has no loudest band, to which levels are relative.
        if sound.samples.iter().all(|sample| *sample == 0.0) {
            return Err(SoundError::Silent {
                sound: path.display().to_string(),
                samples: sound.samples.len(),
            });
        }
        let resampled = sound.resample(sample_rate);
        resampled.map_err(|reason| SoundError::SampleRate {
            path: path.to_owned(),
            from: sound.sample_rate,
            to: sample_rate,
            reason,
        })
    }

    /// Returns the sound in a WAV file at its own sample rate.
    fn read_as_it_is(path: &Path) -> Result<Self, SoundError> {
        let bytes = std::fs::read(path).map_err(|reason| SoundError::Read {
            path: path.to_owned(),
            reason,
        })?;
        decode(&bytes).map_err(|reason| SoundError::Wav {
            path: path.to_owned(),
            reason,
        })
    }

    /// Returns the sound at another sample rate; in words, why it cannot be converted.
    fn resample(&self, sample_rate: usize) -> Result<Self, String> {
        if sample_rate == self.sample_rate {
            return Ok(self.clone());
        }
        let samples = resample(&self.samples, self.sample_rate, sample_rate);
        Ok(Self {
            sample_rate,
            samples: samples.map_err(|error| error.to_string())?,
        })
    }

    /// Writes the sound as a WAV file of 16 bits, whole or not at all; samples beyond −1..1 are
    /// clipped.
    ///
    /// # Errors
    /// [`SoundError::Write`].
    pub fn write(&self, path: &Path) -> Result<(), SoundError> {
        let bytes = self.to_wav();
        let written = zbridge_core::replace_file(path, |file| file.write_all(&bytes));
        written.map_err(|reason| SoundError::Write {
            path: path.to_owned(),
            reason,
        })
    }

    /// Returns the bytes of the file that [`write`](Self::write) writes.
    ///
    /// # Panics
    /// If there are more samples than a WAV file can hold: 4 GiB.
    pub fn to_wav(&self) -> Vec<u8> {
        let mut bytes = Cursor::new(Vec::new());
        self.write_wav(&mut bytes)
            .expect("memory can be written, and the samples fit a WAV file");
        bytes.into_inner()
    }

    fn write_wav(&self, bytes: &mut Cursor<Vec<u8>>) -> hound::Result<()> {
        let spec = WavSpec {
            channels: 1,
            sample_rate: self.sample_rate as u32,
            bits_per_sample: 16,
            sample_format: SampleFormat::Int,
        };
        let mut writer = WavWriter::new(bytes, spec)?;
        for sample in &self.samples {
            let clipped = sample.clamp(-1.0, 1.0) * f32::from(i16::MAX);
            writer.write_sample(clipped.round() as i16)?;
        }
        writer.finalize()
    }
}

/// Returns the sound of a WAV file; in words, why it cannot be decoded.
fn decode(bytes: &[u8]) -> Result<Waveform, String> {
    let reader = WavReader::new(Cursor::new(bytes)).map_err(|error| error.to_string())?;
    expect_plausible(&reader)?;
    let spec = reader.spec();
    let channels = usize::from(spec.channels);
    let samples = decode_samples(reader).map_err(|error| error.to_string())?;
    if let Some(place) = samples.iter().position(|sample| !sample.is_finite()) {
        let (sample, value) = (place / channels, samples[place]);
        return Err(format!("sample {sample} is {value}"));
    }
    Ok(Waveform {
        sample_rate: spec.sample_rate as usize,
        samples: samples.chunks_exact(channels).map(mean).collect(),
    })
}

/// Returns an error if a header was damaged or made to fill the memory.
fn expect_plausible<R: Read>(reader: &WavReader<R>) -> Result<(), String> {
    let WavSpec {
        channels,
        sample_rate,
        ..
    } = reader.spec();
    let duration = reader.duration();
    if channels > 0 && sample_rate > 0 && duration <= LONGEST {
        return Ok(());
    }
    Err(format!(
        "it claims {channels} channels of {duration} samples at {sample_rate} Hz"
    ))
}

/// Returns the samples of all channels, those of one time side by side.
fn decode_samples(mut reader: WavReader<Cursor<&[u8]>>) -> hound::Result<Vec<f32>> {
    let spec = reader.spec();
    if spec.sample_format == SampleFormat::Float {
        return reader.samples::<f32>().collect();
    }
    // Integers become numbers in −1..1.
    let scale = 1.0 / (1u64 << spec.bits_per_sample.saturating_sub(1)) as f32;
    let integers = reader.samples::<i32>();
    integers.map(|sample| Ok(sample? as f32 * scale)).collect()
}

fn mean(channels: &[f32]) -> f32 {
    channels.iter().sum::<f32>() / channels.len() as f32
}

fn resample(
    samples: &[f32],
    from: usize,
    to: usize,
) -> Result<Vec<f32>, Box<dyn std::error::Error>> {
    let mut resampler = Fft::<f32>::new(from, to, RESAMPLED_TOGETHER, 1, FixedSync::Both)?;
    let input = InterleavedSlice::new(samples, 1, samples.len())?;
    let output = resampler.process_all(&input, samples.len(), None)?;
    Ok(output.take_data())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(sample_rate: usize, hertz: f32, samples: usize) -> Waveform {
        let phase = |t: usize| std::f32::consts::TAU * hertz * t as f32 / sample_rate as f32;
        Waveform {
            sample_rate,
            samples: (0..samples).map(|t| 0.5 * phase(t).sin()).collect(),
        }
    }

    #[test]
    fn a_sound_is_read_as_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.wav");
        let sound = tone(8000, 440.0, 1000);
        sound.write(&path).unwrap();
        let back = Waveform::read(&path, 8000).unwrap();
        assert_eq!(back.samples.len(), 1000);
        assert!(
            back.samples
                .iter()
                .zip(&sound.samples)
                .all(|(a, b)| (a - b).abs() < 1e-4)
        );
    }

    #[test]
    fn another_sample_rate_is_converted() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.wav");
        tone(44_100, 440.0, 44_100).write(&path).unwrap();
        let back = Waveform::read(&path, 8000).unwrap();
        let expected = tone(8000, 440.0, 8000);
        assert!(
            back.samples.len().abs_diff(8000) <= 1,
            "{} samples",
            back.samples.len()
        );
        let middle = 1000..7000;
        let worst = middle
            .map(|t| (back.samples[t] - expected.samples[t]).abs())
            .fold(0.0, f32::max);
        assert!(worst < 0.03, "off by {worst}");
    }

    #[test]
    fn channels_are_averaged_and_other_depths_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.wav");
        for (bits_per_sample, sample_format) in [
            (8, SampleFormat::Int),
            (24, SampleFormat::Int),
            (32, SampleFormat::Float),
        ] {
            let spec = WavSpec {
                channels: 2,
                sample_rate: 8000,
                bits_per_sample,
                sample_format,
            };
            let mut writer = WavWriter::create(&path, spec).unwrap();
            for _ in 0..100 {
                match sample_format {
                    SampleFormat::Float => [0.5f32, 0.25]
                        .iter()
                        .for_each(|s| writer.write_sample(*s).unwrap()),
                    SampleFormat::Int => {
                        let half = 1i32 << (bits_per_sample - 2);
                        [half, half / 2]
                            .iter()
                            .for_each(|s| writer.write_sample(*s).unwrap());
                    }
                }
            }
            writer.finalize().unwrap();
            let read = Waveform::read(&path, 8000).unwrap();
            assert!(
                read.samples.len() == 100 && read.samples.iter().all(|s| (s - 0.375).abs() < 1e-6)
            );
        }
    }

    #[test]
    fn wrong_files_name_themselves() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.wav");
        let message = |bytes: &[u8]| {
            std::fs::write(&path, bytes).unwrap();
            Waveform::read(&path, 8000).unwrap_err().to_string()
        };
        let whole = tone(8000, 100.0, 500).to_wav();
        for wrong in [&whole[..20], &whole[..200], b"ID3 an mp3", b""] {
            assert!(message(wrong).contains("a.wav"));
        }
        assert!(
            message(
                &Waveform {
                    sample_rate: 8000,
                    samples: vec![0.0; 9]
                }
                .to_wav()
            )
            .contains("silent")
        );
        for place in 0..whole.len().min(60) {
            for byte in [0, 1, 0x7f, 0xff] {
                let mut damaged = whole.clone();
                damaged[place] = byte;
                std::fs::write(&path, &damaged).unwrap();
                let _ = Waveform::read(&path, 8000);
            }
        }
    }
}
