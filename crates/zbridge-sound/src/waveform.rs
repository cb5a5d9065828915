use crate::SoundError;
use audioadapter_buffers::direct::InterleavedSlice;
use hound::{SampleFormat, WavReader, WavSpec, WavWriter};
use rubato::{Fft, FixedSync, Resampler};
use std::io::Cursor;
use std::path::Path;

/// A sound of one channel.
#[derive(Debug, Clone, PartialEq)]
pub struct Waveform {
    /// Samples a second.
    pub sample_rate: usize,
    /// Pressure, mostly in −1..1.
    pub samples: Vec<f32>,
}

/// Longest recording that is read, in samples: an hour at 48 kHz.
const LONGEST: u32 = 48_000 * 3600;

impl Waveform {
    /// The sound in a WAV file: channels are averaged, and the sample rate is converted.
    ///
    /// # Errors
    /// [`SoundError::Read`], [`SoundError::Wav`], [`SoundError::SampleRate`] and
    /// [`SoundError::Silent`], with the path.
    pub fn read(path: &Path, sample_rate: usize) -> Result<Self, SoundError> {
        let bytes = std::fs::read(path).map_err(|reason| SoundError::Read {
            path: path.to_owned(),
            reason,
        })?;
        let (rate, samples) = decoded(&bytes).map_err(|why| SoundError::Wav {
            path: path.to_owned(),
            why,
        })?;
        if samples.iter().all(|sample| *sample == 0.0) {
            return Err(SoundError::Silent {
                path: path.to_owned(),
                samples: samples.len(),
            });
        }
        if rate as usize == sample_rate {
            return Ok(Self {
                sample_rate,
                samples,
            });
        }
        let converted = resampled(&samples, rate as usize, sample_rate);
        let wrong = |why| SoundError::SampleRate {
            path: path.to_owned(),
            from: rate,
            to: sample_rate,
            why,
        };
        Ok(Self {
            sample_rate,
            samples: converted.map_err(wrong)?,
        })
    }

    /// Writes the sound as a WAV file of 16 bits, whole or not at all; what is louder than 1 is cut
    /// off.
    ///
    /// # Errors
    /// [`SoundError::Write`].
    pub fn write(&self, path: &Path) -> Result<(), SoundError> {
        let write = |reason| SoundError::Write {
            path: path.to_owned(),
            reason,
        };
        zbridge_core::replace_file(path, |file| file.write_all(&self.to_wav())).map_err(write)
    }

    /// The bytes of that file.
    pub fn to_wav(&self) -> Vec<u8> {
        let (channels, sample_rate) = (1, self.sample_rate as u32);
        let spec = WavSpec {
            channels,
            sample_rate,
            bits_per_sample: 16,
            sample_format: SampleFormat::Int,
        };
        let mut bytes = Cursor::new(Vec::new());
        // Writing into memory does not fail.
        if let Ok(mut writer) = WavWriter::new(&mut bytes, spec) {
            for sample in &self.samples {
                let _ = writer
                    .write_sample((sample.clamp(-1.0, 1.0) * f32::from(i16::MAX)).round() as i16);
            }
            let _ = writer.finalize();
        }
        bytes.into_inner()
    }
}

/// (samples a second, samples of the mean of all channels).
fn decoded(bytes: &[u8]) -> Result<(u32, Vec<f32>), String> {
    let mut reader = WavReader::new(Cursor::new(bytes)).map_err(|error| error.to_string())?;
    let WavSpec {
        channels,
        sample_rate,
        bits_per_sample,
        sample_format,
    } = reader.spec();
    if channels == 0 || sample_rate == 0 || reader.duration() > LONGEST {
        return Err(format!(
            "it claims {channels} channels of {} samples at {sample_rate} Hz",
            reader.duration()
        ));
    }
    let scale = 1.0 / (1u64 << (bits_per_sample - 1)) as f32;
    let samples: Result<Vec<f32>, hound::Error> = match sample_format {
        SampleFormat::Float => reader.samples::<f32>().collect(),
        SampleFormat::Int => reader
            .samples::<i32>()
            .map(|s| s.map(|value| value as f32 * scale))
            .collect(),
    };
    let samples = samples.map_err(|error| error.to_string())?;
    if let Some(place) = samples.iter().position(|sample| !sample.is_finite()) {
        return Err(format!(
            "sample {} is {}",
            place / usize::from(channels),
            samples[place]
        ));
    }
    let mean = |frame: &[f32]| frame.iter().sum::<f32>() / f32::from(channels);
    Ok((
        sample_rate,
        samples.chunks_exact(channels.into()).map(mean).collect(),
    ))
}

fn resampled(samples: &[f32], from: usize, to: usize) -> Result<Vec<f32>, String> {
    let mut resampler =
        Fft::<f32>::new(from, to, 1024, 1, FixedSync::Both).map_err(|error| error.to_string())?;
    let input =
        InterleavedSlice::new(samples, 1, samples.len()).map_err(|error| error.to_string())?;
    let output = resampler
        .process_all(&input, samples.len(), None)
        .map_err(|error| error.to_string())?;
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
        let told = |bytes: &[u8]| {
            std::fs::write(&path, bytes).unwrap();
            Waveform::read(&path, 8000).unwrap_err().to_string()
        };
        let whole = tone(8000, 100.0, 500).to_wav();
        for wrong in [&whole[..20], &whole[..200], b"ID3 an mp3", b""] {
            assert!(told(wrong).contains("a.wav"));
        }
        assert!(
            told(
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
