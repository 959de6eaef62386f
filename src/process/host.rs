//! The machine that this process runs on.

/// The host name, as hostname(1) prints it.
pub(crate) fn name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}
