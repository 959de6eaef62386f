//! Small files that must last, and the directories they are in. A file is there whole or not at
//! all, and mostly only its owner may open it.
//!
//! Every such file is written in one way: under another name, synced, renamed, and then the
//! directory is synced. File systems differ: some have no hard links, some cannot sync directories,
//! and each has its own way of being full.

mod access;
mod directory;
mod limits;
mod private;
mod support;
mod whole;

pub use access::{OTHERS, OTHERS_WRITE, foreign_owner, uppermost_foreign};
pub use directory::{create_directory, sync_directory};
pub use private::{PrivateFileError, create_private, open_private, read_private};
pub use support::{has_no_room, is_full, is_unsupported, sync};
pub use whole::{ANYBODY, create, name_new, replace, replace_with};
