//! The amount and the form of output on stderr.

use super::color::Color;

/// The amount and the form of output on stderr.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Verbosity {
    /// Only errors.
    pub(crate) quiet: bool,
    /// Level of additional output, 0 for none.
    pub(crate) verbose: u8,
    /// Choice of colours.
    pub(crate) color: Color,
}
