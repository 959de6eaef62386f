//! Bounds of text on a terminal.

/// Narrowest width that lines are folded to, in columns: twice the indentation.
pub(crate) const WIDTH_MIN: usize = 8;
