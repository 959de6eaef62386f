//! Crashes of the server's machine and failures of its disk: all accepted messages are still there.

mod disk;
mod errors;
mod full;
mod images;
mod story;
mod trace;
