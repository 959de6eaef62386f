//! A message on this machine: its body, its headers, its id.

pub(crate) mod content;
pub(crate) mod headers;
pub(crate) mod ids;
pub(crate) mod input;
pub(crate) mod limits;
pub(crate) mod reassembly;
pub(crate) mod received;
pub(crate) mod render;
