//! What is on the disk when a server's machine dies or its disk fails: everything acknowledged.

mod disk;
mod errors;
mod full;
mod images;
mod story;
mod trace;
