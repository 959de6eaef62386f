//! Parsers of arguments, which may be no UTF-8.

use clap::builder::{OsStringValueParser, TypedValueParser};

use crate::text::units::{Targets, targets, user};
use crate::wire::UserId;

/// Text of an argument. Bytes that are not UTF-8 are replaced, so that whoever reads the text can
/// say what is wrong with it.
pub(crate) fn lossy() -> impl TypedValueParser<Value = String> {
    OsStringValueParser::new().map(|text| text.to_string_lossy().into_owned())
}

/// As an argument, which may be no UTF-8: that is said of the id, then, and not of all arguments.
pub(crate) fn user_arg() -> impl TypedValueParser<Value = UserId> {
    lossy().try_map(|text: String| user(&text))
}

/// As an argument.
pub(crate) fn targets_arg() -> impl TypedValueParser<Value = Targets> {
    lossy().try_map(|text: String| targets(&text))
}
