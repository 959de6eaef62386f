//! JSON on one line.

use std::fmt::Write as _;

use serde_json::Value;

use crate::text::visible::is_hidden;

/// Returns JSON on one line, in which characters that a terminal would act on or hide are escaped:
/// DEL, C1 controls and changes of the writing direction, which JSON itself leaves unescaped.
pub(crate) fn json(value: &Value) -> String {
    let mut text = String::new();
    for c in value.to_string().chars() {
        if c.is_control() || is_hidden(c) {
            for unit in c.encode_utf16(&mut [0; 2]) {
                // Writing to a string does not fail.
                let _ = write!(text, "\\u{unit:04x}");
            }
        } else {
            text.push(c);
        }
    }
    text
}
