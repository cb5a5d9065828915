use serde::Deserialize;
use zbridge_core::{EventKind, Spectrogram};

/// `[event]`: what an observation is.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(tag = "kind", deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) enum EventSection {
    Image {
        #[serde(default = "one")]
        channels: usize,
        height: usize,
        width: usize,
    },
    Class {
        classes: usize,
    },
    Sound(SoundSection),
    Text {
        length: usize,
        vocabulary: Vec<String>,
    },
    Array {
        shape: Vec<usize>,
    },
}

/// The keys of a sound.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct SoundSection {
    sample_rate: usize,
    window: usize,
    hop: usize,
    bands: usize,
    frames: usize,
    decibels: usize,
}

fn one() -> usize {
    1
}

/// Returns an event as a manifest writes it.
pub(crate) fn event_value(event: &EventKind) -> String {
    match event {
        EventKind::Image {
            channels,
            height,
            width,
        } => format!(
            "{{ kind = \"image\", channels = {channels}, height = {height}, width = {width} }}"
        ),
        EventKind::Class { classes } => format!("{{ kind = \"class\", classes = {classes} }}"),
        other => format!("{{ kind = \"array\", shape = {:?} }}", other.shape()),
    }
}

impl From<EventSection> for EventKind {
    fn from(section: EventSection) -> Self {
        match section {
            EventSection::Image {
                channels,
                height,
                width,
            } => Self::Image {
                channels,
                height,
                width,
            },
            EventSection::Class { classes } => Self::Class { classes },
            EventSection::Sound(sound) => Self::Sound(sound.into()),
            EventSection::Text { length, vocabulary } => Self::Text { length, vocabulary },
            EventSection::Array { shape } => Self::Array { shape },
        }
    }
}

impl From<SoundSection> for Spectrogram {
    fn from(sound: SoundSection) -> Self {
        Self {
            sample_rate: sound.sample_rate,
            window: sound.window,
            hop: sound.hop,
            bands: sound.bands,
            frames: sound.frames,
            decibels: sound.decibels,
        }
    }
}
