use zbridge_core::{EventKind, Observations, RandomStream, Spectrogram};

/// Largest change of speed, as a logarithm: 15 %.
const SPEED: f32 = 0.15;
/// Largest change of pitch and of a speaker's size, as a logarithm of places on the mel scale: 6 %.
const PITCH: f32 = 0.06;
/// Largest shift in windows, each way.
const SHIFT: f32 = 2.0;
/// Largest change of level from the lowest band to the highest, as a share of the range.
const TILT: f32 = 0.08;

/// `views` other ways to say each sound, `[n · views, event]`, those of a sound side by side:
/// slightly faster or slower, higher or lower, earlier or later, brighter or duller. A sound's
/// views depend on its row and `stream` only.
///
/// Nothing is done to observations that are no sounds: their views are copies.
pub fn augmented(observations: &Observations, views: usize, stream: &RandomStream) -> Observations {
    let rows: Vec<usize> = (0..observations.rows())
        .flat_map(|row| std::iter::repeat_n(row, views))
        .collect();
    let repeated = observations.select(&rows);
    let EventKind::Sound(kind) = *observations.kind() else {
        return repeated;
    };
    let said = |(index, &row): (usize, &usize)| {
        let mut stream = stream.child(row as u64).child((index % views) as u64);
        Manner::drawn(&mut stream).of(observations.row(row), &kind)
    };
    let values = rows.iter().enumerate().flat_map(said).collect();
    Observations::new(values, observations.kind().clone()).unwrap_or(repeated)
}

/// One way to say a sound.
struct Manner {
    speed: f32,
    pitch: f32,
    shift: f32,
    tilt: f32,
}

impl Manner {
    fn drawn(stream: &mut RandomStream) -> Self {
        let mut within = |most: f32| (2.0 * stream.uniform() - 1.0) * most;
        Self {
            speed: within(SPEED).exp(),
            pitch: within(PITCH).exp(),
            shift: within(SHIFT),
            tilt: within(TILT),
        }
    }

    /// The spectrogram said so, `[bands, frames]`. Silence stays silence.
    fn of(&self, values: &[f32], kind: &Spectrogram) -> Vec<f32> {
        let places = (0..kind.bands)
            .flat_map(|band| (0..kind.frames).map(move |frame| (band as f32, frame as f32)));
        let level = |(band, frame): (f32, f32)| {
            let level = between(
                values,
                kind,
                [band * self.pitch, (frame - self.shift) * self.speed],
            );
            let tilt = self.tilt * (band / kind.bands as f32 - 0.5);
            if level > 0.0 {
                (level + tilt).clamp(0.0, 1.0)
            } else {
                0.0
            }
        };
        places.map(level).collect()
    }
}

/// Bilinear interpolation: silence before and behind, the outermost bands beyond.
fn between(values: &[f32], kind: &Spectrogram, [band, frame]: [f32; 2]) -> f32 {
    let (low, early) = (band.floor(), frame.floor());
    let (up, on) = (band - low, frame - early);
    let at = |band: f32, frame: f32| {
        let row = (band as usize).min(kind.bands - 1) * kind.frames;
        if (0.0..kind.frames as f32).contains(&frame) {
            values[row + frame as usize]
        } else {
            0.0
        }
    };
    let along = |band: f32| (1.0 - on) * at(band, early) + on * at(band, early + 1.0);
    (1.0 - up) * along(low) + up * along(low + 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KIND: Spectrogram = Spectrogram {
        sample_rate: 8000,
        window: 256,
        hop: 128,
        bands: 20,
        frames: 30,
        decibels: 60,
    };

    /// A block of sound in the middle.
    fn block() -> Observations {
        let loud = |i: usize| (6..12).contains(&(i / 30)) && (8..20).contains(&(i % 30));
        let values = (0..600)
            .map(|i| 0.8 * f32::from(u8::from(loud(i))))
            .collect();
        Observations::new(values, EventKind::Sound(KIND)).unwrap()
    }

    #[test]
    fn views_differ_a_little_and_stay_sounds() {
        let (sound, stream) = (block(), RandomStream::named(1, "views"));
        let views = augmented(&sound, 20, &stream);
        assert_eq!(views.rows(), 20);
        assert!(
            views
                .values()
                .iter()
                .all(|value| (0.0..=1.0).contains(value))
        );
        let total: f32 = sound.row(0).iter().sum();
        for view in 0..20 {
            let gap: f32 = views
                .row(view)
                .iter()
                .zip(sound.row(0))
                .map(|(a, b)| (a - b).abs())
                .sum();
            let share = views.row(view).iter().sum::<f32>() / total;
            assert!(
                gap > 1.0 && (0.7..1.4).contains(&share),
                "view {view}: {gap} apart, {share} of the sound"
            );
        }
        assert_eq!(views, augmented(&sound, 20, &stream));
    }

    #[test]
    fn a_sound_is_said_the_same_whatever_stands_beside_it() {
        let stream = RandomStream::named(1, "views");
        let (one, two) = (block(), block().select(&[0, 0]));
        assert_eq!(
            augmented(&one, 3, &stream).values(),
            &augmented(&two, 3, &stream).values()[..3 * 600]
        );
    }

    #[test]
    fn no_change_at_all_is_the_sound() {
        let plain = Manner {
            speed: 1.0,
            pitch: 1.0,
            shift: 0.0,
            tilt: 0.0,
        };
        assert_eq!(plain.of(block().row(0), &KIND), block().row(0));
        let later = Manner {
            shift: 1.0,
            ..plain
        };
        assert_eq!(
            later.of(block().row(0), &KIND)[6 * 30 + 9..6 * 30 + 21],
            block().row(0)[6 * 30 + 8..6 * 30 + 20]
        );
    }

    #[test]
    fn classes_have_no_other_views() {
        let classes = Observations::one_hot(&[1, 0], 2).unwrap();
        let views = augmented(&classes, 2, &RandomStream::named(1, "views"));
        assert_eq!(views.values(), [0.0, 1.0, 0.0, 1.0, 1.0, 0.0, 1.0, 0.0]);
    }
}
