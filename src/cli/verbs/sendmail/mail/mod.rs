//! Parses mails (RFC 5322, MIME) to text.

pub(crate) mod decode;
pub(crate) mod header;
pub(crate) mod html;
pub(crate) mod mime;
pub(crate) mod parse;
pub(crate) mod tag;
