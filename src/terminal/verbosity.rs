//! How much is said on stderr, and how.

use super::color::Color;

/// How much is said on stderr, and how.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Verbosity {
    /// Only errors.
    pub(crate) quiet: bool,
    /// More, and how much more.
    pub(crate) verbose: u8,
    /// When colours are used.
    pub(crate) color: Color,
}
