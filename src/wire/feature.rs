//! Features: optional parts of the protocol. Each side names those it understands.

use std::fmt;

use serde::{Deserialize, Serialize};

/// An optional part of the protocol: its frames are sent only to a side that has named it. The
/// numbers are the format: append, never change one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Feature {
    /// Volatile messages: `Volatile`, `AckVolatile`, `VolatileSent`.
    Volatile = 0,
    /// Confirmed delivery: `Ping`, `Pong`.
    Confirm = 1,
    /// Tracking: `Track`, `Untrack`, `TrackPage`, `TrackUpdate`, `UnknownMessage`.
    Track = 2,
    /// Parked messages: `Schedule`, `ListParked`, `TakeParked`, `Parked`, `ParkedEnd`,
    /// `ParkedTaken`.
    Parked = 3,
}

impl Feature {
    /// Every feature, by number.
    pub const ALL: [Self; 4] = [Self::Volatile, Self::Confirm, Self::Track, Self::Parked];

    /// Name of the feature in `qmsg --version` and in qmsg(7).
    pub fn name(self) -> &'static str {
        match self {
            Self::Volatile => "volatile",
            Self::Confirm => "confirm",
            Self::Track => "track",
            Self::Parked => "parked",
        }
    }
}

/// A set of features: bit N stands for the feature with number N. Bits that this version does not
/// know are kept and ignored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Features(u64);

impl Features {
    /// All features that this version understands.
    pub const KNOWN: Self = Self((1 << Feature::ALL.len()) - 1);

    /// The set with these bits.
    pub fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    /// The union of both sets.
    pub fn union(self, others: Self) -> Self {
        Self(self.0 | others.0)
    }

    /// True when the feature is in the set.
    pub fn contains(self, feature: Feature) -> bool {
        self.0 >> feature as u8 & 1 == 1
    }

    /// The first feature of this set that `others` lacks.
    pub fn missing_in(self, others: Self) -> Option<Feature> {
        Feature::ALL
            .into_iter()
            .find(|feature| self.contains(*feature) && !others.contains(*feature))
    }
}

impl FromIterator<Feature> for Features {
    fn from_iter<I: IntoIterator<Item = Feature>>(features: I) -> Self {
        features.into_iter().fold(Self::default(), |set, feature| Self(set.0 | 1 << feature as u8))
    }
}

/// The names of the features that this version knows.
impl fmt::Display for Features {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known = Feature::ALL.into_iter().filter(|feature| self.contains(*feature));
        let names: Vec<&str> = known.map(Feature::name).collect();
        f.write_str(&names.join(", "))
    }
}
