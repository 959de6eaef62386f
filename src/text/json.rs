//! JSON on one line.

use std::fmt::Write as _;

use serde_json::Value;

use crate::text::visible::is_hidden;

/// JSON on one line, without what a terminal would act on or hide: JSON itself leaves DEL, the C1
/// controls and what turns the direction of writing as they are.
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
